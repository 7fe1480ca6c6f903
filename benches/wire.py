"""The Postgres door beside PostgreSQL: rows a second, connections, many small queries."""

import json
import os
import pwd
import shutil
import statistics
import subprocess
import tempfile
import time

from server import ROUNDS, free_port, note, options, progress

PROGRAMS = "/usr/lib/postgresql/15/bin"
ROWS = 300_000 if options.quick else 1_000_000


class Postgres:
    """A PostgreSQL with a folder of its own and its usual settings; clients prove a password."""

    name, user, database, password = "PostgreSQL", "postgres", "postgres", "measured"
    settings = []

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="weir-pg-")
        self.port = free_port()
        self.runs_as = None
        if os.getuid() == 0:
            # It refuses to run as root.
            account = pwd.getpwnam("postgres")
            self.runs_as = dict(user=account.pw_uid, group=account.pw_gid, extra_groups=[])
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        data = os.path.join(self.folder, "data")
        secret = os.path.join(self.folder, "password")
        with open(secret, "w") as file:
            file.write(self.password)
        os.chmod(secret, 0o644)
        make = [f"{PROGRAMS}/initdb", "-A", "scram-sha-256", "-U", "postgres", "--pwfile", secret, "-E", "UTF8", "--locale=C", "-D", data]
        subprocess.run(make, check=True, capture_output=True, cwd="/", **(self.runs_as or {}))
        serve = [f"{PROGRAMS}/postgres", "-D", data, "-p", str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=150"]
        serve += [part for setting in self.settings for part in ("-c", setting)]
        self.process = subprocess.Popen(serve, cwd="/", stderr=subprocess.DEVNULL, **(self.runs_as or {}))
        for _ in range(200):
            if subprocess.run([f"{PROGRAMS}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Door:
    """Weir's door, for a user with a password."""

    name, user, database = "Weir", "measured", "weir"

    def __init__(self, weir):
        self.port = weir.postgres
        environment = dict(os.environ, WEIR_PROJECT=weir.folder)
        made = subprocess.run([options.binary, "users", "add", self.user, "--role", "engineer", "--json"],
                              capture_output=True, check=True, env=environment)
        self.password = json.loads(made.stdout)["password"]


def address(server, encrypted="disable"):
    return (f"host=127.0.0.1 port={server.port} user={server.user} dbname={server.database} "
            f"password={server.password} sslmode={encrypted}")


def timed(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def rows(servers):
    import psycopg

    table = (
        f"create table bench_rows as select g as id, g * 7 as quantity, 'customer ' || g as name, "
        f"(g % 1000)::numeric(12,2) / 100 as price, g::double precision / 3 as share, "
        f"timestamp '2026-01-01 00:00:00' + g * interval '1 second' as at from generate_series(1, {ROWS}) as t(g)"
    )
    for server in servers:
        with psycopg.connect(address(server), autocommit=True) as connection:
            connection.execute(table)

    def fetch(server, binary):
        with psycopg.connect(address(server)) as connection, connection.cursor(binary=binary) as cursor:
            began = time.perf_counter()
            cursor.execute("select * from bench_rows")
            found = len(cursor.fetchall())
            assert found == ROWS, found
            return time.perf_counter() - began

    def copy(server):
        with psycopg.connect(address(server)) as connection, connection.cursor() as cursor:
            began = time.perf_counter()
            with cursor.copy("copy bench_rows to stdout (format binary)") as stream:
                for _ in stream:
                    pass
            return time.perf_counter() - began

    ways = {
        "psql, all rows": lambda s: timed(["psql", address(s), "-qAtc", "select * from bench_rows"]),
        "psycopg 3, text": lambda s: fetch(s, False),
        "psycopg 3, binary": lambda s: fetch(s, True),
        "COPY, binary": copy,
    }
    note(f"{ROWS:,} rows of six columns (integers, text, numeric, double, timestamp), rows a second, median of {ROUNDS} interleaved rounds.")
    note()
    note("| how | Weir | PostgreSQL | ratio |")
    note("|---|---|---|---|")
    for name, way in ways.items():
        progress(f"wire: {name}")
        found = {server.name: [] for server in servers}
        for _ in range(ROUNDS):
            for server in servers:
                found[server.name].append(ROWS / way(server))
        ours, theirs = (statistics.median(found[server.name]) for server in servers)
        note(f"| {name} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |")
    note()


def connections(servers):
    import psycopg

    note("| connect, ask `select 1`, close | Weir p50 ms | p99 | PostgreSQL p50 ms | p99 |")
    note("|---|---|---|---|---|")
    progress("wire: connections")
    line = "| one after the other, no encryption |"
    for server in servers:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            with psycopg.connect(address(server)) as connection:
                connection.execute("select 1").fetchall()
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        line += f" {times[100]:.1f} | {times[197]:.1f} |"
    note(line)
    times = []
    for _ in range(100):
        began = time.perf_counter()
        with psycopg.connect(address(servers[0], "require")) as connection:
            connection.execute("select 1").fetchall()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    note(f"| the same with TLS | {times[50]:.1f} | {times[98]:.1f} | | |")
    note()


def small_queries(servers):
    import psycopg

    for server in servers:
        with psycopg.connect(address(server), autocommit=True) as connection:
            connection.execute("create table bench_small as select g as id, 'name ' || g as name, g * 3 as amount "
                               "from generate_series(1, 1000) as t(g)")
    folder = tempfile.mkdtemp(prefix="weir-pgbench-")
    os.chmod(folder, 0o755)
    script = os.path.join(folder, "small.sql")
    with open(script, "w") as file:
        file.write("\\set id random(1, 1000)\nselect name, amount from bench_small where id = :id;\n")
    note("One row of a thousand by `pgbench`, without an index on either side.")
    note()
    note("| clients, protocol | Weir p50 ms | p99 | queries/s | PostgreSQL p50 ms | p99 | queries/s |")
    note("|---|---|---|---|---|---|---|")
    seconds = 5 if options.quick else 15
    for clients, protocol in [(1, "simple"), (1, "prepared"), (100, "simple"), (100, "prepared")]:
        progress(f"wire: {clients} clients, {protocol}")
        line = f"| {clients}, {protocol} |"
        for server in servers:
            logs = os.path.join(folder, f"{server.name}-{clients}-{protocol}")
            command = [f"{PROGRAMS}/pgbench", "-n", "-f", script, "-M", protocol, "-c", str(clients), "-j", "1", "-T", str(seconds),
                       "--log", f"--log-prefix={logs}", "-h", "127.0.0.1", "-p", str(server.port), "-U", server.user, server.database]
            run = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, PGPASSWORD=server.password, PGSSLMODE="disable"))
            times = sorted(int(entry.split()[2]) / 1000 for file in os.listdir(folder) if file.startswith(os.path.basename(logs))
                           for entry in open(os.path.join(folder, file)) if entry.split()[2].isdigit())
            if run.returncode != 0 or not times:
                line += f" {run.stderr.strip().splitlines()[-1][:80] if run.stderr.strip() else 'failed'} | | |"
                continue
            line += f" {times[len(times) // 2]:.1f} | {times[int(len(times) * 0.99)]:.1f} | {len(times) / seconds:,.0f} |"
        note(line)
    shutil.rmtree(folder, ignore_errors=True)
    note()


def wire(weir):
    note("## The Postgres door beside PostgreSQL 15")
    note()
    if not os.path.exists(f"{PROGRAMS}/postgres"):
        note("PostgreSQL is not installed; nothing measured.")
        note()
        return
    peer = Postgres()
    try:
        servers = [Door(weir), peer]
        rows(servers)
        connections(servers)
        small_queries(servers)
    finally:
        peer.stop()
