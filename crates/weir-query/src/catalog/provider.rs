//! The engine's catalog traits, answered from a [`Scope`].

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::TableType;

use super::Scope;
use crate::session::CATALOG;

impl CatalogProviderList for Scope {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        // Nothing can be added to what a query sees.
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as _)
    }
}

impl CatalogProvider for Scope {
    fn schema_names(&self) -> Vec<String> {
        self.schemas().into_iter().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        // Whether the schema exists shows when a table is asked of it.
        Some(Arc::new(ScopedSchema {
            scope: self.clone(),
            name: name.to_owned(),
        }))
    }
}

/// One schema of a [`Scope`].
#[derive(Debug)]
struct ScopedSchema {
    scope: Scope,
    name: String,
}

#[async_trait]
impl SchemaProvider for ScopedSchema {
    fn table_names(&self) -> Vec<String> {
        self.scope.names(&self.name).into_keys().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        self.scope.find(&self.name, name).await
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>, DataFusionError> {
        Ok(self
            .scope
            .names(&self.name)
            .get(name)
            .map(|kind| kind.table_type()))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.scope.lake_table(&self.name, name).is_some()
            || self.scope.names(&self.name).contains_key(name)
    }
}
