"""Events from a generator on the same cores: how many, how fast, how soon in SQL."""

import base64
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import threading
import time

from server import ROUNDS, SUSTAINED, free_port, note, options, progress


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


def peak_rate(weir):
    """What [`intake`] finds of the highest rate, by itself."""
    return {100: measured(weir, seconds=10, prefix="peak", batch=100, gzip=True, connections=16)}


def row(name, r):
    note(f"| {name} | {r['events_per_second']:,.0f} | {r['requests'] / r['seconds']:,.0f} | {r['ack_p50_ms']:.1f} | "
         f"{r['ack_p95_ms']:.1f} | {r['ack_p99_ms']:.1f} | {r['cpu_per_million']:.1f} | {r['refused']} |")


def sustained(weir, peak):
    note("## Sustained, with the lake keeping up")
    note()
    rate = 0.75 * peak[100]["requests"] / peak[100]["seconds"]
    sent, sending, began, refused, worst = 0, 0.0, time.time(), 0, 0.0
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
        sending += result["seconds"]
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
    note(f"{sent:,} events in {elapsed:.0f} s: {sent / sending:,.0f}/s while sending, {sent / elapsed:,.0f}/s with the pauses in which "
         f"the generator prepares bodies, "
         f"{refused} requests refused, worst p99 of 20 s {worst:.1f} ms, "
         f"{used * 1e6 / max(1, sent):.1f} CPU-s per million events with compaction, RSS median {median:.0f} MB, highest {high:.0f} MB "
         f"({anonymous:.0f} MB of it not pages of the binary), "
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
