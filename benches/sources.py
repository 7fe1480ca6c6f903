"""Rows that were fetched: reading what a source has now, beside the same rows in a plain table."""

import json
import os
import statistics
import subprocess
import time

from server import ROUNDS, note, options, progress

ROWS = 300_000 if options.quick else 2_000_000
CHANGED = ROWS // 20
QUESTIONS = {
    "count": "SELECT count(*) FROM {}",
    "sum of two columns": "SELECT sum(amount), max(at) FROM {}",
    "grouped by text": "SELECT city, count(*), avg(amount) FROM {} GROUP BY city ORDER BY 2 DESC LIMIT 5",
    "filtered": "SELECT count(*) FROM {} WHERE city = 'c17' AND amount > 500",
    "all columns of some": "SELECT * FROM {} WHERE id % 1000 = 7",
}
SCHEMA = {
    "type": "SCHEMA", "stream": "orders", "key_properties": ["id"],
    "schema": {"properties": {
        "id": {"type": "integer"}, "amount": {"type": "number"}, "city": {"type": "string"},
        "note": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
    }},
}


def record(n, amount):
    return json.dumps({"type": "RECORD", "stream": "orders", "record": {
        "id": n, "amount": amount, "city": f"c{n % 50}", "note": f"order {n} of the day",
        "at": f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:00:00Z",
    }})


def load(weir, records, state):
    """Pipes messages into `weir load`; returns the seconds it took."""
    began = time.perf_counter()
    environment = dict(os.environ, WEIR_PROJECT=weir.folder)
    target = subprocess.Popen([options.binary, "load", "--schema", "raw_bench"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, env=environment, text=True)
    with target.stdin as pipe:
        pipe.write(json.dumps(SCHEMA) + "\n")
        for line in records:
            pipe.write(line + "\n")
        pipe.write(json.dumps({"type": "STATE", "value": state}) + "\n")
    if target.wait():
        raise SystemExit("weir load failed")
    return time.perf_counter() - began


def folded(weir):
    """Waits until there is a base of the changelog."""
    until = time.time() + 600
    while time.time() < until:
        found = weir.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'raw_bench' AND table_name = 'orders__folded'")
        if found[0][0] == 1:
            return
        time.sleep(0.2)
    raise SystemExit("the changelog is not folded")


def timed(weir, question, table, rounds=ROUNDS * 2 + 1):
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        weir.query(question.format(table))
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def sources(weir):
    progress(f"sources: loading {ROWS:,} rows")
    took = load(weir, (record(n, n % 1000) for n in range(ROWS)), 1)
    # Before there is a base.
    whole = {name: timed(weir, question, "bench.orders", 3) for name, question in QUESTIONS.items()}
    folded(weir)
    progress(f"sources: {CHANGED:,} changes")
    # One in twenty changes, fewer than make a new base.
    load(weir, (record(n * 20, 1.5) for n in range(CHANGED - 1)), 2)
    weir.query("CREATE SCHEMA IF NOT EXISTS plain")
    weir.query("CREATE TABLE plain.orders AS SELECT * FROM bench.orders")
    note("## Reading what a source has now")
    note()
    note(f"{ROWS:,} rows of five columns, loaded in {took:.1f} s by `weir load`; then 5 % of them changed. Milliseconds, medians.")
    note()
    note("| question | plain table | source, 5 % changed since its base | ratio | without a base |")
    note("|---|---|---|---|---|")
    ratios = []
    for name, question in QUESTIONS.items():
        if weir.query(question.format("bench.orders"))[0] != weir.query(question.format("plain.orders"))[0] and "ORDER" in question:
            raise SystemExit(f"{name}: the answers differ")
        plain = timed(weir, question, "plain.orders")
        source = timed(weir, question, "bench.orders")
        ratios.append(source / plain)
        note(f"| {name} | {plain:.1f} | {source:.1f} | {source / plain:.2f} | {whole[name]:.1f} |")
    note()
    note(f"Geometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}.")
    note()
