"""Asks the same questions through a Python driver, and prints the answers, one JSON line each.

    postgres.py DRIVER HOST PORT USER DATABASE    (the password in PGPASSWORD)

Run against Weir and against PostgreSQL, the lines are the same.
"""

import asyncio
import datetime as dt
import decimal
import json
import os
import sys
import uuid

DRIVER, HOST, PORT, USER, DATABASE = sys.argv[1:6]
PASSWORD = os.environ["PGPASSWORD"]

# The table the tests make: drivers.items(id bigint, name text, price numeric(10,2), at timestamptz, ok boolean)
VALUES = [
    7, -1, 2**40, "text with 'quotes', \\ and ünïcode", True, None, 1.5, -2.5e-7,
    dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30, 15, 250000),
    dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc), decimal.Decimal("12345.67"),
]


def shown(value):
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or type(value).__name__ in ("Row", "Record"):
        return [shown(item) for item in value]
    if isinstance(value, (dt.datetime, dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID)):
        return f"{type(value).__name__}:{value}"
    if isinstance(value, (bytes, memoryview)):
        return "bytes:" + bytes(value).hex()
    if isinstance(value, float):
        return f"float:{value!r}"
    return value


def tell(name, ask):
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001: every failure is an answer
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        state = state or getattr(getattr(error, "orig", None), "sqlstate", None)
        answer = {"error": state or f"{type(error).__name__}: {error}"[:200]}
    print(json.dumps({"name": name, "answer": shown(answer)}, sort_keys=True), flush=True)


QUERIES = {
    "types": "SELECT 1::int2 AS a, 2::int4 AS b, 3::int8 AS c, 1.5::float4 AS d, 2.5::float8 AS e, 12.50::numeric(10,2) AS f,"
    " true AS g, 'x'::text AS h, date '2024-02-29' AS i, timestamp '2024-02-29 12:30:15.25' AS j,"
    " timestamptz '2024-02-29 12:30:00+00' AS k, NULL::int4 AS l",
    "interval": "SELECT interval '1 year 2 months 3 days 04:05:06.5' AS i",
    "arrays": "SELECT ARRAY[1,2,NULL]::int4[] AS a, ARRAY['x','y z']::text[] AS b",
    "no rows": "SELECT id, name FROM drivers.items WHERE false",
    "rows": "SELECT * FROM drivers.items ORDER BY id",
    "aggregate": "SELECT ok, count(*), sum(price), min(at) FROM drivers.items GROUP BY ok ORDER BY ok",
    "names": "SELECT count(*), 1, 'x', name FROM drivers.items GROUP BY name ORDER BY name LIMIT 1",
    "syntax error": "SELEC 1",
    "no table": "SELECT * FROM drivers.nope",
    "no column": "SELECT nope FROM drivers.items",
    "division": "SELECT 1/0",
    "show": "SHOW standard_conforming_strings",
}


def dbapi(connect, mark):
    connection = connect()
    connection.autocommit = True
    cursor = connection.cursor()

    def run(sql, params=None):
        cursor.execute(sql, params) if params is not None else cursor.execute(sql)
        return {"names": [column.name for column in cursor.description], "rows": cursor.fetchall()}

    for name, sql in QUERIES.items():
        tell(name, lambda sql=sql: run(sql))
    for value in VALUES:
        kind = {int: "int8", str: "text", bool: "bool", float: "float8", type(None): "text"}.get(type(value))
        cast = f"::{kind}" if kind else ""
        tell(f"parameter {value!r}", lambda value=value, cast=cast: run(f"SELECT {mark}{cast} AS v", (value,)))
    tell("filter", lambda: run(f"SELECT id FROM drivers.items WHERE name = {mark} AND price > {mark} ORDER BY id", ("b", 1)))
    tell("any", lambda: run(f"SELECT id FROM drivers.items WHERE id = ANY({mark}) ORDER BY id", ([1, 3],)))
    tell("like", lambda: run(f"SELECT id FROM drivers.items WHERE name LIKE {mark} ORDER BY id", ("%",)))
    tell("injection", lambda: run(f"SELECT {mark}::text AS v", ("'; DROP TABLE drivers.items; --",)))
    tell("count", lambda: (cursor.execute("SELECT 1 UNION ALL SELECT 2"), cursor.rowcount, cursor.statusmessage)[1:])
    connection.autocommit = False
    tell("transaction", lambda: (run("SELECT 1 AS a"), connection.commit())[0])
    tell("failed", lambda: run("SELECT nope"))
    tell("aborted", lambda: run("SELECT 1 AS a"))
    connection.rollback()
    tell("after rollback", lambda: run("SELECT 1 AS a"))
    connection.rollback()

    def named():
        with connection.cursor(name="c1") as scroll:
            scroll.itersize = 2
            scroll.execute("SELECT id FROM drivers.items ORDER BY id")
            return [scroll.fetchmany(2), scroll.fetchall()]

    tell("named cursor", named)
    connection.rollback()
    return connection, cursor


def psycopg3():
    import psycopg

    def connect():
        return psycopg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE)

    connection, _ = dbapi(connect, "%s")
    connection.autocommit = True
    tell("binary", lambda: connection.cursor(binary=True).execute(QUERIES["types"]).fetchall())
    tell("binary rows", lambda: connection.cursor(binary=True).execute(QUERIES["rows"]).fetchall())
    tell("binary interval", lambda: connection.cursor(binary=True).execute(QUERIES["interval"]).fetchall())
    tell("binary arrays", lambda: connection.cursor(binary=True).execute(QUERIES["arrays"]).fetchall())
    tell("prepared", lambda: [
        connection.execute("SELECT name FROM drivers.items WHERE id = %s", (id,), prepare=True).fetchall() for id in (1, 2, 3)
    ])

    def nested():
        with connection.transaction():
            with connection.transaction():
                return connection.execute("SELECT 1").fetchall()

    tell("nested transaction", nested)

    def copied(options):
        with connection.cursor().copy(f"COPY (SELECT * FROM drivers.items ORDER BY id) TO STDOUT {options}") as copy:
            return b"".join(copy)

    tell("copy text", lambda: copied(""))
    tell("copy csv", lambda: copied("(FORMAT csv, HEADER)"))
    tell("copy binary", lambda: copied("(FORMAT binary)"))

    def copied_in(options, *pieces):
        connection.execute("DROP TABLE IF EXISTS drivers.copied")
        connection.execute(
            "CREATE TABLE drivers.copied (id bigint, name text, price numeric(10,2), at timestamptz, ok boolean)"
        )
        cursor = connection.cursor()
        try:
            with cursor.copy(f"COPY drivers.copied (id, name, price, at, ok) FROM STDIN {options}") as copy:
                for piece in pieces:
                    if isinstance(piece, tuple):
                        copy.write_row(piece)
                    else:
                        copy.write(piece)
            tag = cursor.statusmessage
        except psycopg.Error as error:
            tag = error.sqlstate
        return tag, connection.execute("SELECT * FROM drivers.copied ORDER BY id").fetchall()

    at = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc)
    nasty = "tab\tline\nback\\slash 'quote' \"double\" \\N ü"
    tell("copy in rows", lambda: copied_in("", (1, nasty, decimal.Decimal("1.50"), at, True), (2, None, None, None, None)))
    tell("copy in text", lambda: copied_in("", "1\ta\\tb\t2.25\t2024-01-01 00:00:00+00\tt\n2\t", "\\N\t\\N\t\\N\tf\n"))
    tell("copy in csv", lambda: copied_in(
        "(FORMAT csv, HEADER, DELIMITER ';', NULL '-')", 'id;name;price;at;ok\n1;"a;""b""\n";-;-;true\n2;"-";-;-;-\n'
    ))
    tell("copy in nothing", lambda: copied_in(""))
    tell("copy in too few", lambda: copied_in("", "1\tx\n"))
    tell("copy in too many", lambda: copied_in("", "1\tx\t1\t\\N\tt\tmore\n"))
    tell("copy in a bad value", lambda: copied_in("", "1\tx\t1\t\\N\tt\n", "nope\tx\t1\t\\N\tt\n"))
    tell("copy in bad text", lambda: copied_in("", b"1\t\xff\t1\t\\N\tt\n"))
    tell("copy in nowhere", lambda: connection.cursor().copy("COPY drivers.nope FROM STDIN").__enter__())
    tell("after copying in", lambda: connection.execute("SELECT 1").fetchall())

    def pipeline():
        with connection.pipeline():
            return [cursor.fetchall() for cursor in [connection.execute("SELECT %s::int8", (i,)) for i in range(5)]]

    tell("pipeline", pipeline)

    def bound(sql, *values):
        result = connection.pgconn.exec_params(sql, [value.encode() for value in values])
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        return state.decode() if state else result.get_value(0, 0).decode()

    tell("too many parameters", lambda: bound(b"SELECT $1::int8", "1", "2"))
    tell("too few parameters", lambda: bound(b"SELECT $1::int8 + $2::int8", "1"))
    tell("as many parameters", lambda: bound(b"SELECT $1::int8 + $2::int8 -- $3", "1", "2"))

    def timeout():
        connection.execute("SET statement_timeout = '200ms'")
        try:
            return connection.execute(
                "SELECT count(*) FROM generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y)"
            ).fetchall()
        finally:
            connection.execute("RESET statement_timeout")

    tell("statement timeout", timeout)

    def cancelled():
        import threading

        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        return connection.execute(
            "SELECT count(*) FROM generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y)"
        ).fetchall()

    tell("cancel", cancelled)
    tell("after cancel", lambda: connection.execute("SELECT 1").fetchall())


def psycopg2():
    import psycopg2 as driver

    dbapi(lambda: driver.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE), "%s")


def asyncpg():
    import asyncpg as driver

    async def main():
        async def told(name, work):
            try:
                answer = await work
            except Exception as error:  # noqa: BLE001
                answer = {"error": getattr(error, "sqlstate", None) or f"{type(error).__name__}: {error}"[:200]}
            tell(name, lambda: answer)

        pool = await driver.create_pool(
            host=HOST, port=int(PORT), user=USER, password=PASSWORD, database=DATABASE, min_size=1, max_size=2
        )
        async with pool.acquire() as connection:
            for name, sql in QUERIES.items():
                await told(name, connection.fetch(sql))
            await told("keys", asyncio.sleep(0, [
                list(row.keys()) for row in await connection.fetch("SELECT id, name AS n FROM drivers.items LIMIT 1")
            ]))
            await told("int", connection.fetchval("SELECT $1::int8", 7))
            await told("text", connection.fetchval("SELECT $1::text", "ü"))
            await told("at", connection.fetchval("SELECT $1::timestamptz", VALUES[10]))
            await told("day", connection.fetchval("SELECT $1::date", VALUES[8]))
            await told("number", connection.fetchval("SELECT $1::numeric", VALUES[11]))
            await told("list", connection.fetchval("SELECT $1::int8[]", [1, 2, 3]))
            await told("filter", connection.fetch("SELECT id FROM drivers.items WHERE name = $1 AND id > $2 ORDER BY id", "b", 0))
            await told("any", connection.fetch("SELECT id FROM drivers.items WHERE id = ANY($1::int8[]) ORDER BY id", [1, 3]))
            await told("wrong type", connection.fetch("SELECT id FROM drivers.items WHERE id = $1", "x"))
            async with connection.transaction():
                await told("cursor", connection.fetch("SELECT 1 AS a"))
                rows = [row async for row in connection.cursor("SELECT id FROM drivers.items ORDER BY id", prefetch=2)]
                tell("iterated", lambda: rows)
        # Gives the connection back, which resets it.
        async with pool.acquire() as connection:
            await told("from the pool again", connection.fetchval("SELECT 1"))
        await pool.close()

    asyncio.run(main())


def sqlalchemy():
    import pandas
    import sqlalchemy as sa

    url = sa.URL.create("postgresql+psycopg", USER, PASSWORD, HOST, int(PORT), DATABASE)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        tell("text", lambda: connection.execute(sa.text("SELECT id, name FROM drivers.items WHERE id > :id ORDER BY id"), {"id": 1}).fetchall())
    look = sa.inspect(engine)
    tell("tables", lambda: look.get_table_names(schema="drivers"))
    tell("views", lambda: look.get_view_names(schema="drivers"))
    tell("schema is listed", lambda: "drivers" in look.get_schema_names())
    tell("columns", lambda: [
        [column["name"], str(column["type"]), column["nullable"]] for column in look.get_columns("items", schema="drivers")
    ])
    tell("primary key", lambda: look.get_pk_constraint("items", schema="drivers"))
    tell("indexes", lambda: look.get_indexes("items", schema="drivers"))
    tell("foreign keys", lambda: look.get_foreign_keys("items", schema="drivers"))
    tell("unique", lambda: look.get_unique_constraints("items", schema="drivers"))
    tell("comment", lambda: look.get_table_comment("items", schema="drivers"))
    tell("has table", lambda: [look.has_table(name, schema="drivers") for name in ("items", "nope")])
    table = sa.Table("items", sa.MetaData(), schema="drivers", autoload_with=engine)
    with engine.connect() as connection:
        query = sa.select(table.c.name, sa.func.count().label("n")).where(table.c.ok.is_(True)).group_by(table.c.name)
        tell("reflected", lambda: connection.execute(query.order_by(table.c.name)).fetchall())
        tell("in", lambda: connection.execute(sa.select(table.c.id).where(table.c.id.in_([1, 2])).order_by(table.c.id)).fetchall())
        tell("limit", lambda: connection.execute(sa.select(table.c.id).order_by(table.c.id).limit(1).offset(1)).fetchall())
    frame = lambda: pandas.read_sql("SELECT id, name, price, ok FROM drivers.items ORDER BY id", engine)  # noqa: E731
    tell("pandas", lambda: frame().to_dict("list"))
    tell("pandas types", lambda: {name: str(kind) for name, kind in frame().dtypes.items()})


{"psycopg3": psycopg3, "psycopg2": psycopg2, "asyncpg": asyncpg, "sqlalchemy": sqlalchemy}[DRIVER]()
