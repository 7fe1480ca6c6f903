//! Runs that follow the one before by a length of time, and executors that do some kinds of work only.

use weir_flow::*;

use crate::world::*;

#[tokio::test]
async fn a_run_begins_so_long_after_the_one_before_began() {
    let often = schedule("often", "a", Trigger::Every { every: SECOND * 60 });
    let parts = project(graph([model("a", &[])]), [often]);
    let mut world = World::new("2025-06-01T00:00:00Z", parts).await;
    let mut begun = 0;
    // The first comes at once; what nobody was there to see is one run, and it counts on from there.
    let wanted = [(0, 1), (59, 0), (1, 1), (60, 1), (600, 1), (59, 0), (1, 1)];
    for (at, (seconds, more)) in wanted.into_iter().enumerate() {
        world.turn(seconds);
        world.work().await;
        begun += more;
        assert_eq!(world.hands.begun().len(), begun, "at {at}");
    }
}

#[tokio::test]
async fn what_takes_long_takes_no_slot_of_others() {
    let slow = Asset::new("slow", AssetKind::Source).in_pool(SOURCE_POOL);
    let parts = project(graph([slow, model("a", &[]), model("b", &["slow"])]), []);
    let mut world = World::new("2025-06-01T00:00:00Z", parts).await;
    let of = |kinds: Vec<AssetKind>, node: &str| ExecutorOptions {
        kinds,
        slots: 1,
        ..options(node)
    };
    let (flow, hands) = (world.flow.clone(), world.hands.clone());
    let mut sources = flow.executor(hands.clone(), of(vec![AssetKind::Source], "sources"));
    world.executor = flow.executor(hands, of(vec![AssetKind::Model], "models"));
    world.hands.will("slow", [Act::Wait]);
    let target = Target::only(["slow", "a", "b"]);
    let run = flow.run_assets(&target, None, "ann").await.unwrap();
    sources.turn().await.unwrap();
    assert_eq!(sources.running(), 1);
    world.work().await;
    let states = world.states(run).await;
    assert_eq!(states["slow"], State::Running);
    assert_eq!(states["a"], State::Succeeded);
    assert_eq!(states["b"], State::Queued);
}

#[tokio::test]
async fn a_part_of_a_project_lets_the_rest_wait() {
    let hourly = schedule("hourly", "a", cron("0 * * * *", "UTC"));
    let all = graph([model("a", &[]), model("b", &[])]);
    let mut world = World::new("2025-06-01T00:30:00Z", project(all, [hourly])).await;
    let often = schedule(
        "often",
        "b",
        Trigger::Every {
            every: SECOND * 600,
        },
    );
    let part = project(graph([model("b", &[])]), [often]);
    world.flow.apply_part(part).await.unwrap();
    world.turn(3_600);
    world.work().await;
    assert_eq!(world.hands.begun(), ["b"]);
    // Nothing is lost of what the rest had to do.
    let hourly = schedule("hourly", "a", cron("0 * * * *", "UTC"));
    let all = graph([model("a", &[]), model("b", &[])]);
    world.flow.apply(project(all, [hourly])).await.unwrap();
    world.work().await;
    assert_eq!(world.hands.begun(), ["b", "a"]);
}
