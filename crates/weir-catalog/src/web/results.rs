use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{instant, new_id};
use crate::catalog::Catalog;
use crate::error::CatalogError;

/// An answer that was kept, without its rows.
#[derive(Clone, Debug, Serialize)]
pub struct StoredResult {
    pub id: String,
    #[serde(skip)]
    pub user_id: i64,
    /// Who asked.
    pub made_by: String,
    /// The question it answers, where it is a saved one.
    pub question: Option<String>,
    pub question_version: Option<i64>,
    pub sql: String,
    /// The values of the parameters, in order.
    pub params: Value,
    /// The tables and views it read, as `schema.name`.
    pub reads: Vec<String>,
    /// The version of each table it read.
    pub versions: Value,
    /// Names and types.
    pub columns: Value,
    pub rows: u64,
    /// Of the stored file.
    pub bytes: u64,
    pub elapsed_ms: u64,
    /// Whether rows beyond the limit were left out.
    pub cut_off: bool,
    /// Whether nobody but who asked may see it.
    pub private: bool,
    /// Whether it is kept for good.
    pub pinned: bool,
    pub created_at: DateTime<Utc>,
    /// When somebody looked at it last, to the hour.
    #[serde(skip)]
    used_at: DateTime<Utc>,
}

/// How often at most it is noted that an answer was looked at: it expires after days, and each note
/// waits for the disk.
const NOTED_EVERY: TimeDelta = TimeDelta::hours(1);

/// An answer to be kept; its rows are stored already.
#[derive(Clone, Debug)]
pub struct NewStoredResult {
    pub id: String,
    /// What it depends on, hashed; none when it may be another one at the next moment.
    pub identity: Option<[u8; 32]>,
    pub user_id: i64,
    pub made_by: String,
    pub question: Option<(String, i64)>,
    pub sql: String,
    pub params: Value,
    pub reads: Vec<String>,
    pub versions: Value,
    pub columns: Value,
    pub rows: u64,
    pub bytes: u64,
    pub elapsed_ms: u64,
    pub cut_off: bool,
    pub private: bool,
}

const COLUMNS: &str = "id, user_id, made_by, question, question_version, sql, params, reads, \
                       versions, columns, rows, bytes, elapsed_ms, cut_off, private, pinned, created_at, used_at";

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn decode(row: &SqliteRow) -> Result<StoredResult, sqlx::Error> {
    let json = |at: usize| -> Result<Value, sqlx::Error> {
        let text: String = row.try_get(at)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    };
    Ok(StoredResult {
        id: row.try_get(0)?,
        user_id: row.try_get(1)?,
        made_by: row.try_get(2)?,
        question: row.try_get(3)?,
        question_version: row.try_get(4)?,
        sql: row.try_get(5)?,
        params: json(6)?,
        reads: serde_json::from_value(json(7)?).unwrap_or_default(),
        versions: json(8)?,
        columns: json(9)?,
        rows: number(row.try_get(10)?),
        bytes: number(row.try_get(11)?),
        elapsed_ms: number(row.try_get(12)?),
        cut_off: row.try_get(13)?,
        private: row.try_get(14)?,
        pinned: row.try_get(15)?,
        created_at: instant(row.try_get(16)?),
        used_at: instant(row.try_get(17)?),
    })
}

impl Catalog {
    /// Returns a name for an answer that is about to be stored.
    pub fn new_result_id(&self) -> String {
        new_id()
    }

    /// Writes an answer down whose rows are stored.
    pub async fn put_result(&self, new: &NewStoredResult) -> Result<StoredResult, CatalogError> {
        let now = Utc::now();
        let micros = now.timestamp_micros();
        sqlx::query(
            "INSERT INTO results (id, identity, user_id, made_by, question, question_version, sql,
                 params, reads, versions, columns, rows, bytes, elapsed_ms, cut_off, private,
                 created_at, used_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17)",
        )
        .bind(&new.id)
        .bind(new.identity.map(|identity| identity.to_vec()))
        .bind(new.user_id)
        .bind(&new.made_by)
        .bind(new.question.as_ref().map(|(id, _)| id))
        .bind(new.question.as_ref().map(|(_, version)| version))
        .bind(&new.sql)
        .bind(new.params.to_string())
        .bind(Value::from(new.reads.clone()).to_string())
        .bind(new.versions.to_string())
        .bind(new.columns.to_string())
        .bind(signed(new.rows))
        .bind(signed(new.bytes))
        .bind(signed(new.elapsed_ms))
        .bind(new.cut_off)
        .bind(new.private)
        .bind(micros)
        .execute(&self.inner.store.pool)
        .await
        .map_err(|error| CatalogError::database("keep an answer", error))?;
        Ok(StoredResult {
            id: new.id.clone(),
            user_id: new.user_id,
            made_by: new.made_by.clone(),
            question: new.question.as_ref().map(|(id, _)| id.clone()),
            question_version: new.question.as_ref().map(|(_, version)| *version),
            sql: new.sql.clone(),
            params: new.params.clone(),
            reads: new.reads.clone(),
            versions: new.versions.clone(),
            columns: new.columns.clone(),
            rows: new.rows,
            bytes: new.bytes,
            elapsed_ms: new.elapsed_ms,
            cut_off: new.cut_off,
            private: new.private,
            pinned: false,
            created_at: now,
            used_at: now,
        })
    }

    /// Returns an answer; whether somebody may see it is for the caller to ask.
    pub async fn result(&self, id: &str) -> Result<Option<StoredResult>, CatalogError> {
        let failed = |error| CatalogError::database("look up an answer", error);
        let sql = format!("SELECT {COLUMNS} FROM results WHERE id = ?1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        row.as_ref().map(decode).transpose().map_err(failed)
    }

    /// Finds what the same user was answered to the same question on the same data.
    pub async fn same_result(
        &self,
        user_id: i64,
        identity: &[u8; 32],
    ) -> Result<Option<StoredResult>, CatalogError> {
        let failed = |error| CatalogError::database("look up an answer", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM results WHERE user_id = ?1 AND identity = ?2
             ORDER BY created_at DESC LIMIT 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(user_id)
            .bind(identity.to_vec())
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        row.as_ref().map(decode).transpose().map_err(failed)
    }

    /// Lists the answers a user was given, the newest first: all, or those of one question.
    pub async fn results_of(
        &self,
        user_id: i64,
        question: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredResult>, CatalogError> {
        let failed = |error| CatalogError::database("list answers", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM results
             WHERE user_id = ?1 AND (?2 IS NULL OR question = ?2)
             ORDER BY created_at DESC LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(user_id)
            .bind(question)
            .bind(limit)
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(decode)
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// Notes that an answer was looked at, which keeps it from expiring.
    pub async fn use_result(&self, result: &StoredResult) -> Result<(), CatalogError> {
        let now = Utc::now();
        if now - result.used_at < NOTED_EVERY {
            return Ok(());
        }
        sqlx::query("UPDATE results SET used_at = ?2 WHERE id = ?1")
            .bind(&result.id)
            .bind(now.timestamp_micros())
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("note the use of an answer", error))?;
        Ok(())
    }

    /// Keeps an answer for good, or no longer.
    pub async fn pin_result(&self, id: &str, pinned: bool) -> Result<(), CatalogError> {
        sqlx::query("UPDATE results SET pinned = ?2 WHERE id = ?1")
            .bind(id)
            .bind(pinned)
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("pin an answer", error))?;
        Ok(())
    }

    /// Forgets an answer.
    pub async fn forget_result(&self, id: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM results WHERE id = ?1")
            .bind(id)
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("forget an answer", error))?;
        Ok(())
    }

    /// Returns answers that may go, which are not pinned: unused since `before`, and of the others
    /// those used longest ago as far as all together weigh more than `bytes`.
    pub async fn expired_results(
        &self,
        before: DateTime<Utc>,
        bytes: u64,
    ) -> Result<Vec<String>, CatalogError> {
        sqlx::query_scalar(
            "SELECT id FROM (
                 SELECT id, used_at, sum(bytes) OVER (ORDER BY used_at DESC, id) AS newer
                 FROM results WHERE pinned = 0)
             WHERE used_at < ?1 OR newer > ?2",
        )
        .bind(before.timestamp_micros())
        .bind(signed(bytes))
        .fetch_all(&self.inner.store.pool)
        .await
        .map_err(|error| CatalogError::database("find old answers", error))
    }
}
