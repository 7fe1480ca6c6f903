//! A hundred queries that mean no well, through both doors, while events come in.
//!
//! How long events wait meanwhile is measured in `benches/hostile.py`; here is what must hold
//! however slow the machine is.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use weir_testkit::{Context, Result, Weir, ensure, until};

use crate::postgres::Server;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// The most memory the process may have had, in MiB: the pool of 256 MiB, the rows and footers in
/// memory, and what batches in flight and the allocator hold beyond what is counted.
const MAX_RSS_MIB: u64 = 1_300;

/// Queries that are under way at the same time; more than the server runs.
const AT_A_TIME: usize = 12;

/// Events in a request, and the pause between requests: some thousand events a second.
const BATCH: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

const SERIES: &str = "generate_series(1, 100000000)";

/// Statements that ask for too much of something.
fn hostile() -> Vec<String> {
    let chain = |first: &str, more: &str, times: usize| format!("{first}{}", more.repeat(times));
    let nest = |open: &str, middle: &str, close: &str, times: usize| {
        format!(
            "SELECT {}{middle}{}",
            open.repeat(times),
            close.repeat(times)
        )
    };
    let list = |items: usize| {
        (0..items)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let events = "raw_app.events";
    vec![
        chain(&format!("SELECT count(*) FROM {events} WHERE false"), " OR message_id = 'x'", 20_000),
        chain("SELECT 1", " + 1", 12_000),
        chain("SELECT 1", " UNION ALL SELECT 1", 5_000),
        chain(&format!("SELECT count(*) FROM {events}"), &format!(", {events} a"), 500),
        chain("SELECT 'a'", " || 'b'", 900),
        nest("(", "1", ")", 20_000),
        nest("abs(", "1", ")", 5_000),
        nest("(SELECT ", "1", ")", 200),
        nest("CASE WHEN true THEN ", "1", " END", 1_000),
        format!("{} SELECT 1", "WITH a AS (".repeat(500)),
        format!("SELECT * FROM {}{events}{}", "(SELECT * FROM ".repeat(3_000), ") t".repeat(3_000)),
        format!("SELECT json_length('{}{}')", "[".repeat(200_000), "]".repeat(200_000)),
        format!("SELECT '{}'::json -> 'a'", "{\"a\":".repeat(100_000)),
        format!("SELECT count(*) FROM {events} WHERE weir_seq IN ({})", list(40_000)),
        format!("SELECT count(*) FROM {events} WHERE weir_seq IN ({})", list(120_000)),
        format!("SELECT count(*) FROM (VALUES ({})) t", list(20_000).replace(',', "),(")),
        format!("SELECT count(*) FROM {SERIES} a, {SERIES} b, {SERIES} c"),
        format!("SELECT count(*) FROM {SERIES} a(x) JOIN {SERIES} b(x) ON a.x < b.x"),
        format!("SELECT count(*) FROM {events} a, {events} b WHERE a.raw < b.raw"),
        format!("SELECT * FROM {SERIES} a JOIN {SERIES} b ON a.value = b.value ORDER BY 1 DESC LIMIT 3"),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".to_owned(),
        "WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r".to_owned(),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r, generate_series(1, 10)) SELECT count(*) FROM r".to_owned(),
        format!("SELECT value, random() FROM {SERIES} ORDER BY 2 LIMIT 90000000"),
        format!("SELECT * FROM {events} ORDER BY raw LIMIT 1000000000000"),
        "SELECT regexp_replace(repeat('a', 1000000), '((a+)+)+$', 'b', 'g')".to_owned(),
        "SELECT 'x' ~ '(((((a{100}){100}){100}){100}){100})'".to_owned(),
        format!("SELECT count(*) FROM {events} WHERE raw ~ '(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[^x]$'"),
        format!("SELECT count(*) FROM {events} WHERE raw LIKE '{}'", "%a_".repeat(300)),
        "SELECT repeat('x', 2000000000)".to_owned(),
        format!("SELECT max(length(repeat(raw, 100000))) FROM {events}"),
        "SELECT lpad('x', 2000000000), rpad('x', 2000000000)".to_owned(),
        "SELECT replace(repeat('x', 10000000), 'x', repeat('y', 10000))".to_owned(),
        "SELECT array_repeat(array_repeat(1, 100000), 100000)".to_owned(),
        "SELECT generate_series(1, 10000000000)".to_owned(),
        "SELECT max(value) FROM generate_series(1, 1000000000000)".to_owned(),
        format!("SELECT length(string_agg(raw, ',')) FROM {events} a, generate_series(1, 100000)"),
        format!("SELECT array_agg(value) FROM {SERIES}"),
        format!("SELECT count(DISTINCT value::text || 'distinct') FROM {SERIES}"),
        format!("SELECT max(n) FROM (SELECT count(*) OVER () AS n FROM {SERIES}) t"),
        format!("SELECT sum(n) FROM (SELECT lead(value, 50000000) OVER (ORDER BY value) AS n FROM {SERIES}) t"),
        format!("SELECT value % 50000000, count(*), array_agg(value) FROM {SERIES} GROUP BY 1 ORDER BY 2"),
        "SELECT 10 ^ 1000000, exp(1e10), factorial(1000000000)".to_owned(),
        "SELECT sum(length(x)) FROM (SELECT repeat('x', 30000000) AS x FROM generate_series(1, 10000000)) t".to_owned(),
        format!("SELECT value::text, repeat('long', 100) FROM {SERIES}"),
        format!("SELECT {}", (0..45_000).map(|n| format!("1 AS c{n}")).collect::<Vec<_>>().join(",")),
        "SELECT to_char(now(), repeat('YYYY', 5000000))".to_owned(),
        "SELECT split_part(repeat('a,', 10000000), ',', 9999999), string_to_array(repeat('a,', 5000000), ',')".to_owned(),
        "SELECT 1 FROM generate_series(1, 10, 0)".to_owned(),
        format!("EXPLAIN ANALYZE SELECT count(*) FROM {SERIES} a, {SERIES} b"),
    ]
}

/// How a query ended, as far as its asker was told.
#[derive(Debug)]
enum End {
    Answered,
    /// An error with its SQLSTATE.
    Refused(String),
}

/// Asks over HTTP; the answer is read to its end and not kept.
async fn over_http(http: &reqwest::Client, url: &str, token: &str, sql: &str) -> Result<End> {
    let post = http.post(format!("{url}/api/v1/query")).bearer_auth(token);
    let mut answer = post
        .json(&json!({ "sql": sql }))
        .send()
        .await
        .context("ask over HTTP")?;
    let status = answer.status();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    while let Some(part) = answer.chunk().await.context("read over HTTP")? {
        if first.len() < 1 << 16 {
            first.extend_from_slice(&part);
        }
        last = part.to_vec();
    }
    if status.is_success() {
        // An answer that fails after it has begun says so at its end.
        let last = String::from_utf8_lossy(&last).into_owned();
        return Ok(match last.rfind("\"sqlstate\":\"") {
            Some(at) => End::Refused(last[at + 12..].chars().take(5).collect()),
            None => End::Answered,
        });
    }
    let error: Value =
        serde_json::from_slice(&first).with_context(|| format!("{status} without JSON"))?;
    let error = error.get("error").unwrap_or(&error);
    let state = error["sqlstate"]
        .as_str()
        .with_context(|| format!("{status}: {error}"))?;
    ensure!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "no message: {error}"
    );
    Ok(End::Refused(state.to_owned()))
}

/// Asks through psql, which reads the answer to its end.
async fn over_postgres(server: &Server, file: &PathBuf, sql: &str) -> Result<End> {
    tokio::fs::write(file, sql).await?;
    let file = file.to_str().context("a plain path")?;
    let options = [
        "-v",
        "VERBOSITY=verbose",
        "-v",
        "ON_ERROR_STOP=1",
        "-o",
        "/dev/null",
    ];
    let arguments: Vec<&str> = options
        .into_iter()
        .chain(["-v", "FETCH_COUNT=1000", "-f", file])
        .collect();
    let (done, _, error) = server.psql(&arguments).await?;
    if done {
        return Ok(End::Answered);
    }
    let state = error
        .split("ERROR:  ")
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    let state =
        state.with_context(|| format!("psql ended without an error of the server: {error}"))?;
    Ok(End::Refused(state.to_owned()))
}

/// Events at a steady rate: each request has to be acknowledged, the first time.
fn events(weir: &Weir, stop: Arc<AtomicBool>) -> Result<JoinHandle<Result<HashSet<String>>>> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?;
    let (url, key) = (format!("{}/v1/batch", weir.url()), weir.key.clone());
    Ok(tokio::spawn(async move {
        let mut sent = HashSet::new();
        let mut pause = tokio::time::interval(PAUSE);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        for request in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            pause.tick().await;
            let ids: Vec<String> = (0..BATCH)
                .map(|n| format!("steady-{request}-{n}"))
                .collect();
            let batch: Vec<Value> = ids
                .iter()
                .map(|id| {
                    json!({"type": "track", "event": "Order Completed", "messageId": id, "anonymousId": "someone",
                           "properties": {"revenue": 12.5, "note": "n".repeat(200)}})
                })
                .collect();
            let post = http
                .post(&url)
                .basic_auth(&key, Some(""))
                .json(&json!({ "batch": batch }));
            let answer = post.send().await.context("send events")?;
            ensure!(
                answer.status().as_u16() == 200,
                "events were refused: {}",
                answer.status()
            );
            sent.extend(ids);
        }
        Ok(sent)
    }))
}

fn peak_rss_mib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

/// Returns the bytes in files below a folder.
fn bytes_below(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
        _ => entry.metadata().map_or(0, |file| file.len()),
    };
    entries.flatten().map(size).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_hostile_queries_take_nothing_from_intake() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_QUERY_MEMORY", "256MB")
        .set("WEIR_QUERY_TEMP_SIZE", "512MB")
        .set("WEIR_QUERY_TIMEOUT", "4s");
    weir.start().await?;
    let server = Arc::new(Server::of(&weir)?);
    let pid = weir.pid().context("a process")?;
    let stop = Arc::new(AtomicBool::new(false));
    let sending = events(&weir, stop.clone())?;
    weir.until_count("SELECT count(*) FROM raw_app.events", 1_000)
        .await?;

    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let refused = Arc::new(AtomicUsize::new(0));
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = weir.url().to_owned();
    let mut asked = Vec::new();
    for (door, sql) in [hostile(), hostile()].concat().into_iter().enumerate() {
        let (places, refused, server) = (places.clone(), refused.clone(), server.clone());
        let (http, url) = (http.clone(), url.clone());
        let file = weir.dir().join(format!("hostile-{door}.sql"));
        let half = hostile().len();
        asked.push(tokio::spawn(async move {
            let _place = places.acquire().await?;
            let shown: String = sql.chars().take(100).collect();
            // Every statement through both doors, and both doors at the same time.
            let end = match (door % 2 == 0) == (door < half) {
                true => over_http(&http, &url, &server.password, &sql).await,
                false => over_postgres(&server, &file, &sql).await,
            };
            match end.with_context(|| shown.clone())? {
                End::Answered => {}
                End::Refused(state) => {
                    ensure!(state.len() == 5 && state != "XX000", "{shown}: {state}");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        }));
    }
    let count = asked.len();
    for query in asked {
        query.await??;
    }
    assert!(count >= 100);
    // Most of them ask for more than there is.
    assert!(refused.load(Ordering::Relaxed) > count / 2);

    // A query that is cancelled ends.
    let endless = format!("SELECT count(*) FROM {SERIES} a, {SERIES} b");
    let asking = {
        let (http, url, server) = (http.clone(), url.clone(), server.clone());
        tokio::spawn(async move { over_http(&http, &url, &server.password, &endless).await })
    };
    let id = until(|| async {
        let mine =
            "SELECT id FROM weir.queries WHERE state = 'running' AND sql LIKE '%a, %b' LIMIT 1";
        let rows = weir.query(mine).await?;
        Ok(rows
            .first()
            .and_then(|row| row[0].as_str().map(str::to_owned)))
    })
    .await?;
    let cancel = http
        .delete(format!("{url}/api/v1/queries/{id}"))
        .bearer_auth(&server.password);
    ensure!(cancel.send().await?.status().is_success(), "cannot cancel");
    assert!(matches!(asking.await??, End::Refused(state) if state == "57014"));

    // Nothing is left of them: no memory, no disk, no query.
    let left = until(|| async {
        let running = weir.count(
            "SELECT count(*) FROM weir.queries WHERE state NOT IN ('done', 'failed', 'cancelled')",
        );
        let idle = running.await? == 1 && bytes_below(&weir.dir().join(".weir/tmp")) == 0;
        Ok(idle.then_some(()))
    })
    .await;
    if left.is_err() {
        let running = "SELECT state, elapsed_ms, left(sql, 80) FROM weir.queries WHERE state NOT IN ('done', 'failed', 'cancelled')";
        let (running, bytes) = (
            weir.query(running).await?,
            bytes_below(&weir.dir().join(".weir/tmp")),
        );
        left.with_context(|| format!("left: {running:?}, and {bytes} bytes on disk"))?;
    }

    stop.store(true, Ordering::Relaxed);
    let sent = sending.await??;
    ensure!(
        !weir.ended_now()? && weir.pid() == Some(pid),
        "the server was started again"
    );
    weir.until_count(
        "SELECT count(DISTINCT message_id) FROM raw_app.events",
        sent.len() as i64,
    )
    .await?;
    let arrived = weir.query("SELECT message_id FROM raw_app.events").await?;
    let arrived: HashSet<&str> = arrived.iter().filter_map(|row| row[0].as_str()).collect();
    assert!(sent.iter().all(|id| arrived.contains(id.as_str())));
    let peak = peak_rss_mib(pid)?;
    assert!(peak < MAX_RSS_MIB, "{peak} MiB");
    weir.stop().await
}
