"""Memory obedience: statements over TPC-H in a pool of 200 MB, beside DuckDB with the same limit.

How many end with right rows, and what the process took at most while they ran.
"""

import os
import tempfile

from server import Weir, note, progress
from tpch import Peer, fill, qualified

POOL = 200

# Beyond the 22 queries: what keeps most rows.
LARGE = [
    ("group", "select count(*), sum(n), sum(q) from (select l_orderkey, l_partkey, l_suppkey, count(*) as n, sum(l_quantity) as q "
              "from lineitem group by 1, 2, 3) t"),
    ("window", "select count(*), sum(r), max(s) from (select row_number() over (partition by l_suppkey order by l_extendedprice, "
               "l_orderkey, l_linenumber) as r, sum(l_quantity) over (partition by l_partkey) as s from lineitem) t"),
    ("self join", "select count(*), sum(a.l_quantity) from lineitem a join lineitem b on a.l_orderkey = b.l_orderkey "
                  "and a.l_linenumber < b.l_linenumber"),
    ("top 3 M", "select count(*), sum(k), max(p) from (select l_orderkey as k, l_extendedprice as p from lineitem "
                "order by l_extendedprice, l_orderkey, l_linenumber limit 3000000) t"),
]


def plain(rows):
    """Rows as text, numbers to six digits: engines print them in ways of their own."""
    def cell(value):
        try:
            return f"{float(value):.6g}"
        except (TypeError, ValueError):
            return str(value)[:10] if value is not None else ""
    return sorted(tuple(cell(value) for value in row) for row in rows)


def asked(weir, sql):
    weir.forget_peak()
    try:
        return plain(weir.query(sql)), weir.memory("VmHWM"), ""
    except RuntimeError as error:
        return None, weir.memory("VmHWM"), str(error).rsplit("'code': '", 1)[-1].split("'")[0]


def memory(weir):
    """Writes the section; `weir` is started again with the limit, and once more without."""
    note(f"## Memory: 26 statements in a pool of {POOL} MB")
    note()
    tables, queries = fill(weir)
    statements = [(str(number), sql) for number, sql in queries] + LARGE
    weir.stop()
    weir.start(WEIR_QUERY_MEMORY=f"{POOL}MB", WEIR_QUERY_TIMEOUT="10m")
    resting = weir.memory()
    wanted = {name: right(tables, sql) for name, sql in statements}
    duck = Peer("duckdb", POOL, tables)
    lines, done, peaks = [], {"Weir": 0, "DuckDB": 0}, {"Weir": 0.0, "DuckDB": 0.0}
    for name, sql in statements:
        progress(f"memory: {name}")
        rows, peak, error = asked(weir, qualified(sql, tables))
        answer = duck.ask(sql)
        same = rows is not None and rows == wanted[name]
        done["Weir"] += same
        done["DuckDB"] += "error" not in answer
        peaks["Weir"] = max(peaks["Weir"], peak)
        peaks["DuckDB"] = max(peaks["DuckDB"], answer["peak"])
        said = "right" if same else error or "WRONG ROWS"
        lines.append(f"| {name} | {said} | {peak:.0f} | {answer.get('error', 'done')[:40]} | {answer['peak']:.0f} |")
    duck.stop()
    note(f"Weir with `query.memory` at {POOL} MB, of which one query may take three quarters, and DuckDB with `memory_limit` at "
         f"{POOL} MB; two threads each, the same files. Weir's process holds {resting:.0f} MB at rest. "
         f"**Weir {done['Weir']} of {len(statements)}, at most {peaks['Weir']:.0f} MB; "
         f"DuckDB {done['DuckDB']} of {len(statements)}, at most {peaks['DuckDB']:.0f} MB.**")
    note()
    note("| statement | Weir | peak MB | DuckDB | peak MB |")
    note("|---|---|---|---|---|")
    for line in lines:
        note(line)
    note()
    weir.stop()
    weir.start()


def right(tables, sql):
    """What DuckDB answers without a limit."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    for name, files in tables.items():
        connection.execute(f"create view {name} as select * from read_parquet({files!r})")
    return plain(connection.execute(sql).fetchall())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        server = Weir(os.path.join(folder, "project"))
        server.start()
        try:
            memory(server)
        finally:
            server.stop()
