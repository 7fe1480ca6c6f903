//! Runs on new versions: nothing is lost, whatever comes in between.

use weir_flow::*;

use crate::world::*;

fn following(batch: Batch) -> Project {
    let trigger = Trigger::Inputs {
        tables: vec!["raw.events".into(), "raw.users".into()],
        batch,
        at_most_every: std::time::Duration::ZERO,
    };
    project(graph([model("a", &[])]), [schedule("follow", "a", trigger)])
}

async fn steady(world: &mut World) {
    for _ in 0..30 {
        world.work().await;
        world.turn(2);
    }
}

#[tokio::test]
async fn versions_are_taken_together_and_once() {
    let mut world = World::new("2025-06-01T00:00:00Z", following(Batch::Together)).await;
    steady(&mut world).await;
    assert_eq!(world.hands.tables.count("a"), 0);
    world.shelf.set("raw.events", 3);
    world.shelf.set("raw.users", 1);
    world.shelf.set("raw.others", 9);
    steady(&mut world).await;
    world.shelf.set("raw.events", 4);
    world.shelf.set("raw.events", 7);
    steady(&mut world).await;
    let contents = world.hands.tables.contents();
    assert_eq!(
        contents["a"],
        ["raw.events:-1..3,raw.users:-1..1", "raw.events:3..7"]
    );
}

#[tokio::test]
async fn what_failed_or_came_during_a_pause_is_taken_with_the_next() {
    let mut world = World::new("2025-06-01T00:00:00Z", following(Batch::Together)).await;
    world
        .hands
        .will("a", [Act::Fail(ErrorClass::Permanent, "no")]);
    world.shelf.set("raw.events", 0);
    steady(&mut world).await;
    // It is not tried for ever.
    assert_eq!(world.hands.begun().len(), 1);
    let name = ScheduleName::new("follow");
    world.flow.pause(&name).await.unwrap();
    world.shelf.set("raw.events", 1);
    steady(&mut world).await;
    assert_eq!(world.hands.begun().len(), 1);
    world.flow.resume(&name, Resume::Drain).await.unwrap();
    steady(&mut world).await;
    assert_eq!(world.hands.tables.contents()["a"], ["raw.events:-1..1"]);
    // What a later run has taken is not taken again.
    let error = world
        .flow
        .rerun(RunId(1), &Rerun::All, "ann")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), FlowErrorKind::Conflict);
}

#[tokio::test]
async fn a_rerun_takes_the_versions_of_the_run_and_moves_the_cursor() {
    let mut world = World::new("2025-06-01T00:00:00Z", following(Batch::Together)).await;
    world
        .hands
        .will("a", [Act::Fail(ErrorClass::Permanent, "no")]);
    world.shelf.set("raw.events", 5);
    steady(&mut world).await;
    world
        .flow
        .rerun(RunId(1), &Rerun::FromFailed, "ann")
        .await
        .unwrap();
    steady(&mut world).await;
    let cursors = world.flow.store().cursors(&"follow".into()).await.unwrap();
    assert_eq!(cursors[&TableId::new("raw.events")], 5);
    assert_eq!(world.hands.tables.contents()["a"], ["raw.events:-1..5"]);
}

#[tokio::test]
async fn each_version_gets_its_run_within_a_bound() {
    let mut world = World::new("2025-06-01T00:00:00Z", following(Batch::Each { max: 3 })).await;
    world.shelf.set("raw.events", 9);
    steady(&mut world).await;
    assert_eq!(
        world.hands.tables.contents()["a"],
        ["raw.events:-1..7", "raw.events:7..8", "raw.events:8..9"]
    );
    // One that fails is taken with the one after it.
    world
        .hands
        .will("a", [Act::Fail(ErrorClass::Permanent, "no")]);
    world.shelf.set("raw.events", 11);
    steady(&mut world).await;
    assert_eq!(
        world.hands.tables.contents()["a"][3..],
        ["raw.events:9..11"]
    );
}

#[tokio::test]
async fn a_table_made_anew_is_taken_again() {
    let mut world = World::new("2025-06-01T00:00:00Z", following(Batch::Together)).await;
    world.shelf.set("raw.events", 9);
    steady(&mut world).await;
    world.shelf.set("raw.events", 2);
    steady(&mut world).await;
    assert_eq!(
        world.hands.tables.contents()["a"],
        ["raw.events:-1..9", "raw.events:9..2"]
    );
}

#[tokio::test]
async fn a_new_process_finds_what_the_old_one_had_not_taken() {
    let mut world = World::new("2025-06-01T00:00:00Z", following(Batch::Together)).await;
    world.shelf.set("raw.events", 1);
    steady(&mut world).await;
    world.shelf.set("raw.events", 2);
    world.scheduler = world.flow.scheduler(world.shelf.clone(), 2);
    steady(&mut world).await;
    assert_eq!(world.hands.tables.count("a"), 2);
}
