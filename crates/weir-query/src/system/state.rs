//! `weir.*`: what the lake holds, how it came to be, who may send, what is asked.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::DataType;
use futures::FutureExt;
use weir_access::Action;
use weir_core::TableName;

use super::virtual_table::{VirtualTable, instant};
use crate::catalog::{Kind, Scope};
use crate::error::{QueryError, QueryErrorKind};

/// How many commits of one table are listed.
const COMMITS: usize = 10_000;

fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn instants(micros: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(
        micros
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
    )
}

fn count(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

/// `weir.tables`: what there is, and how much of it.
pub(super) fn tables(scope: &Scope) -> VirtualTable {
    let columns = [
        ("schema_name", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("kind", DataType::Utf8),
        ("columns", DataType::Int64),
        ("rows", DataType::Int64),
        ("rows_in_memory", DataType::Int64),
        ("files", DataType::Int64),
        ("file_bytes", DataType::Int64),
        ("version", DataType::Int64),
        ("comment", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let mut names = Vec::new();
        for schema in scope.schemas() {
            for (name, kind) in scope.names(&schema) {
                names.push((schema.clone(), name, kind));
            }
        }
        let views: Vec<_> = names
            .iter()
            .map(|(schema, name, kind)| match kind {
                Kind::Table => scope.lake_table(schema, name).cloned(),
                Kind::View | Kind::System => None,
            })
            .collect();
        let views = || views.iter().map(Option::as_ref);
        let columns =
            vec![
                texts(names.iter().map(|(schema, ..)| Some(schema))),
                texts(names.iter().map(|(_, name, _)| Some(name))),
                texts(names.iter().map(|(.., kind)| Some(kind.as_str()))),
                numbers(views().map(|v| v.and_then(|v| count(v.schema.fields().len() as u64)))),
                numbers(views().map(|v| v.and_then(|v| count(v.rows())))),
                numbers(views().map(|v| {
                    v.and_then(|v| count(v.hot.iter().map(|b| b.num_rows() as u64).sum()))
                })),
                numbers(views().map(|v| v.and_then(|v| count(v.files.len() as u64)))),
                numbers(views().map(|v| v.and_then(|v| count(v.bytes())))),
                numbers(views().map(|v| v.and_then(|v| v.version.and_then(count)))),
                texts(names.iter().zip(views()).map(|((schema, name, _), table)| {
                    let of_view = || scope.view(schema, name)?.comments.view;
                    let of_table = table.and_then(|table| table.comment.as_deref());
                    of_table.map(str::to_owned).or_else(of_view)
                })),
            ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.commits`: the history of every table, with what made each commit.
pub(super) fn commits(scope: &Scope) -> VirtualTable {
    let columns = [
        ("schema_name", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("version", DataType::Int64),
        ("committed_at", instant()),
        ("operation", DataType::Utf8),
        ("writer", DataType::Utf8),
        ("run_id", DataType::Utf8),
        ("rows_added", DataType::Int64),
        ("rows_removed", DataType::Int64),
        ("inputs", DataType::Utf8),
        ("code", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |wanted| {
        let lake = scope.pinned.lake.clone();
        let (schema, table) = (wanted.text("schema_name"), wanted.text("table_name"));
        let is_wanted = |name: &&TableName| {
            schema.as_ref().is_none_or(|s| s == name.schema())
                && table.as_ref().is_none_or(|t| t == name.table())
        };
        let names: Vec<TableName> = scope
            .pinned
            .view
            .tables
            .keys()
            .filter(is_wanted)
            .filter(|name| scope.may_read(name.schema(), name.table()))
            .cloned()
            .collect();
        async move {
            let mut rows = Vec::new();
            for name in names {
                let commits = lake.commits(&name, COMMITS).await.map_err(|error| {
                    QueryError::new(QueryErrorKind::Lake, format!("cannot {error}"))
                        .caused_by(error)
                })?;
                rows.extend(commits.into_iter().map(|commit| (name.clone(), commit)));
            }
            let receipts = || rows.iter().map(|(_, commit)| commit.receipt.as_ref());
            Ok(vec![
                texts(rows.iter().map(|(name, _)| Some(name.schema()))),
                texts(rows.iter().map(|(name, _)| Some(name.table()))),
                numbers(rows.iter().map(|(_, commit)| count(commit.version))),
                instants(
                    rows.iter()
                        .map(|(_, commit)| commit.committed_at.checked_mul(1_000)),
                ),
                texts(rows.iter().map(|(_, commit)| Some(&commit.operation))),
                texts(receipts().map(|r| r.map(|r| &r.writer))),
                texts(receipts().map(|r| r.map(|r| &r.run_id))),
                numbers(receipts().map(|r| r.and_then(|r| count(r.rows_added)))),
                numbers(receipts().map(|r| r.and_then(|r| count(r.rows_removed)))),
                texts(receipts().map(|r| r.and_then(|r| serde_json::to_string(&r.inputs).ok()))),
                texts(receipts().map(|r| r.map(|r| &r.code))),
            ])
        }
        .boxed()
    })
}

/// `weir.sources`: who may send.
pub(super) fn sources(scope: &Scope) -> VirtualTable {
    let columns = [
        ("id", DataType::Int64),
        ("name", DataType::Utf8),
        ("enabled", DataType::Boolean),
        ("description", DataType::Utf8),
        ("settings", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let mut sources = scope.pinned.catalog.sources();
        if !scope.may(Action::ManageSources) {
            let known = scope.schemas();
            sources.retain(|source| known.contains(source.name.as_str()));
        }
        let columns = vec![
            numbers(sources.iter().map(|source| Some(i64::from(source.id)))),
            texts(sources.iter().map(|source| Some(source.name.as_str()))),
            Arc::new(
                sources
                    .iter()
                    .map(|source| Some(source.enabled))
                    .collect::<BooleanArray>(),
            ) as ArrayRef,
            texts(
                sources
                    .iter()
                    .map(|source| Some(&source.settings.description)),
            ),
            texts(
                sources
                    .iter()
                    .map(|source| serde_json::to_string(&source.settings).ok()),
            ),
        ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.write_keys`: which keys there are; their secrets are not known to anybody.
pub(super) fn write_keys(scope: &Scope) -> VirtualTable {
    let columns = [
        ("id", DataType::Int64),
        ("source", DataType::Utf8),
        ("prefix", DataType::Utf8),
        ("label", DataType::Utf8),
        ("created_at", instant()),
        ("revoked_at", instant()),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let scope = scope.clone();
        async move {
            let keys = match scope.may(Action::ManageSources) {
                true => scope.pinned.catalog.keys().await,
                false => Ok(Vec::new()),
            };
            let keys = keys.map_err(QueryError::internal)?;
            Ok(vec![
                numbers(keys.iter().map(|key| Some(key.id))),
                texts(keys.iter().map(|key| Some(key.source.as_str()))),
                texts(keys.iter().map(|key| Some(&key.prefix))),
                texts(keys.iter().map(|key| Some(&key.label))),
                instants(
                    keys.iter()
                        .map(|key| Some(key.created_at.timestamp_micros())),
                ),
                instants(
                    keys.iter()
                        .map(|key| key.revoked_at.map(|at| at.timestamp_micros())),
                ),
            ])
        }
        .boxed()
    })
}

/// `weir.lake`: the state of the lake as names and values.
pub(super) fn lake(scope: &Scope) -> VirtualTable {
    let columns = [("name", DataType::Utf8), ("value", DataType::Int64)];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let view = &scope.pinned.view;
        let sum = |of: &dyn Fn(&weir_lake::TableView) -> u64| {
            view.tables.values().map(|t| of(t)).sum::<u64>()
        };
        if !scope.may(Action::Operate) {
            let none = vec![
                texts(std::iter::empty::<Option<&str>>()),
                numbers([].into_iter()),
            ];
            return async move { Ok(none) }.boxed();
        }
        let (running, finished, failed) = scope.pinned.queries.counts();
        let mut values = vec![
            ("tables".to_owned(), view.tables.len() as u64),
            ("visible_seq".to_owned(), view.visible.0),
            ("rows".to_owned(), sum(&weir_lake::TableView::rows)),
            (
                "rows_in_memory".to_owned(),
                sum(&|t| t.hot.iter().map(|b| b.num_rows() as u64).sum()),
            ),
            ("files".to_owned(), sum(&|t| t.files.len() as u64)),
            ("file_bytes".to_owned(), sum(&weir_lake::TableView::bytes)),
            ("queries_running".to_owned(), running as u64),
            ("queries_finished".to_owned(), finished),
            ("queries_failed".to_owned(), failed),
        ];
        // Whatever the lake counts, under the names it has in the API and in metrics.
        if let Ok(serde_json::Value::Object(status)) =
            serde_json::to_value(scope.pinned.lake.status())
        {
            for (name, value) in status {
                let value = value.as_u64().or(value.as_bool().map(u64::from));
                if let Some(value) = value
                    && !values.iter().any(|(known, _)| *known == name)
                {
                    values.push((name, value));
                }
            }
        }
        let columns = vec![
            texts(values.iter().map(|(name, _)| Some(name))),
            numbers(values.iter().map(|(_, value)| count(*value))),
        ];
        async move { Ok(columns) }.boxed()
    })
}
