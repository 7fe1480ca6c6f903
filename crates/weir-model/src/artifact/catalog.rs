//! catalog.json, version 1: what the warehouse says of the relations.

use serde_json::{Value as Json, json};

use super::manifest::metadata;
use crate::node::{Manifest, ResourceKind};
use crate::run::CatalogTable;

/// Returns the catalog; relations are sources when their id says so.
pub fn catalog_json(manifest: &Manifest, tables: &[CatalogTable], generated_at: &str) -> Json {
    let mut metadata = metadata(manifest, "catalog/v1");
    metadata.insert("generated_at".to_owned(), generated_at.into());
    let of = |sources: bool| -> Json {
        let tables = tables
            .iter()
            .filter(|table| (table.id.kind() == Some(ResourceKind::Source)) == sources);
        tables
            .map(|table| (table.id.as_str().to_owned(), table.to_json()))
            .collect()
    };
    json!({ "metadata": metadata, "nodes": of(false), "sources": of(true), "errors": null })
}
