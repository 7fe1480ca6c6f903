"""Flow: what a step costs beside its work, beside Dagster and Luigi, each in one process and with its own crash safety.

Weir's transactions wait for the disk (group commit); Luigi keeps nothing, Dagster an SQLite file.
"""

import json
import os
import shutil
import subprocess
import tempfile

from server import note, options, packages, progress

SHAPES = {"fan": ("fan of 1,000", 1000), "chain": ("chain of 100", 100), "layers": ("10 layers of 100", 1000)}
FIGURES = {"fan": "fan_1000_ms", "chain": "chain_100_ms", "layers": "layers_10x100_ms"}
VERSIONS = ["dagster==1.13.27", "luigi==3.8.1"]
FILES = 20_000 if options.quick else 200_000


def example(name, *arguments):
    path = os.path.join(os.path.dirname(options.binary), "examples", name)
    if not os.path.exists(path):
        raise SystemExit(f"{path} is not there: benches/run builds it")
    said = subprocess.run([path, *arguments], check=True, capture_output=True, text=True)
    return json.loads(said.stdout)


def peer(python, tool, shape, folder):
    """Milliseconds of a peer; None if it failed."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow_peer.py")
    own = tempfile.mkdtemp(dir=folder)
    environment = {**os.environ, "DAGSTER_HOME": own, "DAGSTER_DISABLE_TELEMETRY": "yes"}
    said = subprocess.run([python, here, tool, shape, own], capture_output=True, text=True, env=environment)
    if said.returncode:
        progress(f"{tool} failed: {said.stderr.strip().splitlines()[-1:]}")
        return None
    return float(said.stdout.split()[-1])


def flow(weir):
    # What is measured needs no server, and none beside it.
    weir.stop()
    folder = tempfile.mkdtemp(prefix="weir-flow-")
    try:
        measured(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        weir.start()


def measured(folder):
    note("## Flow")
    note()
    progress("flow: Weir's scheduler")
    own = example("flow", folder)
    python = packages("flow-peers", VERSIONS)
    note("| shape of steps that do nothing | Weir | each | Luigi | Dagster, in process |")
    note("|---|---|---|---|---|")
    for shape, (title, steps) in SHAPES.items():
        cells = []
        for tool in ["luigi", "dagster"]:
            progress(f"flow: {tool}, {title}")
            took = peer(python, tool, shape, folder) if python else None
            cells.append("not measured" if took is None else f"{took / steps:.2f} ms each, {took / own[FIGURES[shape]]:.1f}×")
        took = own[FIGURES[shape]]
        note(f"| {title} | {took:.0f} ms | {took / steps:.2f} ms (≤ 1 ms wanted) | {cells[0]} | {cells[1]} |")
    note()
    note(f"{own['idle_assets']:,} assets, each with a schedule of its own, at rest: {own['idle_cpu_percent']:.2f} % of a core (≤ 1 % wanted).")
    note()
    progress("flow: commands")
    steps = example("steps", folder, str(FILES))
    diff = steps["diff"]
    note("| a command that does nothing | ms |")
    note("|---|---|")
    note(f"| by itself | {steps['plain_process_ms']:.1f} |")
    note(f"| as a datum, beside that: contained in namespaces, recorded (≤ 5 ms wanted) | {steps['datum_overhead_ms']:.1f} |")
    note(f"| as a datum, without namespaces, in all | {steps['datum_without_namespaces_ms']:.1f} |")
    note(f"| a step of one datum, with its publication | {steps['step_of_one_datum_with_publication_ms']:.1f} |")
    note(f"| {FILES:,} files of which none has changed: what is new is found (< 2,000 ms wanted) | {diff['plan_ms']:.0f} |")
    note(f"| {FILES:,} files of which one has changed: found, done, all {FILES:,} outputs published again as one version | {diff['run_one_changed_and_publish_ms']:.0f} |")
    note()
