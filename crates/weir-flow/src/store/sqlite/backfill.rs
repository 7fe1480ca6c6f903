//! Backfills: partitions that get their runs bit by bit.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::control::cancel;
use super::incident::{raise, recover};
use super::{Trouble, Tx, micros, time};
use crate::error::{FlowError, FlowErrorKind};
use crate::id::{AssetId, BackfillId, PartitionKey, RunId};
use crate::record::{Backfill, BackfillProgress};
use crate::state::State;
use crate::store::NewBackfill;

/// Counts partitions by where they are.
const PROGRESS: &str = "SELECT count(*) AS total,
        count(*) FILTER (WHERE p.run_id IS NULL) AS waiting,
        count(*) FILTER (WHERE p.run_id IS NOT NULL AND r.ended_at IS NULL) AS open,
        count(*) FILTER (WHERE r.state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE r.state = 'failed') AS failed,
        count(*) FILTER (WHERE r.state = 'cancelled') AS cancelled
    FROM backfill_partitions p LEFT JOIN runs r ON r.id = p.run_id WHERE p.backfill_id = ?1";

pub(super) async fn begin(
    tx: &mut Tx,
    backfill: &NewBackfill,
    now: DateTime<Utc>,
) -> Result<BackfillId, Trouble> {
    let json = |error| Trouble::corrupt(format!("cannot write a backfill: {error}"));
    let done = sqlx::query(
        "INSERT INTO backfills (target, chunk, priority, state, created_at)
         VALUES (?1, ?2, ?3, 'queued', ?4)",
    )
    .bind(serde_json::to_string(&backfill.assets).map_err(json)?)
    .bind(i64::from(backfill.chunk.max(1)))
    .bind(i64::from(backfill.priority))
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    let id = BackfillId(done.last_insert_rowid());
    sqlx::query(
        "INSERT INTO backfill_partitions (backfill_id, ordinal, partition)
         SELECT ?1, key, value FROM json_each(?2)",
    )
    .bind(id.0)
    .bind(serde_json::to_string(&backfill.partitions).map_err(json)?)
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

pub(super) async fn get(pool: &SqlitePool, id: BackfillId) -> Result<Backfill, Trouble> {
    let row = sqlx::query(
        "SELECT target, chunk, priority, state, paused_at FROM backfills WHERE id = ?1",
    )
    .bind(id.0)
    .fetch_optional(pool)
    .await?
    .ok_or_else(|| no_backfill(id))?;
    let target: &str = row.try_get("target")?;
    let assets: Vec<AssetId> = serde_json::from_str(target)
        .map_err(|_| Trouble::corrupt(format!("backfill {id} has no readable target")))?;
    let state: &str = row.try_get("state")?;
    let counts = sqlx::query(PROGRESS).bind(id.0).fetch_one(pool).await?;
    Ok(Backfill {
        id,
        assets,
        chunk: u32::try_from(row.try_get::<i64, _>("chunk")?).unwrap_or(1),
        priority: i32::try_from(row.try_get::<i64, _>("priority")?).unwrap_or(0),
        state: State::parse(state)
            .ok_or_else(|| Trouble::corrupt(format!("backfill {id} has no known state")))?,
        paused_at: row.try_get::<Option<i64>, _>("paused_at")?.map(time),
        progress: progress(&counts)?,
    })
}

pub(super) async fn list(pool: &SqlitePool, most: u32) -> Result<Vec<Backfill>, Trouble> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM backfills ORDER BY id DESC LIMIT ?1")
        .bind(i64::from(most))
        .fetch_all(pool)
        .await?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(get(pool, BackfillId(id)).await?);
    }
    Ok(found)
}

fn progress(row: &sqlx::sqlite::SqliteRow) -> Result<BackfillProgress, sqlx::Error> {
    let count = |name| -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or(0))
    };
    Ok(BackfillProgress {
        total: count("total")?,
        waiting: count("waiting")?,
        open: count("open")?,
        succeeded: count("succeeded")?,
        failed: count("failed")?,
        cancelled: count("cancelled")?,
    })
}

pub(super) async fn pause(
    tx: &mut Tx,
    id: BackfillId,
    pause: bool,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    let done = sqlx::query(
        "UPDATE backfills SET paused_at = CASE WHEN ?2 THEN coalesce(paused_at, ?3) END
         WHERE id = ?1 AND ended_at IS NULL",
    )
    .bind(id.0)
    .bind(pause)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(no_open_backfill(id).into());
    }
    let runs = "SELECT id FROM runs WHERE backfill_id = ?1 AND ended_at IS NULL";
    for statement in [
        format!("UPDATE steps SET held = ?2 WHERE state = 'queued' AND run_id IN ({runs})"),
        format!("UPDATE runs SET held = ?2 WHERE id IN ({runs})"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(id.0)
            .bind(pause)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn cancel_all(
    tx: &mut Tx,
    id: BackfillId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    let done = sqlx::query(
        "UPDATE backfills SET state = 'cancelled', ended_at = ?2
         WHERE id = ?1 AND ended_at IS NULL",
    )
    .bind(id.0)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(no_open_backfill(id).into());
    }
    let runs: Vec<i64> = sqlx::query_scalar(
        "SELECT r.id FROM backfill_partitions p JOIN runs r ON r.id = p.run_id
         WHERE p.backfill_id = ?1 AND r.ended_at IS NULL ORDER BY r.id",
    )
    .bind(id.0)
    .fetch_all(&mut **tx)
    .await?;
    for run in runs {
        cancel(tx, RunId(run), reason, now).await?;
    }
    Ok(())
}

/// Returns what waits; when nothing does and no run is open, the backfill has ended.
pub(super) async fn go_on(
    tx: &mut Tx,
    id: BackfillId,
    most: u32,
    now: DateTime<Utc>,
) -> Result<Vec<(u64, PartitionKey)>, Trouble> {
    let waiting: Vec<(i64, String)> = sqlx::query_as(
        "SELECT p.ordinal, p.partition FROM backfill_partitions p
         JOIN backfills b ON b.id = p.backfill_id
         WHERE p.backfill_id = ?1 AND p.run_id IS NULL AND b.ended_at IS NULL
           AND b.paused_at IS NULL
         ORDER BY p.ordinal LIMIT ?2",
    )
    .bind(id.0)
    .bind(i64::from(most))
    .fetch_all(&mut **tx)
    .await?;
    if waiting.is_empty() {
        end_if_done(tx, id, now).await?;
    }
    Ok(waiting
        .into_iter()
        .map(|(ordinal, key)| (u64::try_from(ordinal).unwrap_or(0), PartitionKey::new(key)))
        .collect())
}

async fn end_if_done(tx: &mut Tx, id: BackfillId, now: DateTime<Utc>) -> Result<(), Trouble> {
    let row = sqlx::query(PROGRESS)
        .bind(id.0)
        .fetch_one(&mut **tx)
        .await?;
    let progress = progress(&row)?;
    if progress.waiting + progress.open > 0 {
        return Ok(());
    }
    let state = match (progress.failed, progress.cancelled) {
        (0, 0) => State::Succeeded,
        (0, _) => State::Cancelled,
        _ => State::Failed,
    };
    let done = sqlx::query(
        "UPDATE backfills SET state = ?2, ended_at = ?3 WHERE id = ?1 AND ended_at IS NULL",
    )
    .bind(id.0)
    .bind(state.as_str())
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    let key = format!("backfill:{id}");
    let text = format!(
        "backfill {id} has ended: {} of {} partitions succeeded, {} failed",
        progress.succeeded, progress.total, progress.failed
    );
    match state {
        State::Failed => raise(tx, &key, &text, None, micros(now)).await?,
        State::Succeeded => recover(tx, &key, &text, None, micros(now)).await?,
        _ => false,
    };
    Ok(())
}

/// Returns which partition of a backfill a run is for, if it is the latest for it.
pub(super) async fn place(
    pool: &SqlitePool,
    id: BackfillId,
    run: RunId,
) -> Result<Option<(BackfillId, u64)>, Trouble> {
    let ordinal: Option<i64> = sqlx::query_scalar(
        "SELECT ordinal FROM backfill_partitions WHERE backfill_id = ?1 AND run_id = ?2",
    )
    .bind(id.0)
    .bind(run.0)
    .fetch_optional(pool)
    .await?;
    Ok(ordinal.map(|ordinal| (id, u64::try_from(ordinal).unwrap_or(0))))
}

fn no_backfill(id: BackfillId) -> FlowError {
    FlowError::new(
        FlowErrorKind::NotFound,
        format!("there is no backfill {id}"),
    )
}

fn no_open_backfill(id: BackfillId) -> FlowError {
    FlowError::new(
        FlowErrorKind::Conflict,
        format!("there is no backfill {id} that has not ended"),
    )
}
