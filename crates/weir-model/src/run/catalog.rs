use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::runner::Runner;
use crate::context::warehouse_error;
use crate::error::ModelError;
use crate::node::UniqueId;
use crate::warehouse::{ColumnInfo, RelationInfo, RelationKind};

/// A relation of the warehouse that a node or source stands for.
#[derive(Clone, Debug)]
pub struct CatalogTable {
    pub id: UniqueId,
    pub relation: RelationInfo,
    pub columns: Vec<ColumnInfo>,
}

impl CatalogTable {
    /// Returns the entry as `catalog.json` holds it.
    pub fn to_json(&self) -> Json {
        let name = &self.relation.name;
        let kind = match self.relation.kind {
            RelationKind::View => "VIEW",
            RelationKind::MaterializedView => "MATERIALIZED VIEW",
            _ => "BASE TABLE",
        };
        let columns: crate::node::JsonMap = self
            .columns
            .iter()
            .zip(1..)
            .map(|(column, index)| {
                let entry = json!({ "type": type_text(column), "index": index, "name": column.name, "comment": null });
                (column.name.clone(), entry)
            })
            .collect();
        json!({
            "metadata": {
                "type": kind, "schema": name.schema, "name": name.name, "database": name.database,
                "comment": null, "owner": null,
            },
            "columns": columns,
            "stats": {
                "has_stats": {
                    "id": "has_stats", "label": "Has Stats?", "value": false, "include": false,
                    "description": "Indicates whether there are statistics for this table",
                },
            },
            "unique_id": self.id.as_str(),
        })
    }
}

fn type_text(column: &ColumnInfo) -> String {
    match (
        column.char_size,
        column.numeric_precision,
        column.numeric_scale,
    ) {
        (Some(size), ..) => format!("{}({size})", column.data_type),
        (None, Some(precision), Some(scale)) if column.data_type == "numeric" => {
            format!("numeric({precision},{scale})")
        }
        _ => column.data_type.clone(),
    }
}

impl Runner {
    /// Lists the relations that nodes and sources stand for, with their columns; what is not there is
    /// left out.
    pub fn catalog(&self) -> Result<Vec<CatalogTable>, ModelError> {
        let manifest = self.manifest();
        let nodes = manifest
            .nodes
            .values()
            .filter(|node| node.relation_name.is_some() && !node.is_ephemeral());
        let nodes = nodes.map(|node| (node.id.clone(), self.compiler.relation(node).path.name()));
        let sources = manifest.sources.values().map(|source| {
            (
                source.id.clone(),
                self.compiler.source_relation(source).path.name(),
            )
        });
        let wanted: Vec<_> = nodes.chain(sources).collect();
        let places: BTreeSet<(String, String)> = wanted
            .iter()
            .map(|(_, name)| {
                (
                    name.database.clone().unwrap_or_default(),
                    name.schema.clone(),
                )
            })
            .collect();
        let mut found = Vec::new();
        for (database, schema) in places {
            if self.parts.cancellation.is_cancelled() {
                break;
            }
            let relations = self
                .main
                .relations(&database, &schema)
                .map_err(warehouse_error)?;
            for relation in relations {
                let fits = |name: &crate::warehouse::RelationName| {
                    name.schema.eq_ignore_ascii_case(&relation.name.schema)
                        && name.name.eq_ignore_ascii_case(&relation.name.name)
                };
                let ids: Vec<UniqueId> = wanted
                    .iter()
                    .filter(|(_, name)| fits(name))
                    .map(|(id, _)| id.clone())
                    .collect();
                if ids.is_empty() {
                    continue;
                }
                let columns = self.main.columns(&relation.name).map_err(warehouse_error)?;
                found.extend(ids.into_iter().map(|id| CatalogTable {
                    id,
                    relation: relation.clone(),
                    columns: columns.clone(),
                }));
            }
        }
        self.main.rollback();
        Ok(found)
    }
}
