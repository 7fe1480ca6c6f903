//! Leases: who has which slot until when.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{Trouble, Tx, json_list, micros};
use crate::error::{FlowError, FlowErrorKind};
use crate::id::AttemptId;
use crate::store::{Beat, BeatAnswer, LogFlush};

pub(super) async fn beat(
    tx: &mut Tx,
    beats: &[Beat],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<BeatAnswer>, Trouble> {
    let mut answers = Vec::with_capacity(beats.len());
    for beat in beats {
        let answer = prolong(tx, beat.attempt, now, until).await?;
        if let (Some(log), true) = (&beat.log, answer != BeatAnswer::Lost) {
            write_log(tx, beat.attempt, log).await?;
        }
        answers.push(answer);
    }
    Ok(answers)
}

pub(super) async fn begin_publish(
    tx: &mut Tx,
    attempt: AttemptId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), Trouble> {
    let stale = |why: String| FlowError::new(FlowErrorKind::Stale, why);
    match prolong(tx, attempt, now, until).await? {
        BeatAnswer::Alive => Ok(()),
        BeatAnswer::Cancel(why) => {
            Err(stale(format!("attempt {attempt} may not publish: {why}")).into())
        }
        BeatAnswer::Lost => Err(stale(format!(
            "attempt {attempt} may not publish: its lease ran out"
        ))
        .with_hint("its step is tried again; what it staged can be dropped")
        .into()),
    }
}

/// Prolongs a lease that has not run out; one that has is gone, whoever noticed.
async fn prolong(
    tx: &mut Tx,
    attempt: AttemptId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<BeatAnswer, Trouble> {
    let row = sqlx::query(
        "UPDATE attempts SET lease_until = max(lease_until, ?3)
         WHERE id = ?1 AND state = 'running' AND lease_until > ?2
         RETURNING cancel_reason",
    )
    .bind(attempt.0)
    .bind(micros(now))
    .bind(micros(until))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else {
        return Ok(BeatAnswer::Lost);
    };
    let reason: Option<String> = row.try_get("cancel_reason")?;
    Ok(reason.map_or(BeatAnswer::Alive, BeatAnswer::Cancel))
}

/// Keeps new lines of a log and drops those from its middle.
pub(super) async fn write_log(
    tx: &mut Tx,
    attempt: AttemptId,
    log: &LogFlush,
) -> Result<(), Trouble> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    if let Some((from, to)) = log.dropped {
        sqlx::query(
            "DELETE FROM attempt_logs WHERE attempt_id = ?1 AND number >= ?2 AND number < ?3
                 AND number NOT IN (SELECT value FROM json_each(?4))",
        )
        .bind(attempt.0)
        .bind(number(from))
        .bind(number(to))
        .bind(json_list(log.spared.iter().map(|&spared| number(spared))))
        .execute(&mut **tx)
        .await?;
    }
    for line in &log.lines {
        sqlx::query(
            "INSERT OR IGNORE INTO attempt_logs (attempt_id, number, at, line)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(attempt.0)
        .bind(number(line.number))
        .bind(micros(line.at))
        .bind(&line.text)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Ends the leases of earlier lives of a node: nobody is there any more to beat for them.
pub(super) async fn take_over(
    tx: &mut Tx,
    node: &str,
    boot: &str,
    now: DateTime<Utc>,
) -> Result<u64, Trouble> {
    let done = sqlx::query(
        "UPDATE attempts SET lease_until = ?3
         WHERE state = 'running' AND node = ?1 AND boot <> ?2 AND lease_until > ?3",
    )
    .bind(node)
    .bind(boot)
    .bind(micros(now))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
