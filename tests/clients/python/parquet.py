"""Reads the answer to SQL as a Parquet file, by each engine; prints what each finds."""

import datetime
import json
import os
import tempfile

import duckdb
import polars
import requests

URL, TOKEN = os.environ["URL"], os.environ["TOKEN"]


def fetch(sql, path):
    answer = requests.post(
        f"{URL}/api/v1/query",
        json={"sql": sql, "format": "parquet"},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=60,
    )
    answer.raise_for_status()
    with open(path, "wb") as file:
        file.write(answer.content)
    return path


def plain(row):
    n, t, f, d, b, at, day, items = row
    return [n, t, f, str(d), b, at.isoformat(), day.isoformat(), list(items)]


COLUMNS = ["n", "t", "f", "d", "b", "at", "day", "list"]
with tempfile.TemporaryDirectory() as folder:
    full = fetch(os.environ["SQL"], f"{folder}/full.parquet")
    empty = fetch(os.environ["EMPTY"], f"{folder}/empty.parquet")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    groups = connection.sql(
        f"SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{full}')"
    ).fetchone()[0]

    frame = polars.read_parquet(full)
    none = polars.read_parquet(empty)
    by_polars = {
        "rows": frame.height,
        "groups": groups > 1,
        "sum": frame["n"].sum(),
        "nulls": frame["t"].null_count(),
        "first": plain(frame.select(COLUMNS).row(0)),
        "empty": [none.height, none.columns],
    }
    relation = connection.sql(
        f"SELECT count(*), sum(n)::bigint, count(*) - count(t) FROM '{full}'"
    ).fetchone()
    # As text: DuckDB needs another package to hand out times with a zone.
    first = connection.sql(
        f'SELECT n, t, f, d, b, epoch_us("at"), day, list FROM \'{full}\' ORDER BY n LIMIT 1'
    ).fetchone()
    at = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    first = list(first)
    first[5] = at + datetime.timedelta(microseconds=first[5])
    found = connection.sql(f"SELECT * FROM '{empty}'")
    by_duckdb = {
        "rows": relation[0],
        "groups": groups > 1,
        "sum": relation[1],
        "nulls": relation[2],
        "first": plain(first),
        "empty": [len(found.fetchall()), found.columns],
    }
print(json.dumps({"polars": by_polars, "duckdb": by_duckdb}))
