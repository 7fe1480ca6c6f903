//! Pools and schedules as the project defines them.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use weir_core::did_you_mean;

use super::{Trouble, Tx, micros, time};
use crate::error::{FlowError, FlowErrorKind};
use crate::id::ScheduleName;
use crate::record::ScheduleRecord;
use crate::store::{DefinedSchedule, Definitions, Resume};

pub(super) async fn define(
    tx: &mut Tx,
    definitions: &Definitions,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    for (name, size) in &definitions.pools {
        sqlx::query(
            "INSERT INTO pools (name, size) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET size = excluded.size",
        )
        .bind(name.as_str())
        .bind(i64::from(*size))
        .execute(&mut **tx)
        .await?;
    }
    for defined in &definitions.schedules {
        put_schedule(tx, defined, now).await?;
    }
    if definitions.keeps_others {
        return Ok(());
    }
    let names: Vec<&str> = definitions
        .schedules
        .iter()
        .map(|defined| defined.schedule.name.as_str())
        .collect();
    let names = serde_json::to_string(&names).unwrap_or_else(|_| "[]".to_owned());
    sqlx::query(
        "UPDATE schedules SET removed_at = ?2, next_at = NULL, deadline_at = NULL
         WHERE removed_at IS NULL AND name NOT IN (SELECT value FROM json_each(?1))",
    )
    .bind(names)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores a schedule. One that is as it was keeps its plan: what was missed while nothing ran is
/// caught up with.
async fn put_schedule(
    tx: &mut Tx,
    defined: &DefinedSchedule,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    let DefinedSchedule {
        schedule,
        next_at,
        deadline_at,
    } = defined;
    let definition = serde_json::to_string(schedule).map_err(|error| {
        FlowError::invalid(format!("cannot write schedule `{}`", schedule.name)).because(error)
    })?;
    let trigger = serde_json::to_value(&schedule.trigger).unwrap_or_default();
    let before: Option<(String, bool)> =
        sqlx::query_as("SELECT definition, removed_at IS NULL FROM schedules WHERE name = ?1")
            .bind(schedule.name.as_str())
            .fetch_optional(&mut **tx)
            .await?;
    let same_trigger = before.as_ref().is_some_and(|(before, there)| {
        let before = serde_json::from_str::<serde_json::Value>(before).unwrap_or_default();
        *there && before.get("trigger") == Some(&trigger)
    });
    if before.as_ref() == Some(&(definition.clone(), true)) {
        return Ok(());
    }
    if same_trigger {
        sqlx::query("UPDATE schedules SET definition = ?2, updated_at = ?3 WHERE name = ?1")
            .bind(schedule.name.as_str())
            .bind(definition)
            .bind(micros(now))
            .execute(&mut **tx)
            .await?;
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO schedules
             (name, kind, definition, next_at, deadline_at, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
         ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, definition = excluded.definition,
             next_at = excluded.next_at, deadline_at = excluded.deadline_at,
             updated_at = excluded.updated_at, removed_at = NULL",
    )
    .bind(schedule.name.as_str())
    .bind(schedule.trigger.as_str())
    .bind(definition)
    .bind(next_at.map(micros))
    .bind(deadline_at.map(micros))
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) fn decode_schedule(row: &SqliteRow) -> Result<ScheduleRecord, Trouble> {
    let definition: &str = row.try_get("definition")?;
    let schedule = serde_json::from_str(definition).map_err(|error| {
        FlowError::new(FlowErrorKind::Corrupt, "a stored schedule cannot be read")
            .because(error)
            .with_hint("start Weir with the project, which stores its schedules anew")
    })?;
    let at = |name| -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(name)?.map(time))
    };
    Ok(ScheduleRecord {
        schedule,
        next_at: at("next_at")?,
        deadline_at: at("deadline_at")?,
        paused_at: at("paused_at")?,
    })
}

pub(super) async fn schedules(pool: &SqlitePool) -> Result<Vec<ScheduleRecord>, Trouble> {
    let rows = sqlx::query(
        "SELECT definition, next_at, deadline_at, paused_at FROM schedules
         WHERE removed_at IS NULL ORDER BY name",
    )
    .fetch_all(pool)
    .await?;
    rows.iter().map(decode_schedule).collect()
}

pub(super) async fn schedule(
    pool: &SqlitePool,
    name: &ScheduleName,
) -> Result<ScheduleRecord, Trouble> {
    let row = sqlx::query(
        "SELECT definition, next_at, deadline_at, paused_at FROM schedules
         WHERE removed_at IS NULL AND name = ?1",
    )
    .bind(name.as_str())
    .fetch_optional(pool)
    .await?;
    match row {
        Some(row) => decode_schedule(&row),
        None => Err(unknown(pool, name).await?.into()),
    }
}

async fn unknown(pool: &SqlitePool, name: &ScheduleName) -> Result<FlowError, sqlx::Error> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM schedules WHERE removed_at IS NULL ORDER BY name")
            .fetch_all(pool)
            .await?;
    let error = FlowError::new(
        FlowErrorKind::NotFound,
        format!("there is no schedule `{name}`"),
    );
    Ok(match did_you_mean(name.as_str(), &names) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error,
    })
}

pub(super) async fn pause(
    tx: &mut Tx,
    name: &ScheduleName,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    sqlx::query("UPDATE schedules SET paused_at = coalesce(paused_at, ?2) WHERE name = ?1")
        .bind(name.as_str())
        .bind(micros(now))
        .execute(&mut **tx)
        .await?;
    hold(tx, name, true).await
}

pub(super) async fn resume(
    tx: &mut Tx,
    name: &ScheduleName,
    resume: Resume,
    next_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    if resume == Resume::Skip {
        let runs: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM runs WHERE schedule = ?1 AND ended_at IS NULL AND held = 1",
        )
        .bind(name.as_str())
        .fetch_all(&mut **tx)
        .await?;
        for run in runs {
            super::control::cancel(tx, crate::RunId(run), "skipped after a pause", now).await?;
        }
    }
    hold(tx, name, false).await?;
    sqlx::query(
        "UPDATE schedules SET paused_at = NULL, next_at = coalesce(?2, next_at) WHERE name = ?1",
    )
    .bind(name.as_str())
    .bind(next_at.map(micros))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn hold(tx: &mut Tx, name: &ScheduleName, hold: bool) -> Result<(), Trouble> {
    sqlx::query(
        "UPDATE steps SET held = ?2 WHERE state = 'queued' AND run_id IN
             (SELECT id FROM runs WHERE schedule = ?1 AND ended_at IS NULL)",
    )
    .bind(name.as_str())
    .bind(hold)
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE runs SET held = ?2 WHERE schedule = ?1 AND ended_at IS NULL")
        .bind(name.as_str())
        .bind(hold)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
