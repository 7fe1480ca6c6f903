//! The ledger in one SQLite file.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteRow, SqliteSynchronous,
};

use super::{DatumDetails, DatumRecord, DatumRow, DatumState, KnownDatum, Ledger, WrittenDatum};
use crate::error::{StepError, StepErrorKind};
use crate::manifest::{ContentHash, DatumKey};

/// Migrations in order; the file's `user_version` says how many it has.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/0001_datums.sql")];
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The ledger in one SQLite file; cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteLedger {
    pool: SqlitePool,
}

impl SqliteLedger {
    /// Opens the file, creating or migrating it as needed.
    ///
    /// # Errors
    /// When it cannot be used, or was written by a newer Weir.
    pub async fn open(path: &Path) -> Result<Self, StepError> {
        let action = format!("open the ledger of datums `{}`", path.display());
        let failed = |error| StepError::database(&action, error);
        weir_sqlite::create_private(path).map_err(|error| StepError::io("create", path, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = weir_sqlite::pool(2)
            .connect_with(options)
            .await
            .map_err(failed)?;
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        if done > MIGRATIONS.len() {
            return Err(StepError::new(
                StepErrorKind::Newer,
                format!(
                    "the ledger of datums has format {version}, this Weir knows {}",
                    MIGRATIONS.len()
                ),
            )
            .with_hint("use the newer Weir, or restore the file from before the upgrade"));
        }
        for migration in &MIGRATIONS[done..] {
            sqlx::raw_sql(*migration)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        // A pragma takes no parameters.
        let set = format!("PRAGMA user_version = {}", MIGRATIONS.len());
        sqlx::raw_sql(sqlx::AssertSqlSafe(set))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(Self { pool })
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn known(&self, step: &str) -> Result<Vec<KnownDatum>, StepError> {
        let action = "read the ledger of datums";
        // One row with all: what a row costs on its way here is more than what is in it.
        let packed: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT CAST(group_concat(hex(key) || hex(fingerprint) || hex(code) || substr(state, 1, 1)
                    || printf('%016x', revision), '') AS BLOB)
             FROM datums WHERE step = ?1",
        )
        .bind(step)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| StepError::database(action, error))?;
        let mut known: Vec<KnownDatum> = packed
            .unwrap_or_default()
            .chunks(PACKED)
            .map(|row| unpack(row).ok_or_else(corrupt))
            .collect::<Result<_, _>>()?;
        known.sort_unstable_by_key(|datum| datum.key);
        Ok(known)
    }

    async fn outputs(&self, step: &str) -> Result<Vec<WrittenDatum>, StepError> {
        let rows: Vec<(Vec<u8>, String, String)> = sqlx::query_as(
            "SELECT key, label, outputs FROM datums JOIN datum_details USING (step, key)
             WHERE step = ?1 AND state = 'succeeded' ORDER BY label, key",
        )
        .bind(step)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| StepError::database("read what datums wrote", error))?;
        rows.into_iter()
            .map(|(key, label, outputs)| {
                Ok(WrittenDatum {
                    key: to_key(&key)?,
                    label,
                    outputs: serde_json::from_str(&outputs)
                        .map_err(|error| corrupt().because(error))?,
                })
            })
            .collect()
    }

    async fn record(&self, step: &str, datums: &[DatumRecord]) -> Result<(), StepError> {
        let failed = |error| StepError::database("write down how datums ended", error);
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed)?;
        for datum in datums {
            let revision: i64 = sqlx::query_scalar(
                "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value",
            )
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
            sqlx::query("REPLACE INTO datums VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
                .bind(step)
                .bind(&datum.key.0[..])
                .bind(&datum.fingerprint[..])
                .bind(&datum.code[..])
                .bind(datum.state.as_str())
                .bind(revision)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
            let details = &datum.details;
            let outputs = serde_json::to_string(&details.outputs)
                .map_err(|error| corrupt().because(error))?;
            sqlx::query(
                "REPLACE INTO datum_details
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )
            .bind(step)
            .bind(&datum.key.0[..])
            .bind(&details.label)
            .bind(&details.run)
            .bind(details.tries)
            .bind(outputs)
            .bind(signed(details.bytes))
            .bind(signed(details.ms))
            .bind(signed(details.cpu_ms))
            .bind(signed(details.memory))
            .bind(details.exit_code)
            .bind(&details.reason)
            .bind(&details.log)
            .bind(details.ended_at.timestamp_micros())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    async fn finish(
        &self,
        step: &str,
        gone: &[DatumKey],
        published: [u8; 32],
        published_as: &str,
    ) -> Result<(), StepError> {
        let failed = |error| StepError::database("write down what was published", error);
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed)?;
        for key in gone {
            for delete in [
                "DELETE FROM datums WHERE step = ?1 AND key = ?2",
                "DELETE FROM datum_details WHERE step = ?1 AND key = ?2",
            ] {
                let deleted = sqlx::query(delete)
                    .bind(step)
                    .bind(&key.0[..])
                    .execute(&mut *tx);
                deleted.await.map_err(failed)?;
            }
        }
        sqlx::query("REPLACE INTO steps VALUES (?1, ?2, ?3, ?4)")
            .bind(step)
            .bind(&published[..])
            .bind(published_as)
            .bind(Utc::now().timestamp_micros())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn published(&self, step: &str) -> Result<Option<([u8; 32], String)>, StepError> {
        let row: Option<(Vec<u8>, String)> = sqlx::query_as(
            "SELECT published, published_as FROM steps WHERE name = ?1 AND published IS NOT NULL",
        )
        .bind(step)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| StepError::database("read what was published", error))?;
        row.map(|(hash, name)| Ok((hash.try_into().map_err(|_| corrupt())?, name)))
            .transpose()
    }

    async fn list(&self, step: Option<&str>, most: u32) -> Result<Vec<DatumRow>, StepError> {
        let rows = sqlx::query(
            "SELECT step, key, state, label, run, tries, outputs, bytes, ms, cpu_ms, memory,
                    exit_code, reason, log, ended_at
             FROM datums JOIN datum_details USING (step, key)
             WHERE ?1 IS NULL OR step = ?1
             ORDER BY state <> 'failed', step, label LIMIT ?2",
        )
        .bind(step)
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| StepError::database("list datums", error))?;
        rows.iter().map(row).collect()
    }

    async fn blobs(&self) -> Result<HashSet<ContentHash>, StepError> {
        let hashes: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT json_extract(value, '$.hash') FROM datum_details, json_each(outputs)",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| StepError::database("list what datums wrote", error))?;
        hashes
            .iter()
            .map(|hex| ContentHash::parse(hex).ok_or_else(corrupt))
            .collect()
    }
}

/// Characters of a packed row: 16, 32 and 32 bytes in hexadecimal, a letter, 8 bytes again.
const PACKED: usize = 32 + 64 + 64 + 1 + 16;

fn unpack(row: &[u8]) -> Option<KnownDatum> {
    if row.len() != PACKED {
        return None;
    }
    let mut revision = [0; 8];
    let mut known = KnownDatum {
        key: DatumKey([0; 16]),
        fingerprint: [0; 32],
        code: [0; 32],
        state: match row[160] {
            b's' => DatumState::Succeeded,
            b'r' => DatumState::Recovered,
            b'f' => DatumState::Failed,
            _ => return None,
        },
        revision: 0,
    };
    unhex(&row[..32], &mut known.key.0)?;
    unhex(&row[32..96], &mut known.fingerprint)?;
    unhex(&row[96..160], &mut known.code)?;
    unhex(&row[161..], &mut revision)?;
    known.revision = i64::from_be_bytes(revision);
    Some(known)
}

fn unhex(hex: &[u8], bytes: &mut [u8]) -> Option<()> {
    let digit = |c: u8| char::from(c).to_digit(16);
    for (pair, byte) in hex.chunks_exact(2).zip(bytes) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(())
}

fn row(row: &SqliteRow) -> Result<DatumRow, StepError> {
    let read = || -> Result<DatumRow, sqlx::Error> {
        let state: String = row.try_get("state")?;
        let key: Vec<u8> = row.try_get("key")?;
        let outputs: String = row.try_get("outputs")?;
        let number = |name| {
            row.try_get::<i64, _>(name)
                .map(|n| u64::try_from(n).unwrap_or(0))
        };
        let decode = |what: &str| sqlx::Error::Decode(what.to_owned().into());
        Ok(DatumRow {
            step: row.try_get("step")?,
            key: to_key(&key).map_err(|_| decode("key"))?,
            state: DatumState::parse(&state).ok_or_else(|| decode("state"))?,
            details: DatumDetails {
                label: row.try_get("label")?,
                run: row.try_get("run")?,
                tries: row.try_get("tries")?,
                outputs: serde_json::from_str(&outputs).map_err(|_| decode("outputs"))?,
                bytes: number("bytes")?,
                ms: number("ms")?,
                cpu_ms: number("cpu_ms")?,
                memory: number("memory")?,
                exit_code: row.try_get("exit_code")?,
                reason: row.try_get("reason")?,
                log: row.try_get("log")?,
                ended_at: DateTime::from_timestamp_micros(row.try_get("ended_at")?)
                    .unwrap_or_default(),
            },
        })
    };
    read().map_err(|error| StepError::database("read a datum", error))
}

fn to_key(bytes: &[u8]) -> Result<DatumKey, StepError> {
    bytes.try_into().map(DatumKey).map_err(|_| corrupt())
}

fn corrupt() -> StepError {
    StepError::corrupt("the ledger of datums holds what Weir never wrote")
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
