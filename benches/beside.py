"""What a server that answers heavy queries does to those who send events."""

import statistics
import threading

from server import ROUNDS, note, options, progress

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
