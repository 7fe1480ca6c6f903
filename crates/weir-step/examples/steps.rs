//! Measures steps: what a subprocess costs, and how long it takes to see what of many files is new.
//! Prints one JSON object. Takes the folder to work in, and how many files (200000).
//!
//! `cargo run --release -p weir-step --example steps -- /tmp/bench`

#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that fails has nothing to say"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use weir_flow::{AttemptId, PublishToken};
use weir_step::*;

/// So many commands are run one after the other.
const COMMANDS: usize = 200;
/// So often each figure is measured; the median counts.
const ROUNDS: usize = 5;

#[derive(Debug)]
struct Nowhere;

impl StepLog for Nowhere {
    fn line(&self, _: &str) {}
}

fn request(yaml: &str) -> JobRequest {
    JobRequest {
        step: Arc::new(
            parse_steps("steps/bench.yml", "bench", yaml)
                .unwrap()
                .remove(0),
        ),
        run: "1".to_owned(),
        versions: HashMap::new(),
        log: Arc::new(Nowhere),
        cancel: CancellationToken::new(),
    }
}

struct Bench {
    runner: StepRunner,
    sequence: u64,
}

impl Bench {
    async fn open(folder: &Path, isolate: bool) -> Self {
        std::fs::create_dir_all(folder.join("project")).unwrap();
        let ledger = SqliteLedger::open(&folder.join("ledger.db")).await.unwrap();
        let options = RunnerOptions {
            project: folder.join("project"),
            scratch: folder.join("scratch"),
            keeper: std::env::current_exe().unwrap(),
            isolate,
            variables: Variables::of_process(),
        };
        let store = FilesetStore::open(&folder.join("files")).unwrap();
        let runner = StepRunner::open(options, store, Arc::new(ledger), None).unwrap();
        Self {
            runner,
            sequence: 0,
        }
    }

    /// Runs and publishes.
    async fn run(&mut self, yaml: &str) -> Duration {
        let request = request(yaml);
        let begun = Instant::now();
        let job = self.runner.run(&request).await.unwrap();
        self.sequence += 1;
        let token = PublishToken {
            app: request.step.name.clone(),
            sequence: self.sequence,
            fence: AttemptId(1),
        };
        self.runner.publish(&job, &token).await.unwrap();
        begun.elapsed()
    }

    fn put(&self, fileset: &str, files: usize, content: &str) -> Duration {
        let begun = Instant::now();
        let mut edit = self.runner.store().edit(fileset, "master").unwrap();
        for file in 0..files {
            let path = format!("day={:03}/part-{file:06}.csv", file % 365);
            edit.put(&path, content.as_bytes()).unwrap();
        }
        edit.commit().unwrap();
        begun.elapsed()
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// Milliseconds that one command costs beyond running the same program without Weir.
async fn overhead(folder: &Path, isolate: bool) -> (f64, f64, f64) {
    let mut bench = Bench::open(folder, isolate).await;
    bench.put("few", COMMANDS, "x");
    let step = "name: nothing\ncommand: [/bin/true]\nreprocess: all\ninput: {fileset: few, glob: '/*/*'}\noutput: {fileset: nothing}\n";
    let one = "name: one\ncommand: [/bin/true]\nreprocess: all\ninput: {fileset: few, glob: '/day=000'}\noutput: {fileset: one}\n";
    bench.run(step).await;
    let (mut datums, mut steps, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        datums.push(bench.run(step).await / COMMANDS as u32);
        let begun = Instant::now();
        for _ in 0..20 {
            bench.run(one).await;
        }
        steps.push(begun.elapsed() / 20);
        let begun = Instant::now();
        for _ in 0..COMMANDS {
            std::process::Command::new("/bin/true").status().unwrap();
        }
        plain.push(begun.elapsed() / COMMANDS as u32);
    }
    (median(datums), median(steps), median(plain))
}

/// Makes the ledger say that all datums are done, and measures how one more is found and done.
async fn diff(folder: &Path, files: usize) -> HashMap<&'static str, f64> {
    let mut bench = Bench::open(folder, true).await;
    let mut figures = HashMap::new();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    figures.insert("put_ms", ms(bench.put("many", files, "a,b\n1,2\n")));
    let step = "name: diff\nshell: echo 1 > \"$WEIR_OUT/$WEIR_DATUM\"\ninput: {fileset: many, glob: '/*/*'}\noutput: {fileset: diff}\n";
    let request = request(step);
    let blob = bench.runner.store().put_bytes(b"1\n").unwrap();
    let planned = bench.runner.plan(&request).await.unwrap();
    let records: Vec<DatumRecord> = planned
        .iter()
        .map(|datum| DatumRecord {
            key: datum.key,
            fingerprint: datum.fingerprint,
            code: datum.code,
            state: DatumState::Succeeded,
            details: DatumDetails {
                label: datum.label.clone(),
                outputs: vec![DatumOutput {
                    path: datum.key.to_string(),
                    hash: blob.hash,
                    size: blob.size,
                }],
                ..DatumDetails::default()
            },
        })
        .collect();
    bench
        .runner
        .ledger()
        .record("diff", &records)
        .await
        .unwrap();
    figures.insert("first_publication_ms", ms(bench.run(step).await));
    let (mut plans, mut unchanged, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        assert!(
            bench
                .runner
                .plan(&request)
                .await
                .unwrap()
                .iter()
                .all(|datum| datum.done)
        );
        plans.push(begun.elapsed());
        unchanged.push(bench.run(step).await);
        let mut edit = bench.runner.store().edit("many", "master").unwrap();
        edit.put("day=001/part-000001.csv", round.to_string().as_bytes())
            .unwrap();
        edit.commit().unwrap();
        changed.push(bench.run(step).await);
    }
    figures.insert("plan_ms", median(plans));
    figures.insert("run_nothing_changed_ms", median(unchanged));
    figures.insert("run_one_changed_and_publish_ms", median(changed));
    figures
}

#[tokio::main]
async fn measure(folder: PathBuf, files: usize) {
    let (datum, step, plain) = overhead(&folder.join("isolated"), true).await;
    let (shared, ..) = overhead(&folder.join("shared"), false).await;
    let diff = diff(&folder.join("diff"), files).await;
    let figures = serde_json::json!({
        "plain_process_ms": plain,
        "datum_ms": datum,
        "datum_overhead_ms": datum - plain,
        "datum_without_namespaces_ms": shared,
        "step_of_one_datum_with_publication_ms": step,
        "files": files,
        "diff": diff,
    });
    println!("{figures:#}");
}

fn main() {
    keep_if_asked();
    let mut args = std::env::args().skip(1);
    let folder = args
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("weir-steps");
    let files = args
        .next()
        .and_then(|files| files.parse().ok())
        .unwrap_or(200_000);
    let _ = std::fs::remove_dir_all(&folder);
    measure(folder.clone(), files);
    let _ = std::fs::remove_dir_all(&folder);
}
