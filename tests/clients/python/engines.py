"""Reads tables of a lake by other engines. For each query of QUERIES, prints each engine's rows.

QUERIES is JSON: a list of {"table": schema/name, "columns": [...], "order": column}.
"""

import datetime
import decimal
import json
import os

import duckdb
import duckdb_extensions
import polars
from deltalake import DeltaTable, QueryBuilder

LAKE = os.environ["LAKE"]
QUERIES = json.loads(os.environ["QUERIES"])


def plain(value):
    """The forms that Weir's own JSON has."""
    if isinstance(value, datetime.datetime):
        value = value.astimezone(datetime.timezone.utc)
        micros = value.microsecond
        spec = "seconds" if not micros else "microseconds" if micros % 1000 else "milliseconds"
        return value.isoformat(timespec=spec).replace("+00:00", "Z")
    if isinstance(value, decimal.Decimal):
        return str(value)
    return value


def rows(found):
    return [[plain(value) for value in row] for row in found]


folder = f"{os.environ['TESTKIT_CLIENTS']}/python/duckdb"
connection = duckdb.connect(config={"extension_directory": folder})
duckdb_extensions.import_extension("delta", con=connection)
connection.execute("LOAD delta")
answers = []
for query in QUERIES:
    path = f"{LAKE}/{query['table']}"
    columns, order = query["columns"], query["order"]
    quoted = ", ".join(f'"{column}"' for column in columns)
    sql = f"SELECT {quoted} FROM delta_scan('{path}') ORDER BY \"{order}\""
    builder = QueryBuilder().register("lake", DeltaTable(path))
    own = builder.execute(f'SELECT {quoted} FROM lake ORDER BY "{order}"')
    answers.append(
        {
            "duckdb": rows(polars.DataFrame(connection.sql(sql)).rows()),
            "polars": rows(polars.read_delta(path).sort(order).select(columns).rows()),
            "deltalake": rows(polars.DataFrame(own).rows()),
        }
    )
print(json.dumps(answers))
