//! The lake on S3: servers that speak its protocol, run by the tests, killed and slowed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Child;
use weir_testkit::{Clients, Context, Fault, Load, Proxy, Result, Weir, bail, ensure, until};

use crate::crash::{check, options};
use crate::disk::single;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// An S3 server with an empty bucket `lake`, whose objects outlive it.
struct S3 {
    clients: Clients,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl S3 {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(folder.path().join("buckets/lake"))?;
        let clients = Clients::find()?;
        let mut s3 = Self {
            clients,
            folder,
            port: free_port()?,
            process: None,
        };
        s3.again().await?;
        Ok(s3)
    }

    /// Starts the server where it was before.
    async fn again(&mut self) -> Result<()> {
        let (port, buckets) = (self.port.to_string(), self.buckets());
        let arguments = [OsStr::new("--port"), OsStr::new(&port), buckets.as_os_str()];
        let log = self.folder.path().join("log");
        self.process = Some(self.clients.serve("localbucket", &arguments, &log)?);
        listens(self.port).await
    }

    async fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn buckets(&self) -> PathBuf {
        self.folder.path().join("buckets")
    }
}

/// A port that nobody listens on: the server is started on the same one after it was killed.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

async fn listens(port: u16) -> Result<()> {
    until(|| async { Ok(TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)) })
        .await
        .context("the S3 server to listen")
}

/// Makes a project whose lake is behind `endpoint`.
fn weir_on(endpoint: &str) -> Result<Weir> {
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_LAKE_URL", "s3://lake/some/where")
        .set("WEIR_LAKE_ENDPOINT", endpoint)
        .set("WEIR_LAKE_ALLOW_HTTP", "true")
        .set("WEIR_LAKE_REGION", "us-east-1")
        .set("WEIR_LAKE_ACCESS_KEY_ID", "key")
        .set("WEIR_LAKE_SECRET_ACCESS_KEY", "sesame")
        .set("WEIR_FLUSH_INTERVAL", "500ms");
    Ok(weir)
}

/// Waits until a load got this many more acknowledgements.
async fn more(load: &Load, events: u64) -> Result<()> {
    let seen = load.count();
    until(|| async { Ok((load.count() >= seen + events).then_some(())) }).await
}

async fn commits(weir: &Weir) -> Result<i64> {
    weir.count("select coalesce(max(version), -1) from weir.tables where schema_name = 'raw_app'")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_flow_into_a_bucket_and_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let text = port.to_string();
    let arguments = ["-H", "127.0.0.1", "-p", &text].map(OsStr::new);
    let log = folder.path().join("log");
    let _server = Clients::find()?.serve("moto_server", &arguments, &log)?;
    listens(port).await?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let made = reqwest::Client::new()
        .put(format!("{endpoint}/lake"))
        .send()
        .await?;
    ensure!(
        made.status().is_success(),
        "cannot make a bucket: {}",
        made.status()
    );

    let mut weir = weir_on(&endpoint)?;
    weir.start().await?;
    let count = "select count(*) from app.order_completed where revenue = 12.5";
    for round in 0..3 {
        let events: Vec<_> = (0..50)
            .map(|n| {
                json!({
                    "type": "track", "event": "Order Completed", "userId": "ada",
                    "messageId": format!("m{round}-{n}"), "properties": {"revenue": 12.5},
                })
            })
            .collect();
        ensure!(weir.send(&events).await?, "not acknowledged");
        weir.flush().await?;
        weir.until_count(count, 50 * (round + 1)).await?;
    }
    let (code, _, told) = weir.run(&["compact"])?;
    ensure!(code == 0, "weir compact: {told}");
    ensure!(weir.count(count).await? == 150, "after merging files");
    weir.stop().await?;

    ensure!(
        !weir.dir().join("lake").exists(),
        "a lake on S3 leaves nothing on the disk"
    );
    std::fs::remove_dir_all(weir.dir().join(".weir/wal"))?;
    weir.start().await?;
    ensure!(
        weir.count(count).await? == 150,
        "after a restart, from the bucket alone"
    );
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_delays_commits_and_nothing_else() -> Result<()> {
    let mut s3 = S3::start().await?;
    let mut weir = weir_on(&s3.url())?;
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("outage"))?;
    for _ in 0..3 {
        more(&load, 2_000).await?;
        s3.kill().await?;
        more(&load, 5_000).await?;
        ensure!(
            weir.count("select count(*) from raw_app.events").await? > 0,
            "queries go on"
        );
        let before = commits(&weir).await?;
        s3.again().await?;
        until(|| async { Ok((commits(&weir).await? > before).then_some(())) })
            .await
            .context("commits to go on")?;
    }
    // A crash while the store is away: what was acknowledged waits in the log.
    s3.kill().await?;
    more(&load, 2_000).await?;
    weir.kill()?;
    s3.again().await?;
    weir.start().await?;
    load.follow(weir.url());
    more(&load, 2_000).await?;
    let acknowledged = load.stop().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await?;
    weir.start().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await
}

/// A restart while the store is away: events are taken, and appear when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn intake_starts_without_the_store() -> Result<()> {
    let mut s3 = S3::start().await?;
    let mut weir = weir_on(&s3.url())?;
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("absent"))?;
    more(&load, 2_000).await?;
    weir.flush().await?;
    s3.kill().await?;
    more(&load, 1_000).await?;
    for _ in 0..2 {
        weir.kill()?;
        weir.start().await?;
        load.follow(weir.url());
        more(&load, 1_000).await?;
    }
    s3.again().await?;
    weir.until_count("select count(*) / 3000 from raw_app.events", 1)
        .await
        .context("the rows of before and of the outage")?;
    more(&load, 1_000).await?;
    let acknowledged = load.stop().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await?;
    weir.start().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_pushes_back_before_memory_runs_out() -> Result<()> {
    let mut s3 = S3::start().await?;
    let mut weir = weir_on(&s3.url())?;
    weir.set("WEIR_HOT_LIMIT", "16MB")
        .set("WEIR_FLUSH_BYTES", "4MB");
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("long"))?;
    more(&load, 2_000).await?;
    s3.kill().await?;
    let mut acknowledged = HashSet::new();
    for n in 0.. {
        match single(&weir, n, &mut acknowledged).await? {
            200 => {}
            429 => break,
            status => bail!("a store that is away is told with {status}"),
        }
    }
    ensure!(
        weir.count("select count(*) from raw_app.events").await? > 0,
        "queries go on"
    );
    let ready = reqwest::get(format!("{}/health/ready", weir.url())).await?;
    let ready: serde_json::Value = ready.json().await?;
    ensure!(
        ready["degraded"] == true && ready["refusing"].is_string(),
        "senders get 429, and nobody is told: {ready}"
    );
    s3.again().await?;
    more(&load, 2_000).await?;
    acknowledged.extend(load.stop().await?);
    check(&weir, &acknowledged).await?;
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_that_loses_answers_costs_no_event() -> Result<()> {
    let s3 = S3::start().await?;
    let proxy = Proxy::start(&s3.url()).await?;
    let mut weir = weir_on(&proxy.url())?;
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("slow"))?;
    more(&load, 1_000).await?;
    proxy.slow(Duration::from_millis(200));
    // Of data files and of commits: the store did the work and could not say so.
    let faults = [
        Fault::None,
        Fault::LoseAnswer,
        Fault::None,
        Fault::Status(503),
    ]
    .repeat(8);
    proxy.script("PUT", &faults);
    until(|| async { Ok((proxy.met() == 16).then_some(())) })
        .await
        .context("the faults to be met")?;
    more(&load, 1_000).await?;
    proxy.slow(Duration::ZERO);
    let acknowledged = load.stop().await?;
    weir.flush().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await?;
    weir.start().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await
}
