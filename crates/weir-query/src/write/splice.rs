//! Questions put together from a fixed text and parts of the statement, so that the parts keep
//! their places in the text for messages, and nothing is ever spliced in as text.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, Expr, Ident, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, Statement as Sql, TableAlias, TableFactor, TableWithJoins, Value,
};

use super::names::quoted;
use crate::error::QueryError;
use crate::options::EngineOptions;
use crate::statement::parse;
use crate::{guard, types};

/// Parses a text of ours.
fn query(text: &str) -> Result<Query, QueryError> {
    let tokens = guard::tokens(text, &EngineOptions::default())?;
    match parse(tokens)? {
        Statement::Statement(sql) => match *sql {
            Sql::Query(query) => Ok(*query),
            _ => Err(QueryError::internal("not a query")),
        },
        _ => Err(QueryError::internal("not a query")),
    }
}

/// Returns `SELECT items FROM from WHERE condition`.
pub(super) fn select(
    items: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    condition: Option<Expr>,
) -> Result<Query, QueryError> {
    let mut query = query("SELECT 1")?;
    let select = body(&mut query)?;
    select.projection = items;
    select.from = from;
    select.selection = condition;
    Ok(query)
}

/// Returns the `SELECT` a query is.
pub(super) fn body(query: &mut Query) -> Result<&mut Select, QueryError> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Ok(select),
        _ => Err(QueryError::internal("not a SELECT")),
    }
}

/// Returns a table of a statement under an alias.
pub(super) fn table(schema: &str, table: &str, alias: Option<Ident>) -> TableFactor {
    TableFactor::Table {
        name: object(&[schema, table]),
        alias: alias.map(|name| TableAlias {
            explicit: true,
            name,
            columns: Vec::new(),
            at: None,
        }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// Returns a dotted name, every part meant exactly.
pub(super) fn object(parts: &[&str]) -> ObjectName {
    let parts = parts
        .iter()
        .map(|part| ObjectNamePart::Identifier(quoted(part)));
    ObjectName(parts.collect())
}

/// Returns a table without joins.
pub(super) fn alone(relation: TableFactor) -> TableWithJoins {
    TableWithJoins {
        relation,
        joins: Vec::new(),
    }
}

/// Returns `alias.column`.
pub(super) fn column(alias: &Ident, name: &str) -> Expr {
    Expr::CompoundIdentifier(vec![alias.clone(), quoted(name)])
}

/// Returns `expr AS name`.
pub(super) fn named(expr: Expr, name: impl AsRef<str>) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr,
        alias: quoted(name.as_ref()),
    }
}

pub(super) fn null() -> Expr {
    Expr::value(Value::Null)
}

/// Whether an expression is the word `DEFAULT`.
pub(super) fn is_default(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => {
            ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default")
        }
        _ => false,
    }
}

/// Returns a value for a column: `DEFAULT` is NULL, a bare parameter gets the column's type.
pub(super) fn value_for(expr: Expr, kind: &datafusion::arrow::datatypes::DataType) -> Expr {
    if is_default(&expr) {
        return null();
    }
    let bare = matches!(&expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)));
    match (bare, sql_type(kind)) {
        (true, Some(data_type)) => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(expr),
            data_type,
            array: false,
            format: None,
        },
        _ => expr,
    }
}

/// Returns the type as a statement spells it; none for those without a spelling.
fn sql_type(kind: &datafusion::arrow::datatypes::DataType) -> Option<SqlType> {
    let text = format!("SELECT CAST(NULL AS {})", types::type_name(kind));
    let mut query = query(&text).ok()?;
    match body(&mut query).ok()?.projection.pop()? {
        SelectItem::UnnamedExpr(Expr::Cast { data_type, .. }) => match data_type {
            SqlType::Custom(..) => None,
            data_type => Some(data_type),
        },
        _ => None,
    }
}

/// Returns `CAST(NULL AS type) AS name`.
pub(super) fn typed_null(data_type: SqlType, name: &str) -> SelectItem {
    let cast = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(null()),
        data_type,
        array: false,
        format: None,
    };
    named(cast, name)
}
