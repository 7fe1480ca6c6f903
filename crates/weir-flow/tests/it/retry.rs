//! What is tried again, and for how long things may take.

use weir_flow::*;

use crate::world::*;

async fn one(asset: Asset) -> (World, RunId) {
    let id = asset.id.clone();
    let world = World::new("2025-06-01T00:00:00Z", project(graph([asset]), [])).await;
    let target = Target::only([id]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    (world, run)
}

async fn until_ended(world: &mut World, run: RunId) {
    for _ in 0..10_000 {
        world.work().await;
        if world.state(run).await.has_ended() {
            return;
        }
        world.turn(5);
    }
    panic!("run {run} did not end");
}

#[tokio::test]
async fn transient_failures_are_tried_again_with_the_same_publication_number() {
    let (mut world, run) = one(model("a", &[])).await;
    world
        .hands
        .will("a", vec![Act::Fail(ErrorClass::Transient, "busy"); 2]);
    until_ended(&mut world, run).await;
    assert_eq!(world.state(run).await, State::Succeeded);
    let steps = world.flow.store().steps(run).await.unwrap();
    assert_eq!((steps[0].attempts, steps[0].sequence), (3, Some(1)));
    let attempts = world.flow.store().attempts(steps[0].id).await.unwrap();
    assert_eq!(attempts[0].class, Some(ErrorClass::Transient));
    assert!(attempts.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[tokio::test]
async fn tries_end_by_class() {
    for (class, tries) in [
        (ErrorClass::Transient, 3),
        (ErrorClass::Resource, 2),
        (ErrorClass::Permanent, 1),
    ] {
        let (mut world, run) = one(model("a", &[])).await;
        world.hands.will("a", vec![Act::Fail(class, "no"); 9]);
        until_ended(&mut world, run).await;
        assert_eq!(world.state(run).await, State::Failed);
        assert_eq!(world.hands.begun().len(), tries, "{class}");
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_for_good() {
    let (mut world, run) = one(model("a", &[])).await;
    world.hands.will("a", [Act::Panic]);
    until_ended(&mut world, run).await;
    let reason = world.flow.store().run(run).await.unwrap().reason;
    assert_eq!(reason.as_deref(), Some("`a`: the worker panicked: as told"));
}

#[tokio::test]
async fn what_takes_too_long_or_is_silent_is_stopped() {
    let never = RetryPolicy::never();
    let bound = |run, silence| Timeouts {
        run,
        silence,
        queue: None,
    };
    let cases = [
        (
            bound(Some(SECOND * 60), None),
            Act::Wait,
            "took longer than 60s",
        ),
        (
            bound(Some(SECOND * 60), None),
            Act::Hang,
            "took longer than 60s",
        ),
        (
            bound(None, Some(SECOND * 30)),
            Act::Wait,
            "said nothing for 30s",
        ),
    ];
    for (timeouts, act, why) in cases {
        let asset = model("a", &[]).with_timeouts(timeouts).with_retry(never);
        let (mut world, run) = one(asset).await;
        world.hands.will("a", [act]);
        world.begin().await;
        for _ in 0..20 {
            world.turn(5);
            world.executor.beat().await.unwrap();
            world.begin().await;
        }
        assert_eq!(world.state(run).await, State::Failed);
        let reason = world.flow.store().run(run).await.unwrap().reason;
        assert_eq!(reason.unwrap(), format!("`a`: {why}"));
        assert_eq!(world.executor.running(), 0);
    }
}

#[tokio::test]
async fn what_waits_too_long_for_a_slot_is_given_up() {
    let timeouts = Timeouts {
        queue: Some(SECOND * 60),
        ..Timeouts::default()
    };
    let assets = [
        model("holds", &[]).in_pool("narrow"),
        model("waits", &[])
            .in_pool("narrow")
            .with_timeouts(timeouts),
        model("needs", &["waits"]),
    ];
    let project = Project::new(graph(assets), [], [("narrow".into(), 1)]).unwrap();
    let mut world = World::new("2025-06-01T00:00:00Z", project).await;
    world.hands.will("holds", [Act::Wait]);
    let target = Target::only(["holds", "waits", "needs"]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    world.begin().await;
    for _ in 0..15 {
        world.turn(5);
        world.executor.beat().await.unwrap();
        world.begin().await;
    }
    let states = world.states(run).await;
    assert_eq!(states["waits"], State::Failed);
    assert_eq!(states["needs"], State::Skipped);
    assert_eq!(states["holds"], State::Running);
    let steps = world.flow.store().steps(run).await.unwrap();
    let reason = steps.iter().find_map(|step| match step.state {
        State::Failed => step.reason.clone(),
        _ => None,
    });
    assert_eq!(
        reason.unwrap(),
        "waited too long for a slot in pool `narrow`"
    );
}

#[tokio::test]
async fn logs_are_kept_while_it_runs_and_after() {
    let (mut world, run) = one(model("a", &[])).await;
    world.hands.will("a", [Act::Say("one\ntwo\n".to_owned())]);
    world.begin().await;
    world.executor.beat().await.unwrap();
    let steps = world.flow.store().steps(run).await.unwrap();
    let attempts = world.flow.store().attempts(steps[0].id).await.unwrap();
    let lines = world.flow.store().log(attempts[0].id, 0, 10).await.unwrap();
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    let later = world.flow.store().log(attempts[0].id, 1, 10).await.unwrap();
    assert_eq!(later.len(), 1);
}
