//! What people and the clock do to open runs.

use chrono::{DateTime, Utc};

use super::end::{Ending, end_run, end_step};
use super::{Trouble, Tx, json_list, micros};
use crate::error::{FlowError, FlowErrorKind};
use crate::id::{AssetId, RunId, StepId};
use crate::state::State;

pub(super) async fn cancel(
    tx: &mut Tx,
    run: RunId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM runs WHERE id = ?1")
        .bind(run.0)
        .fetch_optional(&mut **tx)
        .await?;
    match state.as_deref().map(State::parse) {
        None => return Err(no_run(run).into()),
        Some(Some(state)) if state.has_ended() => {
            return Err(FlowError::new(
                FlowErrorKind::Conflict,
                format!("run {run} has ended already: it {}", ended_as(state)),
            )
            .into());
        }
        _ => {}
    }
    let cancelled = sqlx::query(
        "UPDATE steps SET state = 'cancelled', reason = ?2, ended_at = ?3
         WHERE run_id = ?1 AND state = 'queued'",
    )
    .bind(run.0)
    .bind(reason)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "UPDATE attempts SET cancel_at = ?2, cancel_reason = ?3
         WHERE state = 'running' AND cancel_at IS NULL
           AND id IN (SELECT attempt_id FROM steps WHERE run_id = ?1 AND state = 'running')",
    )
    .bind(run.0)
    .bind(micros(now))
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    let open: i64 = sqlx::query_scalar(
        "UPDATE runs SET open_steps = open_steps - ?2, reason = ?3 WHERE id = ?1
         RETURNING open_steps",
    )
    .bind(run.0)
    .bind(i64::try_from(cancelled.rows_affected()).unwrap_or(i64::MAX))
    .bind(reason)
    .fetch_one(&mut **tx)
    .await?;
    if open == 0 {
        end_run(tx, run, micros(now)).await?;
    }
    Ok(())
}

fn ended_as(state: State) -> &'static str {
    match state {
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::Skipped => "was skipped",
        _ => "was cancelled",
    }
}

pub(super) fn no_run(run: RunId) -> FlowError {
    FlowError::new(FlowErrorKind::NotFound, format!("there is no run {run}"))
        .with_hint("list runs to see their numbers")
}

pub(super) async fn give_up_waiting(
    tx: &mut Tx,
    steps: &[StepId],
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    // Asked again here: since it was read, a step may have got its slot.
    let rows: Vec<(i64, i64, String, String, String)> = sqlx::query_as(
        "SELECT id, run_id, asset, partition, pool FROM steps
         WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued' AND held = 0
           AND attempts = 0 AND queue_until <= ?2",
    )
    .bind(json_list(steps.iter().map(|step| step.0)))
    .bind(micros(now))
    .fetch_all(&mut **tx)
    .await?;
    for (id, run, asset, partition, pool) in rows {
        let reason = format!("waited too long for a slot in pool `{pool}`");
        let ending = Ending {
            step: StepId(id),
            run: RunId(run),
            asset: &asset,
            partition: &partition,
            state: State::Failed,
            reason: Some(&reason),
        };
        end_step(tx, &ending, micros(now)).await?;
    }
    Ok(())
}

pub(super) async fn raise_sequences(
    tx: &mut Tx,
    published: &[(AssetId, u64)],
) -> Result<(), Trouble> {
    for (asset, sequence) in published {
        sqlx::query(
            "INSERT INTO asset_states (asset, partition, sequence) VALUES (?1, '', ?2)
             ON CONFLICT (asset, partition) DO UPDATE SET
                 sequence = max(asset_states.sequence, excluded.sequence)",
        )
        .bind(asset.as_str())
        .bind(i64::try_from(*sequence).unwrap_or(i64::MAX))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
