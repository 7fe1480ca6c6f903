"""Measures a Weir server from outside: intake, freshness, recovery, queries beside DuckDB.

CPU seconds are read from /proc, so they survive a noisy machine better than wall time does.
Every figure is measured in this run; peers and ceilings stand beside it, on the same bodies.
"""

import argparse
import base64
import glob
import gzip
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import duckdb

parser = argparse.ArgumentParser()
parser.add_argument("--binary", required=True)
parser.add_argument("--load", required=True)
parser.add_argument("--profile", default="release")
parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
parser.add_argument("--seconds", type=int, help="length of the sustained run")
parser.add_argument("--out", default="benches/results.md")
options = parser.parse_args()
SUSTAINED = options.seconds or (30 if options.quick else 600)
EVENTS = 3_000_000 if options.quick else 10_000_000
ROUNDS = 3 if options.quick else 7
lines = []


def note(text=""):
    print(text, flush=True)
    lines.append(text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Weir:
    """A project in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        made = subprocess.run([options.binary, "init", "--json", folder], capture_output=True, check=True)
        self.key = json.loads(made.stdout)["write_key"]
        self.port = free_port()

    def start(self):
        began = time.perf_counter()
        environment = dict(
            os.environ,
            WEIR_PROJECT=self.folder,
            WEIR_SERVER_LISTEN=f"127.0.0.1:{self.port}",
            WEIR_COLLECT_KEY_RATE="0",
            WEIR_COLLECT_IP_RATE="0",
            WEIR_LOG_LEVEL="warn",
        )
        log = open(os.path.join(self.folder, "server.log"), "a")
        self.process = subprocess.Popen(
            [options.binary, "up", "--json"], env=environment, stdout=subprocess.PIPE, stderr=log
        )
        self.process.stdout.readline()
        self.token = open(os.path.join(self.folder, ".weir/owner.token")).read().strip()
        return time.perf_counter() - began

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()

    def cpu(self, tidying=True):
        """CPU seconds of the process; without `tidying`, those of background compaction left out."""
        total = 0
        for task in glob.glob(f"/proc/{self.process.pid}/task/*/stat"):
            name, fields = open(task).read().split("(", 1)[1].rsplit(")", 1)
            if tidying or name != "weir-tidy":
                total += int(fields.split()[11]) + int(fields.split()[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory(self, what="VmRSS"):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(what):
                return int(line.split()[1]) / 1024
        return 0.0

    def query(self, sql):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(
            "POST", "/api/v1/query", json.dumps({"sql": sql}), {"authorization": f"Bearer {self.token}"}
        )
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if "rows" not in answer:
            raise RuntimeError(f"{sql}: {answer}")
        return answer["rows"]

    def load(self, **settings):
        command = [options.load, "--address", f"127.0.0.1:{self.port}", "--key", self.key]
        for name, value in settings.items():
            command += [f"--{name}", str(value).lower() if isinstance(value, bool) else str(value)]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    def settle(self):
        """Waits until everything is applied and committed."""
        while True:
            status = self.status()
            if int(status["visible"]) == int(status["committed"]):
                return
            time.sleep(0.2)

    def status(self):
        return dict(self.query("select name, value from weir.lake"))


def measured(weir, **settings):
    cpu = weir.cpu(tidying=False)
    result = weir.load(**settings)
    weir.settle()
    result["cpu_per_million"] = (weir.cpu(tidying=False) - cpu) * 1e6 / max(1, result["events"])
    return result


def raw_fsync(folder):
    times = []
    with open(os.path.join(folder, "fsync"), "wb") as file:
        for _ in range(200):
            file.write(os.urandom(65536))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return 1000 / statistics.mean(times), times[100], times[198]


def nginx_ceiling(folder, weir):
    """Requests with the same bodies, accepted and thrown away."""
    if not shutil.which("nginx"):
        return None
    port = free_port()
    config = os.path.join(folder, "nginx.conf")
    with open(config, "w") as file:
        file.write(
            f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
            "events { worker_connections 512; }\n"
            f"http {{ access_log off; client_body_temp_path {folder}/nginx-body; keepalive_requests 100000000;"
            f" client_body_buffer_size 1m; server {{ listen 127.0.0.1:{port}; location / {{ return 200 ''; }} }} }}\n"
        )
    process = subprocess.Popen(["nginx", "-c", config])
    try:
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        results = []
        for batch in (100, 20, 1):
            command = [options.load, "--address", f"127.0.0.1:{port}", "--key", weir.key, "--batch", str(batch)]
            command += ["--gzip", "true" if batch > 1 else "false", "--seconds", "5", "--connections", "16"]
            results.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
        return results
    finally:
        process.terminate()
        process.wait()


def intake(weir, folder):
    note("## Intake")
    note()
    syncs, p50, p99 = raw_fsync(folder)
    note(f"The disk: {syncs:.0f} `fdatasync` of 64 KiB a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms.")
    note()
    note("| what | events/s | requests/s | ack p50 ms | p95 | p99 | CPU-s per million events | refused |")
    note("|---|---|---|---|---|---|---|---|")
    seconds = 10 if options.quick else 30
    peak = {}
    for name, settings in [
        ("100 events, gzip", dict(batch=100, gzip=True, connections=16)),
        ("20 events, gzip", dict(batch=20, gzip=True, connections=32)),
        ("1 event, keep-alive", dict(batch=1, gzip=False, connections=128, path="/v1/track")),
    ]:
        result = measured(weir, seconds=seconds, prefix=f"peak{settings['batch']}", **settings)
        peak[settings["batch"]] = result
        row(name, result)
    half = peak[100]["requests"] / peak[100]["seconds"] / 2
    result = measured(
        weir, seconds=seconds, prefix="half", batch=100, gzip=True, connections=16, rate=f"{half:.1f}"
    )
    row("100 events, gzip, half load", result)
    ceiling = nginx_ceiling(folder, weir)
    if ceiling:
        for batch, result in zip((100, 20, 1), ceiling):
            note(f"| nginx, same bodies of {batch}, thrown away | {result['events_per_second']:,.0f} | "
                 f"{result['requests'] / result['seconds']:,.0f} | {result['ack_p50_ms']:.1f} | {result['ack_p95_ms']:.1f} | {result['ack_p99_ms']:.1f} | | |")
        note()
        ratios = ", ".join(
            f"{batch} events {peak[batch]['events_per_second'] / result['events_per_second']:.2f}"
            for batch, result in zip((100, 20, 1), ceiling)
        )
        note(f"Weir, durable, to nginx, thrown away: {ratios}.")
    note()
    return peak


def row(name, r):
    note(f"| {name} | {r['events_per_second']:,.0f} | {r['requests'] / r['seconds']:,.0f} | {r['ack_p50_ms']:.1f} | "
         f"{r['ack_p95_ms']:.1f} | {r['ack_p99_ms']:.1f} | {r['cpu_per_million']:.1f} | {r['refused']} |")


def sustained(weir, peak):
    note("## Sustained, with the lake keeping up")
    note()
    rate = 0.75 * peak[100]["requests"] / peak[100]["seconds"]
    sent, began, refused, worst = 0, time.time(), 0, 0.0
    cpu = weir.cpu()
    part = 0
    high = 0.0
    while time.time() - began < SUSTAINED:
        seconds = min(20, SUSTAINED)
        result = weir.load(batch=100, gzip=True, connections=16, seconds=seconds, rate=f"{rate:.1f}", prefix=f"long{part}")
        sent += result["events"]
        refused += result["refused"]
        worst = max(worst, result["ack_p99_ms"])
        high = max(high, weir.memory())
        part += 1
    elapsed = time.time() - began
    status = weir.status()
    behind = int(status["visible"]) - int(status["committed"])
    weir.settle()
    used = weir.cpu() - cpu
    note(f"{sent:,} events in {elapsed:.0f} s (pauses of the generator included): {sent / elapsed:,.0f}/s, "
         f"{refused} requests refused, worst p99 of 20 s {worst:.1f} ms, "
         f"{used * 1e6 / max(1, sent):.1f} CPU-s per million events with compaction, highest RSS {high:.0f} MB, "
         f"{behind:,} rows not yet committed at the end.")
    note()


def freshness(weir, peak):
    note("## From acknowledgement to SQL")
    note()
    note("| load | p50 ms | p99 ms | n |")
    note("|---|---|---|---|")
    for name, share in [("idle", 0), ("80 %", 0.8)]:
        thread = None
        if share:
            rate = share * peak[100]["requests"] / peak[100]["seconds"]
            settings = dict(batch=100, gzip=True, connections=16, seconds=15, rate=f"{rate:.1f}", prefix=f"fresh{share}")
            thread = threading.Thread(target=weir.load, kwargs=settings)
            thread.start()
            # Bodies are prepared before the generator sends.
            time.sleep(8)
        times = []
        end = time.time() + 12
        credentials = base64.b64encode(f"{weir.key}:".encode()).decode()
        while time.time() < end and len(times) < 100:
            marker = f"marker-{name}-{random.getrandbits(60):x}"
            body = json.dumps({"event": "Marker", "messageId": marker, "anonymousId": "m"})
            status = 0
            while status != 200:
                connection = http.client.HTTPConnection("127.0.0.1", weir.port, timeout=60)
                connection.request("POST", "/v1/track", body, {"authorization": f"Basic {credentials}"})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
                connection.close()
            began = time.perf_counter()
            while not weir.query(f"select 1 from app.marker where id = '{marker}'"):
                time.sleep(0.005)
            times.append((time.perf_counter() - began) * 1000)
        if thread:
            thread.join()
        times.sort()
        note(f"| {name} | {times[len(times) // 2]:.0f} | {times[int(len(times) * 0.99) - 1]:.0f} | {len(times)} |")
    note()


QUERIES = {
    "count": "select count(*) from {tracks}",
    "events by name": "select event, count(*) from {tracks} group by event order by 2 desc",
    "distinct people": "select count(distinct anonymous_id) from {tracks}",
    "revenue by day": "select date_trunc('day', timestamp) d, sum(revenue) from {orders} group by 1 order by 1",
    "top pages": "select context_page_path, count(*) c from {tracks} group by 1 order by c desc, 1 limit 10",
    "one hour": "select count(*) from {tracks} where timestamp >= timestamp '{from}' and timestamp < timestamp '{to}'",
    "text search": "select count(*) from {tracks} where context_page_title like '%roduct 17%'",
    "buyers joined": "select count(*) from {orders} o join {signups} s on o.user_id = s.user_id",
    "newest": "select id, timestamp from {tracks} order by timestamp desc, id limit 100",
}


def queries(weir):
    note("## Queries beside DuckDB on the same files")
    note()
    have = weir.query("select count(*) from app.tracks")[0][0]
    part = 0
    while have < EVENTS:
        have += weir.load(batch=100, gzip=True, connections=16, seconds=20, prefix=f"fill{part}")["events"]
        part += 1
    weir.settle()
    subprocess.run([options.binary, "--project", weir.folder, "compact"], check=True, capture_output=True,
                   env=dict(os.environ, WEIR_URL=f"http://127.0.0.1:{weir.port}"))
    span = weir.query("select min(timestamp), max(timestamp) from app.tracks")[0]
    start = span[0][:10]
    names = {"from": f"{start} 10:00:00", "to": f"{start} 11:00:00"}

    def live(table):
        log = os.path.join(weir.folder, "lake/app", table, "_delta_log")
        files = set()
        for entry in sorted(glob.glob(f"{log}/*.json")):
            for line in open(entry):
                action = json.loads(line)
                if "add" in action:
                    files.add(action["add"]["path"])
                if "remove" in action:
                    files.discard(action["remove"]["path"])
        return [os.path.join(weir.folder, "lake/app", table, f) for f in sorted(files)]

    tables = {"tracks": "tracks", "orders": "order_completed", "signups": "signed_up"}
    duck = duckdb.connect(config={"threads": 2})
    duck.execute("set timezone = 'UTC'")
    for name, table in tables.items():
        duck.execute(f"create view {name} as select * from read_parquet({live(table)!r}, union_by_name=true)")
    ours = {name: f"app.{table}" for name, table in tables.items()}
    note(f"{have:,} events, two threads each, median of {ROUNDS} interleaved rounds, CPU seconds of the process.")
    note()
    note("| query | Weir CPU s | DuckDB CPU s | ratio | same answer |")
    note("|---|---|---|---|---|")
    ratios = []
    for name, text in QUERIES.items():
        mine, peer, same = [], [], True
        for _ in range(ROUNDS):
            cpu = weir.cpu()
            rows = weir.query(text.format(**ours, **names))
            mine.append(weir.cpu() - cpu)
            cpu = time.process_time()
            other = duck.execute(text.format(**{n: n for n in tables}, **names)).fetchall()
            peer.append(time.process_time() - cpu)
            same = same and len(rows) == len(other) and str(rows[0][-1])[:10] == str(other[0][-1])[:10]
        a, b = statistics.median(mine), statistics.median(peer)
        ratio = (a + 0.01) / (b + 0.01)
        ratios.append(ratio)
        note(f"| {name} | {a:.2f} | {b:.2f} | {ratio:.2f} | {'yes' if same else 'NO'} |")
    note(f"| geometric mean | | | {statistics.geometric_mean(ratios):.2f} | |")
    note()


def process(weir):
    note("## The process")
    note()
    weir.stop()
    size = os.path.getsize(options.binary) / 2**20
    start = weir.start()
    time.sleep(10)
    cpu, rss = weir.cpu(), weir.memory()
    time.sleep(20)
    idle = (weir.cpu() - cpu) / 20 * 100
    note(f"Starts in {start:.2f} s, idles at {idle:.2f} % CPU and {rss:.0f} MB; the binary has {size:.0f} MB ({options.profile}).")
    # Rows that are only in the log when the process dies.
    weir.load(batch=100, gzip=True, connections=16, seconds=8, prefix="recover")
    segments = sum(os.path.getsize(f) for f in glob.glob(os.path.join(weir.folder, ".weir/wal/*.wal")))
    weir.stop(signal.SIGKILL)
    began = time.perf_counter()
    weir.start()
    accepting = time.perf_counter() - began
    while str(weir.status()["recovering"]) in ("true", "True", "1"):
        time.sleep(0.02)
    note(f"After kill -9 with {segments / 2**20:.0f} MB of log: takes events after {accepting:.2f} s, all rows readable after {time.perf_counter() - began:.2f} s.")
    note()


def main():
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    weir = Weir(os.path.join(folder, "project"))
    weir.start()
    try:
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "?")
        note("# Benchmarks")
        note()
        note(f"Two-core class machine: {os.cpu_count()} cores, {cpu}, profile `{options.profile}`, generator on the same cores, "
             f"load average {os.getloadavg()[0]:.1f} at the start. Written by `make bench`.")
        note()
        peak = intake(weir, folder)
        freshness(weir, peak)
        sustained(weir, peak)
        queries(weir)
        process(weir)
        note(f"Load average at the end: {os.getloadavg()[0]:.1f}.")
        with open(options.out, "w") as out:
            out.write("\n".join(lines) + "\n")
    finally:
        if weir.process.poll() is None:
            weir.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
