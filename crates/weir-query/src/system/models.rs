//! `weir.lineage`: where columns come from; `weir.views`: stored queries, and what is wrong with them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, StringArray};
use datafusion::arrow::datatypes::DataType;
use futures::FutureExt;
use serde_json::Value;
use weir_catalog::Build;

use super::virtual_table::VirtualTable;
use weir_catalog::View;

use crate::catalog::Scope;
use crate::error::{QueryError, translate};

/// One source of one column.
struct Edge {
    schema: String,
    table: String,
    column: String,
    source: Option<(String, String, String)>,
    unchanged: Option<bool>,
}

/// `weir.lineage`: for every column of what was built, the columns it is made of; one row without a
/// source where it is made of none.
pub(super) fn lineage(scope: &Scope) -> VirtualTable {
    let columns = [
        ("schema_name", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("column_name", DataType::Utf8),
        ("source_schema", DataType::Utf8),
        ("source_table", DataType::Utf8),
        ("source_column", DataType::Utf8),
        ("unchanged", DataType::Boolean),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let scope = scope.clone();
        async move {
            let builds = scope.pinned.catalog.builds().await;
            let builds = builds.map_err(QueryError::internal)?;
            let edges: Vec<Edge> = builds
                .iter()
                .filter(|build| scope.may_read(&build.schema, &build.name))
                .flat_map(edges)
                .filter(|edge| {
                    let source = edge.source.as_ref();
                    source.is_none_or(|(schema, table, _)| scope.may_read(schema, table))
                })
                .collect();
            let texts = |of: &dyn Fn(&Edge) -> Option<String>| -> ArrayRef {
                Arc::new(edges.iter().map(of).collect::<StringArray>())
            };
            let unchanged = edges.iter().map(|edge| edge.unchanged);
            Ok(vec![
                texts(&|edge| Some(edge.schema.clone())),
                texts(&|edge| Some(edge.table.clone())),
                texts(&|edge| Some(edge.column.clone())),
                texts(&|edge| Some(edge.source.as_ref()?.0.clone())),
                texts(&|edge| Some(edge.source.as_ref()?.1.clone())),
                texts(&|edge| Some(edge.source.as_ref()?.2.clone())),
                Arc::new(unchanged.collect::<BooleanArray>()),
            ])
        }
        .boxed()
    })
}

fn edges(build: &Build) -> Vec<Edge> {
    let columns = build.build["lineage"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let edge = |column: &Value| Edge {
        schema: build.schema.clone(),
        table: build.name.clone(),
        column: text(&column["column"]),
        source: None,
        unchanged: None,
    };
    columns
        .flat_map(|column| {
            let sources = column["sources"].as_array();
            let Some(sources) = sources.filter(|sources| !sources.is_empty()) else {
                return vec![edge(column)];
            };
            let sources = sources.iter().filter_map(|source| {
                let (schema, table) = source["relation"].as_str()?.split_once('.')?;
                Some(Edge {
                    source: Some((schema.to_owned(), table.to_owned(), text(&source["column"]))),
                    unchanged: source["unchanged"].as_bool(),
                    ..edge(column)
                })
            });
            sources.collect()
        })
        .collect()
}

/// A view, and why it cannot be read.
type Told = (View, Option<String>);

/// `weir.views`: the views one may read, with why a view cannot be read any more.
pub(super) fn views(scope: &Scope) -> VirtualTable {
    let columns = [
        ("schema_name", DataType::Utf8),
        ("view_name", DataType::Utf8),
        ("definition", DataType::Utf8),
        ("error", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |wanted| {
        let scope = scope.clone();
        async move {
            let (schema, name) = (wanted.text("schema_name"), wanted.text("view_name"));
            let is_wanted =
                |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|asked| asked == is);
            let views = scope.views();
            let views = views.iter().filter(|view| {
                is_wanted(&schema, &view.schema)
                    && is_wanted(&name, &view.name)
                    && scope.may_read(&view.schema, &view.name)
            });
            let mut rows = Vec::new();
            for view in views {
                let found = scope.find(&view.schema, &view.name).await;
                let error = found
                    .err()
                    .map(|error| translate(error, &scope).to_string());
                rows.push((view.clone(), error));
            }
            let texts = |of: fn(&Told) -> Option<String>| {
                Arc::new(rows.iter().map(of).collect::<StringArray>()) as ArrayRef
            };
            Ok(vec![
                texts(|(view, _)| Some(view.schema.clone())),
                texts(|(view, _)| Some(view.name.clone())),
                texts(|(view, _)| Some(view.sql.clone())),
                texts(|(_, error)| error.clone()),
            ])
        }
        .boxed()
    })
}
