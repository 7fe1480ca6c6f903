"""What Singer taps write, loaded: Weir beside other targets, each given the same file."""

import json
import os
import tempfile

from replication import cost, median
from server import CLEAN, ROUNDS, Weir, note, options, packages, progress
from wire import Postgres

RECORDS = 300_000 if options.quick else 1_000_000
VERSIONS = {"target-duckdb": "target-duckdb==0.8.0", "target-postgres": "meltanolabs-target-postgres==0.8.1", "target-jsonl": "target-jsonl==0.1.4"}
PROPERTIES = {
    "id": {"type": "integer"}, "customer": {"type": "string"}, "email": {"type": "string"}, "quantity": {"type": "integer"},
    "price": {"type": "number"}, "share": {"type": "number"}, "paid": {"type": "boolean"},
    "placed_at": {"type": "string", "format": "date-time"}, "day": {"type": "string", "format": "date"}, "note": {"type": ["null", "string"]},
}


def messages(path):
    with open(path, "w") as file:
        say = lambda message: file.write(json.dumps(message) + "\n")
        say({"type": "SCHEMA", "stream": "orders", "key_properties": ["id"], "schema": {"type": "object", "properties": PROPERTIES}})
        for n in range(RECORDS):
            say({"type": "RECORD", "stream": "orders", "record": {
                "id": n, "customer": f"customer {n % 90000}", "email": f"c{n % 90000}@example.com", "quantity": n % 40,
                "price": n % 100000 / 100, "share": n / 3, "paid": n % 3 == 0,
                "placed_at": f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:00Z", "day": f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}",
                "note": None if n % 5 == 0 else f"order {n} came in",
            }})
            if n % 10_000 == 9_999:
                say({"type": "STATE", "value": {"bookmarks": {"orders": {"id": n}}}})


def configuration(name, folder, server):
    settings = {
        "target-duckdb": {"filepath": os.path.join(folder, "kept.duckdb"), "default_target_schema": "main"},
        "target-postgres": {"host": "127.0.0.1", "port": server.port, "user": server.user, "password": server.password, "database": server.database},
        "target-jsonl": {"destination_path": folder},
    }[name]
    path = os.path.join(folder, f"{name}.json")
    with open(path, "w") as file:
        json.dump(settings, file)
    return path


def taps(weir):
    weir.stop()
    folder = tempfile.mkdtemp(prefix="weir-taps-")
    CLEAN.append(folder)
    server = Postgres()
    try:
        measured(folder, server)
    finally:
        server.stop()
        weir.start()


def measured(folder, server):
    path = os.path.join(folder, "messages.jsonl")
    progress(f"taps: {RECORDS:,} messages")
    messages(path)

    def given(command, **more):
        # `cost` gives its commands nothing to read.
        return cost(["sh", "-c", 'exec "$@" < "$0"', path, *command], **more)

    note("## Loading what Singer taps write")
    note()
    note(f"{RECORDS:,} records of ten properties ({os.path.getsize(path) >> 20} MB), a STATE after each 10,000. Wall and CPU seconds of the target, without "
         f"a database's own; the median of {ROUNDS} runs for Weir, one of the others.")
    note()
    note("| target | s | records/s | records per CPU s | peak MB |")
    note("|---|---|---|---|---|")
    found = []
    for turn in range(ROUNDS):
        place = Weir(os.path.join(folder, f"load{turn}"))
        environment = dict(os.environ, WEIR_PROJECT=place.folder, WEIR_LOG_LEVEL="warn")
        progress(f"taps: weir load, {turn + 1} of {ROUNDS}")
        found.append(given([options.binary, "load", "--schema", "raw_bench"], env=environment))
    line("`weir load` into Delta (300,000 per CPU s wanted)", median(found))
    for name in VERSIONS:
        python = packages(f"targets/{name}", [VERSIONS[name]])
        if python is None:
            note(f"| {name} | cannot be installed | | | |")
            continue
        progress(f"taps: {name}")
        # What they say of each record is nobody's business here.
        environment = dict(os.environ, SINGER_SDK_LOG_LEVEL="ERROR", LOGLEVEL="ERROR")
        program = os.path.join(os.path.dirname(python), name)
        line(name, given([program, "--config", configuration(name, folder, server)], env=environment))
    note()


def line(name, found):
    if found is None:
        note(f"| {name} | failed | | | |")
        return
    wall, cpu, memory = found
    note(f"| {name} | {wall:.1f} | {RECORDS / wall:,.0f} | {RECORDS / cpu:,.0f} | {memory:,.0f} |")
