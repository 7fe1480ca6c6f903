use std::sync::Arc;

use weir_jinja::{Args, Call, Error, Result, Value};

use super::statements::copy;
use super::strategy::{grants_of, strategy_macro};
use crate::context::Adapter;
use crate::context::adapter_objects::{constraint_texts, hard_deletes};
use crate::context::session::{Session, carried};
use crate::context::table::cell_value;
use crate::context::{AgateTable, ColumnObject, Context};
use crate::warehouse::{Cell, RelationInfo, Table};

impl Adapter {
    /// Methods that read the warehouse's catalog, and those of the library alone.
    pub(super) fn catalog(
        context: &Arc<Context>,
        session: &Session,
        name: &str,
        call: &mut Call<'_>,
    ) -> Result<Option<Value>> {
        let shared = context.shared();
        let quote = shared.dialect.quote;
        Ok(Some(match name {
            "list_schemas" => {
                let database = call.required("database")?;
                let listed = Self::macro_call(context, call, name, Args::from(vec![database]))?;
                Value::list(first_texts(&listed))
            }
            "check_schema_exists" => {
                let database = call.required("database")?.to_str();
                let schema = call.required("schema")?.to_str();
                Value::Bool(
                    session
                        .schemas(&database)
                        .map_err(carried)?
                        .iter()
                        .any(|known| *known == *schema),
                )
            }
            "verify_database" => {
                let database = call.required("database")?.to_str();
                let own = shared
                    .project
                    .target
                    .database
                    .as_deref()
                    .unwrap_or_default();
                if !database.trim_matches('"').eq_ignore_ascii_case(own) {
                    return Err(Error::custom(format!("Cross-db references not allowed in {} ({database} vs {own})", shared.dialect.adapter))
                        .with_hint("all relations lie in the profile's database; remove the `database` configuration"));
                }
                Value::str("")
            }
            "warehouse_schemas" => {
                let database = call
                    .optional("database")?
                    .map(|value| value.to_str())
                    .unwrap_or_default();
                Value::list(
                    session
                        .schemas(&database)
                        .map_err(carried)?
                        .iter()
                        .map(|name| Value::str(name.as_str())),
                )
            }
            "warehouse_relations" => {
                let relation = call.required("schema_relation")?;
                let of = Self::relation_of(call, "schema_relation", &relation)?
                    .path
                    .name();
                let found = session
                    .relations(of.database.as_deref().unwrap_or_default(), &of.schema)
                    .map_err(carried)?;
                AgateTable::new(relations_table(found)).value()
            }
            "warehouse_columns" => {
                let relation = call.required("relation")?;
                let of = Self::relation_of(call, "relation", &relation)?.path.name();
                let columns = session.columns(&of).map_err(carried)?;
                Value::list(
                    columns
                        .into_iter()
                        .map(|info| ColumnObject::new(info, quote).value()),
                )
            }
            "warehouse_copy" => copy(context, session, call)?,
            "warehouse_catalog" => {
                let database = call.required("database")?.to_str();
                let schemas = call.required("schemas")?;
                let mut rows = Vec::new();
                for schema in schemas
                    .as_list()
                    .map(weir_jinja::List::items)
                    .unwrap_or_default()
                {
                    for info in session
                        .relations(&database, &schema.to_str())
                        .map_err(carried)?
                    {
                        let columns = session.columns(&info.name).map_err(carried)?;
                        rows.extend(catalog_rows(&info, &columns));
                    }
                }
                AgateTable::new(Table {
                    columns: catalog_columns(),
                    rows,
                })
                .value()
            }
            "describe_query" | "get_column_schema_from_query" => {
                let sql = call.required("sql")?.to_str();
                let described = session.describe(&sql).map_err(carried)?;
                let spelled = |written: &str| match name {
                    "describe_query" => written.to_owned(),
                    _ => crate::context::adapter_objects::contract_type(&shared.dialect, written),
                };
                Value::list(described.iter().map(|column| {
                    let mut made = ColumnObject::described(&column.name, &column.data_type, quote);
                    if name != "describe_query" {
                        made.dtype = spelled(&column.data_type);
                        made.char_size = None;
                        made.precision = None;
                        made.scale = None;
                    }
                    made.value()
                }))
            }
            "get_incremental_strategy_macro" => {
                let names = call.required("model_context")?;
                let strategy = call.optional("strategy")?.filter(|value| !value.is_none());
                let strategy = strategy.map_or_else(|| "default".into(), |value| value.to_str());
                strategy_macro(context, &names, &strategy)?
            }
            "standardize_grants_dict" => {
                let table = call.required("grants_table")?;
                grants_of(&table)
            }
            "get_hard_deletes_behavior" => {
                let config = call.required("config")?;
                hard_deletes(call, &config)?
            }
            "render_raw_columns_constraints" | "render_raw_model_constraints" => {
                constraint_texts(name, call, &shared.dialect)?
            }
            _ => return Ok(None),
        }))
    }
}

pub(super) fn relations_table(found: Vec<RelationInfo>) -> Table {
    let columns = ["database", "name", "schema", "type"];
    let text = |text: String| Cell::Text(text);
    Table {
        columns: columns
            .iter()
            .map(|name| crate::warehouse::TableColumn::new(*name, "text"))
            .collect(),
        rows: found
            .into_iter()
            .map(|info| {
                let kind = info.kind.word().to_owned();
                vec![
                    text(info.name.database.unwrap_or_default()),
                    text(info.name.name),
                    text(info.name.schema),
                    text(kind),
                ]
            })
            .collect(),
    }
}

/// The columns that catalogs have had since the first version of dbt.
pub(super) fn catalog_columns() -> Vec<crate::warehouse::TableColumn> {
    let names = [
        "table_database",
        "table_schema",
        "table_name",
        "table_type",
        "table_comment",
        "column_name",
        "column_index",
        "column_type",
        "column_comment",
        "table_owner",
    ];
    names
        .into_iter()
        .map(|name| crate::warehouse::TableColumn::new(name, "text"))
        .collect()
}

pub(super) fn catalog_rows(
    info: &RelationInfo,
    columns: &[crate::warehouse::ColumnInfo],
) -> Vec<Vec<Cell>> {
    let text = |text: &str| Cell::Text(text.to_owned());
    let kind = match info.kind {
        crate::warehouse::RelationKind::View => "VIEW",
        crate::warehouse::RelationKind::MaterializedView => "MATERIALIZED VIEW",
        _ => "BASE TABLE",
    };
    let row = |(column, index): (&crate::warehouse::ColumnInfo, i64)| {
        vec![
            info.name.database.as_deref().map_or(Cell::Null, text),
            text(&info.name.schema),
            text(&info.name.name),
            text(kind),
            Cell::Null,
            text(&column.name),
            Cell::Int(index),
            text(&column.data_type),
            Cell::Null,
            Cell::Null,
        ]
    };
    columns.iter().zip(1..).map(row).collect()
}

pub(super) fn first_texts(listed: &Value) -> Vec<Value> {
    if let Some(table) = listed.as_object::<AgateTable>() {
        return table
            .0
            .rows
            .iter()
            .filter_map(|row| row.first().map(cell_value))
            .collect();
    }
    listed
        .as_list()
        .map(weir_jinja::List::items)
        .unwrap_or_default()
}
