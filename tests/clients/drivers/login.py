"""Signs in with each Python driver; prints how it went, one line each.

    login.py HOST PORT USER DATABASE    (the password or token in PGPASSWORD)
"""

import asyncio
import os
import sys

import asyncpg
import psycopg
import psycopg2
import sqlalchemy

HOST, PORT, USER, DATABASE = sys.argv[1:5]
PASSWORD = os.environ["PGPASSWORD"]
ASKED = "SELECT current_user"


def by_psycopg(driver):
    connection = driver.connect(
        host=HOST, port=PORT, user=USER, dbname=DATABASE, password=PASSWORD, connect_timeout=30
    )
    cursor = connection.cursor()
    cursor.execute(ASKED)
    return cursor.fetchone()[0]


async def by_asyncpg():
    connection = await asyncpg.connect(
        host=HOST, port=int(PORT), user=USER, database=DATABASE, password=PASSWORD, timeout=30
    )
    found = await connection.fetchval(ASKED)
    await connection.close()
    return found


def by_sqlalchemy():
    url = sqlalchemy.URL.create(
        "postgresql+psycopg", USER, PASSWORD, HOST, int(PORT), DATABASE
    )
    with sqlalchemy.create_engine(url).connect() as connection:
        return connection.execute(sqlalchemy.text(ASKED)).scalar()


for name, ask in [
    ("psycopg3", lambda: by_psycopg(psycopg)),
    ("psycopg2", lambda: by_psycopg(psycopg2)),
    ("asyncpg", lambda: asyncio.run(by_asyncpg())),
    ("sqlalchemy", by_sqlalchemy),
]:
    try:
        print(f"{name}: {ask()}")
    except Exception as error:  # noqa: BLE001: every failure is an answer
        said = str(error)
        print(f"{name}: refused" if "password authentication failed" in said else f"{name}: {said}")
