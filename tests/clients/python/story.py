"""What every driver sends: COUNT numbered events, then one of each other kind with awkward values."""

import json
import os
import pathlib
import sys

URL = os.environ["URL_UNDER_TEST"]
KEY = os.environ["WRITE_KEY"]
SDK = os.environ["SDK_NAME"]
COUNT = int(os.environ["COUNT"])

_story = json.loads((pathlib.Path(__file__).parent.parent / "story.json").read_text("utf-8"))
USER, ANONYMOUS = f"{SDK}-user", f"{SDK}-anonymous"


def _named(kind, marker):
    return {**_story[kind], "marker": f"{SDK}-{marker}"}


def send(client):
    """Makes the calls on a client of either make: they share their shape."""
    ids = {"anonymous_id": ANONYMOUS}
    for n in range(COUNT):
        client.track(USER, "Counted Thing", {"marker": f"{SDK}-{n}", "n": n}, **ids)
    client.track(USER, "Order Completed", _named("properties", "order"), **ids)
    client.identify(USER, _named("traits", "identify"), **ids)
    client.page(USER, "Docs", "Home", _named("properties", "page"), **ids)
    client.screen(USER, "Docs", "Start", _named("properties", "screen"), **ids)
    client.group(USER, f"{SDK}-group", _named("traits", "group"), **ids)
    client.alias(f"{SDK}-before", USER)


def report():
    """Prints how often each method was called."""
    once = dict.fromkeys(["identify", "page", "screen", "group", "alias"], 1)
    print(json.dumps({"sdk": SDK, "sent": {"track": COUNT + 1, **once}}))


def complain(error, items):
    print("error", error, file=sys.stderr)
