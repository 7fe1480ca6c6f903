"""Questions to events, beside DuckDB and DataFusion on the same files."""

import os
import statistics
import subprocess
import tempfile
import time

import duckdb

from server import CLEAN, EVENTS, PROFILES, ROUNDS, live, note, options, progress

QUERIES = {
    "count": "select count(*) from {tracks}",
    "events by name": "select event, count(*) from {tracks} group by event order by 2 desc",
    "distinct people": "select count(distinct anonymous_id) from {tracks}",
    "revenue by day": "select date_trunc('day', timestamp) d, sum(revenue) from {orders} group by 1 order by 1",
    "top pages": "select context_page_path, count(*) c from {tracks} group by 1 order by c desc, 1 limit 10",
    "one hour": "select count(*) from {tracks} where timestamp >= timestamp '{from}' and timestamp < timestamp '{to}'",
    "text search": "select count(*) from {tracks} where context_page_title like '%roduct 17%'",
    "buyers joined": "select count(*) from {orders} o join {signups} s on o.user_id = s.user_id",
    "newest": "select id, timestamp from {tracks} order by timestamp desc, id limit 100",
}


def queries(weir):
    note("## Queries beside DuckDB on the same files")
    note()
    # There is no table before the first event.
    weir.load(batch=100, gzip=True, connections=1, seconds=1, prefix="first")
    weir.settle()
    have = weir.query("select count(*) from app.tracks")[0][0]
    part = 0
    while have < EVENTS:
        progress(f"filling: {have:,} of {EVENTS:,} events")
        have += weir.load(batch=100, gzip=True, connections=16, seconds=20, prefix=f"fill{part}")["events"]
        part += 1
    weir.settle()
    subprocess.run([options.binary, "--project", weir.folder, "compact"], check=True, capture_output=True,
                   env=dict(os.environ, WEIR_URL=f"http://127.0.0.1:{weir.port}"))
    span = weir.query("select min(timestamp), max(timestamp) from app.tracks")[0]
    start = span[0][:10]
    names = {"from": f"{start} 10:00:00", "to": f"{start} 11:00:00"}

    tables = {"tracks": "tracks", "orders": "order_completed", "signups": "signed_up"}
    duck = duckdb.connect(config={"threads": 2})
    duck.execute("set timezone = 'UTC'")
    files = {name: live(weir, "app", table) for name, table in tables.items()}
    for name in tables:
        duck.execute(f"create view {name} as select * from read_parquet({files[name]!r}, union_by_name=true)")
    ours = {name: f"app.{table}" for name, table in tables.items()}
    bare = bare_engine(files)
    note(f"{have:,} events, two threads each, median of {ROUNDS} interleaved rounds, CPU seconds of the process.")
    note()
    if bare:
        note(f"Bare DataFusion is the Python wheel {bare[1]}, a release build, on the same Parquet files; this Weir is "
             f"{PROFILES.get(options.profile, options.profile)}.")
        note()
    note("| query | Weir CPU s | DuckDB CPU s | ratio | bare DataFusion CPU s | ratio | same answer |")
    note("|---|---|---|---|---|---|---|")
    ratios, bare_ratios = [], []
    for name, text in QUERIES.items():
        progress(f"query: {name}")
        mine, peer, plain, same = [], [], [], True
        for _ in range(ROUNDS):
            cpu = weir.cpu(tidying=False)
            rows = weir.query(text.format(**ours, **names))
            mine.append(weir.cpu(tidying=False) - cpu)
            cpu = time.process_time()
            other = duck.execute(text.format(**{n: n for n in tables}, **names)).fetchall()
            peer.append(time.process_time() - cpu)
            if bare:
                cpu = time.process_time()
                bare[0].sql(text.format(**{n: n for n in tables}, **names)).collect()
                plain.append(time.process_time() - cpu)
            same = same and len(rows) == len(other) and str(rows[0][-1])[:10] == str(other[0][-1])[:10]
        a, b = statistics.median(mine), statistics.median(peer)
        ratio = (a + 0.01) / (b + 0.01)
        ratios.append(ratio)
        c, bare_ratio = "", ""
        if bare:
            c = statistics.median(plain)
            bare_ratios.append((a + 0.01) / (c + 0.01))
            c, bare_ratio = f"{c:.2f}", f"{bare_ratios[-1]:.2f}"
        note(f"| {name} | {a:.2f} | {b:.2f} | {ratio:.2f} | {c} | {bare_ratio} | {'yes' if same else 'NO'} |")
    means = [f"{statistics.geometric_mean(r):.2f}" if r else "" for r in (ratios, bare_ratios)]
    note(f"| geometric mean | | | {means[0]} | | {means[1]} | |")
    note()


def bare_engine(tables):
    """DataFusion without Weir, on the same files; none where there is no wheel of it."""
    try:
        import datafusion
    except ImportError:
        progress("no datafusion wheel; that column stays empty")
        return None
    settings = datafusion.SessionConfig().with_target_partitions(2)
    context = datafusion.SessionContext(settings)
    for name, files in tables.items():
        # One folder a table: links to the files that are in its newest version.
        folder = tempfile.mkdtemp(prefix="weir-bare-")
        CLEAN.append(folder)
        for file in files:
            os.symlink(file, os.path.join(folder, os.path.basename(file)))
        context.register_parquet(name, folder)
    return context, datafusion.__version__
