//! Functions about the server and its catalogs, as clients of PostgreSQL call them.

mod about;
mod rights;
mod row;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use self::row::{RowFunction, text};
use super::{SERVER_VERSION, current_schema, oids, setting, types};
use crate::catalog::Scope;
use crate::error::{QueryError, QueryErrorKind};
use crate::session::CATALOG;

/// The functions as one statement calls them: they know who asks, and what is there. Most statements
/// call none, so they are made when the first is called.
pub(crate) struct Asked {
    scope: Scope,
    made: OnceLock<HashMap<&'static str, Arc<ScalarUDF>>>,
}

/// Their names, which are the same for all statements.
static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();

impl Asked {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            made: OnceLock::new(),
        }
    }

    /// Returns the function `name`; it goes before others of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let names = NAMES.get_or_init(|| self.made().keys().copied().collect());
        names
            .get(name)
            .and_then(|name| self.made().get(name))
            .cloned()
    }

    /// Returns the names of all of them.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.made().keys().map(|name| (*name).to_owned())
    }

    fn made(&self) -> &HashMap<&'static str, Arc<ScalarUDF>> {
        self.made.get_or_init(|| {
            let all = session(&self.scope).into_iter();
            let all = all.chain(about::all(&self.scope));
            all.map(|function| (function.name, Arc::new(ScalarUDF::from(function))))
                .collect()
        })
    }
}

fn constant(name: &'static str, value: &str) -> RowFunction {
    let value = value.to_owned();
    RowFunction::new(name, DataType::Utf8, move |_| Ok(text(value.clone())))
}

/// Who and where one is, and what is set.
fn session(scope: &Scope) -> Vec<RowFunction> {
    let user = scope.pinned.asker.caller.name();
    let version = format!(
        "PostgreSQL {SERVER_VERSION} (Weir {})",
        env!("CARGO_PKG_VERSION")
    );
    let mut all: Vec<RowFunction> = ["current_user", "session_user", "user", "current_role"]
        .into_iter()
        .map(|name| constant(name, user))
        .collect();
    all.extend(["current_database", "current_catalog"].map(|name| constant(name, CATALOG)));
    all.push(constant("version", &version));
    let names = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let inside = scope.clone();
    all.push(RowFunction::new(
        "current_schema",
        DataType::Utf8,
        move |_| Ok(text(current_schema(&inside))),
    ));
    let inside = scope.clone();
    all.push(RowFunction::new("current_schemas", names, move |args| {
        let implicit = matches!(args.first(), Some(ScalarValue::Boolean(Some(true))));
        let exist = inside.schemas();
        let path = inside.path().into_iter().skip(usize::from(!implicit));
        let path: Vec<ScalarValue> = path.filter(|s| exist.contains(s)).map(text).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(
            &path,
            &DataType::Utf8,
        )))
    }));
    let inside = scope.clone();
    all.push(RowFunction::new(
        "current_setting",
        DataType::Utf8,
        move |args| {
            let Some(name) = args.first().and_then(row::str) else {
                return Ok(ScalarValue::Utf8(None));
            };
            match setting(&inside, name) {
                Some(value) => Ok(text(value)),
                None if matches!(args.get(1), Some(ScalarValue::Boolean(Some(true)))) => {
                    Ok(ScalarValue::Utf8(None))
                }
                None => Err(QueryError::new(
                    QueryErrorKind::Invalid,
                    format!("there is no setting `{name}`"),
                )
                .hint("SHOW ALL lists the settings")),
            }
        },
    ));
    let inside = scope.clone();
    all.push(RowFunction::new(
        "set_config",
        DataType::Utf8,
        move |args| {
            let (Some(name), value) = (
                args.first().and_then(row::str),
                args.get(1).and_then(row::str),
            ) else {
                return Ok(ScalarValue::Utf8(None));
            };
            let current = setting(&inside, name);
            // Inside a query nothing can be set; what would change no answer may be asked for.
            let harmless = ["jit", "extra_float_digits", "bytea_output"].contains(&name);
            if harmless || current.as_deref() == value {
                return Ok(ScalarValue::Utf8(value.map(str::to_owned)));
            }
            Err(QueryError::new(
                QueryErrorKind::Unsupported,
                format!("set_config cannot change `{name}`"),
            )
            .hint(format!("send SET {name} = ... as a statement of its own")))
        },
    ));
    let process = scope.pinned.asker.settings.process;
    all.push(RowFunction::new(
        "pg_backend_pid",
        DataType::Int32,
        move |_| Ok(ScalarValue::Int32(Some(process))),
    ));
    all
}
