"""Models: dbt projects parsed, compiled, checked and built, beside dbt-core with dbt-duckdb.

Both projects are made here. CPU seconds are those of a command and all it starts, its server included.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from server import CLEAN, PROFILES, note, options, progress

DBT = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir/dbt/bin/dbt")
ROUNDS = 3
# What takes longer is measured once.
LONG = 15.0
DEPTH = 100
CHAINS = 2 if options.quick else 10
# By project and what is done: which figure, and below how many seconds it is wanted.
TARGETS = {("lending", "parse"): ("wall", 0.05)}
if not options.quick:
    TARGETS |= {
        ("chains", "parse"): ("wall", 0.15),
        ("chains", "check"): ("wall", 1.0),
        ("chains", "build again"): ("wall", 1.0),
        ("chains", "run from nothing"): ("CPU", 1.0),
    }


def write(folder, files):
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


def project_file(name, more=""):
    return f"name: {name}\nversion: '1.0'\nconfig-version: 2\nprofile: bench\n{more}"


def properties(models):
    """A properties file of `models`: by name the tests of each column, in YAML."""
    text = "version: 2\nmodels:\n"
    for model, columns in models.items():
        text += f"  - name: {model}\n    columns:\n"
        for column, tests in columns.items():
            text += f"      - name: {column}\n        data_tests: {tests}\n"
    return text


def lending(folder):
    """A library's readers: three seeds of 100 rows, three views over them, two tables, 20 tests."""
    names = ["Ada", "Ben", "Cleo", "Dan", "Eve"]
    kinds = ["novel", "atlas", "comic"]
    ends = ["returned", "kept", "lost"]
    readers = [f"{n},{names[n % 5]} {n},2024-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(1, 101)]
    loans = [f"{n},{n * 7 % 60 + 1},{kinds[n % 3]},2025-{n % 12 + 1:02}-{n % 28 + 1:02},{ends[n * n % 3]}" for n in range(1, 101)]
    fines = [f"{n},{n * 3 % 100 + 1},{n * 25 % 900 + 50}" for n in range(1, 101)]
    tables = "models:\n  lending:\n    staging:\n      +materialized: view\n    marts:\n      +materialized: table\n"
    refers = "[not_null, {{relationships: {{arguments: {{to: ref('{}'), field: {}}}}}}}]"
    write(folder, {
        "dbt_project.yml": project_file("lending", tables),
        "seeds/raw_readers.csv": "\n".join(["id,name,joined", *readers]) + "\n",
        "seeds/raw_loans.csv": "\n".join(["id,reader,kind,lent,ended", *loans]) + "\n",
        "seeds/raw_fines.csv": "\n".join(["id,loan,cents", *fines]) + "\n",
        "models/staging/stg_readers.sql": "select id as reader_id, name, joined as joined_on\nfrom {{ ref('raw_readers') }}\n",
        "models/staging/stg_loans.sql": "select id as loan_id, reader as reader_id, kind, lent as lent_on, ended\nfrom {{ ref('raw_loans') }}\n",
        "models/staging/stg_fines.sql": "select id as fine_id, loan as loan_id, cents / 100.0 as amount\nfrom {{ ref('raw_fines') }}\n",
        "models/staging/staging.yml": properties({
            "stg_readers": {"reader_id": "[unique, not_null]", "name": "[not_null]"},
            "stg_loans": {"loan_id": "[unique, not_null]", "kind": "[{accepted_values: {arguments: {values: [novel, atlas, comic]}}}]"},
            "stg_fines": {"fine_id": "[unique, not_null]", "loan_id": refers.format("stg_loans", "loan_id")},
        }),
        "models/marts/loans.sql": (
            "{% set kinds = ['novel', 'atlas', 'comic'] %}\n"
            "with fined as (\n    select loan_id, sum(amount) as fined from {{ ref('stg_fines') }} group by loan_id\n)\n"
            "select\n    loans.loan_id, loans.reader_id, loans.lent_on, loans.ended,\n"
            "    {% for kind in kinds %}case when loans.kind = '{{ kind }}' then 1 else 0 end as is_{{ kind }},\n    {% endfor %}"
            "coalesce(fined.fined, 0) as fined\n"
            "from {{ ref('stg_loans') }} as loans\nleft join fined on fined.loan_id = loans.loan_id\n"
        ),
        "models/marts/readers.sql": (
            "with lent as (\n    select reader_id, min(lent_on) as first_on, max(lent_on) as last_on, count(*) as loans\n"
            "    from {{ ref('stg_loans') }} group by reader_id\n)\n"
            "select readers.reader_id, readers.name, readers.joined_on, lent.first_on, lent.last_on, coalesce(lent.loans, 0) as loans\n"
            "from {{ ref('stg_readers') }} as readers\nleft join lent on lent.reader_id = readers.reader_id\n"
        ),
        "models/marts/marts.yml": properties({
            "loans": {
                "loan_id": "[unique, not_null]", "reader_id": refers.format("readers", "reader_id"), "fined": "[not_null]",
                "ended": "[not_null, {accepted_values: {arguments: {values: [returned, kept, lost]}}}]",
            },
            "readers": {"reader_id": "[unique, not_null]", "loans": "[not_null]"},
        }),
    })


def chains(folder):
    """Views upon views, a hundred deep; each with two tests on a column."""
    files = {"dbt_project.yml": project_file("chains")}
    for chain in range(CHAINS):
        within = f"models/chain_{chain:02}"
        names = [f"chain_{chain:02}_{place:03}" for place in range(DEPTH)]
        for below, name in zip([None, *names], names):
            files[f"{within}/{name}.sql"] = (
                f"select id, amount + 1 as amount, name\nfrom {{{{ ref('{below}') }}}}\n" if below
                else "select 1 as id, 10 as amount, 'first' as name\nunion all\nselect 2, 20, 'second'\n"
            )
        files[f"{within}/chain.yml"] = properties({name: {"id": "[not_null, unique]"} for name in names})
    write(folder, files)


class Tool:
    """A tool with a copy of the project for itself."""

    def __init__(self, name, folder, command, environment, commands, made):
        self.name, self.folder, self.command, self.environment = name, folder, command, environment
        # By what is done its arguments, and what it writes besides `target`.
        self.commands, self.made = commands, made
        # Why the last command failed, if it did.
        self.failed = None

    def clean(self, everything=True):
        """Takes away what it wrote: everything, or what it found out about the project.

        It is moved and not deleted: ext4 looks long for room in folders where much was deleted just now, at the
        cost of whoever makes files next.
        """
        gone = tempfile.mkdtemp(prefix="gone-", dir=os.path.dirname(self.folder))
        for made in ["target", *(self.made if everything else [])]:
            path = os.path.join(self.folder, made)
            if os.path.lexists(path):
                os.rename(path, os.path.join(gone, made))

    def cost(self, what):
        """Wall and CPU seconds of a command with its children; None if it failed."""
        with tempfile.TemporaryFile("w+") as said:
            began = time.perf_counter()
            process = subprocess.Popen([*self.command, *self.commands[what]], cwd=self.folder, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode == 0:
                return wall, used.ru_utime + used.ru_stime
            said.seek(0)
            words = said.read().strip().splitlines()
            self.failed = words[-1][:80] if words else f"exit code {process.returncode}"
            progress(f"{self.name}: {' '.join(self.commands[what])} failed: {words[-20:]}")
            return None

    def outcomes(self):
        """How each node ended in the last command."""
        with open(os.path.join(self.folder, "target/run_results.json")) as file:
            return {result["unique_id"]: result["status"] for result in json.load(file)["results"]}


def tools(folder, make):
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "DBT_"))}
    commands = {what: [what] for what in ["parse", "compile", "check"]}
    commands |= {"build from nothing": ["build"], "build again": ["build"], "run from nothing": ["run"]}
    ours = os.path.join(folder, "weir")
    make(ours)
    weir = Tool("Weir", ours, [os.path.abspath(options.binary)], dict(plain, WEIR_LOG_LEVEL="warn"),
                {what: [*command, "--quiet"] for what, command in commands.items()}, [".weir", "weir.toml"])
    if not os.path.exists(DBT):
        return [weir]
    theirs = os.path.join(folder, "dbt")
    make(theirs)
    output = {"type": "duckdb", "path": os.path.join(theirs, "bench.duckdb"), "schema": "main", "threads": 4}
    # JSON is YAML.
    write(folder, {"profiles/profiles.yml": json.dumps({"bench": {"target": "duckdb", "outputs": {"duckdb": output}}})})
    commands = {**commands, "parse": ["parse", "--no-partial-parse"]}
    del commands["check"]
    environment = dict(plain, DBT_PROFILES_DIR=os.path.join(folder, "profiles"), DBT_SEND_ANONYMOUS_USAGE_STATS="false")
    return [weir, Tool("dbt", theirs, [DBT, "--quiet"], environment, commands, ["logs", "bench.duckdb", "bench.duckdb.wal"])]


def figures(tools, project, what):
    """Measures one thing in interleaved rounds; returns the median wall and CPU seconds of each tool."""
    found = {tool.name: [] for tool in tools if what in tool.commands}
    for turn in range(ROUNDS):
        for tool in tools:
            costs = found.get(tool.name)
            if costs is None or None in costs or any(wall > LONG for wall, _ in costs):
                continue
            progress(f"models: {project}, {what}, {tool.name}, {turn + 1} of {ROUNDS}")
            if what == "parse" or what.endswith("from nothing"):
                tool.clean(everything=what != "parse")
            costs.append(tool.cost(what))
    return {name: None if None in costs else [statistics.median(cost) for cost in zip(*costs)] for name, costs in found.items()}


def judged(project, what, measured):
    if (project, what) not in TARGETS:
        return ""
    figure, below = TARGETS[project, what]
    met = measured and measured[figure == "CPU"] < below
    return f"{figure} below {below:g} s: {'met' if met else 'missed'}"


def table(tools, project, steps):
    peer = tools[1] if len(tools) > 1 else None
    note("| what | Weir wall s | CPU s |" + (" dbt wall s | CPU s | ratio of CPU |" if peer else "") + " target |")
    note("|---|---|---|" + ("---|---|---|" if peer else "") + "---|")
    same = None
    for what in steps:
        found = figures(tools, project, what)
        line = f"| {what} |"
        for tool in tools:
            if tool.name not in found:
                line += " | |"
            elif found[tool.name] is None:
                line += f" failed: {tool.failed} | |"
            else:
                line += "".join(f" {seconds:.3f} |" if seconds < 1 else f" {seconds:.2f} |" for seconds in found[tool.name])
        if peer:
            both = found["Weir"] and found.get("dbt")
            line += f" {found['Weir'][1] / found['dbt'][1]:.3f} |" if both else " |"
        note(line + f" {judged(project, what, found['Weir'])} |")
        if what == "build from nothing" and peer and both:
            ours, theirs = (tool.outcomes() for tool in tools)
            same = sum(ours.get(node) == outcome for node, outcome in theirs.items()), len(theirs)
    note()
    if same:
        note(f"Of the {same[1]:,} nodes that dbt built and tested, {same[0]:,} ended the same.")
        note()


def models(weir):
    note("## Models beside dbt-core")
    note()
    # Each command runs its own, and this one would share the cores.
    weir.stop()
    folder = tempfile.mkdtemp(prefix="weir-models-")
    CLEAN.append(folder)
    small = tools(os.path.join(folder, "lending"), lending)
    large = tools(os.path.join(folder, "chains"), chains)
    if len(small) > 1:
        ask = "from importlib.metadata import version as v; print(v('dbt-core'), 'with dbt-duckdb', v('dbt-duckdb'))"
        python = os.path.join(os.path.dirname(DBT), "python")
        note(f"The peer is dbt-core {subprocess.check_output([python, '-c', ask], text=True).strip()}. Four threads each.")
    else:
        note("dbt-core is not installed, and left out.")
    note(f"Wall and CPU seconds of whole commands, median of {ROUNDS} interleaved rounds; what takes a tool over {LONG:.0f} s is measured "
         f"once. This Weir is {PROFILES.get(options.profile, options.profile)}, and starts its server within each command. "
         "Parsing begins without what was found out earlier (`dbt parse --no-partial-parse`), \"from nothing\" without anything "
         "that was written earlier, databases included; the rest goes on from the line above.")
    note()
    steps = ["parse", "compile", "check", "build from nothing", "build again"]
    note("A library's readers: 3 seeds of 100 rows, 3 views, 2 tables, 20 tests.")
    note()
    # Programs and libraries are read from the disk before anything is measured.
    for tool in small:
        tool.cost("compile")
    table(small, "lending", steps)
    note(f"{CHAINS * DEPTH:,} views in {CHAINS} chains, each {DEPTH} deep, with {2 * CHAINS * DEPTH:,} tests (`not_null`, `unique`); \"run\" makes the "
         "views and tests nothing.")
    note()
    # Makes the project's folder one of Weir's, as dbt's parsing leaves what its compilation begins with.
    large[0].cost("compile")
    table(large, "chains", [*steps, "run from nothing"])
    shutil.rmtree(folder, ignore_errors=True)
    weir.start()
