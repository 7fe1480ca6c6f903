//! Counting what there is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqlitePool;

use super::{Trouble, micros};
use crate::id::ScheduleName;
use crate::state::State;
use crate::store::Figures;

pub(super) async fn run_lengths(
    pool: &SqlitePool,
    schedule: &ScheduleName,
    most: u32,
) -> Result<Vec<Duration>, Trouble> {
    let lengths: Vec<i64> = sqlx::query_scalar(
        "SELECT ended_at - created_at FROM runs
         WHERE schedule = ?1 AND state = 'succeeded' AND ended_at IS NOT NULL
         ORDER BY id DESC LIMIT ?2",
    )
    .bind(schedule.as_str())
    .bind(i64::from(most))
    .fetch_all(pool)
    .await?;
    Ok(lengths.into_iter().map(length).collect())
}

pub(super) async fn figures(pool: &SqlitePool, now: DateTime<Utc>) -> Result<Figures, Trouble> {
    let runs: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM runs GROUP BY state")
            .fetch_all(pool)
            .await?;
    let attempts: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT state, count(*), coalesce(sum(ended_at - started_at), 0) FROM attempts
         WHERE ended_at IS NOT NULL GROUP BY state",
    )
    .fetch_all(pool)
    .await?;
    let running: i64 = sqlx::query_scalar("SELECT count(*) FROM attempts WHERE state = 'running'")
        .fetch_one(pool)
        .await?;
    let (queued, first): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), min(max(coalesce(ready_at, ?1), coalesce(not_before, 0))) FROM steps
         WHERE state = 'queued' AND waits_for = 0 AND held = 0 AND coalesce(not_before, 0) <= ?1",
    )
    .bind(micros(now))
    .fetch_one(pool)
    .await?;
    let (late, paused): (Option<i64>, i64) = sqlx::query_as(
        "SELECT min(next_at) FILTER (WHERE paused_at IS NULL),
             count(*) FILTER (WHERE paused_at IS NOT NULL)
         FROM schedules WHERE removed_at IS NULL",
    )
    .fetch_one(pool)
    .await?;
    let incidents: i64 = sqlx::query_scalar("SELECT count(*) FROM incidents")
        .fetch_one(pool)
        .await?;
    let since = |at: Option<i64>| at.map_or(Duration::ZERO, |at| length(micros(now) - at));
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Figures {
        runs: runs
            .into_iter()
            .filter_map(|(state, runs)| Some((State::parse(&state)?, count(runs))))
            .collect(),
        attempts: attempts
            .into_iter()
            .filter_map(|(state, tries, took)| {
                Some((State::parse(&state)?, count(tries), length(took)))
            })
            .collect(),
        running: count(running),
        queued: count(queued),
        waited: since(first),
        late: since(late),
        paused: count(paused),
        incidents: count(incidents),
    })
}

/// Returns a span of microseconds; one that ends before it begins is none.
fn length(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
