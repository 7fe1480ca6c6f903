//! Opening runs: each once.

use std::collections::HashMap;

use serde::Serialize;

use super::end::{AGEING_MICROS, SLICE_MICROS, end_run};
use super::{Trouble, Tx, micros};
use crate::cron::TZDATA_VERSION;
use crate::id::RunId;
use crate::store::{NewStep, Opened, Opening, Plan, Planned};

pub(super) async fn open(
    tx: &mut Tx,
    openings: &[Opening],
    plans: &[Plan],
) -> Result<Planned, Trouble> {
    let mut planned = Planned::default();
    for opening in openings {
        planned.opened.push(open_one(tx, opening).await?);
    }
    for plan in plans {
        replan(tx, plan).await?;
    }
    Ok(planned)
}

async fn open_one(tx: &mut Tx, opening: &Opening) -> Result<Opened, Trouble> {
    if let Some(tick) = &opening.tick {
        let known: Option<Option<i64>> =
            sqlx::query_scalar("SELECT run_id FROM ticks WHERE schedule = ?1 AND key = ?2")
                .bind(tick.schedule.as_str())
                .bind(&tick.key)
                .fetch_optional(&mut **tx)
                .await?;
        if let Some(run) = known {
            return Ok(Opened::Already(run.map(RunId)));
        }
    }
    if opening.by_itself && is_paused(tx, opening).await? {
        return Ok(Opened::Paused);
    }
    if opening.at_cursor && !at_cursor(tx, opening).await? {
        return Ok(Opened::Moved);
    }
    if too_many(tx, opening).await? {
        // An instant passes; versions stay, and are taken when there is room.
        if !opening.at_cursor {
            put_tick(tx, opening, None, Some("too many runs were open")).await?;
        }
        return Ok(Opened::TooMany);
    }
    if let Some((backfill, ordinal)) = opening.backfill
        && opening.rerun_of.is_none()
        && !backfill_waits(tx, backfill.0, ordinal).await?
    {
        return Ok(Opened::Already(None));
    }
    let run = insert_run(tx, opening).await?;
    put_tick(tx, opening, Some(run), None).await?;
    if let Some((backfill, ordinal)) = opening.backfill {
        link_backfill(tx, backfill.0, ordinal, run).await?;
    }
    for input in &opening.inputs {
        sqlx::query(
            "INSERT INTO run_inputs (run_id, table_name, from_version, to_version)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(run.0)
        .bind(input.table.as_str())
        .bind(input.from)
        .bind(input.to)
        .execute(&mut **tx)
        .await?;
    }
    insert_steps(tx, run, opening).await?;
    if opening.steps.iter().all(|step| step.reuse.is_some()) {
        end_run(tx, run, micros(opening.now)).await?;
    }
    Ok(Opened::Run(run))
}

/// Whether the schedule rests, or is gone.
async fn is_paused(tx: &mut Tx, opening: &Opening) -> Result<bool, Trouble> {
    let Some(schedule) = &opening.schedule else {
        return Ok(false);
    };
    let runs: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM schedules WHERE name = ?1 AND paused_at IS NULL AND removed_at IS NULL",
    )
    .bind(schedule.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(runs.is_none())
}

/// Whether the cursors are where the inputs begin.
async fn at_cursor(tx: &mut Tx, opening: &Opening) -> Result<bool, Trouble> {
    let Some(schedule) = &opening.schedule else {
        return Ok(true);
    };
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT table_name, version FROM cursors WHERE schedule = ?1")
            .bind(schedule.as_str())
            .fetch_all(&mut **tx)
            .await?;
    let cursors: HashMap<String, i64> = rows.into_iter().collect();
    Ok(opening.inputs.iter().all(|input| {
        let cursor = cursors.get(input.table.as_str()).copied().unwrap_or(-1);
        cursor == input.from
    }))
}

async fn too_many(tx: &mut Tx, opening: &Opening) -> Result<bool, Trouble> {
    let (Some(schedule), Some(most)) = (&opening.schedule, opening.max_open_runs) else {
        return Ok(false);
    };
    let open: i64 =
        sqlx::query_scalar("SELECT count(*) FROM runs WHERE schedule = ?1 AND ended_at IS NULL")
            .bind(schedule.as_str())
            .fetch_one(&mut **tx)
            .await?;
    Ok(open >= i64::from(most))
}

async fn backfill_waits(tx: &mut Tx, backfill: i64, ordinal: u64) -> Result<bool, Trouble> {
    let waits: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM backfill_partitions p JOIN backfills b ON b.id = p.backfill_id
         WHERE p.backfill_id = ?1 AND p.ordinal = ?2 AND p.run_id IS NULL
           AND b.ended_at IS NULL AND b.paused_at IS NULL",
    )
    .bind(backfill)
    .bind(i64::try_from(ordinal).unwrap_or(i64::MAX))
    .fetch_optional(&mut **tx)
    .await?;
    Ok(waits.is_some())
}

async fn link_backfill(
    tx: &mut Tx,
    backfill: i64,
    ordinal: u64,
    run: RunId,
) -> Result<(), Trouble> {
    sqlx::query(
        "UPDATE backfill_partitions SET run_id = ?3 WHERE backfill_id = ?1 AND ordinal = ?2",
    )
    .bind(backfill)
    .bind(i64::try_from(ordinal).unwrap_or(i64::MAX))
    .bind(run.0)
    .execute(&mut **tx)
    .await?;
    // A partition that is done again opens a backfill that had ended.
    sqlx::query("UPDATE backfills SET state = 'running', ended_at = NULL WHERE id = ?1")
        .bind(backfill)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn put_tick(
    tx: &mut Tx,
    opening: &Opening,
    run: Option<RunId>,
    note: Option<&str>,
) -> Result<(), Trouble> {
    let Some(tick) = &opening.tick else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO ticks (schedule, key, run_id, note, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(tick.schedule.as_str())
    .bind(&tick.key)
    .bind(run.map(|run| run.0))
    .bind(note)
    .bind(micros(opening.now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_run(tx: &mut Tx, opening: &Opening) -> Result<RunId, Trouble> {
    let (cause, detail) = opening.cause.parts();
    let steps = opening.steps.iter();
    let ready =
        steps.filter(|step| step.reuse.is_none() && open_parents(opening, step).next().is_none());
    let ready = i64::try_from(ready.count()).unwrap_or(0);
    let open = opening.steps.iter().filter(|s| s.reuse.is_none()).count();
    let now = micros(opening.now);
    let done = sqlx::query(
        "INSERT INTO runs (schedule, cause, detail, scheduled_at, tzdata, partition, backfill_id,
             rerun_of, state, alert_key, open_steps, turn, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'queued', ?9, ?10, ?11, ?12)",
    )
    .bind(opening.schedule.as_ref().map(AsRef::as_ref))
    .bind(cause)
    .bind(detail)
    .bind(opening.scheduled_at.map(micros))
    .bind(opening.scheduled_at.map(|_| TZDATA_VERSION))
    .bind(opening.partition.as_ref().map_or("", AsRef::as_ref))
    .bind(opening.backfill.map(|(backfill, _)| backfill.0))
    .bind(opening.rerun_of.map(|run| run.0))
    .bind(opening.alert_key.as_deref())
    .bind(i64::try_from(open).unwrap_or(i64::MAX))
    .bind(now.saturating_add(SLICE_MICROS * ready))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(RunId(done.last_insert_rowid()))
}

/// Returns what must be done before a step.
fn open_parents<'a>(
    opening: &'a Opening,
    step: &'a NewStep,
) -> impl Iterator<Item = &'a NewStep> + 'a {
    let parents = step.after.iter().filter_map(|&p| opening.steps.get(p));
    parents.filter(|parent| parent.reuse.is_none())
}

/// A step as the statement below reads it.
#[derive(Serialize)]
struct Row<'a> {
    asset: &'a str,
    kind: &'a str,
    pool: &'a str,
    priority: i32,
    state: &'static str,
    reason: Option<&'a str>,
    waits_for: usize,
    turn: Option<i64>,
    ready_at: Option<i64>,
    queue_until: Option<i64>,
    queue_micros: Option<i64>,
    ended_at: Option<i64>,
}

/// Inserts all steps with one statement and all edges with another, however many there are.
async fn insert_steps(tx: &mut Tx, run: RunId, opening: &Opening) -> Result<(), Trouble> {
    let now = micros(opening.now);
    let mut turn = now;
    let mut rows = Vec::with_capacity(opening.steps.len());
    let mut edges: Vec<(&str, &str)> = Vec::new();
    for step in &opening.steps {
        let waits_for = open_parents(opening, step).count();
        let queue_micros = step
            .queue_timeout
            .map(|timeout| i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX / 4));
        let ready = step.reuse.is_none() && waits_for == 0;
        if ready {
            turn += SLICE_MICROS;
        }
        rows.push(Row {
            asset: step.asset.as_str(),
            kind: step.kind.as_str(),
            pool: step.pool.as_str(),
            priority: step.priority,
            state: match step.reuse {
                Some(_) => "skipped",
                None => "queued",
            },
            reason: step.reuse.as_deref(),
            waits_for,
            turn: ready.then(|| turn - AGEING_MICROS * i64::from(step.priority)),
            ready_at: ready.then_some(now),
            queue_until: queue_micros
                .filter(|_| ready)
                .map(|wait| now.saturating_add(wait)),
            queue_micros,
            ended_at: step.reuse.as_ref().map(|_| now),
        });
        if step.reuse.is_none() {
            let parents = open_parents(opening, step);
            edges.extend(parents.map(|parent| (parent.asset.as_str(), step.asset.as_str())));
        }
    }
    let json = |error| Trouble::corrupt(format!("cannot write steps: {error}"));
    sqlx::query(
        "INSERT INTO steps (run_id, asset, kind, partition, pool, priority, state, reason,
             waits_for, turn, ready_at, queue_until, queue_micros, ended_at)
         SELECT ?1, value ->> 'asset', value ->> 'kind', ?2, value ->> 'pool',
             value ->> 'priority', value ->> 'state', value ->> 'reason', value ->> 'waits_for',
             value ->> 'turn', value ->> 'ready_at', value ->> 'queue_until',
             value ->> 'queue_micros', value ->> 'ended_at'
         FROM json_each(?3) ORDER BY key",
    )
    .bind(run.0)
    .bind(opening.partition.as_ref().map_or("", AsRef::as_ref))
    .bind(serde_json::to_string(&rows).map_err(json)?)
    .execute(&mut **tx)
    .await?;
    if edges.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO step_edges (parent_id, child_id)
         SELECT parent.id, child.id FROM json_each(?2) edge
         CROSS JOIN steps parent ON parent.run_id = ?1 AND parent.asset = edge.value ->> 0
         CROSS JOIN steps child ON child.run_id = ?1 AND child.asset = edge.value ->> 1",
    )
    .bind(run.0)
    .bind(serde_json::to_string(&edges).map_err(json)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn replan(tx: &mut Tx, plan: &Plan) -> Result<(), Trouble> {
    let done = sqlx::query(
        "UPDATE schedules SET next_at = ?3, deadline_at = ?4
         WHERE name = ?1 AND next_at IS ?2",
    )
    .bind(plan.schedule.as_str())
    .bind(plan.expected.map(micros))
    .bind(plan.next_at.map(micros))
    .bind(plan.deadline_at.map(micros))
    .execute(&mut **tx)
    .await?;
    if let Some((key, note)) = &plan.note
        && done.rows_affected() > 0
    {
        sqlx::query(
            "INSERT OR IGNORE INTO ticks (schedule, key, note, created_at)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(plan.schedule.as_str())
        .bind(key)
        .bind(note)
        .bind(micros(plan.now))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
