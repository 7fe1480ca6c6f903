use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_access::DocumentAction;

use super::documents::{DocumentKind, NewDocument, SavedDocument, Sharing};
use super::instant;
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// What a document is to become once it is published.
#[derive(Clone, Debug, Serialize)]
pub struct Draft {
    /// The version it was begun from.
    pub based_on: i64,
    pub name: String,
    pub description: String,
    pub sharing: Sharing,
    pub body: Value,
    pub made_by: String,
    pub made_at: DateTime<Utc>,
}

fn decode(row: &SqliteRow) -> Result<Draft, sqlx::Error> {
    let (sharing, body): (String, String) = (row.try_get(3)?, row.try_get(4)?);
    Ok(Draft {
        based_on: row.try_get(0)?,
        name: row.try_get(1)?,
        description: row.try_get(2)?,
        // What cannot be read is shown to nobody else.
        sharing: sharing.parse().unwrap_or(Sharing::Private),
        body: serde_json::from_str(&body).unwrap_or_default(),
        made_by: row.try_get(5)?,
        made_at: instant(row.try_get(6)?),
    })
}

impl Catalog {
    /// Returns the draft of a document, for whoever may change it; none for others.
    pub async fn draft(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<Option<Draft>, CatalogError> {
        let failed = |error| CatalogError::database("read a draft", error);
        let document = self.document(by, kind, id, None).await?.document;
        let access = self.access();
        let write =
            access.decide_document(by.identity(), DocumentAction::Write, &document.access());
        if !write.allowed {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT based_on, name, description, sharing, body, made_by, made_at FROM drafts
             WHERE document = ?1",
        )
        .bind(&document.id)
        .fetch_optional(&self.inner.store.pool)
        .await
        .map_err(failed)?;
        row.as_ref().map(decode).transpose().map_err(failed)
    }

    /// Keeps what a document is to become, in the place of the draft there was.
    pub async fn put_draft(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        based_on: i64,
        new: NewDocument,
    ) -> Result<(), CatalogError> {
        let document = self.document(by, kind, id, None).await?.document;
        self.permit_document(by, DocumentAction::Write, kind, &document.access())?;
        let body = new.check()?;
        let mut change = self.change(by, "document.draft").await?;
        sqlx::query(
            "INSERT OR REPLACE INTO drafts
                 (document, based_on, name, description, sharing, body, made_by, made_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(&document.id)
        .bind(based_on)
        .bind(new.name.trim())
        .bind(&new.description)
        .bind(new.sharing.as_str())
        .bind(body)
        .bind(by.identity().user())
        .bind(change.micros())
        .execute(&mut *change.tx)
        .await
        .map_err(change.failed())?;
        change.commit(format!("{kind} {id}"), None, None).await
    }

    /// Throws a draft away; there may be none.
    pub async fn discard_draft(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<(), CatalogError> {
        let document = self.document(by, kind, id, None).await?.document;
        self.permit_document(by, DocumentAction::Write, kind, &document.access())?;
        let mut change = self.change(by, "document.discard_draft").await?;
        sqlx::query("DELETE FROM drafts WHERE document = ?1")
            .bind(&document.id)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        change.commit(format!("{kind} {id}"), None, None).await
    }

    /// Makes a draft the newest version of its document, unless another one was saved meanwhile.
    pub async fn publish_draft(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<SavedDocument, CatalogError> {
        let draft = self.draft(by, kind, id).await?.ok_or_else(|| {
            CatalogError::new(
                CatalogErrorKind::NotFound,
                format!("this {kind} has no draft that you may publish"),
            )
        })?;
        let new = NewDocument {
            name: draft.name,
            description: draft.description,
            sharing: draft.sharing,
            body: draft.body,
        };
        let saved = self
            .update_document(by, kind, id, draft.based_on, new)
            .await?;
        // A crash in between leaves a draft that was published: publishing it again is refused.
        self.discard_draft(by, kind, id).await?;
        Ok(saved)
    }
}
