"""Writes what dbt-core leaves of the fixture project, for the tests that compare with it.

    python compare_dbt.py DBT POSTGRES_URL

DBT is the program of dbt-core 1.11.16 with dbt-postgres; the server of POSTGRES_URL must be local and
let its superuser in. The database `dbt` is dropped and made anew.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parent / "project"
EXPECTED = HERE / "expected"
SEPARATOR = "\x1f"


def ask(url, sql):
    command = ["psql", "-X", "-A", "-t", "-F", SEPARATOR, "-P", "null=NULL", "-v", "ON_ERROR_STOP=1", "-c", sql, url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split(SEPARATOR) for line in text.splitlines()]


def masked(line):
    line = re.sub(r"20(2[5-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "<now>", line)
    return re.sub(r"\b[0-9a-f]{32}\b", "<hash>", line) if "<now>" in line else line


def dump(url):
    """The same as `dump` of builds.rs."""
    out = []
    relations = (
        "select n.nspname, c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname like 'public%' and c.relkind in ('r', 'v', 'm') order by 1, 2"
    )
    for schema, name, kind in ask(url, relations):
        full = f'"{schema}"."{name}"'
        out.append(f"# {schema}.{name} {kind}")
        columns = (
            "select attname, format_type(atttypid, atttypmod), attnotnull, replace(coalesce(col_description(attrelid, attnum), ''), E'\\n', '\\n') "
            f"from pg_attribute where attrelid = '{full}'::regclass and attnum > 0 and not attisdropped order by attnum"
        )
        out += [" ".join(column).strip() for column in ask(url, columns)]
        facts = (
            "select 'index ' || regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX \\S+ ON \\S+', '\\1') from pg_indexes "
            f"where schemaname = '{schema}' and tablename = '{name}' "
            f"union all select 'check ' || pg_get_constraintdef(oid) from pg_constraint where conrelid = '{full}'::regclass "
            "union all select 'grant ' || privilege_type || ' to ' || grantee from information_schema.role_table_grants "
            f"where table_schema = '{schema}' and table_name = '{name}' and grantee = 'reader' "
            f"union all select 'comment ' || obj_description('{full}'::regclass) where obj_description('{full}'::regclass) is not null "
            "order by 1"
        )
        out += [" ".join(fact) for fact in ask(url, facts)]
        rows = ask(url, f"select replace(t::text, E'\\n', '\\n') from {full} t")
        out += ["  " + line for line in sorted(masked("".join(row)) for row in rows)]
    return "\n".join(out) + "\n"


def main():
    dbt, url = sys.argv[1:]
    parts = urllib.parse.urlsplit(url)
    target = urllib.parse.urlunsplit(parts._replace(path="/dbt"))
    ask(url, "drop database if exists dbt")
    ask(url, "create database dbt")
    ask(url, "do $$ begin create role reader; exception when duplicate_object then null; end $$")
    ask(target, "create table public.loads (id int, loaded_at timestamp)")
    ask(target, "insert into public.loads values (1, '2024-01-01'), (99, '2024-01-02')")
    with tempfile.TemporaryDirectory() as folder:
        output = {
            "type": "postgres", "host": parts.hostname, "port": parts.port, "user": parts.username,
            "password": "", "dbname": "dbt", "schema": "public", "threads": 2,
        }
        profile = {"fixture": {"target": "dev", "outputs": {"dev": output}}}
        pathlib.Path(folder, "profiles.yml").write_text(json.dumps(profile))
        environment = dict(os.environ, DBT_SEND_ANONYMOUS_USAGE_STATS="false")
        # The fourth is the third, built anew.
        for stage in (1, 2, 3, 4):
            command = [
                dbt, "build", "--project-dir", str(PROJECT), "--profiles-dir", folder, "--target-path", folder + "/target",
                "--log-path", folder + "/logs", "--vars", json.dumps({"stage": min(stage, 3)}),
            ] + (["--full-refresh"] if stage == 4 else [])
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
            results = json.loads(pathlib.Path(folder, "target/run_results.json").read_text())["results"]
            lines = sorted(
                f"{result['unique_id']} {result['status']} {'none' if result['failures'] is None else result['failures']}"
                for result in results
            )
            (EXPECTED / f"outcomes_{stage}.txt").write_text("\n".join(lines) + "\n")
            (EXPECTED / f"stage_{stage}.txt").write_text(dump(target))


main()
