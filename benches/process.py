"""The process: start, rest, recovery."""

import glob
import os
import signal
import time

from server import note, options, progress


def process(weir):
    note("## The process")
    note()
    weir.stop()
    size = os.path.getsize(options.binary) / 2**20
    start = weir.start()
    # What came in before is still joined into larger files for a while.
    idle, waited = 100.0, 0
    while idle > 1.0 and waited < 300:
        cpu = weir.cpu()
        time.sleep(20)
        waited += 20
        idle = (weir.cpu() - cpu) / 20 * 100
        progress(f"idle: {idle:.2f} % CPU in the last 20 s")
    rss = weir.memory()
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
