//! The checks are checked: each planted bug must be found by the check that is there for it.

use weir_testkit::{Context, Load, Result, Weir, ensure, until};

use crate::crash::{check, options};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// What is planted, how, and what the check must say. Delays widen the gaps that kills fall into.
const PLANTS: [(&str, &str, &str); 4] = [
    (
        "an acknowledgement before the write",
        "plant-early-ack=return;wal-write=sleep(30)",
        "acknowledged events are not in",
    ),
    (
        "a double flush",
        "plant-double-flush=return",
        "has rows twice",
    ),
    (
        "a dropped batch",
        "plant-dropped-batch=1*return->off",
        "acknowledged events are not in",
    ),
    (
        "a lost index of duplicates",
        "plant-lost-dedup=return;wal-synced=sleep(30)",
        "has rows twice",
    ),
];

/// Kills the server a few times under load, then checks as the crash test does.
async fn crash_and_check(failpoints: &str) -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_FLUSH_INTERVAL", "1s");
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("planted"))?;
    until(|| async { Ok((load.count() >= 500).then_some(())) }).await?;
    // The tables exist before the bug does, so that the check finds it and no query fails.
    weir.flush().await?;
    weir.kill()?;
    weir.set("WEIR_FAILPOINTS", failpoints);
    weir.start().await?;
    load.follow(weir.url());
    let repeated = serde_json::json!({"type": "track", "event": "Order Completed", "userId": "u",
                                      "messageId": "planted-repeated"});
    for _ in 0..4 {
        let seen = load.count();
        // What an SDK does after every lost answer, here on purpose.
        let repeat = || async {
            Ok(weir
                .send(std::slice::from_ref(&repeated))
                .await?
                .then_some(()))
        };
        until(repeat).await?;
        until(|| async { Ok((load.count() >= seen + 500).then_some(())) }).await?;
        weir.kill()?;
        weir.start().await?;
        load.follow(weir.url());
    }
    let mut acknowledged = load.stop().await?;
    // The bug is there while rows are committed, not only while they come.
    weir.flush().await?;
    acknowledged.insert("planted-repeated".into());
    weir.stop().await?;
    weir.unset("WEIR_FAILPOINTS");
    weir.start().await?;
    check(&weir, &acknowledged).await
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_bugs_are_caught() -> Result<()> {
    crash_and_check("wal-write=sleep(30);wal-synced=sleep(30)")
        .await
        .context("without a bug")?;
    for (bug, failpoints, said) in PLANTS {
        let Err(found) = crash_and_check(failpoints).await else {
            weir_testkit::bail!("{bug} is not caught");
        };
        ensure!(format!("{found:#}").contains(said), "{bug}: {found:#}");
    }
    Ok(())
}

/// Sends events one after the other to a server under strace; returns the trace.
async fn trace(failpoints: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("trace");
    let mut weir = Weir::init(BINARY)?;
    if !failpoints.is_empty() {
        weir.set("WEIR_FAILPOINTS", failpoints);
    }
    let calls = "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg";
    let strace = [
        "strace", "-D", "-f", "-q", "-y", "-s", "64", "-e", calls, "-o",
    ];
    let path = file.to_str().context("a path of text")?;
    weir.start_under(&[&strace[..], &[path]].concat()).await?;
    for n in 0..EVENTS {
        let event = serde_json::json!({"type": "track", "event": "e", "userId": "u",
                                       "messageId": format!("traced-{n}")});
        ensure!(weir.send(&[event]).await?, "events are taken");
    }
    weir.stop().await?;
    let ended = until(|| async {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Ok(text.contains("+++ exited with 0 +++").then_some(text))
    });
    ended.await.context("the trace to end")
}

const EVENTS: usize = 20;

/// Checks that whatever was written to the log is synced when an answer goes out.
fn synced_before_acknowledged(trace: &str) -> Result<()> {
    let (mut written, mut waiting, mut answers) = (0, None, 0);
    for line in trace.lines() {
        let thread = line.split_whitespace().next();
        let in_log = line.contains(".wal>");
        if line.contains("pwrite64(") && in_log {
            written += 1;
        } else if line.contains("sync(") && in_log {
            match line.contains("<unfinished") {
                true => waiting = thread,
                false => written = 0,
            }
        } else if line.contains("sync resumed>") && thread == waiting {
            (written, waiting) = (0, None);
        } else if line.contains("\"HTTP/1.1 200") {
            ensure!(written == 0, "acknowledged before it was synced: {line}");
            answers += 1;
        }
    }
    ensure!(answers >= EVENTS, "the trace shows {answers} answers");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_follows_the_sync_and_a_missing_sync_is_caught() -> Result<()> {
    synced_before_acknowledged(&trace("").await?)?;
    let Err(found) = synced_before_acknowledged(&trace("plant-no-sync=return").await?) else {
        weir_testkit::bail!("a missing sync is not caught");
    };
    let found = format!("{found:#}");
    ensure!(
        found.contains("acknowledged before it was synced"),
        "{found}"
    );
    Ok(())
}
