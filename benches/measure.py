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
import sys
import tempfile
import threading
import time

import duckdb

parser = argparse.ArgumentParser()
parser.add_argument("--binary", required=True)
parser.add_argument("--load", required=True)
parser.add_argument("--profile", default="dev")
parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
parser.add_argument("--seconds", type=int, help="length of the sustained run")
parser.add_argument("--out", default="benches/results.md")
options = parser.parse_args()
SUSTAINED = options.seconds or (30 if options.quick else 600)
EVENTS = 3_000_000 if options.quick else 10_000_000
ROUNDS = 3 if options.quick else 7
lines = []
CLEAN = []
BEGAN = time.time()
PROFILES = {
    "dev": "the daily profile (hot crates optimised fully, planners lightly, the rest not)",
    "release": "the release profile",
    "dist": "the shipping profile",
}


def progress(text):
    """Says on stderr what goes on: a whole run takes most of an hour."""
    print(f"[{time.time() - BEGAN:6.0f} s] {text}", file=sys.stderr, flush=True)


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

    def start(self, **variables):
        began = time.perf_counter()
        environment = dict(
            os.environ,
            WEIR_PROJECT=self.folder,
            WEIR_SERVER_LISTEN=f"127.0.0.1:{self.port}",
            WEIR_POSTGRES_LISTEN="127.0.0.1:0",
            WEIR_COLLECT_KEY_RATE="0",
            WEIR_COLLECT_IP_RATE="0",
            WEIR_LOG_LEVEL="warn",
            **variables,
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
        progress(f"intake: {name}")
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
    samples = []
    sampling = threading.Event()

    def sample():
        while not sampling.wait(0.5):
            samples.append((weir.memory(), weir.memory("RssAnon")))

    sampler = threading.Thread(target=sample)
    sampler.start()
    while time.time() - began < SUSTAINED:
        seconds = min(20, SUSTAINED)
        progress(f"sustained load, {time.time() - began:.0f} of {SUSTAINED} s")
        result = weir.load(batch=100, gzip=True, connections=16, seconds=seconds, rate=f"{rate:.1f}", prefix=f"long{part}")
        sent += result["events"]
        refused += result["refused"]
        worst = max(worst, result["ack_p99_ms"])
        part += 1
    elapsed = time.time() - began
    sampling.set()
    sampler.join()
    high, anonymous = max(samples)
    median = statistics.median(total for total, _ in samples)
    status = weir.status()
    behind = int(status["visible"]) - int(status["committed"])
    weir.settle()
    used = weir.cpu() - cpu
    note(f"{sent:,} events in {elapsed:.0f} s (pauses of the generator included): {sent / elapsed:,.0f}/s, "
         f"{refused} requests refused, worst p99 of 20 s {worst:.1f} ms, "
         f"{used * 1e6 / max(1, sent):.1f} CPU-s per million events with compaction, RSS median {median:.0f} MB, highest {high:.0f} MB "
         f"({anonymous:.0f} MB of it not pages of the binary), "
         f"{behind:,} rows not yet committed at the end.")
    note()


HEAVY = [
    "select event, context_page_path, count(*), count(distinct user_id), sum(revenue) from app.tracks group by 1, 2 order by 3 desc limit 20",
    "select count(*) from app.order_completed o join app.signed_up s on o.user_id = s.user_id",
    "select message_id, timestamp, raw from raw_app.events order by timestamp desc, message_id limit 50",
]


def beside_queries(weir, peak):
    note("## Intake while heavy queries run")
    note()
    note(f"At half of the highest rate, {ROUNDS} interleaved pairs: without queries, and with two clients that ask "
         "heavy ones without pause (groups, a join, a sort of raw rows).")
    note()
    note("| | ack p50 ms | ack p99 ms (quartiles) | refused | queries answered |")
    note("|---|---|---|---|---|")
    rate = 0.5 * peak[100]["requests"] / peak[100]["seconds"]
    seconds = 5 if options.quick else 10
    found = {False: [], True: []}
    for turn in range(ROUNDS):
        for heavy in (False, True):
            progress(f"intake {'beside' if heavy else 'without'} queries, {turn + 1} of {ROUNDS}")
            stop, answered = threading.Event(), []

            def ask(first):
                at = first
                while not stop.is_set():
                    try:
                        weir.query(HEAVY[at % len(HEAVY)])
                        answered.append(at)
                    except RuntimeError:
                        # Refused for memory: that is an answer too, but not work done.
                        pass
                    at += 1

            clients = [threading.Thread(target=ask, args=(n,)) for n in range(2 if heavy else 0)]
            for client in clients:
                client.start()
            result = weir.load(batch=100, gzip=True, connections=16, seconds=seconds, rate=f"{rate:.1f}",
                               prefix=f"beside{turn}{heavy}")
            stop.set()
            for client in clients:
                client.join()
            found[heavy].append((result, len(answered)))
    for heavy, name in ((False, "alone"), (True, "beside queries")):
        p50 = statistics.median(r["ack_p50_ms"] for r, _ in found[heavy])
        p99 = sorted(r["ack_p99_ms"] for r, _ in found[heavy])
        low, middle, high = statistics.quantiles(p99, n=4, method="inclusive")
        refused = sum(r["refused"] for r, _ in found[heavy])
        note(f"| {name} | {p50:.1f} | {middle:.1f} ({low:.1f}, {high:.1f}) | {refused} | {sum(n for _, n in found[heavy])} |")
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
        progress(f"filling: {have:,} of {EVENTS:,} events")
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
    bare = bare_engine({name: live(table) for name, table in tables.items()})
    note(f"{have:,} events, two threads each, median of {ROUNDS} interleaved rounds, CPU seconds of the process.")
    note()
    if bare:
        note(f"Bare DataFusion is the Python wheel {bare[1]}, a release build, on the same Parquet files; this Weir is "
             f"{PROFILES.get(options.profile, options.profile)}.")
        note()
    note("| query | Weir CPU s | DuckDB CPU s | ratio | bare DataFusion CPU s | ratio | same answer |")
    note("|---|---|---|---|---|---|---|")
    ratios, bare_ratios = [], []
    for name, text in QUERIES.items():
        progress(f"query: {name}")
        mine, peer, plain, same = [], [], [], True
        for _ in range(ROUNDS):
            cpu = weir.cpu()
            rows = weir.query(text.format(**ours, **names))
            mine.append(weir.cpu() - cpu)
            cpu = time.process_time()
            other = duck.execute(text.format(**{n: n for n in tables}, **names)).fetchall()
            peer.append(time.process_time() - cpu)
            if bare:
                cpu = time.process_time()
                bare[0].sql(text.format(**{n: n for n in tables}, **names)).collect()
                plain.append(time.process_time() - cpu)
            same = same and len(rows) == len(other) and str(rows[0][-1])[:10] == str(other[0][-1])[:10]
        a, b = statistics.median(mine), statistics.median(peer)
        ratio = (a + 0.01) / (b + 0.01)
        ratios.append(ratio)
        c, bare_ratio = "", ""
        if bare:
            c = statistics.median(plain)
            bare_ratios.append((a + 0.01) / (c + 0.01))
            c, bare_ratio = f"{c:.2f}", f"{bare_ratios[-1]:.2f}"
        note(f"| {name} | {a:.2f} | {b:.2f} | {ratio:.2f} | {c} | {bare_ratio} | {'yes' if same else 'NO'} |")
    means = [f"{statistics.geometric_mean(r):.2f}" if r else "" for r in (ratios, bare_ratios)]
    note(f"| geometric mean | | | {means[0]} | | {means[1]} | |")
    note()


def bare_engine(tables):
    """DataFusion without Weir, on the same files; none where there is no wheel of it."""
    try:
        import datafusion
    except ImportError:
        progress("no datafusion wheel; that column stays empty")
        return None
    settings = datafusion.SessionConfig().with_target_partitions(2)
    settings = settings.set("datafusion.execution.parquet.pushdown_filters", "true")
    context = datafusion.SessionContext(settings)
    for name, files in tables.items():
        # One folder a table: links to the files that are in its newest version.
        folder = tempfile.mkdtemp(prefix="weir-bare-")
        CLEAN.append(folder)
        for file in files:
            os.symlink(file, os.path.join(folder, os.path.basename(file)))
        context.register_parquet(name, folder)
    return context, datafusion.__version__


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
    recovery(weir)


def recovery(weir):
    """Rows that are only in the log when the process dies: 1 GB of them, whatever the flush interval."""
    wanted = (256 if options.quick else 1024) * 2**20
    weir.stop()
    # Segments stay until their rows are committed: nothing is committed before the kill.
    weir.start(WEIR_FLUSH_INTERVAL="1h", WEIR_HOT_LIMIT="1GB", WEIR_FLUSH_BYTES="64MB")
    size = lambda: sum(os.path.getsize(f) for f in glob.glob(os.path.join(weir.folder, ".weir/wal/*.wal")))
    part = 0
    while size() < wanted:
        progress(f"filling the log: {size() / 2**20:.0f} of {wanted / 2**20:.0f} MB")
        weir.load(batch=100, gzip=True, connections=16, seconds=3, prefix=f"recover{part}")
        part += 1
    segments = size()
    before = int(weir.status()["visible"])
    weir.stop(signal.SIGKILL)
    began = time.perf_counter()
    weir.start()
    accepting = time.perf_counter() - began
    while str(weir.status()["recovering"]) in ("true", "True", "1"):
        time.sleep(0.02)
    readable = time.perf_counter() - began
    lost = max(0, before - int(weir.status()["visible"]))
    note(f"After kill -9 with {segments / 2**20:.0f} MB of log: takes events after {accepting:.2f} s, all rows readable "
         f"after {readable:.2f} s ({segments / 2**20 / readable:.0f} MB/s), {lost} of them missing.")
    note()


def main():
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    weir = Weir(os.path.join(folder, "project"))
    weir.start()
    try:
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "?")
        note("# Benchmarks")
        note()
        note(f"Two-core class machine: {os.cpu_count()} cores, {cpu}, {PROFILES.get(options.profile, options.profile)}, generator on the same cores, "
             f"load average {os.getloadavg()[0]:.1f} at the start. Written by `make bench`.")
        note()
        peak = intake(weir, folder)
        freshness(weir, peak)
        sustained(weir, peak)
        queries(weir)
        beside_queries(weir, peak)
        process(weir)
        progress("done")
        note(f"Load average at the end: {os.getloadavg()[0]:.1f}.")
        with open(options.out, "w") as out:
            out.write("\n".join(lines) + "\n")
    finally:
        if weir.process.poll() is None:
            weir.stop()
        for left in [folder, *CLEAN]:
            shutil.rmtree(left, ignore_errors=True)


main()
