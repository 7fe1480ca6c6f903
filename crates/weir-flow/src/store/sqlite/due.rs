//! What the clock asks for: a handful of look-ups in indexes, however much there is that rests.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::definition::decode_schedule;
use super::history::decode_alert;
use super::{Trouble, micros};
use crate::id::{AssetId, AttemptId, BackfillId, StepId};
use crate::store::{Due, Expired};

pub(super) async fn due(pool: &SqlitePool, now: DateTime<Utc>, most: u32) -> Result<Due, Trouble> {
    let now = micros(now);
    let schedules = sqlx::query(
        "SELECT definition, next_at, deadline_at, paused_at FROM schedules
         WHERE next_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL AND next_at <= ?1
         ORDER BY next_at LIMIT ?2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(pool)
    .await?;
    let deadlines = sqlx::query(
        "SELECT definition, next_at, deadline_at, paused_at FROM schedules
         WHERE deadline_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
           AND deadline_at <= ?1
         ORDER BY deadline_at LIMIT ?2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(pool)
    .await?;
    let expired = sqlx::query(
        "SELECT a.id, s.asset,
             (SELECT count(*) FROM attempts o WHERE o.step_id = a.step_id AND o.class = 'lost')
                 AS lost_before
         FROM attempts a JOIN steps s ON s.id = a.step_id
         WHERE a.state = 'running' AND a.lease_until <= ?1 ORDER BY a.id LIMIT ?2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(pool)
    .await?;
    let waited_too_long: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM steps WHERE state = 'queued' AND queue_until IS NOT NULL
           AND queue_until <= ?1 AND held = 0 AND attempts = 0
         ORDER BY queue_until LIMIT ?2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(pool)
    .await?;
    let alerts = sqlx::query(
        "SELECT id, key, kind, text, run_id, created_at, tries FROM alerts
         WHERE delivered_at IS NULL AND not_before <= ?1 ORDER BY not_before, id LIMIT ?2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(pool)
    .await?;
    let backfills = open_backfills(pool).await?;

    let mut due = Due {
        waited_too_long: waited_too_long.into_iter().map(StepId).collect(),
        backfills,
        ..Due::default()
    };
    for row in &schedules {
        due.schedules.push(decode_schedule(row)?);
    }
    for row in &deadlines {
        due.deadlines.push(decode_schedule(row)?);
    }
    for row in &expired {
        let lost_before: i64 = row.try_get("lost_before")?;
        due.expired.push(Expired {
            attempt: AttemptId(row.try_get("id")?),
            asset: AssetId::new(row.try_get::<String, _>("asset")?),
            lost_before: u32::try_from(lost_before).unwrap_or(u32::MAX),
        });
    }
    for row in &alerts {
        due.alerts.push(decode_alert(row)?);
    }
    Ok(due)
}

/// Returns the backfills that may open runs, or are at their end.
async fn open_backfills(pool: &SqlitePool) -> Result<Vec<(BackfillId, u32)>, Trouble> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT b.id, b.chunk,
             (SELECT count(*) FROM backfill_partitions p JOIN runs r ON r.id = p.run_id
              WHERE p.backfill_id = b.id AND r.ended_at IS NULL)
         FROM backfills b WHERE b.ended_at IS NULL AND b.paused_at IS NULL ORDER BY b.id",
    )
    .fetch_all(pool)
    .await?;
    let free = rows.into_iter().filter_map(|(id, chunk, open)| {
        let free = u32::try_from(chunk - open).unwrap_or(0);
        (free > 0).then_some((BackfillId(id), free))
    });
    Ok(free.collect())
}
