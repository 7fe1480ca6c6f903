//! What things are called, how large they are, and what they are made of.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use weir_core::quote_ident;
use weir_lake::TableView;

use super::row::{RowFunction, oid, str, text};
use super::{oids, rights, types};
use crate::catalog::Scope;
use crate::error::{QueryError, QueryErrorKind};

/// Names by number, made when first asked for.
#[derive(Default)]
struct Numbers {
    tables: HashMap<u32, (String, String)>,
    schemas: HashMap<u32, String>,
    /// Tables that can be named without their schema.
    visible: HashSet<u32>,
}

pub(super) struct Names {
    pub(super) scope: Scope,
    numbers: OnceLock<Numbers>,
}

impl Names {
    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| {
            let mut numbers = Numbers::default();
            for schema in self.scope.schemas() {
                for name in self.scope.names(&schema).into_keys() {
                    let oid = oids::table(&schema, &name);
                    numbers.tables.insert(oid, (schema.clone(), name));
                }
                numbers.schemas.insert(oids::schema(&schema), schema);
            }
            let mut seen = HashSet::new();
            for schema in self.scope.path() {
                for name in self.scope.names(&schema).into_keys() {
                    let oid = oids::table(&schema, &name);
                    if seen.insert(name) {
                        numbers.visible.insert(oid);
                    }
                }
            }
            numbers
        })
    }

    /// Finds a table by its number, or by its name as `regclass` reads it.
    pub(super) fn table(&self, value: &ScalarValue) -> Option<(String, String)> {
        if let Some(number) = oid(value) {
            return self.numbers().tables.get(&number).cloned();
        }
        let parts = split(str(value)?);
        match parts.as_slice() {
            [name] => Some((self.scope.on_path(name)?, name.clone())),
            [.., schema, name] => {
                let known = self.scope.lake_table(schema, name).is_some()
                    || self.scope.names(schema).contains_key(name);
                known.then(|| (schema.clone(), name.clone()))
            }
            [] => None,
        }
    }

    /// Finds a schema by its number or its name.
    pub(super) fn schema(&self, value: &ScalarValue) -> Option<String> {
        if let Some(number) = oid(value) {
            return self.numbers().schemas.get(&number).cloned();
        }
        let name = str(value)?;
        self.scope.schemas().contains(name).then(|| name.to_owned())
    }

    /// Returns what is said about a table, or about one of its columns, which count from 1.
    fn comment(&self, table: &ScalarValue, column: Option<i64>) -> Option<String> {
        let (schema, name) = self.table(table)?;
        if let Some(view) = self.scope.view(&schema, &name) {
            // Which column has a number is known once the view is planned: see `said`.
            return view.comments.view.filter(|_| column.is_none());
        }
        let table = self.scope.lake_table(&schema, &name)?;
        match column {
            None => table.comment.as_deref().map(String::from),
            Some(column) => {
                let at = usize::try_from(column.checked_sub(1)?).ok()?;
                let field = table.schema.fields().get(at)?;
                field.metadata().get("comment").cloned()
            }
        }
    }

    fn shown(&self, number: u32) -> Option<String> {
        let (schema, name) = self.numbers().tables.get(&number)?;
        Some(if self.numbers().visible.contains(&number) {
            quote_ident(name).into_owned()
        } else {
            format!("{}.{}", quote_ident(schema), quote_ident(name))
        })
    }

    fn bytes(&self, value: &ScalarValue) -> Option<i64> {
        let (schema, name) = self.table(value)?;
        self.scope.lake_table(&schema, &name).map(size)
    }
}

fn size(table: &Arc<TableView>) -> i64 {
    let bytes: u64 = table.files.iter().map(|file| file.size).sum();
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Splits a name with dots and quotes into its parts, in lower case where not quoted.
fn split(name: &str) -> Vec<String> {
    let (mut parts, mut part, mut inside) = (Vec::new(), String::new(), false);
    let mut chars = name.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => inside = !inside,
            '.' if !inside => parts.push(std::mem::take(&mut part)),
            c if inside => part.push(c),
            c => part.extend(c.to_lowercase()),
        }
    }
    parts.push(part);
    parts
}

fn nothing(name: &'static str) -> RowFunction {
    RowFunction::new(name, DataType::Utf8, |_| Ok(ScalarValue::Utf8(None)))
}

fn always(name: &'static str, value: bool) -> RowFunction {
    RowFunction::new(name, DataType::Boolean, move |_| {
        Ok(ScalarValue::Boolean(Some(value)))
    })
}

/// Returns how SQL spells the type with that number.
fn type_text(args: &[ScalarValue]) -> ScalarValue {
    let Some(number) = args.first().and_then(oid) else {
        return ScalarValue::Utf8(None);
    };
    let Some(kind) = types::by_oid(number) else {
        return text("???");
    };
    let modifier = args
        .get(1)
        .and_then(|value| value.cast_to(&DataType::Int64).ok());
    match modifier {
        Some(ScalarValue::Int64(Some(modifier))) if kind.name == "numeric" && modifier >= 4 => {
            let modifier = modifier - 4;
            text(format!(
                "numeric({},{})",
                (modifier >> 16) & 0xffff,
                modifier & 0x7ff
            ))
        }
        Some(ScalarValue::Int64(Some(modifier)))
            if matches!(kind.name, "varchar" | "bpchar") && modifier >= 4 =>
        {
            text(format!("{}({})", kind.sql, modifier - 4))
        }
        _ => text(kind.sql),
    }
}

fn pretty(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value.abs() >= 10_240.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.0} {}", units[unit])
}

pub(super) fn all(scope: &Scope) -> Vec<RowFunction> {
    let names = Arc::new(Names {
        scope: scope.clone(),
        numbers: OnceLock::new(),
    });
    let mut all = lookups(&names);
    all.extend(rights::all(&names));
    all.extend(comments(&names));
    all.extend(sizes(&names));
    all.extend(
        [
            "pg_get_expr",
            "pg_get_indexdef",
            "pg_get_constraintdef",
            "pg_get_ruledef",
            "pg_get_triggerdef",
            "pg_get_partkeydef",
            "pg_get_function_result",
            "pg_get_function_arguments",
            "pg_get_function_identity_arguments",
            "pg_get_functiondef",
            "pg_get_statisticsobjdef",
            "pg_get_statisticsobjdef_columns",
            "pg_get_serial_sequence",
            "shobj_description",
            "pg_tablespace_location",
            "pg_advisory_unlock_all",
            "pg_conf_load_time",
            "inet_server_addr",
            "inet_client_addr",
        ]
        .map(nothing),
    );
    all.extend(
        [
            "pg_is_in_recovery",
            "pg_is_other_temp_schema",
            "pg_relation_is_publishable",
        ]
        .map(|name| always(name, false)),
    );
    all.extend(
        [
            "pg_type_is_visible",
            "pg_function_is_visible",
            "pg_operator_is_visible",
            "pg_opclass_is_visible",
            "pg_collation_is_visible",
            "pg_statistics_obj_is_visible",
            "pg_ts_config_is_visible",
            "pg_ts_parser_is_visible",
            "pg_conversion_is_visible",
            // There is nothing of these kinds to have rights on.
            "has_function_privilege",
            "has_sequence_privilege",
            "has_type_privilege",
            "pg_has_role",
            "has_tablespace_privilege",
            "has_foreign_data_wrapper_privilege",
            "has_language_privilege",
            "has_server_privilege",
        ]
        .map(|name| always(name, true)),
    );
    all.push(RowFunction::new(
        "pg_my_temp_schema",
        DataType::UInt32,
        |_| Ok(ScalarValue::UInt32(Some(0))),
    ));
    all.push(RowFunction::new(
        "getdatabaseencoding",
        DataType::Utf8,
        |_| Ok(text("UTF8")),
    ));
    // 6 is UTF8's number.
    all.push(RowFunction::new(
        "pg_char_to_encoding",
        DataType::Int32,
        |_| Ok(ScalarValue::Int32(Some(6))),
    ));
    all.push(RowFunction::new(
        "pg_encoding_to_char",
        DataType::Utf8,
        |_| Ok(text("UTF8")),
    ));
    all.push(RowFunction::new("format_type", DataType::Utf8, |args| {
        Ok(type_text(args))
    }));
    all.push(RowFunction::new("quote_ident", DataType::Utf8, |args| {
        Ok(ScalarValue::Utf8(
            args.first()
                .and_then(str)
                .map(|name| quote_ident(name).into_owned()),
        ))
    }));
    all.push(RowFunction::new("quote_literal", DataType::Utf8, |args| {
        let value = args
            .first()
            .and_then(|value| value.cast_to(&DataType::Utf8).ok());
        let value = value.as_ref().and_then(str);
        Ok(ScalarValue::Utf8(
            value.map(|value| format!("'{}'", value.replace('\'', "''"))),
        ))
    }));
    all
}

fn comments(names: &Arc<Names>) -> [RowFunction; 2] {
    let inside = names.clone();
    let table = RowFunction::new("obj_description", DataType::Utf8, move |args| {
        let about_tables = args
            .get(1)
            .is_none_or(|catalog| str(catalog) == Some("pg_class"));
        let found = args.first().filter(|_| about_tables);
        let comment = found.and_then(|table| inside.comment(table, None));
        Ok(ScalarValue::Utf8(comment))
    });
    let inside = names.clone();
    let column = RowFunction::new("col_description", DataType::Utf8, move |args| {
        let number = args
            .get(1)
            .and_then(|value| value.cast_to(&DataType::Int64).ok());
        let comment = match (args.first(), number) {
            (Some(table), Some(ScalarValue::Int64(Some(number)))) => {
                inside.comment(table, Some(number))
            }
            _ => None,
        };
        Ok(ScalarValue::Utf8(comment))
    });
    [table, column]
}

fn lookups(names: &Arc<Names>) -> Vec<RowFunction> {
    let mut all = Vec::new();
    let inside = names.clone();
    all.push(RowFunction::new(
        "pg_table_is_visible",
        DataType::Boolean,
        move |args| {
            let number = args.first().and_then(oid);
            Ok(ScalarValue::Boolean(
                number.map(|n| inside.numbers().visible.contains(&n)),
            ))
        },
    ));
    let inside = names.clone();
    all.push(RowFunction::new(
        "pg_get_userbyid",
        DataType::Utf8,
        move |args| {
            let user = inside.scope.pinned.asker.caller.name().to_owned();
            Ok(ScalarValue::Utf8(args.first().and_then(oid).map(|_| user)))
        },
    ));
    let inside = names.clone();
    all.push(RowFunction::new(
        "pg_get_viewdef",
        DataType::Utf8,
        move |args| {
            let found = args.first().and_then(|value| inside.table(value));
            let sql = found.and_then(|(schema, name)| inside.scope.definition(&schema, &name));
            Ok(ScalarValue::Utf8(sql))
        },
    ));
    // Casts to and from the `reg*` types are rewritten to these.
    let inside = names.clone();
    all.push(RowFunction::new(
        "to_regclass",
        DataType::UInt32,
        move |args| {
            let found = args.first().and_then(|value| inside.table(value));
            Ok(ScalarValue::UInt32(
                found.map(|(schema, name)| oids::table(&schema, &name)),
            ))
        },
    ));
    let inside = names.clone();
    all.push(RowFunction::new(
        "weir_regclass",
        DataType::UInt32,
        move |args| {
            let Some(value) = args.first().filter(|value| !value.is_null()) else {
                return Ok(ScalarValue::UInt32(None));
            };
            if let Some(number) = oid(value) {
                return Ok(ScalarValue::UInt32(Some(number)));
            }
            match inside.table(value) {
                Some((schema, name)) => Ok(ScalarValue::UInt32(Some(oids::table(&schema, &name)))),
                None => Err(QueryError::new(
                    QueryErrorKind::UndefinedTable,
                    format!(
                        "relation \"{}\" does not exist",
                        str(value).unwrap_or_default()
                    ),
                )),
            }
        },
    ));
    all.push(RowFunction::new("weir_regproc", DataType::UInt32, |args| {
        let name = args.first().and_then(str).unwrap_or_default();
        Err(QueryError::new(
            QueryErrorKind::UndefinedFunction,
            format!("there is no definition of a function \"{name}\""),
        )
        .hint("functions are built in: docs/sql.md lists them"))
    }));
    let inside = names.clone();
    all.push(RowFunction::new(
        "weir_regclass_name",
        DataType::Utf8,
        move |args| {
            let Some(value) = args.first().filter(|value| !value.is_null()) else {
                return Ok(ScalarValue::Utf8(None));
            };
            Ok(match oid(value) {
                Some(0) => text("-"),
                Some(number) => text(inside.shown(number).unwrap_or_else(|| number.to_string())),
                None => ScalarValue::Utf8(str(value).map(str::to_owned)),
            })
        },
    ));
    let inside = names.clone();
    all.push(RowFunction::new(
        "weir_regnamespace",
        DataType::UInt32,
        move |args| {
            let value = args.first();
            let number = value.and_then(oid).or_else(|| {
                let name = split(value.and_then(str)?).pop()?;
                inside
                    .scope
                    .schemas()
                    .contains(&name)
                    .then(|| oids::schema(&name))
            });
            Ok(ScalarValue::UInt32(number))
        },
    ));
    let inside = names.clone();
    all.push(RowFunction::new(
        "weir_regnamespace_name",
        DataType::Utf8,
        move |args| {
            let number = args.first().and_then(oid);
            let name = number.and_then(|n| inside.numbers().schemas.get(&n).cloned());
            Ok(ScalarValue::Utf8(name))
        },
    ));
    for name in ["weir_regtype", "to_regtype"] {
        all.push(RowFunction::new(name, DataType::UInt32, move |args| {
            let Some(value) = args.first().filter(|value| !value.is_null()) else {
                return Ok(ScalarValue::UInt32(None));
            };
            let last = || split(str(value)?).pop();
            let number = oid(value).or_else(|| types::by_name(&last()?).map(|kind| kind.oid));
            match number {
                None if name == "weir_regtype" => Err(QueryError::new(
                    QueryErrorKind::Invalid,
                    format!("type \"{}\" does not exist", str(value).unwrap_or_default()),
                )),
                number => Ok(ScalarValue::UInt32(number)),
            }
        }));
    }
    all.push(RowFunction::new(
        "weir_regtype_name",
        DataType::Utf8,
        |args| Ok(type_text(&args[..args.len().min(1)])),
    ));
    all
}

fn sizes(names: &Arc<Names>) -> Vec<RowFunction> {
    let mut all = Vec::new();
    for name in [
        "pg_relation_size",
        "pg_total_relation_size",
        "pg_table_size",
    ] {
        let inside = names.clone();
        all.push(RowFunction::new(name, DataType::Int64, move |args| {
            let bytes = args.first().map(|value| inside.bytes(value).unwrap_or(0));
            Ok(ScalarValue::Int64(bytes))
        }));
    }
    all.push(RowFunction::new("pg_indexes_size", DataType::Int64, |_| {
        Ok(ScalarValue::Int64(Some(0)))
    }));
    let inside = names.clone();
    all.push(RowFunction::new(
        "pg_database_size",
        DataType::Int64,
        move |_| {
            let numbers = inside.numbers();
            let tables = numbers.tables.values();
            let bytes = tables
                .filter_map(|(schema, name)| inside.scope.lake_table(schema, name))
                .map(size);
            Ok(ScalarValue::Int64(Some(bytes.sum())))
        },
    ));
    all.push(RowFunction::new("pg_size_pretty", DataType::Utf8, |args| {
        let bytes = args
            .first()
            .and_then(|value| value.cast_to(&DataType::Int64).ok());
        Ok(match bytes {
            Some(ScalarValue::Int64(Some(bytes))) => text(pretty(bytes)),
            _ => ScalarValue::Utf8(None),
        })
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_as_postgres_splits_them() {
        assert_eq!(split("Shop.Orders"), ["shop", "orders"]);
        assert_eq!(split("shop.\"Or\"\"d.ers\""), ["shop", "Or\"d.ers"]);
    }

    #[test]
    fn sizes_read_like_postgres_sizes() {
        assert_eq!(pretty(0), "0 bytes");
        assert_eq!(pretty(10_239), "10239 bytes");
        assert_eq!(pretty(20_480), "20 kB");
    }
}
