use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_core::SourceName;

use super::instant;
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::CatalogError;

/// A refused event that somebody fixed and sent again.
#[derive(Clone, Debug, Serialize)]
pub struct Released {
    pub source: String,
    /// Its place in the log: `weir_seq` of the row in quarantine.
    pub seq: i64,
    /// Of the event that took its place.
    pub message_id: String,
    pub released_by: String,
    pub released_at: DateTime<Utc>,
}

impl Catalog {
    /// Writes down that a refused event was fixed and taken.
    pub async fn note_released(
        &self,
        by: &Actor,
        source: &SourceName,
        seq: i64,
        message_id: &str,
    ) -> Result<(), CatalogError> {
        let mut change = self.change(by, "event.release").await?;
        sqlx::query(
            "INSERT OR REPLACE INTO released (source, seq, message_id, released_by, released_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(source.as_str())
        .bind(seq)
        .bind(message_id)
        .bind(by.identity().user())
        .bind(change.micros())
        .execute(&mut *change.tx)
        .await
        .map_err(change.failed())?;
        let after = Some(json!({ "seq": seq }));
        change.commit(format!("source {source}"), None, after).await
    }

    /// Lists what was released, the newest first.
    pub async fn released(&self, most: u32) -> Result<Vec<Released>, CatalogError> {
        let failed = |error| CatalogError::database("list released events", error);
        let rows = sqlx::query(
            "SELECT source, seq, message_id, released_by, released_at FROM released
             ORDER BY released_at DESC LIMIT ?1",
        )
        .bind(most)
        .fetch_all(&self.inner.store.pool)
        .await
        .map_err(failed)?;
        let decode = |row: &SqliteRow| {
            Ok(Released {
                source: row.try_get(0)?,
                seq: row.try_get(1)?,
                message_id: row.try_get(2)?,
                released_by: row.try_get(3)?,
                released_at: instant(row.try_get(4)?),
            })
        };
        let all = rows.iter().map(decode).collect::<Result<_, _>>();
        all.map_err(failed)
    }
}
