//! Steps as work of the scheduler.

use std::sync::Arc;

use weir_flow::*;
use weir_step::StepWorker;

use crate::world::{World, parse};

async fn run(
    flow: &Flow,
    executor: &mut Executor,
    asset: &str,
) -> (State, Option<String>, Vec<String>) {
    let run = flow
        .run_assets(&Target::only([asset]), None, "test")
        .await
        .unwrap();
    loop {
        executor.turn().await.unwrap();
        if flow.store().run(run).await.unwrap().state.has_ended() {
            break;
        }
        executor.settle().await;
    }
    let step = flow.store().steps(run).await.unwrap().remove(0);
    let attempt = flow.store().attempts(step.id).await.unwrap().pop().unwrap();
    let log = flow.store().log(attempt.id, 0, 1000).await.unwrap();
    let said = step.reason.or(attempt.published);
    (
        step.state,
        said,
        log.into_iter().map(|line| line.text).collect(),
    )
}

#[tokio::test]
async fn an_attempt_runs_publishes_skips_and_fails() {
    let world = World::new().await;
    world.put("data", &[("a", "x")]);
    let yaml = "name: up\nshell: |\n  echo working; echo to the error stream >&2\n  [ \"$(cat $WEIR_INPUT_DATA)\" != bad ] && tr a-z A-Z < \"$WEIR_INPUT_DATA\" > \"$WEIR_OUT/$(basename $WEIR_INPUT_DATA)\"\ninput: {fileset: data, glob: /*}\noutput: {fileset: up}\n";
    let worker = Arc::new(StepWorker::new(world.runner.clone()));
    let step = parse(yaml);
    worker.set_steps([("step.up".into(), (*step).clone())]);
    assert!(worker.has(&"step.up".into()));
    let store = SqliteStore::open(&world.folder.path().join("flow.db"), Durability::Process)
        .await
        .unwrap();
    let flow = Flow::new(Arc::new(store), Arc::new(SystemClock));
    let assets = [
        Asset::new("step.up", AssetKind::Command),
        Asset::new("step.gone", AssetKind::Command),
    ];
    let project = Project::new(Graph::new(assets).unwrap(), [], []).unwrap();
    flow.apply(project).await.unwrap();
    let mut executor = flow.executor(worker, ExecutorOptions::default());

    let (state, said, log) = run(&flow, &mut executor, "step.up").await;
    assert_eq!(
        (state, said.as_deref()),
        (State::Succeeded, Some("fileset:up@2")),
        "{log:?}"
    );
    assert!(
        log.contains(&"working".to_owned()) && log.contains(&"to the error stream".to_owned()),
        "{log:?}"
    );
    assert!(
        log.last()
            .unwrap()
            .contains("1 datums: 1 processed, 0 skipped"),
        "{log:?}"
    );
    let (state, said, _) = run(&flow, &mut executor, "step.up").await;
    assert_eq!(
        (state, said.as_deref()),
        (State::Skipped, Some("nothing is new"))
    );
    world.put("data", &[("b", "bad")]);
    let (state, said, log) = run(&flow, &mut executor, "step.up").await;
    assert_eq!(state, State::Failed);
    assert!(said.unwrap().contains("`data:/b` exited with 1"), "{log:?}");
    assert_eq!(world.paths("up"), ["a"]);
    let (state, said, _) = run(&flow, &mut executor, "step.gone").await;
    assert_eq!(
        (state, said.as_deref()),
        (
            State::Failed,
            Some("`step.gone` is no step of this project")
        )
    );
}
