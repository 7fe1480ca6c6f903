//! Measures the scheduler: what a step costs beside its work in three shapes of graphs, and what many
//! assets cost while nothing happens. Prints one JSON object. Takes the folder to work in.
//!
//! `cargo run --release -p weir-flow --example flow -- /tmp/bench`

#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that fails has nothing to say"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use weir_flow::*;

/// So often each figure is measured; the median counts.
const ROUNDS: usize = 3;
/// So many steps run at once where the graph lets them.
const SLOTS: u32 = 64;
const ASSETS: usize = 10_000;
/// So long the process is watched while it rests.
const REST: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl Worker for Nothing {
    async fn run(&self, _: Attempt) -> Outcome {
        Outcome::succeeded()
    }
}

#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl Alerts for Nobody {
    async fn deliver(&self, _: &Alert) -> Result<(), BoxError> {
        Ok(())
    }
}

fn asset(id: String, inputs: Vec<String>) -> Asset {
    Asset::new(id.as_str(), AssetKind::Model)
        .in_pool("wide")
        .after(inputs.iter().map(String::as_str))
}

fn fan() -> Vec<Asset> {
    (0..1_000)
        .map(|n| asset(format!("f{n}"), Vec::new()))
        .collect()
}

fn chain() -> Vec<Asset> {
    let before = |n: i32| (n > 0).then(|| format!("c{}", n - 1));
    (0..100)
        .map(|n| asset(format!("c{n}"), before(n).into_iter().collect()))
        .collect()
}

/// Ten layers of a hundred; each step needs ten of the layer before.
fn layers() -> Vec<Asset> {
    let before = |n: i32| -> Vec<String> {
        let layer = n / 100;
        let below = (0..10).map(|k| format!("l{}", (layer - 1) * 100 + (n + k * 10) % 100));
        if layer > 0 {
            below.collect()
        } else {
            Vec::new()
        }
    };
    (0..1_000)
        .map(|n| asset(format!("l{n}"), before(n)))
        .collect()
}

async fn open(folder: &Path, name: &str) -> Flow {
    let path = folder.join(format!("{name}.db"));
    let store = SqliteStore::open(&path, Durability::Power).await.unwrap();
    Flow::new(Arc::new(store), Arc::new(SystemClock))
}

/// Returns the milliseconds of a run of all assets, from its opening to its end.
async fn run(folder: &Path, name: &str, assets: Vec<Asset>) -> f64 {
    let flow = open(folder, name).await;
    let ids: Vec<AssetId> = assets.iter().map(|asset| asset.id.clone()).collect();
    let graph = Graph::new(assets).unwrap();
    let project = Project::new(graph, [], [("wide".into(), SLOTS)]).unwrap();
    flow.apply(project).await.unwrap();
    let options = ExecutorOptions {
        slots: SLOTS,
        ..ExecutorOptions::default()
    };
    let mut executor = flow.executor(Arc::new(Nothing), options);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let run = flow
            .run_assets(&Target::only(ids.clone()), None, "bench")
            .await
            .unwrap();
        loop {
            let worked = executor.turn().await.unwrap();
            if !worked.runs.is_empty() {
                assert_eq!(worked.runs, [(run, State::Succeeded)]);
                break;
            }
            executor.settle().await;
        }
        rounds.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    rounds.sort_unstable_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Returns the share of one core that many assets with schedules of their own take at rest.
async fn rest(folder: &Path) -> f64 {
    let flow = open(folder, "rest").await;
    let names: Vec<String> = (0..ASSETS).map(|n| format!("asset{n}")).collect();
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
                at_most_every: Duration::ZERO,
            },
        },
        priority: 0,
        max_open_runs: 1,
        alerts: true,
    });
    let project = Project::new(Graph::new(assets).unwrap(), schedules, []).unwrap();
    flow.apply(project).await.unwrap();
    let stop = CancellationToken::new();
    let scheduler = flow.scheduler(Arc::new(()), 1);
    let executor = flow.executor(Arc::new(Nothing), ExecutorOptions::default());
    // As the server does it.
    let loops = tokio::spawn({
        let (flow, stop) = (flow.clone(), stop.clone());
        async move {
            let (tick, look) = (Duration::from_millis(500), Duration::from_millis(200));
            tokio::join!(
                flow.run_scheduler(scheduler, Arc::new(Nobody), tick, stop.clone()),
                flow.run_executor(executor, look, stop.clone()),
            );
        }
    });
    // The first look sees to all that follow tables.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (before, begun) = (cpu(), Instant::now());
    tokio::time::sleep(REST).await;
    let share = (cpu() - before) / begun.elapsed().as_secs_f64() * 100.0;
    stop.cancel();
    loops.await.unwrap();
    share
}

/// Returns the seconds this process has spent on the CPU.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<f64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    // User and system time, in hundredths of a second.
    (fields[11] + fields[12]) / 100.0
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1);
    let folder = folder
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("weir-flow");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let figures = serde_json::json!({
        "fan_1000_ms": run(&folder, "fan", fan()).await,
        "chain_100_ms": run(&folder, "chain", chain()).await,
        "layers_10x100_ms": run(&folder, "layers", layers()).await,
        "idle_assets": ASSETS,
        "idle_cpu_percent": rest(&folder).await,
    });
    println!("{figures:#}");
    let _ = std::fs::remove_dir_all(&folder);
}
