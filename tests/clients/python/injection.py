"""Sends text that wants to be SQL through every place that takes text, and looks whether it was
ever more than text. Prints what went wrong, and how many times it looked.
"""

import base64
import json
import os

import psycopg
import psycopg2
import requests
from psycopg import sql

URL, TOKEN, PORT = os.environ["URL"], os.environ["TOKEN"], os.environ["PORT"]
DROP = "DROP TABLE injected.t"
NASTY = [
    f"'; {DROP}; --",
    f'"; {DROP}; --',
    f"'); {DROP}; --",
    f"\\'; {DROP}; --",
    f"$1; {DROP}",
    f"$$; {DROP}; $$",
    f"$a$; {DROP}; $a$",
    f"*/ ; {DROP}; /*",
    f"\n;\n{DROP};\n--",
    f"E'\\'' ; {DROP}; --",
    f"U&'\\0027'; {DROP}",
    f"ʼ; {DROP}; --",
    f"＇; {DROP}; --",
    "' OR '1'='1",
    "' UNION SELECT sql FROM weir.queries --",
    'a"b""c',
    "it''s \\ and % and _",
    "{x,y}",
    "\x1b[31mred\x07",
    "🦀'\u202e;\u2028",
    "'" * 1001,
    "x" * 70_000,
]
wrong, checked = [], 0
http = requests.Session()
http.headers["Authorization"] = f"Bearer {TOKEN}"


def connect(**more):
    arguments = {"host": "127.0.0.1", "port": PORT, "user": "token", "password": TOKEN, "dbname": "weir"}
    return psycopg.connect(**{**arguments, **more}, autocommit=True)


def state():
    """What must not change, whatever is sent."""
    ask = lambda text: http.post(f"{URL}/api/v1/query", json={"sql": text}).json()["rows"]
    names = "SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2"
    users = [user["name"] for user in http.get(f"{URL}/api/v1/users").json()["users"]]
    return ask("SELECT * FROM injected.t"), ask(names), users, http.get(f"{URL}/api/v1/roles").json()


def check(what, text, held, found=None):
    global checked
    checked += 1
    if not held:
        wrong.append(f"{what}: {text[:60]!r}: {str(found)[:200]!r}")


BEFORE = state()
wire = connect()
old = psycopg2.connect(host="127.0.0.1", port=PORT, user="token", password=TOKEN, dbname="weir")
old.autocommit = True
for text in NASTY:
    # Parameters of the wire: as text, in binary, written into the statement by the client.
    for form in ("%s", "%t", "%b"):
        found = wire.execute(f"SELECT {form}::text", [text]).fetchone()[0]
        check(f"parameter {form}", text, found == text, found)
        found = wire.execute(f"SELECT count(*) FROM injected.t WHERE a = {form}", [text]).fetchone()[0]
        check(f"condition {form}", text, found == 0, found)
        found = wire.execute(f"SELECT {form}::text[]", [[text, None]]).fetchone()[0]
        check(f"list {form}", text, found == [text, None], found)
    with old.cursor() as cursor:
        cursor.execute("SELECT %s", [text])
        found = cursor.fetchone()[0]
        check("literal", text, found == text, found)
    # Names.
    try:
        found = wire.execute(sql.SQL("SELECT 1 AS {}").format(sql.Identifier(text))).description[0].name
        # The wire carries no more of a name than this.
        check("name of a column", text, text.startswith(found[:63]) and found, found)
    except psycopg.Error as error:
        check("name of a column", text, error.sqlstate not in (None, "XX000"), error)
    for statement in (
        "SELECT * FROM injected.{}",
        "SELECT * FROM {}.t",
        "DROP TABLE {}",
        "CREATE USER {}",
        "CREATE SCHEMA {}",
        "GRANT SELECT ON injected.t TO {}",
        "SET search_path TO {}",
        "SET my.setting TO {}",
        "DECLARE {} CURSOR WITH HOLD FOR SELECT 1",
        "FETCH 1 FROM {}",
        "CLOSE {}",
        "SAVEPOINT {}",
        "DEALLOCATE {}",
    ):
        try:
            wire.execute(sql.SQL(statement).format(sql.Identifier(text)))
            if statement.startswith("CREATE SCHEMA"):
                wire.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(text)))
            check(statement, text, not statement.startswith(("CREATE USER", "GRANT", "DROP", "SELECT")), "done")
        except psycopg.Error as error:
            check(statement, text, error.sqlstate not in (None, "XX000"), f"{error.sqlstate} {error}")
    wire.execute("RESET ALL")
    # What a session begins with.
    for setting in ("application_name", "options", "client_encoding", "dbname"):
        value = text[:8_000].replace("\x00", "")
        more = {setting: f"-c search_path={value}" if setting == "options" else value}
        try:
            with connect(**more) as session:
                found = session.execute("SELECT 1").fetchone()[0]
                check(f"start with {setting}", text, found == 1 and setting != "dbname", found)
                if setting == "application_name":
                    found = session.execute("SHOW application_name").fetchone()[0]
                    check("SHOW application_name", text, value.startswith(found) and found, found)
        except (psycopg.Error, LookupError) as error:
            check(f"start with {setting}", text, setting != "application_name", error)
    # HTTP: parameters, in the body and in the URL.
    question = {"sql": "SELECT $1::text", "params": [text]}
    found = http.post(f"{URL}/api/v1/query", json=question).json()
    check("parameter of HTTP", text, found.get("rows") == [[text]], found)
    if len(text) < 8_000:
        parameters = {"sql": "SELECT $1::text", "params": json.dumps([text])}
        found = http.get(f"{URL}/api/v1/query", params=parameters).json()
        check("parameter in the URL", text, found.get("rows") == [[text]], found)
    # Names and labels of the administration.
    for method, path, body in [
        ("post", "/api/v1/users", {"name": text}),
        ("post", "/api/v1/roles", {"name": text}),
        ("post", "/api/v1/grants", {"grantee": text, "schema": "injected", "privileges": ["select"]}),
        ("post", "/api/v1/grants", {"grantee": "owner", "schema": "injected", "privileges": [text]}),
        ("post", "/api/v1/tokens", {"user": text, "scopes": ["read"]}),
        ("post", "/api/v1/tokens", {"scopes": [text]}),
        ("post", "/api/v1/keys", {"source": text}),
        ("post", "/api/v1/lake/compact", {"table": text}),
        ("post", "/api/v1/query", {"sql": "SELECT 1", "format": text}),
        ("delete", "/api/v1/users/" + requests.utils.quote(text[:2_000], safe=""), None),
        ("delete", "/api/v1/tokens/" + requests.utils.quote(text[:2_000], safe=""), None),
        ("delete", "/api/v1/keys/" + requests.utils.quote(text[:2_000], safe=""), None),
        ("delete", "/api/v1/queries/" + requests.utils.quote(text[:2_000], safe=""), None),
        ("put", "/api/v1/sources/" + requests.utils.quote(text[:2_000], safe=""), {}),
    ]:
        found = http.request(method, URL + path, json=body)
        check(f"{method} {path[:24]} {list(body or {})}", text, 400 <= found.status_code < 500, found.text)
    for path, body in [
        ("/api/v1/tokens", {"scopes": ["read"], "expires_in_days": 1}),
        ("/api/v1/keys", {"source": "app"}),
    ]:
        made = http.post(URL + path, json={**body, "label": text})
        if made.status_code == 201:
            listed = http.get(URL + path).json()[path.rsplit("/", 1)[1]]
            check(f"label of {path}", text, listed[-1]["label"] == text, listed[-1])
            http.delete(f"{URL}{path}/{listed[-1]['id']}")
        else:
            check(f"label of {path}", text, made.status_code == 400, made.text)
    after = state()
    check("afterwards", text, after == BEFORE, after)
    if after != BEFORE:
        break
# Who one says one is: not for all of them, since guessing is slowed down.
for text in NASTY[:4]:
    name = base64.b64encode(f"{text}:x".encode()).decode()
    found = requests.get(f"{URL}/api/v1/me", headers={"Authorization": f"Basic {name}"})
    check("user of HTTP", text, found.status_code == 401, found.text)
    try:
        connect(user=text, sslmode="require")
        check("start with user", text, False)
    except psycopg.OperationalError as error:
        check("start with user", text, "password authentication failed" in str(error), error)
check("at the end", "", state() == BEFORE)
print(json.dumps({"wrong": wrong[:40], "checked": checked}))
