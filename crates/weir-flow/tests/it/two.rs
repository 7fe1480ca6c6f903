//! Two processes over one store.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use weir_flow::*;

use crate::world::*;

/// Counts what runs at once in a pool and at an asset.
#[derive(Debug, Default)]
struct Gauge {
    tables: Tables,
    now: Mutex<(usize, usize)>,
    assets: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Worker for Gauge {
    async fn run(&self, attempt: Attempt) -> Outcome {
        {
            let mut now = self.now.lock();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            let new = self.assets.lock().insert(attempt.asset().to_string());
            assert!(new, "`{}` runs twice at once", attempt.asset());
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let content = content_of(&attempt);
        let published = attempt
            .publish(async |token| self.tables.commit(&token, &content))
            .await;
        self.assets.lock().remove(attempt.asset().as_str());
        self.now.lock().0 -= 1;
        match published {
            Ok(version) => Outcome::Succeeded(Some(version)),
            Err(error) => Outcome::permanent(error.to_string()),
        }
    }
}

async fn work(mut scheduler: Scheduler, mut executor: Executor, runs: usize, flow: Flow) {
    let open = RunFilter {
        most: 10_000,
        ..RunFilter::default()
    };
    loop {
        scheduler.tick().await.unwrap();
        executor.turn().await.unwrap();
        if executor.running() > 0 {
            executor.settle().await;
            continue;
        }
        let all = flow.store().runs(&open).await.unwrap();
        if all.len() == runs && all.iter().all(|run| run.state.has_ended()) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_run_each_instant_once_and_keep_to_the_pool() {
    let folder = tempfile::tempdir().unwrap();
    let clock = HandClock::new(at("2025-06-01T00:00:00Z"));
    let names: Vec<String> = (0..12).map(|n| format!("a{n}")).collect();
    let assets = names.iter().map(|name| model(name, &[]).in_pool("narrow"));
    let schedules = names.iter().map(|name| Schedule {
        max_open_runs: 1_000,
        ..schedule(
            name,
            name,
            Trigger::Cron {
                cron: Cron::parse("* * * * *", "UTC").unwrap(),
                missed: MissedTicks::All { max: 100 },
            },
        )
    });
    let project = Project::new(graph(assets), schedules, [("narrow".into(), 3)]).unwrap();
    let gauge = Arc::new(Gauge::default());
    let mut processes = Vec::new();
    for node in ["one", "two"] {
        let store = Arc::new(open_store(folder.path()).await);
        let flow = Flow::new(store, clock.clone());
        flow.apply(project.clone()).await.unwrap();
        let scheduler = flow.scheduler(Arc::new(()), 1);
        let executor = flow.executor(gauge.clone(), options(node));
        processes.push((scheduler, executor, flow));
    }
    clock.set(at("2025-06-01T00:10:00Z"));
    let tasks: Vec<_> = processes
        .into_iter()
        .map(|(scheduler, executor, flow)| tokio::spawn(work(scheduler, executor, 120, flow)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let contents = gauge.tables.contents();
    assert_eq!(contents.len(), 12);
    for (name, published) in contents {
        let once: BTreeSet<&String> = published.iter().collect();
        assert_eq!((published.len(), once.len()), (10, 10), "{name}");
    }
    let (now, most) = *gauge.now.lock();
    assert_eq!(now, 0);
    assert!((1..=3).contains(&most), "{most} ran at once in a pool of 3");
}
