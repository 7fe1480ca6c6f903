//! Sources as steps of runs: synced by schedules, before what reads their rows, and once whatever happens.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use weir_testkit::{Context, Result, ensure, until};

use super::shop::{Shop, states};

const MODELS: [(&str, &str); 2] = [
    (
        "models/sources.yml",
        "sources:\n  - name: numbers\n    tables:\n      - name: even\n",
    ),
    (
        "models/doubled.sql",
        "{{ config(materialized='table') }} select n * 2 as n from {{ source('numbers', 'even') }}\n",
    ),
];

/// Adds a tap that sends as many rows as the file `rows` says, and models over them.
fn with_tap(schedules: &str, source: &str, bytes: usize) -> Result<Shop> {
    let shop = Shop::new(schedules)?;
    for (name, text) in MODELS {
        shop.write(name, text)?;
    }
    let dir = shop.weir.dir().to_owned();
    let path = dir.join("tap-numbers");
    let property = json!({"n": {"type": "integer"}, "text": {"type": "string"}});
    let stream = |name: &str| {
        json!({"tap_stream_id": name, "stream": name, "key_properties": [], "schema": {"properties": property},
            "metadata": [{"breadcrumb": [], "metadata": {"inclusion": "available", "forced-replication-method": "INCREMENTAL"}}]})
    };
    let catalog = json!({"streams": [stream("even"), stream("odd")]}).to_string();
    let rows = dir.join("rows");
    let text = format!(
        "#!/usr/bin/env python3\nimport json, sys\n\
         if '--discover' in sys.argv:\n    print({catalog:?})\n    sys.exit(0)\n\
         def out(**m): print(json.dumps(m))\n\
         state = json.load(open(sys.argv[sys.argv.index('--state') + 1])) if '--state' in sys.argv else {{'at': 0}}\n\
         for s in ('even', 'odd'): out(type='SCHEMA', stream=s, schema={{'properties': {property}}}, key_properties=[])\n\
         for n in range(state['at'], int(open({rows:?}).read())):\n    \
             out(type='RECORD', stream='odd' if n % 2 else 'even', record={{'n': n, 'text': 'x' * {bytes}}})\n    \
             if n % 10 == 9: out(type='STATE', value={{'at': n + 1}})\n"
    );
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    let source = format!("kind: singer\ntap: {}\n{source}", path.display());
    shop.write("sources/numbers.yml", &source)?;
    Ok(shop)
}

const COUNTS: &str = "select count(*) from (select n from raw_numbers.even union all select n from raw_numbers.odd) as all_rows";
const DISTINCT: &str = "select count(*) from (select n from raw_numbers.even union select n from raw_numbers.odd) as all_rows";

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_synced_by_runs_and_models_follow_its_rows() -> Result<()> {
    let schedules = "steps:\n  - select: numbers\n    retries: {transient: 1}\n\
                     schedules:\n  - name: follows\n    trigger: inputs\n    at_most_every: 1s\n    select: doubled\n";
    let mut shop = with_tap(schedules, "every: 5m\n", 5)?;
    shop.write("rows", "20")?;
    shop.weir.start().await?;
    // By its own schedule, at once; what reads its rows is built then.
    let first = shop.next_run("source.numbers", None).await?;
    ensure!(first["state"] == "succeeded", "{first}");
    shop.weir.until_count(COUNTS, 20).await?;
    let built = shop.next_run("follows", None).await?;
    ensure!(built["state"] == "succeeded", "{built}");
    ensure!(shop.weir.count("select count(*) from main.doubled").await? == 10);
    let (code, listed, _) = shop.weir.run(&["schedule", "list"])?;
    ensure!(
        code == 0 && listed.contains("source.numbers") && listed.contains("every 5m"),
        "{listed}"
    );
    // What a run committed is known by the name by which it is taken back; its log says what came.
    let id = first["id"].as_i64().context("a number")?;
    let sql = format!("select published from weir.attempts where run_id = {id}");
    let published = shop.weir.query(&sql).await?;
    let published = published[0][0].as_str().context("a sync")?;
    let rows = format!("select count(*) from raw_numbers.even where weir_run = '{published}'");
    ensure!(shop.weir.count(&rows).await? == 10, "{published}");
    let (_, log, _) = shop.weir.run(&["runs", "logs", &id.to_string()])?;
    ensure!(log.contains("even: 10 rows"), "{log}");

    // With what is behind it, in one run.
    shop.write("rows", "40")?;
    let body = json!({"select": ["numbers+"]});
    let (status, started) = shop.ask("POST", "/api/v1/runs", body).await?;
    ensure!(status == 202, "{started}");
    let run = shop
        .ended(started["run"].as_i64().context("a run")?)
        .await?;
    let names: Vec<String> = states(&run).into_iter().map(|(name, _)| name).collect();
    ensure!(names == ["numbers", "doubled"], "{run}");
    ensure!(run["state"] == "succeeded", "{run}");
    ensure!(shop.weir.count("select count(*) from main.doubled").await? == 20);

    // A sync that fails fails its run: what reads its rows is not built from half of them.
    shop.write("rows", "many")?;
    let body = json!({"select": ["numbers+"]});
    let (_, started) = shop.ask("POST", "/api/v1/runs", body).await?;
    let run = shop
        .ended(started["run"].as_i64().context("a run")?)
        .await?;
    let wanted = [("numbers", "failed"), ("doubled", "skipped")];
    let found = states(&run);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(n, s)| (n.as_str(), s.as_str()))
        .collect();
    ensure!(found == wanted, "{run}");
    ensure!(shop.weir.count(COUNTS).await? == 40);
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_a_sync_that_a_schedule_began_doubles_nothing() -> Result<()> {
    let schedules = "schedules:\n  - name: numbers\n    trigger: manual\n    select: numbers+\n";
    const POINTS: [&str; 5] = [
        "extract-commit=panic",
        "extract-commit=1*off->panic",
        "extract-committed=1*off->panic",
        "flow-begin-to-publish-done=1*off->panic",
        "",
    ];
    for point in POINTS {
        let mut shop = with_tap(schedules, "", 100_000)?;
        shop.write("rows", "400")?;
        if !point.is_empty() {
            shop.weir.set("WEIR_FAILPOINTS", point);
        }
        shop.weir.start().await?;
        let run = shop.trigger("numbers", Some("once")).await?;
        match point {
            // In the middle of it.
            "" => {
                until(|| async {
                    let count = shop.weir.count(COUNTS).await.unwrap_or(0);
                    Ok((count > 0).then_some(()))
                })
                .await?;
                shop.weir.kill()?;
            }
            _ => until_ended(&mut shop, point).await?,
        }
        shop.weir.unset("WEIR_FAILPOINTS");
        shop.weir.start().await?;
        let ended = shop.ended(run).await?;
        ensure!(ended["state"] == "succeeded", "{point}: {ended}");
        let again = shop.trigger("numbers", Some("once")).await?;
        ensure!(again == run, "{point}: runs {run} and {again}");
        for (sql, wanted) in [
            (COUNTS, 400),
            (DISTINCT, 400),
            ("select count(*) from main.doubled", 200),
        ] {
            let found = shop.weir.count(sql).await?;
            ensure!(found == wanted, "{point}: {sql}: {found}");
        }
        shop.weir.stop().await?;
    }
    Ok(())
}

async fn until_ended(shop: &mut Shop, point: &str) -> Result<()> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !shop.weir.ended_now()? {
        ensure!(std::time::Instant::now() < deadline, "{point}: not reached");
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_synced_while_the_models_are_wrong() -> Result<()> {
    let mut shop = with_tap("schedules: []\n", "every: 5m\n", 5)?;
    shop.write("rows", "20")?;
    shop.write("models/broken.sql", "select {{ nonsense(\n")?;
    shop.weir.start().await?;
    let run = shop.next_run("source.numbers", None).await?;
    ensure!(run["state"] == "succeeded", "{run}");
    let (_, listed) = shop.ask("GET", "/api/v1/schedules", Value::Null).await?;
    ensure!(
        listed["problem"]
            .as_str()
            .is_some_and(|text| text.contains("broken.sql")),
        "{listed}"
    );
    shop.weir.stop().await
}
