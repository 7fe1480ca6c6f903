//! What is asked by itself, with somebody's rights: only what they have saved or seen.

use chrono::{DateTime, Utc};

use super::documents::{DocumentKind, SavedDocument};
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

impl Catalog {
    /// Returns a document as `by` agreed to it: the newest version that they saved, or that was there at
    /// `since`, when they had it asked with their rights.
    ///
    /// What others save later must not be asked with those rights.
    ///
    /// # Errors
    /// As [`Catalog::document`]; denied where all versions are later ones of others.
    pub async fn agreed_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        since: DateTime<Utc>,
    ) -> Result<SavedDocument, CatalogError> {
        let me = by.identity().user();
        let versions = self.document_versions(by, kind, id).await?;
        let agreed = versions
            .iter()
            .filter(|version| version.made_by == me || version.made_at <= since)
            .map(|version| version.version)
            .max();
        match agreed {
            Some(version) => self.document(by, kind, id, Some(version)).await,
            None => Err(CatalogError::new(
                CatalogErrorKind::Denied,
                format!("this {kind} was made by somebody else since"),
            )
            .with_hint(format!(
                "it is asked with the rights of `{me}` when `{me}` saves it"
            ))),
        }
    }
}
