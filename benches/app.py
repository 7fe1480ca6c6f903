"""The web application in a real browser: what a person waits for."""

import http.client
import json
import os
import shutil
import subprocess
import tempfile

from server import ROUNDS, Weir, note, options, progress

PASSWORD = "a long sentence to be measured"
ROWS = 200_000 if options.quick else 1_000_000


def set_password(weir):
    connection = http.client.HTTPConnection("127.0.0.1", weir.port, timeout=60)
    headers = {"authorization": f"Bearer {weir.token}", "content-type": "application/json"}
    connection.request("PUT", "/api/v1/users/owner/password", json.dumps({"password": PASSWORD}), headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise RuntimeError(f"the owner gets no password: {answer.status} {answer.read()}")
    connection.close()


def measured():
    """Starts a server, signs in, and returns what the browser measured."""
    folder = tempfile.mkdtemp(prefix="weir-app-")
    weir = Weir(folder)
    weir.start()
    try:
        set_password(weir)
        variables = dict(
            os.environ,
            URL=f"http://127.0.0.1:{weir.port}",
            NAME="owner",
            PASSWORD=PASSWORD,
            ROUNDS=str(ROUNDS),
            ROWS=str(ROWS),
        )
        done = subprocess.run(["node", "ui/tests/budget.mjs"], env=variables, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout.strip().splitlines()[-1])
    finally:
        weir.stop()
        shutil.rmtree(folder, ignore_errors=True)


def app():
    """Writes the section."""
    progress("the web application in a browser")
    if not shutil.which("chromium") or not os.path.isdir("ui/node_modules/playwright-core"):
        note("## The web application\n\nNot measured: chromium or ui/node_modules is missing (`ci/ui.sh` installs the latter).\n")
        return
    found = measured()
    note("## The web application")
    note()
    note("Headless Chromium on the same two cores, medians; a page of its own each time, its files in the browser's cache.")
    note()
    note("| what | measured | budget |")
    note("|---|---|---|")
    note(f"| JavaScript of the first visit, KiB as sent | {found['first_load_kib']} | 250 |")
    note(f"| shell is there, ms | {found['shell_ms']} | 1000 |")
    note(f"| tile from a kept answer, asked and drawn, ms | {found['cached_tile_ms']} | 150 |")
    note(f"| dashboard of 30 tiles, those in view drawn, ms | {found['board_ms']} | 1500 |")
    note(f"| answer of {ROWS:,} rows, until it can be scrolled, ms | {found['million_ms']} | |")
    note(f"| memory that it takes in the browser after scrolling through, MB | {found['heap_mb']} | |")
    note()
