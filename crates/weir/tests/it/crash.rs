//! Promise one, from outside: what was acknowledged is there exactly once, whatever happened.

use weir_testkit::{Load, LoadOptions, Weir, until};
use weir_testkit::{Result, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

fn cycles() -> usize {
    std::env::var("WEIR_TORTURE_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(30)
}

pub(crate) fn options(prefix: &str) -> LoadOptions {
    LoadOptions {
        clients: 8,
        batch: 20,
        prefix: prefix.into(),
    }
}

/// Checks that every acknowledged id is in the raw and the typed table once, and no id twice.
pub(crate) async fn check(
    weir: &Weir,
    acknowledged: &std::collections::HashSet<String>,
) -> Result<()> {
    everything_visible(weir).await?;
    for (table, id) in [
        ("raw_app.events", "message_id"),
        ("app.order_completed", "id"),
    ] {
        let wanted = acknowledged.len() as i64;
        let twice = format!(
            "select count(*) from (select {id} from {table} group by {id} having count(*) > 1)"
        );
        ensure!(weir.count(&twice).await? == 0, "{table} has rows twice");
        let rows = weir.query(&format!("select {id} from {table}")).await?;
        let found: std::collections::HashSet<&str> =
            rows.iter().filter_map(|r| r[0].as_str()).collect();
        let lost = acknowledged
            .iter()
            .filter(|id| !found.contains(id.as_str()))
            .count();
        ensure!(
            lost == 0,
            "{lost} of {wanted} acknowledged events are not in {table}"
        );
    }
    Ok(())
}

/// Waits until the server has made all that it holds visible: from then on, what is missing is lost.
async fn everything_visible(weir: &Weir) -> Result<()> {
    let token = std::fs::read_to_string(weir.dir().join(".weir/owner.token"))?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/api/v1/lake", weir.url());
    until(|| async {
        let answer = http.get(&url).bearer_auth(token.trim()).send().await?;
        let status: serde_json::Value = answer.json().await?;
        let done = status["recovering"] == false && status["queued_bytes"] == 0;
        Ok(done.then_some(()))
    })
    .await?;
    weir.flush().await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_kill_9_under_load() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    // Flush often, so that kills fall into every step of it.
    weir.set("WEIR_FLUSH_INTERVAL", "1s");
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("kill"))?;
    for cycle in 0..cycles() {
        let seen = load.count();
        // From right after the first acknowledgement to well into the next flush.
        let more = [1, 100, 2_000, 5_000][cycle % 4];
        until(|| async { Ok((load.count() >= seen + more).then_some(())) }).await?;
        weir.kill()?;
        weir.start().await?;
        load.follow(weir.url());
    }
    let acknowledged = load.stop().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await?;
    weir.start().await?;
    check(&weir, &acknowledged).await
}

/// Ends the process at every named point of writing, staging and committing, in turn.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_a_crash_at_every_point() -> Result<()> {
    const POINTS: [&str; 15] = [
        "wal-write",
        "wal-sync",
        "wal-synced",
        "stage-begin",
        "stage-encoded",
        "stage-stored",
        "stage-end",
        "commit-table",
        "delta-commit",
        "delta-committed",
        "commit-table-done",
        "keys-persisted",
        "checkpoint-written",
        "log-trimmed",
        "replay",
    ];
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_FLUSH_INTERVAL", "1s");
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("point"))?;
    for point in POINTS {
        // At the first hit, and in the middle of the work.
        for actions in ["panic", "3*off->panic"] {
            weir.kill()?;
            weir.set("WEIR_FAILPOINTS", &format!("{point}={actions}"));
            if weir.start().await.is_ok() {
                load.follow(weir.url());
                until(|| {
                    let ended = weir.ended_now();
                    async move { Ok(ended?.then_some(())) }
                })
                .await?;
            }
            weir.unset("WEIR_FAILPOINTS");
            weir.start().await?;
            load.follow(weir.url());
            let seen = load.count();
            until(|| async { Ok((load.count() > seen).then_some(())) }).await?;
        }
    }
    let acknowledged = load.stop().await?;
    check(&weir, &acknowledged).await
}
