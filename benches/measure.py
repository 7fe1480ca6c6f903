"""Measures a Weir server from outside: intake, freshness, recovery, queries and the wire beside peers.

CPU seconds are read from /proc, so they survive a noisy machine better than wall time does.
Every figure is measured in this run; peers and ceilings stand beside it, on the same bodies.
"""

import os
import shutil
import tempfile

from app import app
from beside import beside_queries
from flow import flow
from hostile import hostile
from intake import freshness, intake, peak_rate, sustained
from memory import memory
from models import models
from process import process
from queries import queries
from replication import replication
from server import CLEAN, PROFILES, Weir, note, options, progress
from sources import sources
from taps import taps
from tpch import tpch
from wire import wire

SECTIONS = ["wire", "hostile", "intake", "queries", "beside", "tpch", "models", "flow", "sources", "replication", "taps", "app", "memory", "process"]


def main():
    wanted = options.only.split(",") if options.only else SECTIONS
    for name in wanted:
        if name not in SECTIONS:
            raise SystemExit(f"there is no section `{name}`; there are {', '.join(SECTIONS)}")
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
        # Before anything else is on the disk, or in the process.
        if "wire" in wanted:
            wire(weir)
        if "hostile" in wanted:
            hostile(weir)
        peak = None
        if "intake" in wanted:
            peak = intake(weir, folder)
            freshness(weir, peak)
            sustained(weir, peak)
        if "queries" in wanted:
            queries(weir)
        if "beside" in wanted:
            beside_queries(weir, peak or peak_rate(weir))
        if "tpch" in wanted:
            tpch(weir)
        if "models" in wanted:
            models(weir)
        if "flow" in wanted:
            flow(weir)
        if "app" in wanted:
            app()
        if "sources" in wanted:
            sources(weir)
        if "replication" in wanted:
            replication(weir)
        if "taps" in wanted:
            taps(weir)
        if "memory" in wanted:
            memory(weir)
        if "process" in wanted:
            process(weir)
        progress("done")
        note(f"Load average at the end: {os.getloadavg()[0]:.1f}.")
    finally:
        if weir.process.poll() is None:
            weir.stop()
        for left in [folder, *CLEAN]:
            shutil.rmtree(left, ignore_errors=True)


main()
