//! What nodes are going to give, before they are built: for checks of what reads them.

use std::sync::Arc;

use super::runner::Runner;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{Node, ResourceKind, UniqueId};
use crate::warehouse::{Cell, Dialect};

/// What a node is going to give.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// A query with the columns that it is going to have: of a model its compiled SQL, of a seed or
    /// snapshot one that is only good for planning.
    pub sql: Result<Arc<str>, ModelError>,
    /// Whether the tables that are there now decided its text, so that it may be another once others
    /// are built.
    pub asked: bool,
}

impl Runner {
    /// Returns what a node is going to give.
    pub fn foreseen(&self, id: &UniqueId) -> Foreseen {
        let before = self.main.asked();
        let sql = self.foreseen_sql(id);
        Foreseen {
            sql,
            asked: self.main.asked() != before,
        }
    }

    fn foreseen_sql(&self, id: &UniqueId) -> Result<Arc<str>, ModelError> {
        let node = self.manifest().nodes.get(id).cloned().ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Selection,
                format!("{id} is not in the project"),
            )
        })?;
        let dialect = self.parts.warehouse.dialect();
        match node.kind {
            ResourceKind::Seed => self.foreseen_seed(&node, dialect),
            ResourceKind::Snapshot => Ok(foreseen_snapshot(&node, &self.compile_one(id)?, dialect)),
            _ => self.compile_one(id),
        }
    }

    fn foreseen_seed(&self, node: &Node, dialect: &Dialect) -> Result<Arc<str>, ModelError> {
        let table = super::seed::read(self.shared(), node)?;
        let given = node.config.map("column_types");
        let columns = table.columns.iter().enumerate().map(|(at, column)| {
            let values = table.rows.iter().filter_map(|row| row.get(at));
            let named = given.get(&column.name).and_then(serde_json::Value::as_str);
            let kind = named.unwrap_or_else(|| kind_of(values));
            format!("cast(null as {kind}) as {}", dialect.quote(&column.name))
        });
        let columns: Vec<String> = columns.collect();
        Ok(format!("select {}", columns.join(", ")).into())
    }
}

/// Returns the type of a column of cells; those of one column are of one kind, or null.
fn kind_of<'c>(mut cells: impl Iterator<Item = &'c Cell>) -> &'static str {
    match cells.find(|cell| **cell != Cell::Null) {
        Some(Cell::Bool(_)) => "boolean",
        Some(Cell::Int(_)) => "integer",
        Some(Cell::Float(_) | Cell::Decimal(_)) => "double precision",
        Some(Cell::Date(_)) => "date",
        Some(Cell::Timestamp(_)) => "timestamp",
        Some(Cell::TimestampTz(_)) => "timestamp with time zone",
        _ => "text",
    }
}

fn foreseen_snapshot(node: &Node, sql: &str, dialect: &Dialect) -> Arc<str> {
    let renamed = node.config.map("snapshot_meta_column_names");
    let name = |usual: &str| {
        let name = renamed.get(usual).and_then(serde_json::Value::as_str);
        dialect.quote(name.unwrap_or(usual))
    };
    let mut more = vec![format!("cast(null as text) as {}", name("dbt_scd_id"))];
    for usual in ["dbt_updated_at", "dbt_valid_from", "dbt_valid_to"] {
        more.push(format!("cast(null as timestamp) as {}", name(usual)));
    }
    if node.config.text("hard_deletes") == Some("new_record") {
        more.push(format!("cast(null as text) as {}", name("dbt_is_deleted")));
    }
    format!(
        "select foreseen.*, {} from (\n{sql}\n) as foreseen",
        more.join(", ")
    )
    .into()
}
