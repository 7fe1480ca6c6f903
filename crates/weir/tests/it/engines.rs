//! The lake's tables are anybody's: other engines find in them what Weir answers.

use serde_json::{Value, json};
use weir_testkit::{Clients, Context, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

const ENGINES: [&str; 3] = ["duckdb", "polars", "deltalake"];

const TABLES: [(&str, &str, &[&str]); 3] = [
    (
        "raw_app",
        "events",
        &[
            "weir_seq",
            "message_id",
            "type",
            "event",
            "received_at",
            "timestamp",
            "sdk",
            "raw",
        ],
    ),
    (
        "app",
        "tracks",
        &[
            "weir_seq",
            "id",
            "event",
            "event_text",
            "timestamp",
            "anonymous_id",
        ],
    ),
    (
        "app",
        "thing_measured",
        &[
            "weir_seq", "id", "n", "amount", "ratio", "name", "moment", "flag", "list", "maybe",
        ],
    ),
];

/// Asks every engine for every table and compares with Weir's own answer.
async fn agree(weir: &Weir, clients: &Clients, events: usize, when: &str) -> Result<()> {
    let queries: Vec<Value> = TABLES
        .iter()
        .map(|(schema, table, columns)| {
            json!({"table": format!("{schema}/{table}"), "columns": columns, "order": "weir_seq"})
        })
        .collect();
    let lake = weir.dir().join("lake");
    let variables = [
        ("LAKE", lake.to_str().context("a path of text")?),
        ("QUERIES", &json!(queries).to_string()),
    ];
    let answers = clients.run("python/engines.py", &variables).await?;
    for ((schema, table, columns), answer) in
        TABLES.iter().zip(answers.as_array().context("a list")?)
    {
        let columns = columns.join(", ");
        let sql = format!("select {columns} from {schema}.{table} order by weir_seq");
        let own = weir.query(&sql).await?;
        ensure!(
            own.len() == events,
            "{when}: {table} has {} rows of {events}",
            own.len()
        );
        for engine in ENGINES {
            let theirs = answer[engine].as_array().context("rows")?;
            ensure!(
                theirs.len() == own.len(),
                "{when}: {engine} finds {} rows",
                theirs.len()
            );
            for (own, theirs) in own.iter().zip(theirs) {
                ensure!(
                    &json!(own) == theirs,
                    "{when}: a row of {table}\nof Weir {}\nof {engine} {theirs}",
                    json!(own)
                );
            }
        }
    }
    Ok(())
}

/// Sends events numbered from `first`, whose `amount` is made by `amount`, and commits them.
async fn send(weir: &Weir, first: usize, amount: fn(usize) -> Value) -> Result<usize> {
    const EVENTS: usize = 40;
    let events: Vec<Value> = (first..first + EVENTS)
        .map(|n| {
            json!({
                "type": "track", "event": "Thing Measured", "messageId": format!("m{n}"),
                "anonymousId": "someone", "timestamp": format!("2026-01-02T03:04:{:02}.{:03}Z", n % 60, n),
                "properties": {
                    "n": n, "amount": amount(n), "ratio": n as f64 / 8.0 + 0.0625,
                    "name": format!("Größe „{n}“ 日本 🎉"), "moment": "1969-12-31T23:59:59.000001Z",
                    "flag": n % 3 == 0, "list": [n, {"x": null}],
                    "maybe": if n % 2 == 0 { json!("yes") } else { Value::Null },
                },
            })
        })
        .collect();
    ensure!(
        weir.send(&events).await?,
        "the events were not acknowledged"
    );
    weir.flush().await?;
    Ok(first + EVENTS)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_engines_agree_with_weir() -> Result<()> {
    let clients = Clients::find()?;
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let sent = send(&weir, 0, |n| json!(n)).await?;
    let sent = send(&weir, sent, |n| json!(n)).await?;
    agree(&weir, &clients, sent, "after two commits").await?;
    let sent = send(&weir, sent, |n| json!(n as f64 + 0.25)).await?;
    agree(
        &weir,
        &clients,
        sent,
        "after a column went from integer to float",
    )
    .await?;
    let sent = send(&weir, sent, |n| json!(format!("{n} or so"))).await?;
    agree(&weir, &clients, sent, "after it went on to text").await?;
    let sent = send(&weir, sent, |n| json!(n)).await?;

    let (code, _, told) = weir.run(&["compact"])?;
    ensure!(code == 0, "weir compact: {told}");
    agree(&weir, &clients, sent, "after merging files").await?;
    let files = "select max(files) from weir.tables where schema_name = 'app'";
    ensure!(weir.count(files).await? == 1, "files were not merged");

    let sent = send(&weir, sent, |n| json!(n % 2 == 0)).await?;
    weir.stop().await?;
    weir.start().await?;
    agree(&weir, &clients, sent, "after a restart").await
}
