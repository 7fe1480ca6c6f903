use serde::Serialize;
use sqlx::{Row, Sqlite, Transaction};
use weir_access::{AuditEntry, AuditRecord, first_hash};

use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// Position in the chain, from 1.
    pub id: i64,
    /// The record as JSON text, as it was hashed.
    pub record: String,
    /// SHA-256 of the text, in hexadecimal; the next record names it.
    pub hash: String,
}

/// Records read at a time while the chain is checked.
const PAGE: i64 = 1_000;

fn failed(error: sqlx::Error) -> CatalogError {
    CatalogError::database("read the audit", error)
}

/// Puts a record at the end of the chain.
pub(super) async fn append(
    tx: &mut Transaction<'static, Sqlite>,
    entry: &AuditEntry,
) -> Result<(), CatalogError> {
    let failed = |error| CatalogError::database("write the audit", error);
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")
            .fetch_optional(&mut **tx)
            .await
            .map_err(failed)?;
    let (id, prev_hash) = last.unwrap_or_else(|| (0, first_hash()));
    let AuditRecord { id, record, hash } = entry.chained(id + 1, &prev_hash);
    sqlx::query("INSERT INTO audit (id, record, hash) VALUES (?1, ?2, ?3)")
        .bind(id)
        .bind(record)
        .bind(hash)
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    Ok(())
}

impl Catalog {
    /// Writes a record of something that changed nothing in the catalog, such as a sign-in.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), CatalogError> {
        let mut tx = self.inner.store.begin("write the audit").await?;
        append(&mut tx, entry).await?;
        tx.commit().await.map_err(failed)
    }

    /// Returns records of the audit, newest first.
    pub async fn audit_lines(&self, limit: u32) -> Result<Vec<AuditLine>, CatalogError> {
        let rows = sqlx::query("SELECT id, record, hash FROM audit ORDER BY id DESC LIMIT ?1")
            .bind(i64::from(limit))
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(AuditLine {
                    id: row.try_get(0).map_err(failed)?,
                    record: row.try_get(1).map_err(failed)?,
                    hash: row.try_get(2).map_err(failed)?,
                })
            })
            .collect()
    }

    /// Checks the whole chain; returns the number and hash of the last record.
    ///
    /// Records taken off the end show as long as the store's own counter was not changed with them;
    /// whoever can do that can still be found out by a hash that was noted elsewhere.
    pub async fn verify_audit(&self) -> Result<(i64, String), CatalogError> {
        let mut last = (0, first_hash());
        loop {
            let rows: Vec<(i64, String, String)> = sqlx::query_as(
                "SELECT id, record, hash FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
            )
            .bind(last.0)
            .bind(PAGE)
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
            if rows.is_empty() {
                break;
            }
            for (id, record, hash) in rows {
                let record = AuditRecord { id, record, hash };
                record.follows(last.0, &last.1).map_err(tampered)?;
                last = (record.id, record.hash);
            }
        }
        let counted: Option<i64> =
            sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'audit'")
                .fetch_optional(&self.inner.store.pool)
                .await
                .map_err(failed)?;
        if counted.unwrap_or(0) > last.0 {
            return Err(tampered(format!(
                "records after {} were removed from the audit",
                last.0
            )));
        }
        Ok(last)
    }
}

fn tampered(why: impl ToString) -> CatalogError {
    CatalogError::new(
        CatalogErrorKind::Corrupt,
        format!("the audit does not hold: {}", why.to_string()),
    )
    .with_hint("compare it with a backup of `.weir/catalog.db`")
}
