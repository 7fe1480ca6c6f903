"""What a hundred hostile queries do to the time an event takes to be acknowledged.

Events come at a steady rate; the same half a minute is measured without the queries and with them,
and how long a cancelled query takes to end.
"""

import base64
import ctypes
import http.client
import itertools
import json
import multiprocessing
import os
import platform
import statistics
import struct
import tempfile
import threading
import time

from server import Weir, note, options, progress

LANES = 4
RATE = 100  # requests a second, of ten events each
SECONDS = 10 if options.quick else 30
AT_A_TIME = 12
SERIES = "generate_series(1, 100000000)"

HOSTILE = [
    "select count(*) from raw_app.events where false" + " or message_id = 'x'" * 20_000,
    "select 1" + " + 1" * 12_000,
    "select " + "(" * 20_000 + "1" + ")" * 20_000,
    "with a as (" * 500 + " select 1",
    "select '" + '{"a":' * 100_000 + "'::json -> 'a'",
    "select count(*) from raw_app.events where weir_seq in (" + ",".join(map(str, range(40_000))) + ")",
    f"select count(*) from {SERIES} a, {SERIES} b, {SERIES} c",
    f"select count(*) from {SERIES} a(x) join {SERIES} b(x) on a.x < b.x",
    "select count(*) from raw_app.events a, raw_app.events b where a.raw < b.raw",
    "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "with recursive r as (select 'x' as s union all select s || s from r) select max(length(s)) from r",
    f"select value, random() from {SERIES} order by 2 limit 90000000",
    "select * from raw_app.events order by raw limit 1000000000000",
    "select count(*) from raw_app.events where raw ~ '(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[^x]$'",
    "select repeat('x', 2000000000)",
    "select max(length(repeat(raw, 100000))) from raw_app.events",
    "select array_repeat(array_repeat(1, 100000), 100000)",
    "select length(string_agg(raw, ',')) from raw_app.events a, generate_series(1, 100000)",
    f"select array_agg(value) from {SERIES}",
    f"select count(distinct value::text || 'distinct') from {SERIES}",
    f"select max(n + value) from (select value, count(*) over () as n from {SERIES}) t",
    f"select value::text, repeat('long', 100) from {SERIES}",
]


class Events:
    """Sends batches at a steady rate from several senders, each a process of its own.

    A request's time counts from when it was due if the answer before it was not there by then, else from when its
    sender began: what is measured is the server, not how late senders wake up on cores that elsewhere are another
    machine's. For the same reason they ask for short turns, as intake does (`priority.rs`).
    """

    def __init__(self, weir):
        began = time.perf_counter()
        self.senders = []
        for lane in range(LANES):
            end, theirs = multiprocessing.Pipe()
            due = began + lane / RATE
            process = multiprocessing.get_context("fork").Process(target=send_events, args=(weir.port, weir.key, due, theirs))
            process.start()
            self.senders.append((process, end))

    def stop(self):
        for _, end in self.senders:
            end.send("stop")
        late, self.refused = [], 0
        for process, end in self.senders:
            times, refused = end.recv()
            late += times
            self.refused += refused
            process.join()
        return sorted(late)


def short_turns():
    """Asks for the shortest turns on a core that there are: sched_setattr(2), Linux from 6.12 on."""
    call = {"x86_64": 314, "aarch64": 274}.get(platform.machine())
    if call:
        ctypes.CDLL(None).syscall(call, 0, struct.pack("=IIQiIQQQ", 48, 0, 0, 0, 0, 100_000, 0, 0), 0)


def send_events(port, key, due, end):
    short_turns()
    late, refused = [], 0
    authorization = base64.b64encode(f"{key}:".encode()).decode()
    headers = {"authorization": f"Basic {authorization}", "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for request in itertools.count():
        if end.poll():
            break
        due += LANES / RATE
        ahead = due - time.perf_counter()
        time.sleep(max(0, ahead))
        began = time.perf_counter() if ahead > 0 else due
        events = [{"type": "track", "event": "Order Completed", "anonymousId": "someone", "properties": {"revenue": 12.5},
                   "messageId": f"{os.getpid()}-{request}-{n}"} for n in range(10)]
        connection.request("POST", "/v1/batch", json.dumps({"batch": events}), headers)
        answer = connection.getresponse()
        answer.read()
        refused += answer.status != 200
        late.append(time.perf_counter() - began)
    end.send((late, refused))


def count():
    """Keeps a core busy as a query's thread does, and does nothing else."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(10)
    while True:
        pass


def ask(weir, sql, door, ends):
    """Asks through one of the doors, reads the answer to its end, and notes how it ended."""
    if door == "http":
        connection = http.client.HTTPConnection("127.0.0.1", weir.port, timeout=120)
        connection.request("POST", "/api/v1/query", json.dumps({"sql": sql}), {"authorization": f"Bearer {weir.token}"})
        answer = connection.getresponse()
        status = answer.status
        while answer.read(1 << 20):
            pass
        ends.append(f"HTTP {status}")
        return
    import psycopg

    try:
        with psycopg.connect(host="127.0.0.1", port=weir.postgres, user="owner", password=weir.token, dbname="weir") as connection:
            with psycopg.ServerCursor(connection, "c") as cursor:
                cursor.execute(sql)
                while cursor.fetchmany(10_000):
                    pass
        ends.append("rows")
    except psycopg.Error as error:
        ends.append(error.sqlstate or "the connection broke")


def at(values, part):
    return values[min(len(values) - 1, int(len(values) * part))] * 1000


def cancelled(weir):
    """Returns the seconds from the request to cancel until the asker hears of it."""
    ends, sql = [], f"select count(*) from {SERIES} a, {SERIES} b"
    asking = threading.Thread(target=ask, args=(weir, sql, "http", ends))
    asking.start()
    while not (rows := weir.query("select id from weir.queries where state = 'running' and sql like '%a, %b'")):
        time.sleep(0.02)
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", weir.port, timeout=60)
    connection.request("DELETE", f"/api/v1/queries/{rows[0][0]}", headers={"authorization": f"Bearer {weir.token}"})
    connection.getresponse().read()
    asking.join()
    return time.perf_counter() - began


def hostile(weir):
    """Writes the section."""
    note("## A hundred hostile queries beside intake")
    note()
    weir.stop()
    weir.start(WEIR_QUERY_TIMEOUT="4s", WEIR_QUERY_MEMORY="256MB", WEIR_QUERY_TEMP_SIZE="512MB")
    pid = weir.process.pid
    progress("hostile: intake alone")
    events = Events(weir)
    time.sleep(SECONDS)
    before = events.stop()
    refused = events.refused
    progress("hostile: with counting")
    counters = [multiprocessing.get_context("fork").Process(target=count, daemon=True) for _ in range(os.cpu_count())]
    for counter in counters:
        counter.start()
    events = Events(weir)
    time.sleep(SECONDS)
    floor = events.stop()
    refused += events.refused
    for counter in counters:
        counter.kill()
    progress("hostile: with queries")
    weir.forget_peak()
    events, ends = Events(weir), []
    work = itertools.islice(zip(itertools.cycle(HOSTILE), itertools.cycle(["http", "postgres", "postgres"])), 100)
    lock = threading.Lock()

    def run():
        # Reading millions of rows takes a core, which elsewhere is another machine's.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while True:
            with lock:
                job = next(work, None)
            if job is None:
                return
            ask(weir, *job, ends)

    runners = [threading.Thread(target=run) for _ in range(AT_A_TIME)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    during = events.stop()
    refused += events.refused
    peak = weir.memory("VmHWM")
    cancels = [cancelled(weir) for _ in range(5)]
    time.sleep(1)
    spilled = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(os.path.join(weir.folder, ".weir/tmp")) for name in names)
    note(f"{RATE * 10} events a second in requests of ten; {len(ends)} queries through both doors, {AT_A_TIME} at a time, each with four seconds. "
         "Those who ask have a lower priority than those who send (nice 10), as they would take no core of theirs elsewhere. "
         "Beside counting: as many processes as cores that count, with the priority of queries, which is what the system's scheduler costs.")
    note()
    note("| | without | beside counting | with queries | ratio | ratio to counting |")
    note("|---|---|---|---|---|---|")
    for name, part in [("acknowledged, p50 ms", 0.5), ("p99 ms", 0.99), ("worst ms", 1)]:
        alone, counting, asked = (at(times, part) for times in (before, floor, during))
        note(f"| {name} | {alone:.1f} | {counting:.1f} | {asked:.1f} | {asked / alone:.2f} | {asked / counting:.2f} |")
    note()
    note(f"Refused requests: {refused}. The process is {'the same' if weir.process.poll() is None and weir.process.pid == pid else 'ANOTHER'}. "
         f"A cancelled query's asker hears of it after {statistics.median(cancels):.2f} s (worst {max(cancels):.2f}). "
         f"Peak memory {peak:.0f} MB with a pool of 256. Left on disk: {spilled} bytes. "
         f"Ends: {', '.join(f'{end} × {ends.count(end)}' for end in sorted(set(ends)))}.")
    note()
    weir.stop()
    weir.start()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        server = Weir(os.path.join(folder, "project"))
        server.start()
        try:
            hostile(server)
        finally:
            server.stop()
