//! What the names of a writing statement mean.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use weir_core::TableName;

use super::context::Context;
use super::invalid;
use crate::catalog::Scope;
use crate::error::{QueryError, QueryErrorKind};
use crate::session::{CATALOG, DEFAULT_SCHEMA};
use crate::system;

/// Returns the name an identifier means: unquoted ones are lower-case.
pub(super) fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Returns a name as an identifier that means exactly it.
pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// Returns the parts of a dotted name.
pub(super) fn parts(name: &ObjectName) -> Result<Vec<String>, QueryError> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(normal(ident)),
            ObjectNamePart::Function(_) => Err(invalid(format!("`{name}` is not a name"))),
        })
        .collect()
}

/// Splits a table's name into the schema, where one is written, and the name.
pub(super) fn split(name: &ObjectName) -> Result<(Option<String>, String), QueryError> {
    let mut parts = parts(name)?;
    let table = parts.pop().unwrap_or_default();
    let schema = parts.pop();
    match parts.pop() {
        None => {}
        Some(catalog) if catalog == CATALOG && parts.is_empty() => {}
        Some(catalog) => {
            return Err(QueryError::new(
                QueryErrorKind::Invalid,
                format!("there is no database `{catalog}`"),
            )
            .with_sqlstate("3D000")
            .hint("the one database is `weir`"));
        }
    }
    Ok((schema, table))
}

/// Returns the schemas that names without one are looked for in, the caller's own first.
fn path(scope: &Scope) -> Vec<String> {
    let path = scope.path().into_iter();
    path.filter(|schema| schema != system::pg_catalog::SCHEMA)
        .collect()
}

/// Finds what an existing name stands for, table or view.
pub(super) fn existing(scope: &Scope, name: &ObjectName) -> Result<(String, String), QueryError> {
    let (schema, table) = split(name)?;
    if let Some(schema) = schema {
        return Ok((schema, table));
    }
    let found = path(scope).into_iter().find(|schema| {
        scope.stored(schema, &table).is_some() || scope.kind(schema, &table).is_some()
    });
    Ok((found.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()), table))
}

/// Finds where something new goes: the first schema of the path there is.
pub(super) fn new(
    context: &Context,
    scope: &Scope,
    name: &ObjectName,
) -> Result<(String, String), QueryError> {
    let (schema, table) = split(name)?;
    let schema = match schema {
        Some(schema) => schema,
        None => path(scope)
            .into_iter()
            .find(|schema| context.schema_exists(scope, schema))
            .unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
    };
    if !context.schema_exists(scope, &schema) {
        return Err(QueryError::new(
            QueryErrorKind::UndefinedTable,
            format!("schema `{schema}` does not exist"),
        )
        .with_sqlstate("3F000")
        .hint(format!("CREATE SCHEMA {} first", quoted(&schema))));
    }
    Ok((schema, table))
}

/// Returns the name as the lake spells it.
pub(super) fn table_name(schema: &str, table: &str) -> Result<TableName, QueryError> {
    TableName::new(schema, table).map_err(|error| invalid(error.to_string()).with_sqlstate("42602"))
}

/// Returns the error for a table that is not there.
pub(super) fn missing(scope: &Scope, schema: &str, table: &str) -> QueryError {
    use crate::error::Names;
    let full = format!("{schema}.{table}");
    let near = scope.similar_table(&full).filter(|near| *near != full);
    QueryError::new(
        QueryErrorKind::UndefinedTable,
        format!("table `{full}` does not exist"),
    )
    // In the words of a table one may not know of, so that the two cannot be told apart.
    .hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "SHOW TABLES lists what there is".to_owned(),
    })
}

/// Returns the error for a name that is taken.
pub(super) fn taken(what: &str, schema: &str, table: &str) -> QueryError {
    invalid(format!("{what} `{schema}.{table}` exists")).with_sqlstate("42P07")
}
