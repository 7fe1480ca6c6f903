//! What costs nothing while it rests. In a binary of its own: it counts the statements of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use weir_flow::*;

/// Counts statements that reach the database.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn ten_thousand_idle_assets_cost_a_handful_of_statements() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.db");
    let store = SqliteStore::open(&path, Durability::Process).await.unwrap();
    let flow = Flow::new(Arc::new(store), Arc::new(SystemClock));
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
    let project = Project::new(graph, schedules, []).unwrap();
    flow.apply(project).await.unwrap();
    let mut scheduler = flow.scheduler(Arc::new(()), 1);
    let mut executor = flow.executor(Arc::new(Nobody), ExecutorOptions::default());
    // The first look sees to all that follow tables.
    scheduler.tick().await.unwrap();

    statements.0.store(0, Ordering::SeqCst);
    let started = std::time::Instant::now();
    for _ in 0..100 {
        scheduler.tick().await.unwrap();
        executor.turn().await.unwrap();
        executor.beat().await.unwrap();
    }
    let counted = statements.0.load(Ordering::SeqCst);
    println!(
        "{counted} statements and {:?} in 100 ticks",
        started.elapsed()
    );
    assert_eq!(counted, 700);
}

#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl Worker for Nobody {
    async fn run(&self, _: Attempt) -> Outcome {
        Outcome::succeeded()
    }
}
