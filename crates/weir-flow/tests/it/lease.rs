//! Leases: slots come from them, and who lost one can do no harm.

use std::sync::atomic::Ordering;

use weir_flow::*;

use crate::world::*;

async fn claim_one(store: &dyn Store, now: chrono::DateTime<chrono::Utc>) -> Option<Claimed> {
    let turn = Turn {
        now,
        finished: Vec::new(),
        claim: Some(Claim {
            node: "by hand".into(),
            boot: "1".into(),
            most: 1,
            kinds: Vec::new(),
            until: now + SECOND * 30,
        }),
    };
    store.advance(&turn).await.unwrap().claimed.pop()
}

async fn end(
    store: &dyn Store,
    attempt: AttemptId,
    end: AttemptEnd,
    now: chrono::DateTime<chrono::Utc>,
) -> Finished {
    let turn = Turn {
        now,
        finished: vec![Finish {
            attempt,
            end,
            retry_at: Some(now),
            log: None,
        }],
        claim: None,
    };
    store.advance(&turn).await.unwrap().finished[0]
}

#[tokio::test]
async fn who_lost_the_lease_can_neither_publish_nor_finish() {
    let world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), []),
    )
    .await;
    let store = world.flow.store();
    let start = world.clock.now();
    world
        .flow
        .run_assets(&Target::only(["a"]), None, "ann")
        .await
        .unwrap();
    let first = claim_one(&**store, start).await.unwrap();
    assert!(claim_one(&**store, start).await.is_none());

    // Alive, it may; and that it lives is no reason to call it lost.
    let soon = start + SECOND * 20;
    let until = soon + SECOND * 30;
    store
        .begin_publish(first.attempt, soon, until)
        .await
        .unwrap();
    assert_eq!(
        end(&**store, first.attempt, AttemptEnd::Lost, soon).await,
        Finished::Stale
    );

    // At the very instant at which the lease ends, it has ended.
    let refused = store
        .begin_publish(first.attempt, until, until + SECOND)
        .await;
    assert_eq!(refused.unwrap_err().kind(), FlowErrorKind::Stale);
    let done = AttemptEnd::Succeeded(None);
    assert_eq!(
        end(&**store, first.attempt, done.clone(), until).await,
        Finished::Stale
    );
    let beat = Beat {
        attempt: first.attempt,
        log: None,
    };
    let answers = store.beat(&[beat], until, until + SECOND).await.unwrap();
    assert_eq!(answers, [BeatAnswer::Lost]);

    // The next attempt has the same publication and a greater fence.
    assert_eq!(
        end(&**store, first.attempt, AttemptEnd::Lost, until).await,
        Finished::Noted(None)
    );
    let second = claim_one(&**store, until).await.unwrap();
    assert_eq!(second.sequence, first.sequence);
    assert!(second.attempt > first.attempt);
    assert_eq!(second.number, 2);
    // The first is still refused while the second has its lease.
    let refused = store
        .begin_publish(first.attempt, until, until + SECOND)
        .await;
    assert_eq!(refused.unwrap_err().kind(), FlowErrorKind::Stale);
    assert_eq!(
        end(&**store, first.attempt, done.clone(), until).await,
        Finished::Stale
    );
    assert!(matches!(
        end(&**store, second.attempt, done, until).await,
        Finished::Noted(Some((_, State::Succeeded)))
    ));
}

#[tokio::test]
async fn a_process_that_stops_beating_loses_its_slots_and_another_goes_on() {
    let assets = [
        model("a", &[]).in_pool("narrow"),
        model("b", &[]).in_pool("narrow"),
    ];
    let project = Project::new(graph(assets), [], [("narrow".into(), 1)]).unwrap();
    let mut world = World::new("2025-06-01T00:00:00Z", project).await;
    world.hands.will("a", [Act::Hang]);
    let target = Target::only(["a", "b"]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    world.begin().await;
    assert_eq!(world.hands.begun(), ["a"]);

    let mut other = world.flow.executor(world.hands.clone(), options("two"));
    world.turn(29);
    assert_eq!(other.turn().await.unwrap(), Worked::default());
    world.turn(2);
    // The slot is free since the lease is over, before anybody has noticed.
    assert_eq!(other.turn().await.unwrap().begun, 1);
    while world.state(run).await != State::Succeeded {
        world.scheduler.tick().await.unwrap();
        other.settle().await;
        other.turn().await.unwrap();
    }
    assert_eq!(world.hands.begun(), ["a", "b", "a"]);
    // The first wakes up and finds out.
    world.executor.beat().await.unwrap();
    assert_eq!(world.executor.running(), 0);
    assert_eq!(world.hands.tables.count("a"), 1);
}

#[tokio::test]
async fn a_restart_takes_over_at_once() {
    let mut world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), []),
    )
    .await;
    world.hands.will("a", [Act::Hang]);
    let run = world
        .flow
        .run_assets(&Target::only(["a"]), None, "ann")
        .await
        .unwrap();
    world.begin().await;

    let mut second = options("one");
    second.boot = "2".into();
    world.executor = world.flow.executor(world.hands.clone(), second);
    assert_eq!(world.executor.take_over().await.unwrap(), 1);
    assert_eq!(world.work().await, [(run, State::Succeeded)]);
}

#[tokio::test]
async fn what_was_published_by_one_that_died_is_adopted() {
    let mut world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), []),
    )
    .await;
    let store = world.flow.store().clone();
    let run = world
        .flow
        .run_assets(&Target::only(["a"]), None, "ann")
        .await
        .unwrap();
    let first = claim_one(&*store, world.clock.now()).await.unwrap();
    let token = PublishToken {
        app: "a".into(),
        sequence: first.sequence,
        fence: first.attempt,
    };
    world.hands.tables.commit(&token, "").unwrap();
    // Dead before it could say so.
    world.turn(31);
    assert_eq!(world.work().await, [(run, State::Succeeded)]);
    assert_eq!(world.hands.tables.count("a"), 1);
    assert_eq!(world.hands.tables.adopted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_orderly_stop_costs_no_try() {
    let never = RetryPolicy::never();
    let asset = model("a", &[]).with_retry(never);
    let mut world = World::new("2025-06-01T00:00:00Z", project(graph([asset]), [])).await;
    let run = world
        .flow
        .run_assets(&Target::only(["a"]), None, "ann")
        .await
        .unwrap();
    for _ in 0..5 {
        world.hands.will("a", [Act::Wait]);
        world.executor = world.flow.executor(world.hands.clone(), options("one"));
        world.begin().await;
        world.executor.drain();
        world.executor.settle().await;
        world.executor.turn().await.unwrap();
        assert_eq!(world.states(run).await["a"], State::Queued);
    }
    world.executor = world.flow.executor(world.hands.clone(), options("one"));
    assert_eq!(world.work().await, [(run, State::Succeeded)]);
}
