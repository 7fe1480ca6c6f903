use std::sync::atomic::Ordering;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::documents::{DocumentKind, NewDocument, SavedDocument};
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// The longest name that a file may give a document.
const MAX_ID: usize = 64;

/// A document that is a file as well, and what both were like when they last agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentFile {
    pub document: String,
    /// From the project's folder.
    pub path: String,
    pub version: i64,
    /// Of the file's text.
    pub hash: Vec<u8>,
}

fn decode(row: &SqliteRow) -> Result<DocumentFile, sqlx::Error> {
    Ok(DocumentFile {
        document: row.try_get(0)?,
        path: row.try_get(1)?,
        version: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

impl Catalog {
    /// Returns a number that moves with every change of documents in this process.
    pub fn document_changes(&self) -> u64 {
        self.inner.document_changes.load(Ordering::Acquire)
    }

    pub(super) fn documents_changed(&self) {
        self.inner.document_changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Lists the documents that are files as well.
    pub async fn document_files(&self) -> Result<Vec<DocumentFile>, CatalogError> {
        let failed = |error| CatalogError::database("list files of documents", error);
        let rows = sqlx::query("SELECT document, path, version, hash FROM document_files")
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let all = rows.iter().map(decode).collect::<Result<_, _>>();
        all.map_err(failed)
    }

    /// Writes down that a document and its file agree.
    pub async fn put_document_file(&self, file: &DocumentFile) -> Result<(), CatalogError> {
        let failed = |error| CatalogError::database("note a document's file", error);
        let mut tx = self.inner.store.begin("note a document's file").await?;
        // A file that was renamed, or now says that it is another document.
        sqlx::query("DELETE FROM document_files WHERE path = ?1 AND document <> ?2")
            .bind(&file.path)
            .bind(&file.document)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        sqlx::query(
            "INSERT INTO document_files (document, path, version, hash) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (document) DO UPDATE SET path = ?2, version = ?3, hash = ?4",
        )
        .bind(&file.document)
        .bind(&file.path)
        .bind(file.version)
        .bind(&file.hash)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// Forgets that a document was a file.
    pub async fn forget_document_file(&self, document: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM document_files WHERE document = ?1")
            .bind(document)
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("forget a document's file", error))?;
        Ok(())
    }

    /// Lists the removed documents of a kind.
    pub async fn removed_documents(&self, kind: DocumentKind) -> Result<Vec<String>, CatalogError> {
        sqlx::query_scalar("SELECT id FROM documents WHERE kind = ?1 AND deleted_at IS NOT NULL")
            .bind(kind.as_str())
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("list removed documents", error))
    }

    /// Makes a document that a file has given its name.
    pub async fn create_named_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        new: NewDocument,
    ) -> Result<SavedDocument, CatalogError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(good) {
            return Err(CatalogError::new(
                CatalogErrorKind::Invalid,
                format!("an `id` is 1 to {MAX_ID} of a-z, 0-9, `_` and `-`"),
            ));
        }
        let taken: Option<String> = sqlx::query_scalar("SELECT kind FROM documents WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("look up a document", error))?;
        if let Some(taken) = taken {
            return Err(CatalogError::new(
                CatalogErrorKind::Exists,
                format!("`id: {id}` is a {taken}'s already"),
            )
            .with_hint("leave `id` out, or give it another"));
        }
        self.make_document(by, kind, id.to_owned(), new).await
    }
}
