//! Backfills: bit by bit, through crashes and failures.

use weir_flow::*;

use crate::world::*;

fn daily(id: &str, inputs: &[&str]) -> Asset {
    let mut asset = model(id, inputs);
    asset.partitioning = Some(Partitioning::Time {
        every: Span::Day,
        zone: "UTC".into(),
        start: "2025-01-01".parse().unwrap(),
    });
    asset
}

fn request(from: &str, to: &str) -> BackfillRequest {
    BackfillRequest {
        target: Target::with_descendants(["a"]),
        range: PartitionRange::Days(from.parse().unwrap(), to.parse().unwrap()),
        chunk: 3,
        priority: -10,
    }
}

async fn world() -> World {
    let graph = graph([daily("a", &[]), daily("b", &["a"])]);
    World::new("2025-02-01T00:00:00Z", project(graph, [])).await
}

#[tokio::test]
async fn partitions_get_their_runs_in_chunks() {
    let mut world = world().await;
    let request = request("2025-01-10", "2025-01-19");
    let preview = world.flow.preview(&request).unwrap();
    assert_eq!((preview.partitions.len(), preview.steps), (10, 20));
    let id = world.flow.backfill(&request).await.unwrap();
    world.begin().await;
    let backfill = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!((backfill.progress.open, backfill.progress.waiting), (3, 7));

    // Rests, and goes on where it was.
    world.flow.pause_backfill(id, true).await.unwrap();
    world.work().await;
    let paused = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!(paused.progress.waiting, 7);
    world.flow.pause_backfill(id, false).await.unwrap();
    world.work().await;
    let backfill = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!(backfill.state, State::Succeeded);
    assert_eq!(backfill.progress.succeeded, 10);
    let contents = world.hands.tables.contents();
    assert_eq!(contents.len(), 20);
    assert!(contents.contains_key("b@2025-01-19"));
    assert!(world.flow.pause_backfill(id, true).await.is_err());
}

#[tokio::test]
async fn a_failed_partition_stops_no_other_and_can_be_done_again() {
    let mut world = world().await;
    world
        .hands
        .will("b", [Act::Fail(ErrorClass::Permanent, "no")]);
    let id = world
        .flow
        .backfill(&request("2025-01-10", "2025-01-14"))
        .await
        .unwrap();
    world.work().await;
    let backfill = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!(backfill.state, State::Failed);
    assert_eq!(
        (backfill.progress.succeeded, backfill.progress.failed),
        (4, 1)
    );
    let failed = RunFilter {
        state: Some(State::Failed),
        ..RunFilter::default()
    };
    let failed = world.flow.store().runs(&failed).await.unwrap();
    let again = world
        .flow
        .rerun(failed[0].id, &Rerun::FromFailed, "ann")
        .await;
    again.unwrap();
    world.work().await;
    let backfill = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!(
        (backfill.state, backfill.progress.succeeded),
        (State::Succeeded, 5)
    );
    let alerts = world.flow.store().alerts(10).await.unwrap();
    assert_eq!(alerts.len(), 2);
}

#[tokio::test]
async fn a_cancelled_backfill_begins_nothing_more() {
    let mut world = world().await;
    let id = world
        .flow
        .backfill(&request("2025-01-01", "2025-01-31"))
        .await
        .unwrap();
    world.scheduler.tick().await.unwrap();
    world.flow.cancel_backfill(id, "ann").await.unwrap();
    world.work().await;
    let backfill = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!(backfill.state, State::Cancelled);
    assert_eq!(
        (backfill.progress.cancelled, backfill.progress.waiting),
        (3, 28)
    );
    assert!(world.hands.begun().is_empty());
}

#[tokio::test]
async fn what_is_not_divided_alike_is_refused() {
    let mut other = model("b", &["a"]);
    other.partitioning = Some(Partitioning::Keys(vec!["eu".into()]));
    let divided = graph([daily("a", &[]), other]);
    let world = World::new("2025-02-01T00:00:00Z", project(divided, [])).await;
    let error = world
        .flow
        .preview(&request("2025-01-01", "2025-01-02"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "asset `b` is divided differently from `a`"
    );
    let world = World::new("2025-02-01T00:00:00Z", project(diamond(), [])).await;
    let error = world
        .flow
        .preview(&request("2025-01-01", "2025-01-02"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "asset `a` is not divided into partitions"
    );
}

#[tokio::test]
async fn a_backfill_of_what_is_gone_is_cancelled() {
    let mut world = world().await;
    let id = world
        .flow
        .backfill(&request("2025-01-01", "2025-01-31"))
        .await
        .unwrap();
    world
        .flow
        .apply(project(graph([daily("b", &[])]), []))
        .await
        .unwrap();
    world.work().await;
    let backfill = world.flow.backfill_progress(id).await.unwrap();
    assert_eq!(
        (backfill.state, backfill.progress.waiting),
        (State::Cancelled, 31)
    );
}
