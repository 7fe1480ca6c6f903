//! Reading what was and is.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteExecutor};

use super::control::no_run;
use super::{Trouble, Tx, json_list, time};
use crate::asset::AssetKind;
use crate::id::{
    AssetId, AttemptId, BackfillId, PartitionKey, PoolName, RunId, ScheduleName, StepId, TableId,
};
use crate::record::{
    Alert, AlertKind, AttemptRecord, Cause, InputRange, LogLine, Run, Step, TableState,
};
use crate::retry::ErrorClass;
use crate::state::State;
use crate::store::RunFilter;

const RUN: &str = "SELECT id, schedule, cause, detail, scheduled_at, partition, backfill_id,
    rerun_of, state, reason, held, created_at, started_at, ended_at FROM runs";

const ATTEMPT: &str = "SELECT id, step_id, run_id, number, state, class, reason, node,
    lease_until, published, started_at, ended_at FROM attempts";

pub(super) async fn run(pool: &SqlitePool, id: RunId) -> Result<Run, Trouble> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{RUN} WHERE id = ?1")))
        .bind(id.0)
        .fetch_optional(pool)
        .await?
        .ok_or_else(|| no_run(id))?;
    let mut run = decode_run(&row)?;
    run.inputs = inputs_of(pool, id).await?;
    Ok(run)
}

/// Lists runs; what they took is read one by one, with [`run`].
pub(super) async fn runs(pool: &SqlitePool, filter: &RunFilter) -> Result<Vec<Run>, Trouble> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{RUN} WHERE (?1 IS NULL OR schedule = ?1) AND (?2 IS NULL OR state = ?2)
           AND (?3 IS NULL OR id < ?3)
         ORDER BY id DESC LIMIT ?4"
    )))
    .bind(filter.schedule.as_ref().map(AsRef::as_ref))
    .bind(filter.state.map(State::as_str))
    .bind(filter.before.map(|run| run.0))
    .bind(i64::from(filter.most))
    .fetch_all(pool)
    .await?;
    rows.iter().map(decode_run).collect()
}

fn decode_run(row: &SqliteRow) -> Result<Run, Trouble> {
    let id = RunId(row.try_get("id")?);
    let cause = Cause::from_parts(row.try_get("cause")?, row.try_get("detail")?)
        .ok_or_else(|| Trouble::corrupt(format!("run {id} has no known cause")))?;
    let schedule: Option<String> = row.try_get("schedule")?;
    let partition: String = row.try_get("partition")?;
    Ok(Run {
        id,
        schedule: schedule.map(ScheduleName::new),
        cause,
        scheduled_at: at(row, "scheduled_at")?,
        partition: (!partition.is_empty()).then(|| PartitionKey::new(partition)),
        backfill: row
            .try_get::<Option<i64>, _>("backfill_id")?
            .map(BackfillId),
        rerun_of: row.try_get::<Option<i64>, _>("rerun_of")?.map(RunId),
        state: state(row)?,
        reason: row.try_get("reason")?,
        held: row.try_get("held")?,
        created_at: time(row.try_get("created_at")?),
        started_at: at(row, "started_at")?,
        ended_at: at(row, "ended_at")?,
        inputs: Vec::new(),
    })
}

pub(super) async fn inputs_of<'e>(
    executor: impl SqliteExecutor<'e>,
    run: RunId,
) -> Result<Vec<InputRange>, Trouble> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT table_name, from_version, to_version FROM run_inputs WHERE run_id = ?1
         ORDER BY table_name",
    )
    .bind(run.0)
    .fetch_all(executor)
    .await?;
    let ranges = rows.into_iter().map(|(table, from, to)| InputRange {
        table: TableId::new(table),
        from,
        to,
    });
    Ok(ranges.collect())
}

pub(super) async fn steps(pool: &SqlitePool, run: RunId) -> Result<Vec<Step>, Trouble> {
    steps_of(pool, &[run]).await
}

pub(super) async fn steps_of(pool: &SqlitePool, runs: &[RunId]) -> Result<Vec<Step>, Trouble> {
    let rows = sqlx::query(
        "SELECT id, run_id, asset, kind, pool, priority, state, reason, waits_for, not_before,
             attempts, sequence, started_at, ended_at
         FROM steps WHERE run_id IN (SELECT value FROM json_each(?1)) ORDER BY run_id, id",
    )
    .bind(json_list(runs.iter().map(|run| run.0)))
    .fetch_all(pool)
    .await?;
    rows.iter().map(decode_step).collect()
}

fn decode_step(row: &SqliteRow) -> Result<Step, Trouble> {
    let id = StepId(row.try_get("id")?);
    let kind = AssetKind::parse(row.try_get("kind")?)
        .ok_or_else(|| Trouble::corrupt(format!("step {id} is of no known kind")))?;
    let small = |name| -> Result<u32, sqlx::Error> {
        Ok(u32::try_from(row.try_get::<i64, _>(name)?).unwrap_or(u32::MAX))
    };
    let sequence: Option<i64> = row.try_get("sequence")?;
    Ok(Step {
        id,
        run: RunId(row.try_get("run_id")?),
        asset: AssetId::new(row.try_get::<String, _>("asset")?),
        kind,
        pool: PoolName::new(row.try_get::<String, _>("pool")?),
        priority: i32::try_from(row.try_get::<i64, _>("priority")?).unwrap_or(0),
        state: state(row)?,
        reason: row.try_get("reason")?,
        waits_for: small("waits_for")?,
        not_before: at(row, "not_before")?,
        attempts: small("attempts")?,
        sequence: sequence.and_then(|sequence| u64::try_from(sequence).ok()),
        started_at: at(row, "started_at")?,
        ended_at: at(row, "ended_at")?,
    })
}

pub(super) async fn attempts(
    pool: &SqlitePool,
    step: StepId,
) -> Result<Vec<AttemptRecord>, Trouble> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{ATTEMPT} WHERE step_id = ?1 ORDER BY id"
    )))
    .bind(step.0)
    .fetch_all(pool)
    .await?;
    rows.iter().map(decode_attempt).collect()
}

fn decode_attempt(row: &SqliteRow) -> Result<AttemptRecord, Trouble> {
    let class: Option<&str> = row.try_get("class")?;
    let number: i64 = row.try_get("number")?;
    Ok(AttemptRecord {
        id: AttemptId(row.try_get("id")?),
        step: StepId(row.try_get("step_id")?),
        number: u32::try_from(number).unwrap_or(u32::MAX),
        state: state(row)?,
        class: class.and_then(ErrorClass::parse),
        reason: row.try_get("reason")?,
        node: row.try_get("node")?,
        lease_until: time(row.try_get("lease_until")?),
        published: row.try_get("published")?,
        started_at: time(row.try_get("started_at")?),
        ended_at: at(row, "ended_at")?,
    })
}

/// Lists the attempts of several runs, each with its run.
pub(super) async fn attempts_of(
    pool: &SqlitePool,
    runs: &[RunId],
) -> Result<Vec<(RunId, AttemptRecord)>, Trouble> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{ATTEMPT} WHERE step_id IN (SELECT id FROM steps
             WHERE run_id IN (SELECT value FROM json_each(?1))) ORDER BY id"
    )))
    .bind(json_list(runs.iter().map(|run| run.0)))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok((RunId(row.try_get("run_id")?), decode_attempt(row)?)))
        .collect()
}

pub(super) async fn logs_of(
    pool: &SqlitePool,
    attempts: &[AttemptId],
    most: u32,
) -> Result<Vec<(AttemptId, LogLine)>, Trouble> {
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(
        "SELECT attempt_id, number, at, line FROM attempt_logs
         WHERE attempt_id IN (SELECT value FROM json_each(?1))
         ORDER BY attempt_id, number LIMIT ?2",
    )
    .bind(json_list(attempts.iter().map(|attempt| attempt.0)))
    .bind(i64::from(most))
    .fetch_all(pool)
    .await?;
    let lines = rows.into_iter().map(|(attempt, number, at, text)| {
        let number = u64::try_from(number).unwrap_or(0);
        let at = time(at);
        (AttemptId(attempt), LogLine { number, at, text })
    });
    Ok(lines.collect())
}

pub(super) async fn table_states(pool: &SqlitePool) -> Result<Vec<TableState>, Trouble> {
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT table_name, version, state FROM table_states ORDER BY table_name")
            .fetch_all(pool)
            .await?;
    let states = rows.into_iter().map(|(table, version, state)| TableState {
        table: TableId::new(table),
        version,
        state,
    });
    Ok(states.collect())
}

pub(super) async fn put_table_states(tx: &mut Tx, states: &[TableState]) -> Result<(), Trouble> {
    for TableState {
        table,
        version,
        state,
    } in states
    {
        sqlx::query(
            "INSERT INTO table_states (table_name, version, state) VALUES (?1, ?2, ?3)
             ON CONFLICT (table_name) DO UPDATE SET
                 version = excluded.version, state = excluded.state",
        )
        .bind(table.as_str())
        .bind(version)
        .bind(state)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

pub(super) async fn log(
    pool: &SqlitePool,
    attempt: AttemptId,
    from: u64,
    most: u32,
) -> Result<Vec<LogLine>, Trouble> {
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT number, at, line FROM attempt_logs WHERE attempt_id = ?1 AND number >= ?2
         ORDER BY number LIMIT ?3",
    )
    .bind(attempt.0)
    .bind(i64::try_from(from).unwrap_or(i64::MAX))
    .bind(i64::from(most))
    .fetch_all(pool)
    .await?;
    let lines = rows.into_iter().map(|(number, at, text)| LogLine {
        number: u64::try_from(number).unwrap_or(0),
        at: time(at),
        text,
    });
    Ok(lines.collect())
}

pub(super) async fn cursors(
    pool: &SqlitePool,
    schedule: &ScheduleName,
) -> Result<HashMap<TableId, i64>, Trouble> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT table_name, version FROM cursors WHERE schedule = ?1")
            .bind(schedule.as_str())
            .fetch_all(pool)
            .await?;
    let cursors = rows.into_iter();
    Ok(cursors
        .map(|(table, version)| (TableId::new(table), version))
        .collect())
}

pub(super) async fn succeeded_at(
    pool: &SqlitePool,
    assets: &[AssetId],
) -> Result<HashMap<AssetId, DateTime<Utc>>, Trouble> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT asset, succeeded_at FROM asset_states
         WHERE partition = '' AND succeeded_at IS NOT NULL
           AND asset IN (SELECT value FROM json_each(?1))",
    )
    .bind(serde_json::to_string(assets).unwrap_or_else(|_| "[]".to_owned()))
    .fetch_all(pool)
    .await?;
    let times = rows.into_iter();
    Ok(times
        .map(|(asset, at)| (AssetId::new(asset), time(at)))
        .collect())
}

pub(super) async fn alerts(pool: &SqlitePool, most: u32) -> Result<Vec<Alert>, Trouble> {
    let rows = sqlx::query(
        "SELECT id, key, kind, text, run_id, created_at, tries FROM alerts
         ORDER BY id DESC LIMIT ?1",
    )
    .bind(i64::from(most))
    .fetch_all(pool)
    .await?;
    rows.iter().map(decode_alert).collect()
}

pub(super) fn decode_alert(row: &SqliteRow) -> Result<Alert, Trouble> {
    let kind: &str = row.try_get("kind")?;
    let tries: i64 = row.try_get("tries")?;
    Ok(Alert {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        kind: if kind == AlertKind::Recovered.as_str() {
            AlertKind::Recovered
        } else {
            AlertKind::Raised
        },
        text: row.try_get("text")?,
        run: row.try_get::<Option<i64>, _>("run_id")?.map(RunId),
        at: time(row.try_get("created_at")?),
        tries: u32::try_from(tries).unwrap_or(u32::MAX),
    })
}

fn state(row: &SqliteRow) -> Result<State, Trouble> {
    let word: &str = row.try_get("state")?;
    State::parse(word).ok_or_else(|| Trouble::corrupt(format!("there is no state `{word}`")))
}

fn at(row: &SqliteRow, name: &str) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(name)?.map(time))
}
