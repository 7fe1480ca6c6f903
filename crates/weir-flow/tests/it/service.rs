//! The loops that keep a project going.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_flow::*;

use crate::world::*;

/// Turns the clock until `done`, and only while all of these wait for it: whoever is at the store
/// would find that hours have passed.
async fn until(world: &World, loops: &[&JoinHandle<()>], done: impl AsyncFn(&World) -> bool) {
    while !done(world).await {
        let going = loops.iter().filter(|going| !going.is_finished()).count();
        if world.clock.asleep() >= going {
            world.turn(1);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_loops_do_by_themselves_what_is_due_and_stop_in_order() {
    let often = schedule("often", "a", cron("*/5 * * * *", "UTC"));
    let mut world = World::new("2025-06-01T00:00:00Z", project(diamond(), [often])).await;
    let shutdown = CancellationToken::new();
    let scheduler = world.flow.scheduler(world.shelf.clone(), 1);
    let executor = world.flow.executor(world.hands.clone(), options("loop"));
    let (flow, stop) = (world.flow.clone(), shutdown.clone());
    let ticks = tokio::spawn(async move {
        flow.run_scheduler(scheduler, Arc::new(()), SECOND, stop)
            .await;
    });
    let (flow, stop) = (world.flow.clone(), shutdown.clone());
    let work = tokio::spawn(async move { flow.run_executor(executor, SECOND, stop).await });

    let loops = [&ticks, &work];
    until(&world, &loops, async |world| {
        world.hands.tables.count("d") >= 3
    })
    .await;
    // One that runs while the loops are told to stop is begun again by the next process.
    world.hands.will("a", [Act::Wait]);
    let before = world.hands.begun().len();
    until(&world, &loops, async |world| {
        let begun = world.hands.begun();
        begun.len() > before && begun.last().is_some_and(|last| last == "a")
    })
    .await;
    shutdown.cancel();
    let running = RunFilter {
        state: Some(State::Running),
        ..RunFilter::default()
    };
    until(&world, &loops, async |_| {
        ticks.is_finished() && work.is_finished()
    })
    .await;
    assert_eq!(world.flow.store().runs(&running).await.unwrap().len(), 1);
    let published = world.hands.tables.count("d");
    world.work().await;
    assert!(world.hands.tables.count("d") > published);
    assert!(world.flow.store().runs(&running).await.unwrap().is_empty());
}
