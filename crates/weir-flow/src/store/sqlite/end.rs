//! The ends of steps and runs, and what follows from them.

use sqlx::Row;

use super::incident::{raise, recover};
use super::{Trouble, Tx};
use crate::id::{RunId, StepId};
use crate::state::State;

/// How far apart the turns of steps of one run lie. A run with many ready steps does not hold up one
/// that comes later: its steps stand in line at this distance, and others come in between.
pub(super) const SLICE_MICROS: i64 = 1_000_000;
/// How much waiting one point of priority is worth. Turns of newcomers grow with time, so a step is
/// overtaken only by what becomes ready within (difference in priority) times this: none starves.
pub(super) const AGEING_MICROS: i64 = 60_000_000;

/// A step that ends.
pub(super) struct Ending<'a> {
    pub(super) step: StepId,
    pub(super) run: RunId,
    pub(super) asset: &'a str,
    pub(super) partition: &'a str,
    pub(super) state: State,
    pub(super) reason: Option<&'a str>,
}

/// Ends a step: what waits for it becomes ready, or will not be done. Returns the state of the run if
/// that ends with it.
pub(super) async fn end_step(
    tx: &mut Tx,
    ending: &Ending<'_>,
    now: i64,
) -> Result<Option<State>, Trouble> {
    sqlx::query("UPDATE steps SET state = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1")
        .bind(ending.step.0)
        .bind(ending.state.as_str())
        .bind(ending.reason)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    let (ended, ready) = match ending.state {
        State::Succeeded | State::Skipped => {
            sqlx::query(
                "UPDATE asset_states SET succeeded_at = ?3, run_id = ?4
                 WHERE asset = ?1 AND partition = ?2",
            )
            .bind(ending.asset)
            .bind(ending.partition)
            .bind(now)
            .bind(ending.run.0)
            .execute(&mut **tx)
            .await?;
            (1, release_children(tx, ending).await?)
        }
        _ => (1 + skip_descendants(tx, ending, now).await?, Vec::new()),
    };
    let room = SLICE_MICROS * i64::try_from(ready.len()).unwrap_or(i64::MAX / SLICE_MICROS);
    let (open, turn): (i64, i64) = sqlx::query_as(
        "UPDATE runs SET open_steps = open_steps - ?2,
             turn = CASE ?4 WHEN 0 THEN turn ELSE max(turn, ?3) + ?4 END
         WHERE id = ?1 RETURNING open_steps, turn",
    )
    .bind(ending.run.0)
    .bind(ended)
    .bind(now)
    .bind(room)
    .fetch_one(&mut **tx)
    .await?;
    stand_in_line(tx, ready, turn - room, now).await?;
    match open {
        0 => end_run(tx, ending.run, now).await.map(Some),
        _ => Ok(None),
    }
}

/// A step all of whose inputs are there.
struct Ready {
    step: i64,
    priority: i64,
    queue_micros: Option<i64>,
}

/// Returns the steps that waited for this one alone.
async fn release_children(tx: &mut Tx, ending: &Ending<'_>) -> Result<Vec<Ready>, Trouble> {
    let rows = sqlx::query(
        "UPDATE steps SET waits_for = waits_for - 1
         WHERE id IN (SELECT child_id FROM step_edges WHERE parent_id = ?1)
         RETURNING id, waits_for, priority, queue_micros, state",
    )
    .bind(ending.step.0)
    .fetch_all(&mut **tx)
    .await?;
    let mut ready = Vec::new();
    for row in rows {
        let waits_for: i64 = row.try_get("waits_for")?;
        let state: &str = row.try_get("state")?;
        if waits_for == 0 && state == "queued" {
            ready.push(Ready {
                step: row.try_get("id")?,
                priority: row.try_get("priority")?,
                queue_micros: row.try_get("queue_micros")?,
            });
        }
    }
    ready.sort_unstable_by_key(|ready| ready.step);
    Ok(ready)
}

/// Gives steps their turns, behind the one that is given.
async fn stand_in_line(
    tx: &mut Tx,
    ready: Vec<Ready>,
    mut turn: i64,
    now: i64,
) -> Result<(), Trouble> {
    for ready in ready {
        turn += SLICE_MICROS;
        sqlx::query("UPDATE steps SET turn = ?2, ready_at = ?3, queue_until = ?4 WHERE id = ?1")
            .bind(ready.step)
            .bind(turn - AGEING_MICROS * ready.priority)
            .bind(now)
            .bind(ready.queue_micros.map(|wait| now.saturating_add(wait)))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn skip_descendants(tx: &mut Tx, ending: &Ending<'_>, now: i64) -> Result<i64, Trouble> {
    let why = match ending.state {
        State::Cancelled => "was cancelled",
        _ => "failed",
    };
    let done = sqlx::query(
        "WITH RECURSIVE below (id) AS (
             SELECT child_id FROM step_edges WHERE parent_id = ?1
             UNION
             SELECT e.child_id FROM step_edges e JOIN below b ON e.parent_id = b.id
         )
         UPDATE steps SET state = 'skipped', reason = ?2, ended_at = ?3
         WHERE id IN (SELECT id FROM below) AND state = 'queued'",
    )
    .bind(ending.step.0)
    .bind(format!("needs `{}`, which {why}", ending.asset))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// Ends a run none of whose steps is open: moves cursors if all went well, and tells if not.
pub(super) async fn end_run(tx: &mut Tx, run: RunId, now: i64) -> Result<State, Trouble> {
    let row = sqlx::query(
        "SELECT r.schedule, r.alert_key,
             (SELECT count(*) FROM steps WHERE run_id = r.id AND state = 'failed') AS failed,
             (SELECT count(*) FROM steps WHERE run_id = r.id AND state = 'cancelled') AS cancelled,
             (SELECT count(*) FROM steps WHERE run_id = r.id) AS steps
         FROM runs r WHERE r.id = ?1",
    )
    .bind(run.0)
    .fetch_one(&mut **tx)
    .await?;
    let schedule: Option<String> = row.try_get("schedule")?;
    let alert_key: Option<String> = row.try_get("alert_key")?;
    let failed: i64 = row.try_get("failed")?;
    let cancelled: i64 = row.try_get("cancelled")?;
    let steps: i64 = row.try_get("steps")?;
    let (state, reason) = match (failed, cancelled) {
        (0, 0) => (State::Succeeded, None),
        (0, _) => (State::Cancelled, None),
        _ => (
            State::Failed,
            Some(first_failure(tx, run, failed, steps).await?),
        ),
    };
    sqlx::query(
        "UPDATE runs SET state = ?2, reason = coalesce(?3, reason), ended_at = ?4, held = 0
         WHERE id = ?1",
    )
    .bind(run.0)
    .bind(state.as_str())
    .bind(reason.as_deref())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if let (State::Succeeded, Some(schedule)) = (state, &schedule) {
        move_cursors(tx, run, schedule).await?;
    }
    if let Some(key) = alert_key {
        match (state, reason) {
            (State::Succeeded, _) => {
                let text = format!("run {run} succeeded");
                recover(tx, &key, &text, Some(run), now).await?;
            }
            (State::Failed, Some(reason)) => {
                let text = format!("run {run} failed: {reason}");
                raise(tx, &key, &text, Some(run), now).await?;
            }
            _ => {}
        }
    }
    Ok(state)
}

async fn first_failure(
    tx: &mut Tx,
    run: RunId,
    failed: i64,
    steps: i64,
) -> Result<String, Trouble> {
    let (asset, reason): (String, Option<String>) = sqlx::query_as(
        "SELECT asset, reason FROM steps WHERE run_id = ?1 AND state = 'failed'
         ORDER BY ended_at, id LIMIT 1",
    )
    .bind(run.0)
    .fetch_one(&mut **tx)
    .await?;
    let reason = reason.unwrap_or_default();
    Ok(match failed {
        1 => format!("`{asset}`: {reason}"),
        _ => format!("{failed} of {steps} steps failed, first `{asset}`: {reason}"),
    })
}

async fn move_cursors(tx: &mut Tx, run: RunId, schedule: &str) -> Result<(), Trouble> {
    sqlx::query(
        "INSERT INTO cursors (schedule, table_name, version)
         SELECT ?2, table_name, to_version FROM run_inputs WHERE run_id = ?1
         ON CONFLICT (schedule, table_name) DO UPDATE SET version = excluded.version",
    )
    .bind(run.0)
    .bind(schedule)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
