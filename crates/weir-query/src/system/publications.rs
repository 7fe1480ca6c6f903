//! `weir.publications`: what became visible together, and `weir.builds`: what it was built from.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use futures::FutureExt;
use serde_json::json;
use weir_catalog::{Build, Publication};

use super::virtual_table::{VirtualTable, instant};
use crate::catalog::Scope;
use crate::error::QueryError;

/// How many publications are listed.
const PUBLICATIONS: u32 = 10_000;

/// `weir.publications`: newest first, with those of their tables and views that one may read.
pub(super) fn publications(scope: &Scope) -> VirtualTable {
    let columns = [
        ("id", DataType::Utf8),
        ("published_by", DataType::Utf8),
        ("state", DataType::Utf8),
        ("begun_at", instant()),
        ("published_at", instant()),
        ("tables", DataType::Int64),
        ("views", DataType::Int64),
        ("changes", DataType::Utf8),
        ("about", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let scope = scope.clone();
        async move {
            let found = scope.pinned.catalog.publications(PUBLICATIONS).await;
            let mut rows: Vec<Publication> = found.map_err(QueryError::internal)?;
            for row in &mut rows {
                row.tables.retain(|t| scope.may_read(&t.schema, &t.name));
                row.views.retain(|v| scope.may_read(&v.schema, &v.name));
            }
            rows.retain(|row| !row.tables.is_empty() || !row.views.is_empty());
            let texts = |of: &dyn Fn(&Publication) -> String| -> ArrayRef {
                Arc::new(
                    rows.iter()
                        .map(|row| Some(of(row)))
                        .collect::<StringArray>(),
                )
            };
            let counts = |of: &dyn Fn(&Publication) -> usize| -> ArrayRef {
                let values = rows.iter().map(|row| i64::try_from(of(row)).ok());
                Arc::new(values.collect::<Int64Array>())
            };
            let instants = |of: &dyn Fn(&Publication) -> Option<i64>| -> ArrayRef {
                let values = rows.iter().map(of).collect::<TimestampMicrosecondArray>();
                Arc::new(values.with_timezone("UTC"))
            };
            Ok(vec![
                texts(&|row| row.id.clone()),
                texts(&|row| row.published_by.clone()),
                texts(&|row| row.state.clone()),
                instants(&|row| Some(row.begun_at.timestamp_micros())),
                instants(&|row| row.published_at.map(|at| at.timestamp_micros())),
                counts(&|row| row.tables.len()),
                counts(&|row| row.views.len()),
                texts(&|row| json!({ "tables": row.tables, "views": row.views }).to_string()),
                texts(&|row| row.about.to_string()),
            ])
        }
        .boxed()
    })
}

/// `weir.builds`: what every table and view that one may read was last built from.
pub(super) fn builds(scope: &Scope) -> VirtualTable {
    let columns = [
        ("schema_name", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("build", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let scope = scope.clone();
        async move {
            let found = scope.pinned.catalog.builds().await;
            let mut rows: Vec<Build> = found.map_err(QueryError::internal)?;
            rows.retain(|row| scope.may_read(&row.schema, &row.name));
            let texts = |of: &dyn Fn(&Build) -> String| -> ArrayRef {
                Arc::new(
                    rows.iter()
                        .map(|row| Some(of(row)))
                        .collect::<StringArray>(),
                )
            };
            Ok(vec![
                texts(&|row| row.schema.clone()),
                texts(&|row| row.name.clone()),
                texts(&|row| row.build.to_string()),
            ])
        }
        .boxed()
    })
}
