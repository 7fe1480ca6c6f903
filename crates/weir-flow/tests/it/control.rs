//! Cancelling, pausing, triggering by hand.

use weir_flow::*;

use crate::world::*;

#[tokio::test]
async fn cancelling_stops_what_runs_and_drops_what_waits() {
    let mut world = World::new("2025-06-01T00:00:00Z", project(diamond(), [])).await;
    world.hands.will("b", [Act::Wait]);
    world.hands.will("c", [Act::Hang]);
    let target = Target::with_descendants(["a"]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    world.begin_until(&["b", "c"]).await;
    world.flow.cancel(run, "ann").await.unwrap();
    assert_eq!(world.state(run).await, State::Running);
    for _ in 0..5 {
        world.executor.beat().await.unwrap();
        world.begin().await;
        world.turn(5);
    }
    assert_eq!(world.state(run).await, State::Cancelled);
    let states = world.states(run).await;
    assert_eq!(states["a"], State::Succeeded);
    for asset in ["b", "c", "d"] {
        assert_eq!(states[asset], State::Cancelled, "{asset}");
    }
    let reason = world.flow.store().run(run).await.unwrap().reason;
    assert_eq!(reason.as_deref(), Some("cancelled by ann"));
    let error = world.flow.cancel(run, "ann").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("run {run} has ended already: it was cancelled")
    );
    let error = world.flow.cancel(RunId(99), "ann").await.unwrap_err();
    assert_eq!(error.kind(), FlowErrorKind::NotFound);
}

#[tokio::test]
async fn a_cancelled_run_of_a_dead_process_ends_too() {
    let mut world = World::new("2025-06-01T00:00:00Z", project(diamond(), [])).await;
    world.hands.will("a", [Act::Hang]);
    let target = Target::with_descendants(["a"]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    world.begin().await;
    world.flow.cancel(run, "ann").await.unwrap();
    world.executor = world.flow.executor(world.hands.clone(), options("one"));
    world.turn(31);
    world.work().await;
    assert_eq!(world.state(run).await, State::Cancelled);
    assert_eq!(world.hands.begun(), ["a"]);
}

#[tokio::test]
async fn a_pause_stops_claims_and_the_end_of_it_drains_or_skips() {
    for (resume, published, state) in [
        (Resume::Drain, 2, State::Succeeded),
        (Resume::Skip, 0, State::Cancelled),
    ] {
        let hourly = schedule("hourly", "a", cron("0 * * * *", "UTC"));
        let graph = graph([model("a", &[])]);
        let mut world = World::new("2025-06-01T00:30:00Z", project(graph, [hourly])).await;
        world.clock.set(at("2025-06-01T01:00:00Z"));
        world.scheduler.tick().await.unwrap();
        let name = ScheduleName::new("hourly");
        world.flow.pause(&name).await.unwrap();
        world.clock.set(at("2025-06-01T05:30:00Z"));
        assert!(world.work().await.is_empty());
        assert!(world.hands.begun().is_empty());
        assert!(world.flow.store().run(RunId(1)).await.unwrap().held);

        world.flow.resume(&name, resume).await.unwrap();
        world.work().await;
        assert_eq!(world.hands.tables.count("a"), published, "{resume:?}");
        assert_eq!(world.state(RunId(1)).await, state);
        world.clock.set(at("2025-06-01T06:00:00Z"));
        world.work().await;
        assert_eq!(world.hands.tables.count("a"), published + 1);
    }
}

#[tokio::test]
async fn what_fails_while_its_schedule_rests_waits_for_the_end_of_the_pause() {
    let hourly = schedule("hourly", "a", cron("0 * * * *", "UTC"));
    let mut world = World::new(
        "2025-06-01T00:30:00Z",
        project(graph([model("a", &[])]), [hourly]),
    )
    .await;
    world
        .hands
        .will("a", [Act::Wait, Act::Fail(ErrorClass::Transient, "busy")]);
    world.clock.set(at("2025-06-01T01:00:00Z"));
    world.begin().await;
    let name = ScheduleName::new("hourly");
    world.flow.pause(&name).await.unwrap();
    world.executor.drain();
    world.executor.settle().await;
    world.executor.turn().await.unwrap();
    world.executor = world.flow.executor(world.hands.clone(), options("one"));
    assert!(world.work().await.is_empty());
    assert_eq!(world.hands.begun().len(), 1);
    world.flow.resume(&name, Resume::Drain).await.unwrap();
    for _ in 0..10 {
        world.work().await;
        world.turn(5);
    }
    assert_eq!(world.state(RunId(1)).await, State::Succeeded);
}

#[tokio::test]
async fn a_call_with_the_same_id_makes_one_run() {
    let hook = schedule("hook", "a", Trigger::Webhook);
    let hand = schedule("hand", "a", Trigger::Manual);
    let world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), [hook, hand]),
    )
    .await;
    let hook = ScheduleName::new("hook");
    let call = |id: &str| Cause::Webhook(id.to_owned());
    let first = world
        .flow
        .trigger(&hook, call("x1"), Some("x1"))
        .await
        .unwrap();
    let again = world
        .flow
        .trigger(&hook, call("x1"), Some("x1"))
        .await
        .unwrap();
    let other = world
        .flow
        .trigger(&hook, call("x2"), Some("x2"))
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_ne!(first, other);
    let error = world
        .flow
        .trigger(&"hand".into(), call("x"), None)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "schedule `hand` takes no calls");
    let error = world
        .flow
        .trigger(&"hoook".into(), call("x"), None)
        .await
        .unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `hook`?"));
}

#[tokio::test]
async fn definitions_that_cannot_be_are_refused() {
    let pools = |size| [("heavy".into(), size)];
    let in_pool = graph([model("a", &[]).in_pool("haevy")]);
    let error = Project::new(in_pool, [], pools(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "asset `a` is in pool `haevy`, which does not exist"
    );
    assert_eq!(error.hint(), Some("did you mean `heavy`?"));
    assert!(Project::new(graph([]), [], pools(0)).is_err());
    let lost = schedule("s", "orders", Trigger::Manual);
    let error = Project::new(graph([model("order", &[])]), [lost], []).unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `order`?"));
    let loud = graph([model("a", &[]).with_priority(1_000_000)]);
    assert!(Project::new(loud, [], []).is_err());
}

#[tokio::test]
async fn history_outlives_schedules_and_a_changed_one_is_planned_anew() {
    let hourly = schedule("s", "a", cron("0 * * * *", "UTC"));
    let graph = || graph([model("a", &[])]);
    let mut world = World::new("2025-06-01T00:30:00Z", project(graph(), [hourly.clone()])).await;
    world.clock.set(at("2025-06-01T01:00:00Z"));
    world.work().await;
    // Applying the same again loses nothing that was missed.
    world.clock.set(at("2025-06-01T02:30:00Z"));
    world.flow.apply(project(graph(), [hourly])).await.unwrap();
    world.work().await;
    assert_eq!(world.hands.tables.count("a"), 2);
    let daily = schedule("s", "a", cron("0 0 * * *", "UTC"));
    world.flow.apply(project(graph(), [daily])).await.unwrap();
    let record = world.flow.store().schedule(&"s".into()).await.unwrap();
    assert_eq!(record.next_at, Some(at("2025-06-02T00:00:00Z")));
    world.flow.apply(project(graph(), [])).await.unwrap();
    world.clock.set(at("2025-06-03T00:00:00Z"));
    assert!(world.work().await.is_empty());
    let filter = RunFilter {
        schedule: Some("s".into()),
        ..RunFilter::default()
    };
    assert_eq!(world.flow.store().runs(&filter).await.unwrap().len(), 2);
}
