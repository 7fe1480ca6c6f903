"""Builds a project with dbt-core and with Weir, and compares every table and every test.

    compare.py --weir target/debug/weir [--adapter duckdb|postgres] [--ignore column] PROJECT

The reference is dbt-core with dbt-duckdb, or with dbt-postgres on the server that PGHOST, PGPORT, PGUSER
and PGDATABASE name. The project is copied twice and never written to. Exit code 0 says that everything
is equal.
"""

import argparse
import datetime
import decimal
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile

import yaml

parser = argparse.ArgumentParser()
parser.add_argument("project")
parser.add_argument("--weir", required=True)
parser.add_argument("--adapter", choices=["duckdb", "postgres"], default="duckdb")
parser.add_argument("--ignore", action="append", default=[], help="a column whose values may differ")
parser.add_argument("--steps", default="build", help="commands in turn, with commas, such as seed,run,test")
parser.add_argument("--vars", help="passed on to both")
parser.add_argument("--keep", help="a folder for the two copies, which stay")
parser.add_argument("--json", action="store_true")
options = parser.parse_args()

LEFT_OUT = shutil.ignore_patterns("target", "logs", ".weir", ".git", "*.duckdb", "weir.toml")


def say(text):
    print(text, file=sys.stderr, flush=True)


def profile_of(project):
    with open(os.path.join(project, "dbt_project.yml")) as file:
        return yaml.safe_load(file).get("profile") or "default"


def reference(folder, state):
    """Builds with dbt-core; returns how to read tables."""
    profiles = os.path.join(state, "profiles")
    os.makedirs(profiles)
    if options.adapter == "duckdb":
        output = {"type": "duckdb", "path": os.path.join(state, "reference.duckdb"), "schema": "main", "threads": 1}
    else:
        output = {
            "type": "postgres", "host": os.environ["PGHOST"], "port": int(os.environ["PGPORT"]),
            "user": os.environ["PGUSER"], "password": os.environ.get("PGPASSWORD", ""),
            "dbname": os.environ["PGDATABASE"], "schema": "main", "threads": 1,
        }
    with open(os.path.join(profiles, "profiles.yml"), "w") as file:
        yaml.safe_dump({profile_of(folder): {"target": "reference", "outputs": {"reference": output}}}, file)
    environment = dict(os.environ, DBT_SEND_ANONYMOUS_USAGE_STATS="false", DBT_PROFILES_DIR=profiles)
    dbt = os.path.join(os.path.dirname(sys.executable), "dbt")
    has_packages = any(os.path.exists(os.path.join(folder, name)) for name in ("packages.yml", "dependencies.yml"))
    if has_packages and not os.path.isdir(os.path.join(folder, "dbt_packages")):
        subprocess.run([dbt, "deps"], cwd=folder, env=environment, check=True, stdout=sys.stderr)
    return run([dbt], folder, environment)


def weir(folder, state):
    profiles = os.path.join(state, "profiles")
    os.makedirs(profiles)
    # What the project branches on stays what it was written for.
    output = {"type": options.adapter if options.adapter == "duckdb" else "weir", "schema": "main", "path": "unused"}
    with open(os.path.join(profiles, "profiles.yml"), "w") as file:
        yaml.safe_dump({profile_of(folder): {"target": "weir", "outputs": {"weir": output}}}, file)
    environment = dict(os.environ, DBT_PROFILES_DIR=profiles)
    return run([os.path.abspath(options.weir), "dbt"], folder, environment)


def run(command, folder, environment):
    """Runs the steps; returns each node's outcome."""
    outcomes = {}
    for step in options.steps.split(","):
        arguments = command + step.split() + (["--vars", options.vars] if options.vars else [])
        say("$ " + " ".join(arguments))
        subprocess.run(arguments, cwd=folder, env=environment, stdout=sys.stderr)
        results = os.path.join(folder, "target", "run_results.json")
        if not os.path.exists(results):
            sys.exit(f"{arguments[0]} wrote no run_results.json")
        with open(results) as file:
            for result in json.load(file)["results"]:
                outcomes[result["unique_id"]] = (result["status"], result.get("failures"))
    return outcomes


def manifest(folder):
    with open(os.path.join(folder, "target", "manifest.json")) as file:
        return json.load(file)["nodes"]


def value(raw):
    """One form for values that mean the same."""
    if raw is None or isinstance(raw, bool):
        return raw
    if isinstance(raw, int):
        return float(raw)
    if isinstance(raw, decimal.Decimal):
        return float(raw)
    if isinstance(raw, float):
        return raw
    if isinstance(raw, datetime.datetime):
        plain = raw.astimezone(datetime.timezone.utc).replace(tzinfo=None) if raw.tzinfo else raw
        return plain.isoformat(sep=" ", timespec="microseconds")
    if isinstance(raw, datetime.date):
        return f"{raw.isoformat()} 00:00:00.000000"
    if isinstance(raw, str):
        try:
            number = float(raw)
            return number if math.isfinite(number) and raw.strip() == raw else raw
        except ValueError:
            pass
        try:
            return value(datetime.datetime.fromisoformat(raw.replace("Z", "+00:00"))) if raw[:4].isdigit() else raw
        except ValueError:
            return raw
    return str(raw)


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    return a == b


def order(row):
    return tuple((item is None, str(type(item)), f"{item:.6g}" if isinstance(item, float) else str(item)) for item in row)


def rows_of(read, schema, name):
    columns, rows = read(schema, name)
    keep = [at for at, column in enumerate(columns) if column.lower() not in options.ignore]
    return [columns[at].lower() for at in keep], sorted(([value(row[at]) for at in keep] for row in rows), key=order)


def reader_of_reference(state):
    if options.adapter == "duckdb":
        import duckdb
        connection = duckdb.connect(os.path.join(state, "reference.duckdb"), read_only=True)
        connection.execute("SET TimeZone = 'UTC'")

        def read(schema, name):
            result = connection.execute(f'SELECT * FROM "{schema}"."{name}"')
            return [column[0] for column in result.description], result.fetchall()
    else:
        import psycopg2
        connection = psycopg2.connect("", options="-c TimeZone=UTC")

        def read(schema, name):
            with connection.cursor() as cursor:
                cursor.execute(f'SELECT * FROM "{schema}"."{name}"')
                return [column.name for column in cursor.description], cursor.fetchall()
    return read


def reader_of_weir(folder):
    def read(schema, name):
        sql = f'SELECT * FROM "{schema}"."{name}"'
        shown = subprocess.run(
            [os.path.abspath(options.weir), "show", "--json", "--quiet", "--inline", sql, "--limit", "-1"],
            cwd=folder, capture_output=True, text=True,
        )
        if shown.returncode:
            raise RuntimeError(shown.stderr.strip() or shown.stdout.strip())
        answer = json.loads(shown.stdout)
        return answer["columns"], answer["rows"]
    return read


def main():
    state = options.keep or tempfile.mkdtemp(prefix="weir-compare-")
    os.makedirs(state, exist_ok=True)
    copies = {}
    for side in ("dbt", "weir"):
        shutil.rmtree(os.path.join(state, side), ignore_errors=True)
        copies[side] = os.path.join(state, side, "project")
        shutil.copytree(options.project, copies[side], ignore=LEFT_OUT, symlinks=False)
    theirs = reference(copies["dbt"], os.path.join(state, "dbt"))
    ours = weir(copies["weir"], os.path.join(state, "weir"))
    nodes, mine = manifest(copies["dbt"]), manifest(copies["weir"])
    read_theirs = reader_of_reference(os.path.join(state, "dbt"))
    read_ours = reader_of_weir(copies["weir"])
    report = {"tables_equal": 0, "tables": 0, "outcomes_equal": 0, "outcomes": 0, "differences": []}

    def differ(what, how):
        report["differences"].append({"what": what, "how": how})
        say(f"  differs: {what}: {how}")

    for only, where in ((set(nodes) - set(mine), "Weir"), (set(mine) - set(nodes), "dbt")):
        for node in sorted(only):
            differ(node, f"{where} has no such node")
    for node, status in sorted(theirs.items()):
        report["outcomes"] += 1
        if ours.get(node, ("missing", None))[0] == status[0] and ours[node][1] == status[1]:
            report["outcomes_equal"] += 1
        else:
            differ(node, f"dbt says {status}, Weir {ours.get(node)}")
    for node, about in sorted(nodes.items()):
        kept = about["resource_type"] in ("model", "seed", "snapshot") and about["config"]["materialized"] != "ephemeral"
        if not kept or theirs.get(node, ("",))[0] != "success" or node not in mine:
            continue
        report["tables"] += 1
        try:
            want = rows_of(read_theirs, about["schema"], about["alias"])
            have = rows_of(read_ours, mine[node]["schema"], mine[node]["alias"])
        except Exception as error:  # noqa: BLE001: whatever a reader raises is a difference
            differ(node, f"cannot be read: {str(error)[:300]}")
            continue
        if want[0] != have[0]:
            differ(node, f"columns {want[0]} and {have[0]}")
        elif len(want[1]) != len(have[1]):
            differ(node, f"{len(want[1])} and {len(have[1])} rows")
        else:
            wrong = [(a, b) for a, b in zip(want[1], have[1]) if not all(same(x, y) for x, y in zip(a, b))]
            if wrong:
                differ(node, f"{len(wrong)} rows differ, the first: {wrong[0][0]} and {wrong[0][1]}")
            else:
                report["tables_equal"] += 1
    if options.json:
        print(json.dumps(report))
    else:
        print(f"{report['tables_equal']} of {report['tables']} tables equal, "
              f"{report['outcomes_equal']} of {report['outcomes']} outcomes equal")
    if not options.keep:
        shutil.rmtree(state, ignore_errors=True)
    return 0 if not report["differences"] else 1


sys.exit(main())
