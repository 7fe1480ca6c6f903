"""TPC-H at scale factor 1 beside DuckDB and DataFusion, on the Parquet files Weir wrote.

Data and queries come from DuckDB's extension, installed when measuring.
"""

import glob
import json
import os
import re
import statistics
import subprocess
import sys

import duckdb

from server import PROFILES, ROUNDS, live, note, options, progress


class Peer:
    """An engine in a process of its own."""

    def __init__(self, engine, memory, tables):
        command = [sys.executable, os.path.join(os.path.dirname(__file__), "peer.py"), engine, str(memory), json.dumps(tables)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = "ready" in self.process.stdout.readline()

    def ask(self, sql):
        self.process.stdin.write(json.dumps(sql) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the process ended", "cpu": 0, "peak": 0}

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def fill(weir):
    """Makes the schema `tpch`, written by Weir's own statements; returns its files and the queries.

    The second time it returns what it made.
    """
    if weir.filled:
        return weir.filled
    import deltalake
    import duckdb_extension_tpch

    (extension,) = glob.glob(os.path.join(os.path.dirname(duckdb_extension_tpch.__file__), "extensions/*/*"))
    source = duckdb.connect(config={"threads": 2})
    source.execute(f"load '{extension}'")
    progress("making TPC-H, scale factor 1")
    source.execute("call dbgen(sf=1)")
    queries = source.execute("select query_nr, query from tpch_queries() order by 1").fetchall()
    names = [name for (name,) in source.execute("select table_name from information_schema.tables").fetchall()]
    # Tables that another engine wrote into the lake are found at the start.
    weir.stop()
    for name in names:
        rows = source.execute(f"select * from {name}").fetch_record_batch(100_000)
        deltalake.write_deltalake(os.path.join(weir.folder, "lake/tpch_made", name), rows)
    source.close()
    weir.start()
    weir.query("create schema tpch")
    for name in names:
        progress(f"create table tpch.{name}")
        weir.query(f"create table tpch.{name} as select * from tpch_made.{name}")
    weir.filled = {name: live(weir, "tpch", name) for name in names}, queries
    return weir.filled


def qualified(sql, names):
    return re.sub(rf"\b(from|join|,)(\s+)({'|'.join(names)})\b(?!\.)", r"\1\2tpch.\3", sql, flags=re.IGNORECASE)


def tpch(weir):
    note("## TPC-H, scale factor 1")
    note()
    tables, queries = fill(weir)
    peers = {"DuckDB": Peer("duckdb", 0, tables), "DataFusion": Peer("datafusion", 0, tables)}
    peers = {name: peer for name, peer in peers.items() if peer.ready}
    note(f"CPU seconds (median of {ROUNDS} interleaved rounds) and peak resident MB, two threads each, on the files Weir wrote; "
         f"this Weir is {PROFILES.get(options.profile, options.profile)}, the others are release builds.")
    note()
    note("| query | Weir CPU s | peak MB | " + " | ".join(f"{name} CPU s | peak MB | ratio" for name in peers) + " | same rows |")
    note("|---|---|---|" + "---|---|---|" * len(peers) + "---|")
    ratios = {name: [] for name in peers}
    for number, sql in queries:
        progress(f"TPC-H {number}")
        found = {name: [] for name in ["Weir", *peers]}
        for _ in range(ROUNDS):
            weir.forget_peak()
            cpu = weir.cpu(tidying=False)
            rows = len(weir.query(qualified(sql, tables)))
            found["Weir"].append({"rows": rows, "cpu": weir.cpu(tidying=False) - cpu, "peak": weir.memory("VmHWM")})
            for name, peer in peers.items():
                found[name].append(peer.ask(sql))
        cpu = {name: statistics.median(a["cpu"] for a in answers) for name, answers in found.items()}
        peak = {name: max(a["peak"] for a in answers) for name, answers in found.items()}
        line = f"| {number} | {cpu['Weir']:.2f} | {peak['Weir']:.0f} |"
        for name in peers:
            ratios[name].append((cpu["Weir"] + 0.01) / (cpu[name] + 0.01))
            line += f" {cpu[name]:.2f} | {peak[name]:.0f} | {ratios[name][-1]:.2f} |"
        same = len({a.get("rows") for answers in found.values() for a in answers}) == 1
        note(line + (" yes |" if same else " NO |"))
    note("| geometric mean | | |" + "".join(f" | | {statistics.geometric_mean(r):.2f} |" for r in ratios.values()) + " |")
    note()
    for peer in peers.values():
        peer.stop()
