//! What one may do, as `has_table_privilege` and its like are asked: answered by the same decisions
//! that guard the tables.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use weir_access::{Action, Object, Rights};

use super::about::Names;
use super::row::{RowFunction, oid, str};
use crate::error::{QueryError, QueryErrorKind};

/// What a privilege is asked about.
#[derive(Clone, Copy)]
enum Of {
    Table,
    /// Rights hold for whole tables, so a column's are its table's.
    Column,
    Schema,
    Server,
}

pub(super) fn all(names: &Arc<Names>) -> Vec<RowFunction> {
    let functions = [
        ("has_table_privilege", Of::Table),
        ("has_any_column_privilege", Of::Table),
        ("has_column_privilege", Of::Column),
        ("has_schema_privilege", Of::Schema),
        ("has_database_privilege", Of::Server),
    ];
    let functions = functions.into_iter().map(|(name, of)| {
        let names = names.clone();
        RowFunction::new(name, DataType::Boolean, move |args| {
            Ok(ScalarValue::Boolean(answer(&names, of, args)?))
        })
    });
    functions.collect()
}

/// NULL where an argument is, or nothing has that number.
fn answer(names: &Names, of: Of, args: &[ScalarValue]) -> Result<Option<bool>, QueryError> {
    if args.iter().any(ScalarValue::is_null) {
        return Ok(None);
    }
    let own = match of {
        Of::Column => 3,
        Of::Table | Of::Schema | Of::Server => 2,
    };
    let (user, args) = match args.len() {
        count if count == own => (None, args),
        count if count == own + 1 => (str(&args[0]), &args[1..]),
        _ => return Err(invalid("takes a user, what it is about, and a privilege")),
    };
    let privileges = args.last().and_then(str).unwrap_or_default();
    let wanted: Vec<Vec<Action>> = privileges
        .split(',')
        .map(|privilege| actions(of, privilege))
        .collect::<Result<_, _>>()?;
    let scope = &names.scope;
    let access = &scope.pinned.access;
    let me = scope.pinned.asker.caller.name();
    let rights = match user {
        Some(user) if user != me => {
            if !scope.may(Action::ManageAccess) {
                return Err(QueryError::new(
                    QueryErrorKind::PermissionDenied,
                    "only who manages access may ask about other users",
                ));
            }
            if user != "public" && access.user(user).is_none() {
                return Err(QueryError::new(
                    QueryErrorKind::Invalid,
                    format!("role \"{user}\" does not exist"),
                )
                .with_sqlstate("42704"));
            }
            Some(access.rights_of_user(user))
        }
        _ => scope.rights(),
    };
    let may = |object: &Object<'_>| {
        let any = |rights: &Rights<'_>| {
            wanted
                .iter()
                .any(|actions| actions.iter().all(|action| rights.may(*action, object)))
        };
        rights.as_ref().is_none_or(any)
    };
    Ok(match of {
        Of::Table | Of::Column => match names.table(&args[0]) {
            Some((schema, table)) => Some(may(&Object::Table {
                schema: &schema,
                table: &table,
            })),
            None => missing(&args[0], "relation", "42P01")?,
        },
        Of::Schema => match names.schema(&args[0]) {
            Some(schema) => Some(may(&Object::Schema(&schema))),
            None => missing(&args[0], "schema", "3F000")?,
        },
        // Whoever can ask is connected; there is nothing temporary to make.
        Of::Server => Some(
            wanted.iter().any(Vec::is_empty)
                || (wanted
                    .iter()
                    .any(|actions| actions.contains(&Action::Create))
                    && may(&Object::Server)),
        ),
    })
}

/// A name that nothing has is an error, a number is not.
fn missing(
    what: &ScalarValue,
    kind: &str,
    sqlstate: &'static str,
) -> Result<Option<bool>, QueryError> {
    if oid(what).is_some() {
        return Ok(None);
    }
    let name = str(what).unwrap_or_default();
    Err(QueryError::new(
        QueryErrorKind::UndefinedTable,
        format!("{kind} \"{name}\" does not exist"),
    )
    .with_sqlstate(sqlstate))
}

fn invalid(message: &str) -> QueryError {
    QueryError::new(QueryErrorKind::Parameter, message)
}

/// Returns what a privilege allows; several where there is an option to give it away, too.
fn actions(of: Of, privilege: &str) -> Result<Vec<Action>, QueryError> {
    let privilege = privilege.trim().to_ascii_uppercase();
    let (name, grant) = match privilege.strip_suffix("WITH GRANT OPTION") {
        Some(name) => (name.trim(), true),
        None => (privilege.as_str(), false),
    };
    let action = match (of, name) {
        (Of::Table | Of::Column, "SELECT") => Some(Action::Select),
        (Of::Table | Of::Column, "INSERT") => Some(Action::Insert),
        (Of::Table | Of::Column, "UPDATE") => Some(Action::Update),
        (Of::Table, "DELETE") => Some(Action::Delete),
        (Of::Table, "TRUNCATE") => Some(Action::Truncate),
        // There are no keys to refer to and no triggers; who may change the table might have them.
        (Of::Table | Of::Column, "REFERENCES") | (Of::Table, "TRIGGER" | "MAINTAIN") => {
            Some(Action::Alter)
        }
        (Of::Schema, "USAGE") => Some(Action::Usage),
        (Of::Schema | Of::Server, "CREATE") => Some(Action::Create),
        (Of::Server, "CONNECT") => None,
        (Of::Server, "TEMP" | "TEMPORARY") => Some(Action::Drop),
        _ => {
            return Err(invalid(&format!("unrecognized privilege type: \"{name}\"")));
        }
    };
    Ok(action
        .into_iter()
        .chain(grant.then_some(Action::Grant))
        .collect())
}
