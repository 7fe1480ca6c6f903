//! `information_schema`, with the names SQL has for types.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::catalog::information_schema::InformationSchemaProvider;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::{ExecutionPlan, collect};
use futures::FutureExt;
use tracing::warn;

use super::pg_catalog::types;
use super::virtual_table::VirtualTable;
use crate::catalog::{Kind, Scope};
use crate::error::{QueryError, QueryErrorKind};
use crate::session::CATALOG;
use crate::types::type_name;
use crate::write::checked::Limited;
use weir_core::TableName;

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
            return Ok(engine.table(name).await?.map(|table| {
                let base = scope.pinned.base.clone();
                Arc::new(OfEngine { table, base }) as Arc<dyn TableProvider>
            }));
        }
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(table)))
}

/// A table of the engine's own that lists functions: those a query runs with have no names.
#[derive(Debug)]
struct OfEngine {
    table: Arc<dyn TableProvider>,
    base: Arc<SessionState>,
}

#[async_trait]
impl TableProvider for OfEngine {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let plan = self.table.scan(state, None, &[], None).await?;
        let rows = collect(plan, self.base.task_ctx()).await?;
        let rows = MemorySourceConfig::try_new_exec(&[rows], self.schema(), projection.cloned())?;
        Ok(rows)
    }
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
        ("character_maximum_length", DataType::Int32),
        ("character_octet_length", DataType::Int32),
        ("numeric_precision", DataType::Int32),
        ("numeric_precision_radix", DataType::Int32),
        ("numeric_scale", DataType::Int32),
        ("datetime_precision", DataType::Int32),
        ("interval_type", DataType::Utf8),
        ("collation_name", DataType::Utf8),
        ("domain_name", DataType::Utf8),
        ("udt_catalog", DataType::Utf8),
        ("udt_schema", DataType::Utf8),
        ("udt_name", DataType::Utf8),
        ("is_self_referencing", DataType::Utf8),
        ("is_identity", DataType::Utf8),
        ("identity_generation", DataType::Utf8),
        ("is_generated", DataType::Utf8),
        ("generation_expression", DataType::Utf8),
        ("is_updatable", DataType::Utf8),
        // Ours: the type with its digits, as it may be written.
        ("full_type", DataType::Utf8),
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
            let number = |of: fn(&Shape) -> Option<i32>| -> ArrayRef {
                let shapes = fields.iter().map(|(.., field)| Shape::of(field));
                Arc::new(shapes.map(|shape| of(&shape)).collect::<Int32Array>())
            };
            let word = |word: Option<&'static str>| texts(fields.iter().map(|_| word));
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
                texts(fields.iter().map(|(.., field)| Some(standard_name(field)))),
                number(|shape| shape.characters),
                number(|shape| Some(shape.characters?.saturating_mul(4))),
                number(|shape| shape.precision),
                number(|shape| shape.radix),
                number(|shape| shape.scale),
                number(|shape| shape.fraction),
                word(None),
                word(None),
                word(None),
                word(Some(CATALOG)),
                word(Some("pg_catalog")),
                texts(fields.iter().map(|(.., field)| pg_name(field))),
                word(Some("NO")),
                word(Some("NO")),
                word(None),
                word(Some("NEVER")),
                word(None),
                texts(fields.iter().map(|(schema, name, ..)| {
                    let table = TableName::new(schema, name).ok();
                    let written = table
                        .and_then(|table| scope.pinned.view.table(&table).cloned())
                        .is_some_and(|table| table.by_statements);
                    Some(if written { "YES" } else { "NO" })
                })),
                texts(fields.iter().map(|(.., field)| Some(full_name(field)))),
            ])
        }
        .boxed()
    })
}

/// How SQL's own words describe a type.
#[derive(Default)]
struct Shape {
    /// How many a text may have.
    characters: Option<i32>,
    precision: Option<i32>,
    radix: Option<i32>,
    scale: Option<i32>,
    /// Digits of a second's fraction.
    fraction: Option<i32>,
}

impl Shape {
    fn of(field: &Field) -> Self {
        let kind = field.data_type();
        if let Some(limited) = Limited::of(field) {
            return Self {
                characters: Some(limited.most),
                ..Self::default()
            };
        }
        let whole = |bits| Self {
            precision: Some(bits),
            radix: Some(2),
            scale: Some(0),
            ..Self::default()
        };
        let float = |bits| Self {
            scale: None,
            ..whole(bits)
        };
        match kind {
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => whole(16),
            DataType::Int32 | DataType::UInt16 => whole(32),
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => whole(64),
            DataType::Float16 | DataType::Float32 => float(24),
            DataType::Float64 => float(53),
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                Self {
                    precision: Some(i32::from(*precision)),
                    radix: Some(10),
                    scale: Some(i32::from(*scale)),
                    ..Self::default()
                }
            }
            DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => Self {
                fraction: Some(6),
                ..Self::default()
            },
            DataType::Date32 | DataType::Date64 => Self {
                fraction: Some(0),
                ..Self::default()
            },
            DataType::Interval(_) | DataType::Duration(_) => Self {
                fraction: Some(6),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

/// Returns the name of a type in `pg_type`.
fn pg_name(field: &Field) -> Option<&'static str> {
    let oid = Limited::of(field).map(|limited| limited.oid);
    types::by_oid(oid.unwrap_or_else(|| types::type_oid(field.data_type()))).map(|known| known.name)
}

/// Returns a type's name as it may be written, with its lengths.
fn full_name(field: &Field) -> String {
    match Limited::of(field) {
        Some(limited) => format!("{}({})", standard_name(field), limited.most),
        None => type_name(field.data_type()),
    }
}

/// Returns a type's name in SQL's own words, without lengths.
fn standard_name(field: &Field) -> String {
    if let Some(known) = Limited::of(field).and_then(|limited| types::by_oid(limited.oid)) {
        return known.sql.to_owned();
    }
    match field.data_type() {
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Timestamp(_, None) => "timestamp without time zone".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone".to_owned(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".to_owned(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            "ARRAY".to_owned()
        }
        kind => type_name(kind),
    }
}

/// Returns the columns of a name; none for a view that cannot be planned, which must not hide
/// everything else.
pub(crate) async fn schema_of(scope: &Scope, schema: &str, name: &str) -> Option<SchemaRef> {
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
