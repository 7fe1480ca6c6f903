//! `information_schema`, with the names SQL has for types.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::information_schema::InformationSchemaProvider;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use futures::FutureExt;
use tracing::warn;

use super::virtual_table::VirtualTable;
use crate::catalog::{Kind, Scope};
use crate::error::{QueryError, QueryErrorKind};
use crate::session::CATALOG;
use crate::types::type_name;

/// The tables of `information_schema`.
pub(crate) const TABLES: [&str; 7] = [
    "columns",
    "df_settings",
    "parameters",
    "routines",
    "schemata",
    "tables",
    "views",
];

/// Returns `information_schema.<name>`.
pub(crate) async fn table(
    scope: &Scope,
    name: &str,
) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
    let table = match name {
        "columns" => columns(scope),
        "tables" => tables(scope),
        "views" => views(scope),
        "schemata" => schemata(scope),
        "df_settings" | "parameters" | "routines" => {
            let functions: HashMap<_, _> = scope.pinned.base.table_functions().clone();
            let engine = InformationSchemaProvider::new(Arc::new(scope.clone()))
                .with_table_functions(functions);
            return engine.table(name).await;
        }
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(table)))
}

fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// Returns every name with its schema.
fn all(scope: &Scope) -> Vec<(String, String, Kind)> {
    let mut all = Vec::new();
    for schema in scope.schemas() {
        for (name, kind) in scope.names(&schema) {
            all.push((schema.clone(), name, kind));
        }
    }
    all
}

fn tables(scope: &Scope) -> VirtualTable {
    let columns =
        ["table_catalog", "table_schema", "table_name", "table_type"].map(|c| (c, DataType::Utf8));
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let all = all(&scope);
        let columns = vec![
            texts(all.iter().map(|_| Some(CATALOG))),
            texts(all.iter().map(|(schema, ..)| Some(schema))),
            texts(all.iter().map(|(_, name, _)| Some(name))),
            texts(all.iter().map(|(.., kind)| {
                Some(match kind {
                    Kind::Table => "BASE TABLE",
                    Kind::View => "VIEW",
                    Kind::System => "SYSTEM VIEW",
                })
            })),
        ];
        async move { Ok(columns) }.boxed()
    })
}

fn schemata(scope: &Scope) -> VirtualTable {
    let columns = ["catalog_name", "schema_name", "schema_owner"].map(|c| (c, DataType::Utf8));
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let schemas = scope.schemas();
        let columns = vec![
            texts(schemas.iter().map(|_| Some(CATALOG))),
            texts(schemas.iter().map(Some)),
            texts(schemas.iter().map(|_| None::<&str>)),
        ];
        async move { Ok(columns) }.boxed()
    })
}

fn views(scope: &Scope) -> VirtualTable {
    let columns =
        ["table_catalog", "table_schema", "table_name", "definition"].map(|c| (c, DataType::Utf8));
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let views: Vec<_> = all(&scope)
            .into_iter()
            .filter(|(.., kind)| *kind != Kind::Table)
            .filter_map(|(schema, name, _)| {
                scope
                    .definition(&schema, &name)
                    .map(|sql| (schema, name, sql))
            })
            .collect();
        let columns = vec![
            texts(views.iter().map(|_| Some(CATALOG))),
            texts(views.iter().map(|(schema, ..)| Some(schema))),
            texts(views.iter().map(|(_, name, _)| Some(name))),
            texts(views.iter().map(|(.., sql)| Some(sql))),
        ];
        async move { Ok(columns) }.boxed()
    })
}

fn columns(scope: &Scope) -> VirtualTable {
    let columns = [
        ("table_catalog", DataType::Utf8),
        ("table_schema", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("column_name", DataType::Utf8),
        ("ordinal_position", DataType::Int64),
        ("column_default", DataType::Utf8),
        ("is_nullable", DataType::Utf8),
        ("data_type", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |wanted| {
        let scope = scope.clone();
        let (schema, table) = (wanted.text("table_schema"), wanted.text("table_name"));
        async move {
            let mut fields = Vec::new();
            for (in_schema, name, _) in all(&scope) {
                if schema.as_ref().is_some_and(|s| *s != in_schema)
                    || table.as_ref().is_some_and(|t| *t != name)
                {
                    continue;
                }
                let Some(found) = schema_of(&scope, &in_schema, &name).await else {
                    continue;
                };
                for (i, field) in found.fields().iter().enumerate() {
                    fields.push((in_schema.clone(), name.clone(), i as i64 + 1, field.clone()));
                }
            }
            Ok(vec![
                texts(fields.iter().map(|_| Some(CATALOG))),
                texts(fields.iter().map(|(schema, ..)| Some(schema))),
                texts(fields.iter().map(|(_, name, ..)| Some(name))),
                texts(fields.iter().map(|(.., field)| Some(field.name()))),
                Arc::new(
                    fields
                        .iter()
                        .map(|(_, _, i, _)| Some(*i))
                        .collect::<Int64Array>(),
                ) as ArrayRef,
                texts(fields.iter().map(|_| None::<&str>)),
                texts(
                    fields
                        .iter()
                        .map(|(.., field)| Some(if field.is_nullable() { "YES" } else { "NO" })),
                ),
                texts(
                    fields
                        .iter()
                        .map(|(.., field)| Some(type_name(field.data_type()))),
                ),
            ])
        }
        .boxed()
    })
}

/// Returns the columns of a name; none for a view that cannot be planned, which must not hide
/// everything else.
pub(super) async fn schema_of(scope: &Scope, schema: &str, name: &str) -> Option<SchemaRef> {
    if let Some(table) = scope.lake_table(schema, name) {
        return Some(table.schema.clone());
    }
    match Box::pin(scope.find(schema, name)).await {
        Ok(found) => found.map(|table| table.schema()),
        // Listed for what it is, though what it reads is somebody else's.
        Err(error) if is_denied(&error) => None,
        Err(error) => {
            warn!(view = %format!("{schema}.{name}"), %error, "view cannot be planned");
            None
        }
    }
}

fn is_denied(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(error) => error
            .downcast_ref::<QueryError>()
            .is_some_and(|error| error.kind() == QueryErrorKind::PermissionDenied),
        _ => false,
    }
}
