//! catalog.json, version 1: what the warehouse says of the relations.

use serde_json::{Value as Json, json};

use super::manifest::metadata;
use crate::node::{Manifest, UniqueId};

/// A relation as the warehouse describes it.
#[derive(Debug, Clone, Default)]
pub struct CatalogTable {
    pub id: Option<UniqueId>,
    /// `BASE TABLE`, `VIEW` or the like.
    pub kind: String,
    pub database: Option<String>,
    pub schema: String,
    pub name: String,
    pub comment: Option<String>,
    pub owner: Option<String>,
    pub columns: Vec<CatalogColumn>,
    pub stats: Vec<CatalogStat>,
}

/// A column as the warehouse describes it.
#[derive(Debug, Clone, Default)]
pub struct CatalogColumn {
    pub name: String,
    pub data_type: String,
    pub comment: Option<String>,
}

/// A figure about a relation, like its size.
#[derive(Debug, Clone)]
pub struct CatalogStat {
    pub id: String,
    pub label: String,
    pub value: Json,
    pub include: bool,
    pub description: Option<String>,
}

/// Returns the catalog; relations are sources when their id says so.
pub fn catalog_json(
    manifest: &Manifest,
    tables: &[CatalogTable],
    errors: &[String],
    generated_at: &str,
) -> Json {
    let mut metadata = metadata(manifest, "catalog/v1");
    metadata.insert("generated_at".to_owned(), generated_at.into());
    let of = |sources: bool| -> Json {
        tables
            .iter()
            .filter_map(|table| Some((table.id.as_ref()?, table)))
            .filter(|(id, _)| id.as_str().starts_with("source.") == sources)
            .map(|(id, table)| (id.as_str().to_owned(), table_json(id, table)))
            .collect()
    };
    let errors = if errors.is_empty() {
        Json::Null
    } else {
        json!(errors)
    };
    json!({ "metadata": metadata, "nodes": of(false), "sources": of(true), "errors": errors })
}

fn table_json(id: &UniqueId, table: &CatalogTable) -> Json {
    let columns: Json = (1..)
        .zip(&table.columns)
        .map(|(index, column): (u32, _)| {
            let value = json!({
                "type": column.data_type, "index": index, "name": column.name, "comment": column.comment,
            });
            (column.name.clone(), value)
        })
        .collect();
    let mut stats: serde_json::Map<String, Json> = table
        .stats
        .iter()
        .map(|stat| {
            let value = json!({
                "id": stat.id, "label": stat.label, "value": stat.value, "include": stat.include,
                "description": stat.description,
            });
            (stat.id.clone(), value)
        })
        .collect();
    let has = json!({
        "id": "has_stats", "label": "Has Stats?", "value": !table.stats.is_empty(), "include": false,
        "description": "Indicates whether there are statistics for this table",
    });
    stats.insert("has_stats".to_owned(), has);
    json!({
        "metadata": {
            "type": table.kind, "schema": table.schema, "name": table.name, "database": table.database,
            "comment": table.comment, "owner": table.owner,
        },
        "columns": columns, "stats": stats, "unique_id": id,
    })
}
