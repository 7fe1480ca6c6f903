//! Typed tables are derived from the unaltered events, again and alike.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

type Tables = BTreeMap<String, Vec<String>>;

/// Events whose properties change their types, and some that have no place.
fn events() -> Vec<Value> {
    let order = |id: &str, total: Value| {
        json!({"type": "track", "event": "Order Completed", "userId": "ada", "messageId": id,
               "properties": {"total": total, "paid": true}, "timestamp": "2026-01-31T10:00:00Z"})
    };
    vec![
        order("o1", json!(1)),
        order("o2", json!(2.5)),
        order("o3", json!("many")),
        order("o4", json!("2026-01-31")),
        order("o5", json!(9_007_199_254_740_993i64)),
        json!({"type": "track", "event": "Collision", "userId": "ada", "messageId": "c1",
               "properties": {"fooBar": 1, "foo_bar": 2}}),
        json!({"type": "identify", "userId": "ada", "messageId": "i1",
               "traits": {"age": 36, "born": "1815-12-10", "address": {"city": "London"}}}),
        json!({"type": "identify", "userId": "bob", "messageId": "i2", "traits": {"age": "young"}}),
        json!({"type": "page", "name": "Home", "anonymousId": "x", "messageId": "p1",
               "properties": {"url": "https://example.com/"}}),
        json!({"type": "group", "groupId": "g", "userId": "ada", "messageId": "g1",
               "traits": {"plan": "free"}}),
        json!({"type": "alias", "previousId": "x", "userId": "ada", "messageId": "a1"}),
    ]
}

/// Returns every typed table of `app` that lies in the lake.
async fn tables(weir: &Weir) -> Result<Tables> {
    let names = "select table_name from information_schema.tables where table_schema = 'app' \
                 and table_type = 'BASE TABLE'";
    let mut tables = Tables::new();
    for row in weir.query(names).await? {
        let name = row[0].as_str().context("a name")?.to_owned();
        let rows = weir.query(&format!("select * from app.{name}")).await?;
        let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        rows.sort();
        tables.insert(name, rows);
    }
    Ok(tables)
}

/// Runs a command and returns what it did by table: rows added and removed.
fn rebuilt(weir: &Weir, arguments: &[&str]) -> Result<BTreeMap<String, (u64, u64)>> {
    let (code, out, err) = weir.run(&[arguments, &["--json"]].concat())?;
    ensure!(code == 0, "{arguments:?}: {err}");
    let answer: Vec<Value> = serde_json::from_str(&out).context(out)?;
    let number = |line: &Value, name: &str| line[name].as_u64().unwrap_or(u64::MAX);
    Ok(answer
        .iter()
        .map(|line| {
            let table = line["table"].as_str().unwrap_or_default().to_owned();
            (
                table,
                (number(line, "rows_added"), number(line, "rows_removed")),
            )
        })
        .collect())
}

fn unchanged(done: &BTreeMap<String, (u64, u64)>) -> Result<()> {
    ensure!(!done.is_empty(), "nothing was derived");
    ensure!(done.values().all(|change| *change == (0, 0)), "{done:?}");
    Ok(())
}

async fn filled() -> Result<(Weir, Tables)> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    for pair in events().chunks(2) {
        ensure!(weir.send(pair).await?, "events are taken");
        weir.flush().await?;
    }
    // Once more, to be known as duplicates.
    ensure!(weir.send(&events()[..2]).await?, "events are taken");
    weir.until_count("select count(*) from raw_app.duplicates", 2)
        .await?;
    let before = tables(&weir).await?;
    ensure!(before.len() >= 8, "{:?}", before.keys());
    Ok((weir, before))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_changes_nothing_and_brings_back_what_was_lost() -> Result<()> {
    let (mut weir, before) = filled().await?;
    unchanged(&rebuilt(&weir, &["rebuild"])?)?;
    ensure!(
        tables(&weir).await? == before,
        "an idle rebuild changed rows"
    );

    weir.stop().await?;
    // Without a server the command opens the lake itself.
    unchanged(&rebuilt(&weir, &["rebuild", "--source", "app"])?)?;
    let typed = weir.dir().join("lake/app");
    std::fs::remove_dir_all(&typed)?;
    weir.start().await?;
    let dry = rebuilt(&weir, &["rebuild", "--dry-run"])?;
    ensure!(dry["app.order_completed"] == (5, 0), "{dry:?}");
    let left = std::fs::read_dir(&typed).map_or(0, Iterator::count);
    ensure!(left == 0, "a dry run left {left} folders");

    let done = rebuilt(&weir, &["rebuild"])?;
    ensure!(
        done == dry,
        "{done:?} is not what the dry run said: {dry:?}"
    );
    ensure!(tables(&weir).await? == before, "rows came back otherwise");
    // New events fit in, and a restart changes nothing.
    let more = json!({"type": "track", "event": "Order Completed", "userId": "ada",
                      "messageId": "o6", "properties": {"total": 6}});
    ensure!(weir.send(&[more]).await?, "events are taken");
    weir.stop().await?;
    weir.start().await?;
    let count = weir
        .count("select count(*) from app.order_completed")
        .await?;
    ensure!(count == 6, "{count} orders");
    unchanged(&rebuilt(&weir, &["rebuild"])?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_derives_the_events_that_were_asked_for() -> Result<()> {
    let (mut weir, before) = filled().await?;
    let span = [
        "replay",
        "--source",
        "app",
        "--from",
        "2020-01-01",
        "--to",
        "2100-01-01",
    ];
    unchanged(&rebuilt(&weir, &span)?)?;

    weir.stop().await?;
    std::fs::remove_dir_all(weir.dir().join("lake/app/order_completed"))?;
    weir.start().await?;
    let two = [&span[..], &["--where", "message_id in ('o2', 'o3', 'p1')"]].concat();
    let dry = rebuilt(&weir, &[&two[..], &["--dry-run"]].concat())?;
    ensure!(dry["app.order_completed"] == (2, 0), "{dry:?}");
    ensure!(dry["app.pages"] == (0, 0), "{dry:?}");
    ensure!(
        !weir.dir().join("lake/app/order_completed").exists(),
        "a dry run left files"
    );

    rebuilt(&weir, &two)?;
    let count = weir
        .count("select count(*) from app.order_completed")
        .await?;
    ensure!(count == 2, "{count} orders");
    let past = [
        "replay",
        "--source",
        "app",
        "--from",
        "2020-01-01",
        "--to",
        "2020-01-02",
    ];
    ensure!(
        rebuilt(&weir, &past)?.is_empty(),
        "nothing was received then"
    );
    rebuilt(&weir, &span)?;
    ensure!(tables(&weir).await? == before, "rows came back otherwise");

    let (code, _, err) = weir.run(&[&span[..], &["--where", "nothing = 1"]].concat())?;
    ensure!(code == 1 && err.contains("nothing"), "{code}: {err}");
    Ok(())
}
