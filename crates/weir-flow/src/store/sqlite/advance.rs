//! A turn of an executor: how attempts ended, and which begin.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::end::{Ending, end_step};
use super::lease::write_log;
use super::{Trouble, Tx, micros, time};
use crate::asset::AssetKind;
use crate::id::{AssetId, AttemptId, PartitionKey, RunId, StepId};
use crate::record::{Cause, InputRange};
use crate::retry::ErrorClass;
use crate::state::State;
use crate::store::{AttemptEnd, Claim, Claimed, Finish, Finished, Turn, Turned};

pub(super) async fn advance(tx: &mut Tx, turn: &Turn) -> Result<Turned, Trouble> {
    let mut turned = Turned::default();
    for finish in &turn.finished {
        turned
            .finished
            .push(finish_one(tx, finish, turn.now).await?);
    }
    if let Some(claim) = &turn.claim {
        turned.claimed = claim_some(tx, claim, turn.now).await?;
    }
    Ok(turned)
}

async fn finish_one(tx: &mut Tx, finish: &Finish, now: DateTime<Utc>) -> Result<Finished, Trouble> {
    let row = sqlx::query(
        "SELECT a.state, a.lease_until, a.cancel_reason, a.number, a.step_id, a.run_id,
             s.asset, s.partition
         FROM attempts a JOIN steps s ON s.id = a.step_id WHERE a.id = ?1",
    )
    .bind(finish.attempt.0)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else {
        return Ok(Finished::Stale);
    };
    let runs = row.try_get::<&str, _>("state")? == State::Running.as_str();
    let expired = row.try_get::<i64, _>("lease_until")? <= micros(now);
    let lost = finish.end == AttemptEnd::Lost;
    if !runs || expired != lost {
        return Ok(Finished::Stale);
    }
    let unwanted: Option<String> = row.try_get("cancel_reason")?;
    let asset: String = row.try_get("asset")?;
    let partition: String = row.try_get("partition")?;
    let number: i64 = row.try_get("number")?;
    let run = RunId(row.try_get("run_id")?);
    let step = StepId(row.try_get("step_id")?);

    if let Some(log) = &finish.log {
        write_log(tx, finish.attempt, log).await?;
    }
    let verdict = judge(finish, unwanted.as_deref());
    sqlx::query(
        "UPDATE attempts SET state = ?2, class = ?3, reason = ?4, published = ?5, ended_at = ?6
         WHERE id = ?1",
    )
    .bind(finish.attempt.0)
    .bind(verdict.state.as_str())
    .bind(verdict.class)
    .bind(verdict.reason.as_deref())
    .bind(verdict.published)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;

    if let Some(again) = verdict.again {
        let reason = format!(
            "attempt {number} failed: {}",
            verdict.reason.as_deref().unwrap_or_default()
        );
        sqlx::query(
            "UPDATE steps SET state = 'queued', reason = ?2, not_before = ?3,
                 held = (SELECT held FROM runs WHERE runs.id = steps.run_id)
             WHERE id = ?1",
        )
        .bind(step.0)
        .bind(reason)
        .bind(micros(again))
        .execute(&mut **tx)
        .await?;
        return Ok(Finished::Noted(None));
    }
    let ending = Ending {
        step,
        run,
        asset: &asset,
        partition: &partition,
        state: verdict.state,
        reason: verdict.reason.as_deref(),
    };
    let ended = end_step(tx, &ending, micros(now)).await?;
    Ok(Finished::Noted(ended.map(|state| (run, state))))
}

/// What the end of an attempt means.
struct Verdict<'a> {
    state: State,
    class: Option<&'static str>,
    reason: Option<String>,
    published: Option<&'a str>,
    again: Option<DateTime<Utc>>,
}

/// Decides what an end means; `unwanted` says why somebody wanted the attempt to stop.
fn judge<'a>(finish: &'a Finish, unwanted: Option<&str>) -> Verdict<'a> {
    let verdict = |state, reason| Verdict {
        state,
        class: None,
        reason,
        published: None,
        again: None,
    };
    match (&finish.end, unwanted) {
        // What is published is published.
        (AttemptEnd::Succeeded(published), _) => Verdict {
            published: published.as_deref(),
            ..verdict(State::Succeeded, None)
        },
        (AttemptEnd::Skipped(why), _) => verdict(State::Skipped, Some(why.clone())),
        (_, Some(why)) => verdict(State::Cancelled, Some(why.to_owned())),
        (AttemptEnd::Cancelled(why), None) => verdict(State::Cancelled, Some(why.clone())),
        (AttemptEnd::Released(why), None) => Verdict {
            again: finish.retry_at,
            ..verdict(State::Cancelled, Some(why.clone()))
        },
        (AttemptEnd::Failed(class, why), None) => Verdict {
            class: Some(class.as_str()),
            again: finish.retry_at,
            ..verdict(State::Failed, Some(why.clone()))
        },
        (AttemptEnd::Lost, None) => Verdict {
            class: Some(ErrorClass::Lost.as_str()),
            again: finish.retry_at,
            ..verdict(
                State::Failed,
                Some("its process went away, or did not say that it lives".to_owned()),
            )
        },
    }
}

async fn claim_some(
    tx: &mut Tx,
    claim: &Claim,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, Trouble> {
    let mut candidates = Vec::new();
    for (pool, free) in free_slots(tx, now).await? {
        let free = free.min(i64::from(claim.most));
        if free > 0 {
            candidates.extend(candidates_of(tx, &pool, free, claim, now).await?);
        }
    }
    candidates.sort_by_key(|candidate| (candidate.turn, candidate.step));
    let mut taken = HashSet::new();
    let mut claimed = Vec::new();
    let mut of_run: HashMap<RunId, Run> = HashMap::new();
    for candidate in candidates {
        if claimed.len() >= claim.most as usize {
            break;
        }
        // Two runs may want the same part of an asset: one after the other.
        if !taken.insert((candidate.asset.clone(), candidate.partition.clone())) {
            continue;
        }
        let run = match of_run.entry(candidate.run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(begin_run(tx, candidate.run, now).await?),
        };
        claimed.push(claim_one(tx, claim, candidate, run, now).await?);
    }
    Ok(claimed)
}

/// Writes kinds as the statements read them: nothing for all of them.
pub(super) fn kinds(kinds: &[AssetKind]) -> Option<String> {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    (!words.is_empty()).then(|| serde_json::json!(words).to_string())
}

/// Slots are derived: what is free is the size less the leases that live. Only of pools somebody waits for.
async fn free_slots(tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<(String, i64)>, Trouble> {
    let slots = sqlx::query_as(
        "SELECT name, size - (SELECT count(*) FROM attempts a
             WHERE a.pool = p.name AND a.state = 'running' AND a.lease_until > ?1)
         FROM pools p
         WHERE EXISTS (SELECT 1 FROM steps s WHERE s.pool = p.name
             AND s.state = 'queued' AND s.waits_for = 0 AND s.held = 0)
         ORDER BY name",
    )
    .bind(micros(now))
    .fetch_all(&mut **tx)
    .await?;
    Ok(slots)
}

struct Candidate {
    step: StepId,
    run: RunId,
    asset: String,
    kind: String,
    partition: String,
    pool: String,
    number: u32,
    sequence: Option<i64>,
    turn: i64,
}

async fn candidates_of(
    tx: &mut Tx,
    pool: &str,
    most: i64,
    claim: &Claim,
    now: DateTime<Utc>,
) -> Result<Vec<Candidate>, Trouble> {
    let rows = sqlx::query(
        "SELECT id, run_id, asset, kind, partition, attempts, sequence, turn FROM steps s
         WHERE s.state = 'queued' AND s.waits_for = 0 AND s.held = 0 AND s.pool = ?1
           AND (s.not_before IS NULL OR s.not_before <= ?2)
           AND (?4 IS NULL OR s.kind IN (SELECT value FROM json_each(?4)))
           AND (s.sequence IS NOT NULL OR NOT EXISTS (
               SELECT 1 FROM steps o WHERE o.asset = s.asset AND o.partition = s.partition
                   AND o.sequence IS NOT NULL AND o.state IN ('queued', 'running')))
         ORDER BY s.turn LIMIT ?3",
    )
    .bind(pool)
    .bind(micros(now))
    .bind(most)
    .bind(kinds(&claim.kinds))
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let attempts: i64 = row.try_get("attempts")?;
            Ok(Candidate {
                step: StepId(row.try_get("id")?),
                run: RunId(row.try_get("run_id")?),
                asset: row.try_get("asset")?,
                kind: row.try_get("kind")?,
                partition: row.try_get("partition")?,
                pool: pool.to_owned(),
                number: u32::try_from(attempts).unwrap_or(0) + 1,
                sequence: row.try_get("sequence")?,
                turn: row.try_get("turn")?,
            })
        })
        .collect()
}

/// What the attempts of a run have in common.
struct Run {
    cause: Cause,
    scheduled_at: Option<DateTime<Utc>>,
    inputs: Vec<InputRange>,
}

async fn begin_run(tx: &mut Tx, run: RunId, now: DateTime<Utc>) -> Result<Run, Trouble> {
    let row = sqlx::query(
        "UPDATE runs SET state = 'running', started_at = coalesce(started_at, ?2) WHERE id = ?1
         RETURNING cause, detail, scheduled_at,
             EXISTS (SELECT 1 FROM run_inputs WHERE run_id = runs.id) AS has_inputs",
    )
    .bind(run.0)
    .bind(micros(now))
    .fetch_one(&mut **tx)
    .await?;
    let cause = Cause::from_parts(row.try_get("cause")?, row.try_get("detail")?)
        .ok_or_else(|| Trouble::corrupt(format!("run {run} has no known cause")))?;
    let inputs = match row.try_get("has_inputs")? {
        true => super::history::inputs_of(&mut **tx, run).await?,
        false => Vec::new(),
    };
    Ok(Run {
        cause,
        scheduled_at: row.try_get::<Option<i64>, _>("scheduled_at")?.map(time),
        inputs,
    })
}

async fn claim_one(
    tx: &mut Tx,
    claim: &Claim,
    candidate: Candidate,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<Claimed, Trouble> {
    let done = sqlx::query(
        "INSERT INTO attempts
             (step_id, run_id, number, pool, state, node, boot, lease_until, started_at)
         VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6, ?7, ?8)",
    )
    .bind(candidate.step.0)
    .bind(candidate.run.0)
    .bind(i64::from(candidate.number))
    .bind(&candidate.pool)
    .bind(&claim.node)
    .bind(&claim.boot)
    .bind(micros(claim.until))
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    let attempt = AttemptId(done.last_insert_rowid());
    let sequence = match candidate.sequence {
        Some(sequence) => sequence,
        None => {
            sqlx::query_scalar(
                "INSERT INTO asset_states (asset, partition, sequence) VALUES (?1, ?2, 1)
                 ON CONFLICT (asset, partition) DO UPDATE SET sequence = sequence + 1
                 RETURNING sequence",
            )
            .bind(&candidate.asset)
            .bind(&candidate.partition)
            .fetch_one(&mut **tx)
            .await?
        }
    };
    sqlx::query(
        "UPDATE steps SET state = 'running', reason = NULL, not_before = NULL, attempts = ?2,
             attempt_id = ?3, sequence = ?4, started_at = coalesce(started_at, ?5)
         WHERE id = ?1",
    )
    .bind(candidate.step.0)
    .bind(i64::from(candidate.number))
    .bind(attempt.0)
    .bind(sequence)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    let kind = AssetKind::parse(&candidate.kind)
        .ok_or_else(|| Trouble::corrupt(format!("`{}` is of no known kind", candidate.asset)))?;
    let failures = match candidate.number {
        1 => Vec::new(),
        _ => failures_of(tx, candidate.step).await?,
    };
    Ok(Claimed {
        attempt,
        step: candidate.step,
        run: candidate.run,
        asset: AssetId::new(candidate.asset),
        kind,
        partition: (!candidate.partition.is_empty())
            .then(|| PartitionKey::new(candidate.partition)),
        number: candidate.number,
        sequence: u64::try_from(sequence).unwrap_or(0),
        failures,
        cause: run.cause.clone(),
        scheduled_at: run.scheduled_at,
        inputs: run.inputs.clone(),
    })
}

/// Counts the failures of a step by class: each class has its own number of tries.
async fn failures_of(tx: &mut Tx, step: StepId) -> Result<Vec<(ErrorClass, u32)>, Trouble> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT class, count(*) FROM attempts WHERE step_id = ?1 AND class IS NOT NULL
         GROUP BY class",
    )
    .bind(step.0)
    .fetch_all(&mut **tx)
    .await?;
    let known = rows.into_iter().filter_map(|(class, count)| {
        Some((
            ErrorClass::parse(&class)?,
            u32::try_from(count).unwrap_or(u32::MAX),
        ))
    });
    Ok(known.collect())
}
