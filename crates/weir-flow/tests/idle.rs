//! What costs nothing while it rests. In a binary of its own: it counts the statements of the process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use weir_flow::*;

/// Counts statements that reach the database, without those that make a connection ready: how many
/// connections a store opens depends on how soon each is given back.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut summary = Summary::default();
        event.record(&mut summary);
        if event.metadata().target() == "sqlx::query"
            && !summary.0.starts_with("PRAGMA journal_mode")
        {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The first words of a statement.
#[derive(Default)]
struct Summary(String);

impl Visit for Summary {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            self.0 = value.to_owned();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[tokio::test]
async fn ten_thousand_idle_assets_cost_a_handful_of_statements() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.db");
    rest(&path, 1).await;

    statements.0.store(0, Ordering::SeqCst);
    rest(&path, 1).await;
    let once = statements.0.swap(0, Ordering::SeqCst);
    rest(&path, 101).await;
    let often = statements.0.load(Ordering::SeqCst);
    assert_eq!(often - once, 700, "{once} with one tick, {often} with 101");
}

/// Ticks with ten thousand assets that nothing is asked of. A statement is told once it is over, by the
/// thread of its connection; that all are closed says that all were told.
async fn rest(path: &Path, ticks: usize) {
    let store = SqliteStore::open(path, Durability::Process).await.unwrap();
    let flow = Flow::new(Arc::new(store.clone()), Arc::new(Noon));
    flow.apply(ten_thousand()).await.unwrap();
    let mut scheduler = flow.scheduler(Arc::new(()), 1);
    let mut executor = flow.executor(Arc::new(Nobody), ExecutorOptions::default());
    let started = Instant::now();
    for _ in 0..ticks {
        scheduler.tick().await.unwrap();
        executor.turn().await.unwrap();
        executor.beat().await.unwrap();
    }
    println!("{ticks} ticks in {:?}", started.elapsed());
    store.close().await;
}

/// Half of them follow tables, half run once a year.
fn ten_thousand() -> Project {
    let names: Vec<String> = (0..10_000).map(|n| format!("asset{n}")).collect();
    let assets = names
        .iter()
        .map(|name| Asset::new(name.as_str(), AssetKind::Model));
    let schedules = names.iter().enumerate().map(|(n, name)| Schedule {
        name: name.as_str().into(),
        target: Target::only([name.as_str()]),
        trigger: match n % 2 {
            0 => Trigger::Cron {
                cron: Cron::parse("0 0 1 1 *", "Europe/Berlin").unwrap(),
                missed: MissedTicks::Latest,
            },
            _ => Trigger::Inputs {
                tables: vec![TableId::new(format!("raw{n}"))],
                batch: Batch::Together,
                at_most_every: std::time::Duration::ZERO,
            },
        },
        priority: 0,
        max_open_runs: 1,
        alerts: true,
    });
    let graph = Graph::new(assets).unwrap();
    Project::new(graph, schedules, []).unwrap()
}

/// A clock that stands still, far from when anything is due.
#[derive(Debug)]
struct Noon;

#[async_trait::async_trait]
impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_315_200, 0).unwrap()
    }

    async fn sleep_until(&self, _: DateTime<Utc>) {
        std::future::pending().await
    }
}

#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl Worker for Nobody {
    async fn run(&self, _: Attempt) -> Outcome {
        Outcome::succeeded()
    }
}
