"""Another engine in a process of its own: SQL in JSON lines in, CPU seconds and peak memory out.

    peer.py duckdb|datafusion MEMORY_MB TABLES

TABLES is JSON: names, and the Parquet files of each. MEMORY_MB is 0 for no limit.
"""

import json
import os
import sys
import tempfile
import time


def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


def duckdb_engine(memory, tables):
    import duckdb

    settings = {"threads": 2, "temp_directory": tempfile.mkdtemp(prefix="weir-duck-")}
    if memory:
        settings["memory_limit"] = f"{memory}MB"
    engine = duckdb.connect(config=settings)
    engine.execute("set timezone = 'UTC'")
    for name, files in tables.items():
        engine.execute(f"create view {name} as select * from read_parquet({files!r}, union_by_name=true)")
    return lambda sql: len(engine.execute(sql).fetchall())


def datafusion_engine(memory, tables):
    import datafusion

    settings = datafusion.SessionConfig().with_target_partitions(2)
    runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_os()
    if memory:
        runtime = runtime.with_fair_spill_pool(memory * 2**20)
    engine = datafusion.SessionContext(settings, runtime)
    for name, files in tables.items():
        # One folder a table: links to the files that are in its newest version.
        folder = tempfile.mkdtemp(prefix="weir-bare-")
        for file in files:
            os.symlink(file, os.path.join(folder, os.path.basename(file)))
        engine.register_parquet(name, folder)
    return lambda sql: sum(batch.num_rows for batch in engine.sql(sql).collect())


engines = {"duckdb": duckdb_engine, "datafusion": datafusion_engine}
run = engines[sys.argv[1]](int(sys.argv[2]), json.loads(sys.argv[3]))
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    cpu = time.process_time()
    try:
        answer = {"rows": run(json.loads(line))}
    except Exception as error:  # whatever the engine raises is its answer
        answer = {"error": str(error)[:200]}
    answer |= {"cpu": time.process_time() - cpu, "peak": peak()}
    print(json.dumps(answer), flush=True)
