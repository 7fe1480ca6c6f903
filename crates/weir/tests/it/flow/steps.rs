//! Steps of other languages through the running server: Python over real tables, what is skipped and
//! what is done again, a kill in the middle, and commands that behave badly.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_testkit::{Context, Result, ensure, until};

use super::shop::{Shop, null, states};

const BY_HAND: &str = "schedules:\n  - name: all\n    trigger: manual\n";

/// Reads a model's table, makes one of its own and a file.
const STEP: &str = "\
command: [python3, scripts/score.py]
input: {table: main.customers, as: csv}
outputs:
  - {table: marts.scores, from: scores}
  - {fileset: reports, from: reports}
";

const SCRIPT: &str = r#"
import csv, os, pathlib

out = pathlib.Path(os.environ["WEIR_OUT"])
rows = list(csv.DictReader(open(os.environ["WEIR_INPUT_CUSTOMERS"] + "/customers.csv")))
(out / "scores").mkdir()
(out / "reports").mkdir()
with open(out / "scores" / "scores.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["customer", "score", "code"])
    for row in sorted(rows, key=lambda row: row["customer"]):
        writer.writerow([row["customer"], float(row["total"]) * FACTOR, "007"])
(out / "reports" / "customers.txt").write_text(f"{len(rows)}\n")
print(f"scored {len(rows)} customers")
"#;

fn shop() -> Result<Shop> {
    let shop = Shop::new(BY_HAND)?;
    shop.write("steps/score.yml", STEP)?;
    shop.write("scripts/score.py", &SCRIPT.replace("FACTOR", "2"))?;
    // A model that reads what the step makes.
    shop.write(
        "models/sources.yml",
        "sources:\n  - name: marts\n    tables: [{name: scores}]\n",
    )?;
    shop.write(
        "models/best.sql",
        "{{ config(materialized='table') }}\n\
         select customer, score from {{ source('marts', 'scores') }} order by score desc limit 1\n",
    )?;
    Ok(shop)
}

async fn runs(shop: &Shop) -> Result<Value> {
    let run = shop.trigger("all", None).await?;
    let run = shop.ended(run).await?;
    let id = run["id"].as_i64().unwrap_or_default();
    let (_, logs, _) = shop.weir.run(&["runs", "logs", &id.to_string()])?;
    ensure!(
        run["state"] == "succeeded",
        "{run}\n{logs}\n{}",
        shop.weir.log()
    );
    Ok(run)
}

fn state(run: &Value, step: &str) -> String {
    let states = states(run);
    let found = states.into_iter().find(|(name, _)| name == step);
    found.map(|(_, state)| state).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_a_model_and_makes_a_table_that_a_model_reads() -> Result<()> {
    let mut shop = shop()?;
    shop.weir.start().await?;
    let run = runs(&shop).await?;
    for step in ["customers", "score", "best"] {
        ensure!(state(&run, step) == "succeeded", "{step}: {run}");
    }
    let rows = shop
        .weir
        .query("select customer, score, code from marts.scores order by 1")
        .await?;
    ensure!(
        json!(rows) == json!([["ada", 81.5, "007"], ["bob", 40.0, "007"]]),
        "{rows:?}"
    );
    let best = shop.weir.query("select customer from main.best").await?;
    ensure!(json!(best) == json!([["ada"]]), "{best:?}");
    // After what it reads, and before what reads it.
    let order = "select asset, ended_at from weir.steps where run_id = (select max(run_id) from weir.runs) \
                 and (asset like '%customers' or asset like '%score' or asset like '%best') order by ended_at";
    let order = shop.weir.query(order).await?;
    let order: Vec<&str> = order.iter().filter_map(|row| row[0].as_str()).collect();
    ensure!(
        order == ["model.shop.customers", "step.score", "model.shop.best"],
        "{order:?}"
    );

    // Its commit says what it came from.
    let commit = "select inputs, code, writer from weir.commits where schema_name = 'marts' and table_name = 'scores'";
    let commit = shop.weir.query(commit).await?;
    let (inputs, code) = (commit[0][0].to_string(), commit[0][1].to_string());
    ensure!(
        inputs.contains("main.customers") && code.contains("blake3:") && commit[0][2] == "step",
        "{commit:?}"
    );
    let about = "select about from weir.publications where about like '%step.score%'";
    let about = shop.weir.query(about).await?;
    ensure!(about.len() == 1, "{about:?}");
    let about: Value = serde_json::from_str(about[0][0].as_str().context("about")?)?;
    ensure!(
        about["run"] == run["id"]
            && about["code"]
                .as_str()
                .is_some_and(|code| code.starts_with("blake3:")),
        "{about}"
    );
    ensure!(
        about["inputs"]["table:main.customers.csv"].is_i64(),
        "{about}"
    );

    // Nothing has changed: nothing is done again.
    let run = runs(&shop).await?;
    for step in ["score", "best"] {
        ensure!(state(&run, step) == "skipped", "{step}: {run}");
    }
    // Other rows, other code: done again, and only then.
    shop.write(
        "seeds/raw_orders.csv",
        "id,customer,amount\n1,ada,10\n2,eve,5\n",
    )?;
    let run = runs(&shop).await?;
    ensure!(state(&run, "score") == "succeeded", "{run}");
    let rows = shop
        .weir
        .query("select customer, score from marts.scores order by 1")
        .await?;
    ensure!(
        json!(rows) == json!([["ada", 20.0], ["eve", 10.0]]),
        "{rows:?}"
    );
    shop.write("scripts/score.py", &SCRIPT.replace("FACTOR", "3"))?;
    let run = runs(&shop).await?;
    ensure!(
        state(&run, "score") == "succeeded" && state(&run, "customers") == "skipped",
        "{run}"
    );
    let rows = shop
        .weir
        .query("select sum(score) from marts.scores")
        .await?;
    ensure!(json!(rows) == json!([[45.0]]), "{rows:?}");

    // A restart forgets nothing of it.
    shop.weir.stop().await?;
    shop.weir.start().await?;
    let run = runs(&shop).await?;
    ensure!(state(&run, "score") == "skipped", "{run}");

    // People see it.
    let (code, listed, _) = shop.weir.run(&["steps", "list"])?;
    ensure!(
        code == 0 && listed.contains("score") && listed.contains("table:marts.scores"),
        "{listed}"
    );
    let (code, planned, told) = shop.weir.run(&["steps", "plan", "score"])?;
    ensure!(
        code == 0 && planned.contains("skip") && told.contains("0 of 1 datums"),
        "{planned}{told}"
    );
    let (code, shown, _) = shop.weir.run(&["steps", "show", "score"])?;
    ensure!(code == 0 && shown.contains("succeeded"), "{shown}");
    let (code, files, _) = shop.weir.run(&["filesets", "files", "reports"])?;
    ensure!(code == 0 && files.contains("customers.txt"), "{files}");
    let (code, _, told) = shop.weir.run(&["steps", "run", "scroe"])?;
    ensure!(code == 1 && told.contains("did you mean `score`"), "{told}");
    let (code, _, told) = shop.weir.run(&["steps", "run", "score", "-f"])?;
    ensure!(code == 0, "{told}");
    let logs = "select count(*) from weir.run_logs where line like '%scored 2 customers%'";
    ensure!(shop.weir.count(logs).await? >= 1, "no log");
    let datums = "select count(*) from weir.datums where step = 'score' and state = 'succeeded'";
    ensure!(shop.weir.count(datums).await? == 1, "no datum");
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_selection_mean_steps_as_well() -> Result<()> {
    let mut shop = shop()?;
    shop.weir.start().await?;
    let selected = |words: &'static [&'static str]| {
        let shop = &shop;
        async move {
            let body = json!({ "select": words });
            let (status, begun) = shop.ask("POST", "/api/v1/runs", body).await?;
            ensure!(status == 202, "{words:?}: {status} {begun}");
            let run = shop.ended(begun["run"].as_i64().context("a run")?).await?;
            let mut names: Vec<String> = states(&run).into_iter().map(|(name, _)| name).collect();
            names.sort();
            Ok(names)
        }
    };
    ensure!(
        selected(&["+score"]).await? == ["customers", "orders", "raw_orders", "score"],
        "+score"
    );
    ensure!(selected(&["score+"]).await? == ["best", "score"], "score+");
    ensure!(selected(&["step.score"]).await? == ["score"], "step.score");
    ensure!(
        selected(&["customers+"]).await? == ["best", "customers", "score"],
        "customers+"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_step_is_told_with_its_line() -> Result<()> {
    let shop = Shop::new(BY_HAND)?;
    shop.write("steps/a.yml", "steps:\n  - name: one\n    command: [true]\n    input: {folder: x, glob: /*}\n    output: {table: main.t}\n  - name: two\n    comand: [true]\n")?;
    let mut shop = shop;
    shop.weir.start().await?;
    let (code, _, told) = shop.weir.run(&["steps", "list"])?;
    ensure!(code == 1 && told.contains("steps/a.yml:7"), "{told}");
    // A model and a step must not make one table.
    shop.write(
        "steps/a.yml",
        "command: [\"true\"]\ninput: {folder: x, glob: /*}\noutput: {table: main.orders}\n",
    )?;
    let told = until(|| async {
        let (_, listed) = shop.ask("GET", "/api/v1/steps", null()).await?;
        let problem = listed["problem"].as_str().unwrap_or_default().to_owned();
        Ok(problem.contains("main.orders").then_some(problem))
    })
    .await?;
    ensure!(
        told.contains("step `a` makes `main.orders`, which `model.shop.orders` is already"),
        "{told}"
    );
    // Steps that wait for each other.
    shop.write("steps/a.yml", "steps:\n  - name: one\n    command: [\"true\"]\n    input: {fileset: b, glob: /*}\n    output: {fileset: a}\n  - name: two\n    command: [\"true\"]\n    input: {fileset: a, glob: /*}\n    output: {fileset: b}\n")?;
    until(|| async {
        let (_, listed) = shop.ask("GET", "/api/v1/steps", null()).await?;
        let problem = listed["problem"].as_str().unwrap_or_default().to_owned();
        let is_told = problem.contains("step.one") && problem.contains("step.two");
        Ok(is_told.then_some(()))
    })
    .await?;
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_publishes_nothing_half_and_ends_the_command() -> Result<()> {
    let mut shop = shop()?;
    // It says that it works, then waits to be let go on; what it has made by then is half of it.
    let script = SCRIPT.replace("FACTOR", "2").replace(
        "print(",
        "import time\npid = os.getpid()\nprint(\"half way\", flush=True)\n\
         gate = pathlib.Path(\"gate\")\nwhile not gate.exists():\n    time.sleep(0.01)\nprint(",
    );
    shop.write("scripts/score.py", &script)?;
    shop.weir.start().await?;
    let run = shop.trigger("all", Some("once")).await?;
    until(|| async {
        let said = "select count(*) from weir.run_logs where line like '%half way%'";
        Ok((shop.weir.count(said).await? > 0).then_some(()))
    })
    .await?;
    shop.weir.kill()?;
    // The keeper sees that Weir is gone.
    let script = shop
        .weir
        .dir()
        .join("scripts/score.py")
        .display()
        .to_string();
    until(|| async { Ok((!is_running(&script)).then_some(())) }).await?;
    shop.weir.start().await?;
    let none = shop.weir.query("select * from marts.scores").await;
    ensure!(none.is_err(), "half of it is there: {none:?}");
    shop.write("gate", "")?;
    let run = shop.ended(run).await?;
    ensure!(run["state"] == "succeeded", "{run}\n{}", shop.weir.log());
    let rows = shop
        .weir
        .query("select customer, score from marts.scores order by 1")
        .await?;
    ensure!(
        json!(rows) == json!([["ada", 81.5], ["bob", 40.0]]),
        "{rows:?}"
    );
    let published = "select count(*) from weir.publications where about like '%step.score%'";
    ensure!(shop.weir.count(published).await? == 1, "published twice");

    // Around the publication: before it, in the middle, before anybody has written down that it is made.
    let points = [
        "flow-begin-to-publish-done",
        "publish-table-done",
        "publish-committed",
        "publish-show",
    ];
    for (at, point) in points.into_iter().enumerate() {
        shop.weir.stop().await?;
        let factor = at + 3;
        shop.write(
            "scripts/score.py",
            &SCRIPT.replace("FACTOR", &factor.to_string()),
        )?;
        shop.weir.set("WEIR_FAILPOINTS", &format!("{point}=panic"));
        shop.weir.start().await?;
        let body = json!({ "select": ["score"] });
        let (_, begun) = shop.ask("POST", "/api/v1/runs", body).await?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !shop.weir.ended_now()? {
            ensure!(
                Instant::now() < deadline,
                "{point} was not reached: {begun}"
            );
            tokio::task::yield_now().await;
        }
        shop.weir.kill()?;
        shop.weir.unset("WEIR_FAILPOINTS");
        shop.weir.start().await?;
        let run = shop.ended(begun["run"].as_i64().context("a run")?).await?;
        ensure!(run["state"] == "succeeded", "{point}: {run}");
        let rows = "select customer, score from marts.scores order by 1";
        let rows = shop.weir.query(rows).await?;
        let wanted = json!([
            ["ada", 40.75 * factor as f64],
            ["bob", 20.0 * factor as f64]
        ]);
        ensure!(json!(rows) == wanted, "{point}: {rows:?}");
        let published = "select count(*) from weir.publications where state = 'published' and about like '%step.score%'";
        let count = shop.weir.count(published).await?;
        ensure!(count == at as i64 + 2, "{point}: published {count} times");
    }
    shop.weir.stop().await
}

/// Whether a process runs that was given `argument`, or works in its folder with it.
fn is_running(argument: &str) -> bool {
    let short = "scripts/score.py";
    let folder = argument.trim_end_matches(short);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|process| process.path()).any(|process| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let words = line.split(|byte| *byte == 0);
        let named = words.into_iter().any(|word| word == short.as_bytes());
        let here = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        named && here.join("").starts_with(folder)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_behave_badly_are_contained_and_publish_nothing() -> Result<()> {
    let shop =
        Shop::new(&format!("{BY_HAND}    select: none\n").replace("    select: none\n", ""))?;
    let step = |name: &str, shell: &str, more: &str| {
        let shell = shell.replace('\n', "\n      ");
        format!(
            "  - name: {name}\n    tries: 1\n    input: {{folder: data, glob: /}}\n    output: {{table: bad.{name}}}\n    grace: 100ms\n    {more}\n    shell: |\n      {shell}\n"
        )
    };
    let half = "echo 'a' > $WEIR_OUT/t.csv; echo 1 >> $WEIR_OUT/t.csv\n";
    let outside = shop.weir.dir().join("weir.toml.hacked");
    let text = [
        step(
            "prints",
            &format!("{half}head -c 1000000000 /dev/zero | tr '\\0' x; exit 1"),
            "limits: {log: 64KB}",
        ),
        step(
            "forks",
            &format!("{half}for i in $(seq 200); do sleep 1000 & done; wait"),
            "limits: {processes: 50}",
        ),
        step("hangs", &format!("{half}sleep 1000"), "timeout: 500ms"),
        step("silent", &format!("{half}sleep 1000"), "silence: 500ms"),
        step(
            "stubborn",
            &format!("{half}trap '' TERM; while :; do sleep 1000; done"),
            "timeout: 500ms",
        ),
        step(
            "fills",
            &format!("{half}head -c 100000000 /dev/zero > $TMPDIR/big; sleep 1000"),
            "limits: {scratch: 10MB}",
        ),
        step(
            "escapes",
            &format!("{half}echo hacked > {}", outside.display()),
            "",
        ),
        step(
            "no_rows",
            "echo nothing like a table > $WEIR_OUT/t.parquet",
            "",
        ),
        step("no_program", "exec /no/such/program", ""),
        step(
            "orphans",
            &format!(
                "{half}setsid sleep 12345 & setsid sh -c 'trap \"\" TERM HUP; sleep 12345' & exit 4"
            ),
            "",
        ),
    ];
    shop.write("steps/bad.yml", &format!("steps:\n{}", text.concat()))?;
    shop.write("data/x", "x")?;
    let mut shop = shop;
    shop.weir.start().await?;
    let begun = Instant::now();
    let (status, run) = shop
        .ask("POST", "/api/v1/runs", json!({ "select": ["steps"] }))
        .await?;
    ensure!(status == 202, "{status} {run}");
    let run = shop.ended(run["run"].as_i64().context("a run")?).await?;
    ensure!(run["state"] == "failed", "{run}");
    ensure!(
        begun.elapsed() < Duration::from_secs(55),
        "it took {:?}",
        begun.elapsed()
    );
    let details = run["details"].as_array().context("steps")?;
    for (name, why) in [
        ("prints", "exited with 1"),
        ("forks", "processes and threads, 50 are allowed"),
        ("hangs", "took longer than 500ms"),
        ("silent", "said nothing for 500ms"),
        ("stubborn", "took longer than 500ms"),
        ("fills", "of scratch"),
        ("escapes", "exited with"),
        ("no_rows", "no parquet"),
        ("no_program", "exited with 127"),
        ("orphans", "exited with 4"),
    ] {
        let asset = format!("step.{name}");
        let step = details
            .iter()
            .find(|step| step["asset"] == asset)
            .context("the step")?;
        let reason = step["attempts"][0]["reason"].as_str().unwrap_or_default();
        ensure!(
            step["state"] == "failed" && reason.contains(why),
            "{name}: {step}"
        );
        let table = shop.weir.query(&format!("select * from bad.{name}")).await;
        ensure!(table.is_err(), "{name} published {table:?}");
    }
    ensure!(!outside.exists(), "it wrote outside");
    let left = std::fs::read_dir("/proc")?.flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line == b"sleep\x0012345\x00"
    });
    ensure!(!left, "processes are left");
    // A gigabyte was read; what is kept of it is little.
    let kept = "select sum(octet_length(line)) from weir.run_logs where asset = 'step.prints'";
    ensure!(shop.weir.count(kept).await? < 1_000_000, "too much is kept");
    let log = "select max(octet_length(log)) from weir.datums where step = 'prints'";
    ensure!(shop.weir.count(log).await? < 200_000, "too much is kept");
    // The server has not suffered.
    ensure!(shop.weir.count("select 1").await? == 1, "no answer");
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_has_the_rights_of_its_owner_and_a_token_that_ends_with_it() -> Result<()> {
    let mut shop = Shop::new(BY_HAND)?;
    shop.weir.start().await?;
    for sql in [
        "create user ana password 'ana-has-a-long-password'",
        "create schema lab",
        "create schema secret",
        "create table secret.t as select 1 as n",
        "create table lab.t as select 7 as n",
        "grant select, create on schema lab to ana",
    ] {
        shop.weir.query(sql).await?;
    }
    let asks = r#"
import json, os, urllib.request
request = urllib.request.Request(os.environ["WEIR_URL"] + "/api/v1/query",
    data=json.dumps({"sql": os.environ["SQL"], "format": "json"}).encode(),
    headers={"authorization": "Bearer " + os.environ["WEIR_TOKEN"], "content-type": "application/json"})
try:
    rows = json.load(urllib.request.urlopen(request))["rows"]
except urllib.error.HTTPError as error:
    raise SystemExit(error.read().decode())
print("token", os.environ["WEIR_TOKEN"], os.environ["DATABASE_URL"])
open(os.environ["WEIR_OUT"] + "/rows.json", "w").write(json.dumps({"n": rows[0][0]}) + "\n")
"#;
    shop.write("scripts/asks.py", asks)?;
    let step = |name: &str, table: &str, out: &str| {
        format!(
            "  - name: {name}\n    owner: ana\n    database: read\n    command: [python3, scripts/asks.py]\n    env: {{SQL: select n from {table}}}\n    tries: 1\n    input: {{folder: data, glob: /}}\n    output: {{table: {out}}}\n"
        )
    };
    let text = [
        step("fine", "lab.t", "lab.fine"),
        step("curious", "secret.t", "lab.curious"),
        step("greedy", "lab.t", "secret.greedy"),
        "  - name: reads\n    owner: ana\n    command: [\"true\"]\n    tries: 1\n    input: {table: secret.t, as: csv}\n    output: {table: lab.reads}\n".to_owned(),
    ];
    shop.write("data/x", "x")?;
    shop.write("steps/rights.yml", &format!("steps:\n{}", text.concat()))?;
    // The server looks at its files every second.
    let run = until(|| async {
        let body = json!({ "select": ["steps"] });
        let (status, begun) = shop.ask("POST", "/api/v1/runs", body).await?;
        Ok((status == 202).then_some(begun))
    })
    .await?;
    let run = shop.ended(run["run"].as_i64().context("a run")?).await?;
    let logs = "select asset, line from weir.run_logs order by asset, line_number";
    let logs = shop.weir.query(logs).await?;
    let said = |step: &str| -> String {
        let lines = logs.iter().filter(|row| row[0] == format!("step.{step}"));
        lines
            .filter_map(|row| row[1].as_str())
            .collect::<Vec<_>>()
            .join("\n")
    };
    ensure!(
        state(&run, "fine") == "succeeded",
        "{}\n{run}",
        said("fine")
    );
    for step in ["curious", "greedy", "reads"] {
        ensure!(
            state(&run, step) == "failed",
            "{step}: {}\n{run}",
            said(step)
        );
    }
    ensure!(said("curious").contains("secret"), "{}", said("curious"));
    ensure!(
        shop.weir.count("select n from lab.fine").await? == 7,
        "no row"
    );
    // The token is in no log, and works no more.
    ensure!(said("fine").contains("token ***"), "{}", said("fine"));
    let live =
        "select count(*) from weir.tokens where label like 'lent to step %' and revoked_at is null";
    until(|| async { Ok((shop.weir.count(live).await? == 0).then_some(())) }).await?;
    let all = "select count(*) from weir.tokens where label like 'lent to step %'";
    ensure!(shop.weir.count(all).await? == 3, "tokens");

    // What steps did is for whoever may operate.
    let (code, out, told) = shop.weir.run(&["--json", "tokens", "create", "ana"])?;
    ensure!(code == 0, "{told}");
    let token: Value = serde_json::from_str(&out)?;
    let token = token["token"].as_str().context("a token")?;
    for path in [
        "/api/v1/steps",
        "/api/v1/steps/fine/plan",
        "/api/v1/filesets/x/files",
        "/api/v1/backfills",
    ] {
        let (status, answer) = shop.ask_as(token, "GET", path, null(), None).await?;
        ensure!(status == 403, "{path}: {status} {answer}");
    }
    let sql = json!({ "sql": "select count(*) from weir.datums" });
    let (_, seen) = shop
        .ask_as(token, "POST", "/api/v1/query", sql, None)
        .await?;
    ensure!(seen["rows"][0][0] == 0, "{seen}");
    ensure!(
        shop.weir.count("select count(*) from weir.datums").await? >= 3,
        "datums"
    );
    // And what people do with runs is in the audit.
    let noted = "select count(*) from weir.audit where action = 'run.start' and actor = 'owner'";
    ensure!(shop.weir.count(noted).await? >= 1, "the audit");
    shop.weir.stop().await
}
