//! What a step costs beside its work.

use std::sync::Arc;
use std::time::Instant;

use weir_flow::*;

use crate::world::*;

#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl Worker for Nothing {
    async fn run(&self, _: Attempt) -> Outcome {
        Outcome::succeeded()
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are for whoever asks with --nocapture"
)]
async fn measure(what: &str, assets: Vec<Asset>, durability: Durability) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.db");
    let store = Arc::new(SqliteStore::open(&path, durability).await.unwrap());
    let flow = Flow::new(store, Arc::new(SystemClock));
    let ids: Vec<AssetId> = assets.iter().map(|asset| asset.id.clone()).collect();
    let count = ids.len();
    let project = Project::new(graph(assets), [], [("wide".into(), 1_000)]).unwrap();
    flow.apply(project).await.unwrap();
    let options = ExecutorOptions {
        slots: 256,
        ..options("one")
    };
    let mut executor = flow.executor(Arc::new(Nothing), options);
    let started = Instant::now();
    let run = flow
        .run_assets(&Target::only(ids), None, "ann")
        .await
        .unwrap();
    let mut commits = 0;
    loop {
        let worked = executor.turn().await.unwrap();
        commits += 1;
        if !worked.runs.is_empty() {
            assert_eq!(worked.runs, [(run, State::Succeeded)]);
            break;
        }
        executor.settle().await;
    }
    let each = started.elapsed() / u32::try_from(count).unwrap();
    println!("{what}, {durability:?}: {each:?} a step, {commits} commits for {count} steps");
}

#[tokio::test]
async fn steps_share_commits() {
    let wide = |id: String, inputs: Vec<String>| {
        Asset::new(id.as_str(), AssetKind::Model)
            .in_pool("wide")
            .after(inputs.iter().map(String::as_str))
    };
    for durability in [Durability::Process, Durability::Power] {
        let fan = (0..1_000).map(|n| wide(format!("f{n}"), Vec::new()));
        measure("fan of 1,000", fan.collect(), durability).await;
        let chain = (0..100).map(|n: i32| {
            let before = (n > 0).then(|| format!("c{}", n - 1));
            wide(format!("c{n}"), before.into_iter().collect())
        });
        measure("chain of 100", chain.collect(), durability).await;
        let layers = (0..1_000).map(|n: i32| {
            let layer = n / 100;
            let before =
                (layer > 0).then(|| (0..100).map(|k| format!("l{}", (layer - 1) * 100 + k)));
            wide(
                format!("l{n}"),
                before.into_iter().flatten().step_by(10).collect(),
            )
        });
        measure("10 layers of 100", layers.collect(), durability).await;
    }
}
