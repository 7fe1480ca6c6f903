use serde_json::Value;

use super::Actor;
use crate::catalog::Catalog;
use crate::error::CatalogError;

impl Catalog {
    /// Writes down in the audit that `by` has done something that is kept elsewhere.
    ///
    /// Who may do it was asked by whoever lets it be done.
    pub async fn note(
        &self,
        by: &Actor,
        action: &'static str,
        object: String,
        after: Option<Value>,
    ) -> Result<(), CatalogError> {
        self.change(by, action)
            .await?
            .commit(object, None, after)
            .await
    }
}
