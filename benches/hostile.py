"""What a hundred hostile queries do to the time an event takes to be acknowledged.

Events come at a steady rate; the same half a minute is measured without the queries and with them,
and how long a cancelled query takes to end.
"""

import base64
import http.client
import itertools
import json
import multiprocessing
import os
import statistics
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
    """Sends batches at a steady rate; a request's time counts from when it was due.

    A process of its own, so that the clients of the queries do not hold its interpreter.
    """

    def __init__(self, weir):
        self.end, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=send_events, args=(weir.port, weir.key, theirs))
        self.process.start()

    def stop(self):
        self.end.send("stop")
        late, self.refused = self.end.recv()
        self.process.join()
        return sorted(late)


def send_events(port, key, end):
    late, refused, stopped = [], [], threading.Event()

    def send(lane):
        authorization = base64.b64encode(f"{key}:".encode()).decode()
        headers = {"authorization": f"Basic {authorization}", "content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        due, step = time.perf_counter(), LANES / RATE
        for request in itertools.count():
            if stopped.is_set():
                return
            due += step
            time.sleep(max(0, due - time.perf_counter()))
            events = [{"type": "track", "event": "Order Completed", "anonymousId": "someone", "properties": {"revenue": 12.5},
                       "messageId": f"{os.getpid()}-{lane}-{request}-{n}"} for n in range(10)]
            connection.request("POST", "/v1/batch", json.dumps({"batch": events}), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                refused.append(answer.status)
            late.append(time.perf_counter() - due)

    threads = [threading.Thread(target=send, args=(lane,)) for lane in range(LANES)]
    for thread in threads:
        thread.start()
    end.recv()
    stopped.set()
    for thread in threads:
        thread.join()
    end.send((late, len(refused)))


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
         "Those who ask have a lower priority than those who send (nice 10), as they would take no core of theirs elsewhere.")
    note()
    note("| | without | with | ratio |")
    note("|---|---|---|---|")
    for name, part in [("acknowledged, p50 ms", 0.5), ("p99 ms", 0.99), ("worst ms", 1)]:
        note(f"| {name} | {at(before, part):.1f} | {at(during, part):.1f} | {at(during, part) / at(before, part):.2f} |")
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
