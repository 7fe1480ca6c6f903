//! Incidents and the alerts about them: one when it begins, one when it ends.

use super::{Trouble, Tx};
use crate::id::RunId;
use crate::record::AlertKind;

/// Notes that something is wrong; returns whether that is news.
pub(super) async fn raise(
    tx: &mut Tx,
    key: &str,
    text: &str,
    run: Option<RunId>,
    now: i64,
) -> Result<bool, Trouble> {
    let count: i64 = sqlx::query_scalar(
        "INSERT INTO incidents (key, opened_at, last_at, count) VALUES (?1, ?2, ?2, 1)
         ON CONFLICT (key) DO UPDATE SET count = count + 1, last_at = excluded.last_at
         RETURNING count",
    )
    .bind(key)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    if count == 1 {
        put_alert(tx, key, AlertKind::Raised, text, run, now).await?;
    }
    Ok(count == 1)
}

/// Notes that something is well; returns whether it was not before.
pub(super) async fn recover(
    tx: &mut Tx,
    key: &str,
    text: &str,
    run: Option<RunId>,
    now: i64,
) -> Result<bool, Trouble> {
    let done = sqlx::query("DELETE FROM incidents WHERE key = ?1")
        .bind(key)
        .execute(&mut **tx)
        .await?;
    let was_open = done.rows_affected() > 0;
    if was_open {
        put_alert(tx, key, AlertKind::Recovered, text, run, now).await?;
    }
    Ok(was_open)
}

async fn put_alert(
    tx: &mut Tx,
    key: &str,
    kind: AlertKind,
    text: &str,
    run: Option<RunId>,
    now: i64,
) -> Result<(), Trouble> {
    sqlx::query(
        "INSERT INTO alerts (key, kind, text, run_id, created_at, not_before)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
    )
    .bind(key)
    .bind(kind.as_str())
    .bind(text)
    .bind(run.map(|run| run.0))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
