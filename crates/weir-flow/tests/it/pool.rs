//! Pools, priorities, and whose turn it is.

use weir_flow::*;

use crate::world::*;

fn narrow(ids: impl IntoIterator<Item = (String, i32)>) -> Project {
    let assets = ids.into_iter().map(|(id, priority)| {
        Asset::new(id.as_str(), AssetKind::Model)
            .in_pool("narrow")
            .with_priority(priority)
    });
    Project::new(graph(assets), [], [("narrow".into(), 1)]).unwrap()
}

async fn run(world: &World, assets: &[String]) -> RunId {
    let target = Target::only(assets.iter().map(String::as_str));
    world.flow.run_assets(&target, None, "ann").await.unwrap()
}

/// Lets one step after the other through the pool, with time passing.
async fn through(world: &mut World, count: usize, seconds_each: i64) -> Vec<String> {
    for _ in 0..count {
        if world.executor.running() == 0 {
            world.begin().await;
        }
        world.executor.settle().await;
        // Ends one and begins the next.
        world.executor.turn().await.unwrap();
        tokio::task::yield_now().await;
        world.turn(seconds_each);
    }
    world.hands.begun()
}

#[tokio::test]
async fn a_big_run_does_not_hold_up_a_small_one() {
    let big: Vec<String> = (0..50).map(|n| format!("big{n}")).collect();
    let small: Vec<String> = (0..3).map(|n| format!("small{n}")).collect();
    let all = big.iter().chain(&small).map(|id| (id.clone(), 0));
    let mut world = World::new("2025-06-01T00:00:00Z", narrow(all)).await;
    run(&world, &big).await;
    world.turn(1);
    run(&world, &small).await;
    let begun = through(&mut world, 10, 0).await;
    assert!(small.iter().all(|id| begun.contains(id)), "{begun:?}");
}

#[tokio::test]
async fn priority_goes_first_and_starves_nobody() {
    let urgent: Vec<String> = (0..2_000).map(|n| format!("urgent{n}")).collect();
    let all = urgent
        .iter()
        .map(|id| (id.clone(), 1))
        .chain([("low".to_owned(), 0)]);
    let mut world = World::new("2025-06-01T00:00:00Z", narrow(all)).await;
    run(&world, &["low".to_owned()]).await;
    run(&world, &urgent[..1]).await;
    // Urgent work comes as fast as it is done, for ever: some always waits.
    let mut count = 0;
    for id in &urgent[1..] {
        run(&world, std::slice::from_ref(id)).await;
        count += 1;
        if through(&mut world, 1, 1).await.iter().any(|id| id == "low") {
            break;
        }
    }
    // One point of priority is worth a minute of waiting.
    assert!((55..=65).contains(&count), "{count}");
}

#[tokio::test]
async fn one_part_of_an_asset_is_worked_on_once_at_a_time() {
    let mut world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), []),
    )
    .await;
    world
        .hands
        .will("a", [Act::Fail(ErrorClass::Transient, "busy")]);
    let first = run(&world, &["a".to_owned()]).await;
    let second = run(&world, &["a".to_owned()]).await;
    world.begin().await;
    assert_eq!(world.executor.running(), 1);
    world.executor.settle().await;
    world.executor.turn().await.unwrap();
    // While the first waits for its next try, the second does not overtake it.
    assert_eq!(world.hands.begun().len(), 1);
    for _ in 0..10 {
        world.turn(5);
        world.work().await;
    }
    assert_eq!(world.state(first).await, State::Succeeded);
    assert_eq!(world.state(second).await, State::Succeeded);
    let sequence = |steps: Vec<Step>| steps[0].sequence;
    let store = world.flow.store();
    assert_eq!(sequence(store.steps(first).await.unwrap()), Some(1));
    assert_eq!(sequence(store.steps(second).await.unwrap()), Some(2));
}
