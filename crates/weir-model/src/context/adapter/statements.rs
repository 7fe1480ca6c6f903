use std::sync::Arc;

use weir_jinja::{Call, Result, Value};

use crate::context::Adapter;
use crate::context::results::Response;
use crate::context::session::{Session, carried};
use crate::context::{AgateTable, Context};
use crate::warehouse::{Cell, CellKind, Fetch, Table};

/// `execute` and `add_query`: runs SQL, with values put in for its placeholders.
pub(super) fn run(session: &Session, name: &str, call: &mut Call<'_>) -> Result<Value> {
    let mut sql = call.required("sql")?.to_str().to_string();
    let begin = call.optional_bool("auto_begin", name == "add_query")?;
    let (fetch, limit) = if name == "execute" {
        (
            call.optional_bool("fetch", false)?,
            call.optional_int("limit")?,
        )
    } else {
        if let Some(bindings) = call.optional("bindings")?.filter(|value| !value.is_none()) {
            sql = bound(&sql, &bindings);
        }
        call.optional("abridge_sql_log")?;
        (false, None)
    };
    let fetch = match (fetch, limit.and_then(|limit| usize::try_from(limit).ok())) {
        (false, _) => Fetch::None,
        (true, None) => Fetch::All,
        (true, Some(limit)) => Fetch::Limit(limit),
    };
    let answer = session.execute(&sql, begin, fetch).map_err(carried)?;
    let response = Value::object(Response::of(&answer));
    let table = answer.table.map_or_else(AgateTable::empty, AgateTable::new);
    Ok(Value::tuple([response, table.value()]))
}

/// Puts literals in the places of `%s`; `%%` is a percent sign.
pub(super) fn bound(sql: &str, bindings: &Value) -> String {
    let values = bindings
        .as_list()
        .map(weir_jinja::List::items)
        .unwrap_or_default();
    let mut values = values.iter();
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('s') {
            out.push_str(&values.next().map_or_else(|| "null".to_owned(), literal));
            rest = after;
        } else {
            out.push('%');
            rest = after.strip_prefix('%').unwrap_or(after);
        }
    }
    out.push_str(rest);
    out
}

pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::None | Value::Undefined(_) => "null".to_owned(),
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => {
            value.to_str().to_lowercase()
        }
        other => Cell::Text(other.to_str().to_string()).literal(),
    }
}

/// Writes the rows of a seed by the warehouse's fastest way.
pub(super) fn copy(context: &Context, session: &Session, call: &mut Call<'_>) -> Result<Value> {
    let relation = call.required("relation")?;
    let table = call.required("agate_table")?;
    let quoted = call
        .optional("quote_columns")?
        .is_none_or(|value| value.is_none() || value.is_true());
    let of = Adapter::relation_of(call, "relation", &relation)?
        .path
        .name();
    let table = table
        .as_object::<AgateTable>()
        .ok_or_else(|| call.wrong("agate_table", "a table", &table))?;
    let lower = !quoted && context.shared().dialect.case == crate::warehouse::IdentifierCase::Lower;
    let columns: Vec<String> = table
        .0
        .columns
        .iter()
        .map(|column| {
            if lower {
                column.name.to_lowercase()
            } else {
                column.name.clone()
            }
        })
        .collect();
    let table = Arc::clone(&table.0);
    let mut rows = table.rows.iter().cloned();
    let written = session.copy_in(&of, &columns, &mut rows).map_err(carried)?;
    Ok(Value::Int(i64::try_from(written).unwrap_or(i64::MAX)))
}

/// Names the SQL type that holds all values of a column.
pub(super) fn type_of(table: &Table, column: usize) -> &'static str {
    let mut kinds = table
        .rows
        .iter()
        .filter_map(|row| row.get(column))
        .map(Cell::kind)
        .filter(|kind| *kind != CellKind::Null);
    match kinds.next() {
        Some(CellKind::Bool) => "boolean",
        Some(CellKind::Int) if kinds.all(|kind| kind == CellKind::Int) => "integer",
        Some(CellKind::Int | CellKind::Float | CellKind::Decimal) => "float8",
        Some(CellKind::Date) => "date",
        Some(CellKind::Timestamp | CellKind::TimestampTz) => "timestamp without time zone",
        Some(CellKind::Text | CellKind::Json) => "text",
        // agate takes a column without values for numbers or truths by turns; dbt makes integers of it.
        Some(CellKind::Null) | None => "integer",
    }
}
