"""The server under measurement, and what every section of the report needs."""

import argparse
import glob
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--binary", required=True)
parser.add_argument("--load", required=True)
parser.add_argument("--profile", default="dev")
parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
parser.add_argument("--seconds", type=int, help="length of the sustained run")
parser.add_argument("--only", help="sections to run, with commas: wire, hostile, intake, queries, beside, tpch, models, flow, sources, replication, taps, app, memory, process")
parser.add_argument("--out", help="file for the report; benches/results.md for a run of everything")
options = parser.parse_args()
if not options.out and not options.only:
    options.out = "benches/results.md"
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
    """A line of the report, which is written as it grows: a run that is ended leaves what it has."""
    print(text, flush=True)
    lines.append(text)
    if options.out:
        with open(options.out, "w") as out:
            out.write("\n".join(lines) + "\n")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def packages(name, versions):
    """The Python of an environment with these packages, for peers; None when they cannot be installed."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir", name)
    python = os.path.join(cache, "bin/python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", cache], check=True)
    got = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *versions])
    return python if got.returncode == 0 else None


class Weir:
    """A project in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        made = subprocess.run([options.binary, "init", "--json", folder], capture_output=True, check=True)
        self.key = json.loads(made.stdout)["write_key"]
        self.port = free_port()
        self.postgres = free_port()
        # What the TPC-H sections made.
        self.filled = None

    def start(self, **variables):
        began = time.perf_counter()
        environment = dict(
            os.environ,
            WEIR_PROJECT=self.folder,
            WEIR_SERVER_LISTEN=f"127.0.0.1:{self.port}",
            WEIR_POSTGRES_LISTEN=f"127.0.0.1:{self.postgres}",
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

    def forget_peak(self):
        """From now on `memory("VmHWM")` is the peak since now."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

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


def live(weir, schema, table):
    """The Parquet files of the newest version of a table."""
    folder = os.path.join(weir.folder, "lake", schema, table)
    files = set()
    for entry in sorted(glob.glob(f"{folder}/_delta_log/*.json")):
        for line in open(entry):
            action = json.loads(line)
            if "add" in action:
                files.add(action["add"]["path"])
            if "remove" in action:
                files.discard(action["remove"]["path"])
    return [os.path.join(folder, file) for file in sorted(files)]
