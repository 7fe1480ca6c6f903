//! What stands beside `adapter`: `api`, indexes, constraints and behaviour flags.

use std::sync::Arc;

use weir_jinja::{Call, Error, Object, Result, Value};

use super::column::ColumnClass;
use super::{Clock, Relation, Shared};
use crate::convert::to_json;
use crate::error::{ModelError, ModelErrorKind};
use crate::warehouse::Dialect;

/// `api`, with `api.Relation` and `api.Column`.
pub(super) fn api(shared: &Arc<Shared>) -> Value {
    Value::dict([
        ("Relation", relation_class(shared)),
        ("Column", column_class(shared)),
    ])
}

pub(super) fn relation_class(shared: &Arc<Shared>) -> Value {
    Value::object(RelationClass(Arc::clone(shared)))
}

pub(super) fn column_class(shared: &Arc<Shared>) -> Value {
    Value::object(ColumnClass {
        quote: shared.dialect.quote,
    })
}

/// `validation.any[...]`: whether a configuration has one of some types. Types are not checked.
pub(super) fn validation() -> Value {
    #[derive(Debug)]
    struct Any;
    impl Object for Any {
        fn type_name(&self) -> &str {
            "any"
        }
        fn item(&self, _: &Value) -> Result<Option<Value>> {
            Ok(Some(super::builtins::nothing("any")))
        }
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }
    Value::dict([("any", Value::object(Any))])
}

/// `api.Relation`.
#[derive(Debug)]
struct RelationClass(Arc<Shared>);

impl Object for RelationClass {
    fn type_name(&self) -> &str {
        "type"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(Value::str(match name {
            "Table" => "table",
            "View" => "view",
            "CTE" => "cte",
            "External" => "external",
            "MaterializedView" => "materialized_view",
            _ => return Ok(None),
        })))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "create" => {
                let mut part = |name: &str| -> Result<Option<String>> {
                    let value = call.optional(name)?;
                    Ok(value
                        .filter(|value| !value.is_none() && !value.is_undefined())
                        .map(|value| value.to_str().to_string()))
                };
                let (database, schema, identifier, kind) = (
                    part("database")?,
                    part("schema")?,
                    part("identifier")?,
                    part("type")?,
                );
                let mut relation = Relation::new(&self.0.dialect, database, schema, identifier);
                if let Some(kind) = kind {
                    relation = relation.of_kind(&kind);
                }
                if let Some(Value::Dict(policy)) = call.named("quote_policy") {
                    let flag = |name| policy.get_str(name).map(|value| value.is_true());
                    relation.path.quote = relation.path.quote.with(
                        flag("database"),
                        flag("schema"),
                        flag("identifier"),
                    );
                }
                relation.value()
            }
            "create_from" => call.required("relation_config")?,
            "scd_args" => {
                let key = call.required("primary_key")?;
                let updated = call.required("updated_at")?;
                let mut args = match &key {
                    Value::List(list) => list.items(),
                    Value::Tuple(tuple) => tuple.to_vec(),
                    one => vec![one.clone()],
                };
                args.push(updated);
                Value::list(args)
            }
            "add_ephemeral_prefix" => {
                let name = call.required("name")?.to_str();
                Value::str(format!("__dbt__cte__{name}"))
            }
            _ => return Ok(None),
        }))
    }

    fn methods(&self) -> &[&str] {
        &["create", "scd_args", "add_ephemeral_prefix"]
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `adapter.behavior`: flags by name, each with `no_warn`.
#[derive(Debug)]
pub(super) struct Behaviour(pub(super) Arc<Shared>);

impl Object for Behaviour {
    fn type_name(&self) -> &str {
        "Behavior"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        #[derive(Debug)]
        struct Flag(bool);
        impl Object for Flag {
            fn attr(&self, name: &str) -> Result<Option<Value>> {
                Ok(matches!(name, "no_warn" | "setting").then_some(Value::Bool(self.0)))
            }
            fn is_true(&self) -> bool {
                self.0
            }
            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
        }
        Ok(Some(Value::object(Flag(self.0.behaviour(name)))))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Checks the description of an index and makes an object of it.
pub(super) fn index_value(raw: &Value, clock: &Arc<dyn Clock>) -> Result<Value> {
    let wrong = |what: &str| {
        Error::from_source(
            ModelError::new(
                ModelErrorKind::Properties,
                format!("Could not parse index: {what}"),
            )
            .hint("write it as {'columns': ['a', 'b'], 'unique': true, 'type': 'btree'}"),
        )
    };
    let json = to_json(raw);
    let serde_json::Value::Object(map) = &json else {
        return Err(wrong("it is no mapping"));
    };
    if let Some(key) = map
        .keys()
        .find(|key| !matches!(key.as_str(), "columns" | "unique" | "type"))
    {
        return Err(wrong(&format!("`{key}` means nothing")));
    }
    let columns: Vec<String> = match map.get("columns") {
        Some(serde_json::Value::Array(items)) => items.iter().map(crate::python::str_of).collect(),
        _ => return Err(wrong("it has no list of columns")),
    };
    Ok(Value::object(Index {
        columns,
        unique: map
            .get("unique")
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false),
        kind: map
            .get("type")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
        moment: clock
            .now()
            .naive_utc()
            .format("%Y-%m-%dT%H:%M:%S%.6f")
            .to_string(),
    }))
}

#[derive(Debug)]
struct Index {
    columns: Vec<String>,
    unique: bool,
    kind: Option<String>,
    moment: String,
}

impl Object for Index {
    fn type_name(&self) -> &str {
        "Index"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "columns" => Value::list(self.columns.iter().map(String::as_str)),
            "unique" => Value::Bool(self.unique),
            "type" => self.kind.as_deref().map_or(Value::None, Value::str),
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if name != "render" {
            return Ok(None);
        }
        let relation = call.required("relation")?;
        let relation = relation
            .as_object::<Relation>()
            .map(Relation::render)
            .unwrap_or_default();
        // The moment keeps the name from being that of the index on the table this one replaces.
        let text = format!(
            "{}_{relation}_{}_{}_{}",
            self.columns.join("_"),
            if self.unique { "True" } else { "False" },
            self.kind.as_deref().unwrap_or("None"),
            self.moment
        );
        Ok(Some(Value::str(crate::hash::md5_hex(text.as_bytes()))))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What becomes of rows that a snapshot's query no longer has.
pub(super) fn hard_deletes(call: &mut Call<'_>, config: &Value) -> Result<Value> {
    let mut get = |key: &str| -> Result<Option<Value>> {
        let names = call.names;
        let args = weir_jinja::Args::from(vec![Value::str(key)]);
        let value = call.interpreter.call_method(config, "get", args, names)?;
        Ok(Some(value).filter(|value| !value.is_none() && !value.is_undefined()))
    };
    let older = get("invalidate_hard_deletes")?;
    let chosen = get("hard_deletes")?;
    let behaviour = match (&older, &chosen) {
        (Some(_), Some(_)) => {
            return Err(Error::custom("You cannot set both the invalidate_hard_deletes and hard_deletes config properties on the same snapshot.")
                .with_hint("remove invalidate_hard_deletes"));
        }
        (Some(flag), None) => {
            if flag.is_true() {
                "invalidate"
            } else {
                "ignore"
            }
        }
        (None, None) => "ignore",
        (None, Some(chosen)) => match chosen.as_str() {
            Some("ignore") => "ignore",
            Some("invalidate") => "invalidate",
            Some("new_record") => "new_record",
            _ => {
                return Err(Error::custom("Invalid setting for property hard_deletes.")
                    .with_hint("take ignore, invalidate or new_record"));
            }
        },
    };
    Ok(Value::str(behaviour))
}

/// Writes constraints of columns or of a model as SQL.
pub(super) fn constraint_texts(
    method: &str,
    call: &mut Call<'_>,
    dialect: &Dialect,
) -> Result<Value> {
    if method == "render_raw_columns_constraints" {
        let columns = to_json(&call.required("raw_columns")?);
        let columns = columns.as_object().cloned().unwrap_or_default();
        return Ok(Value::list(
            columns
                .values()
                .map(|column| Value::str(column_text(column, dialect))),
        ));
    }
    let constraints = to_json(&call.required("raw_constraints")?);
    let constraints = constraints.as_array().cloned().unwrap_or_default();
    Ok(Value::list(
        constraints
            .iter()
            .filter_map(model_constraint)
            .map(Value::str),
    ))
}

fn text<'j>(json: &'j serde_json::Value, key: &str) -> Option<&'j str> {
    json.get(key)
        .and_then(serde_json::Value::as_str)
        .filter(|text| !text.is_empty())
}

fn column_text(column: &serde_json::Value, dialect: &Dialect) -> String {
    let name = text(column, "name").unwrap_or_default();
    let quoted = column
        .get("quote")
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(false);
    let name = if quoted {
        dialect.quote(name)
    } else {
        name.to_owned()
    };
    let mut out = format!("{name} {}", text(column, "data_type").unwrap_or_default());
    let constraints = column
        .get("constraints")
        .and_then(serde_json::Value::as_array);
    for constraint in constraints
        .into_iter()
        .flatten()
        .filter_map(column_constraint)
    {
        out.push(' ');
        out.push_str(&constraint);
    }
    out
}

fn references(constraint: &serde_json::Value) -> Option<String> {
    let columns: Vec<&str> = constraint
        .get("to_columns")
        .and_then(serde_json::Value::as_array)
        .map(|columns| {
            columns
                .iter()
                .filter_map(serde_json::Value::as_str)
                .collect()
        })
        .unwrap_or_default();
    match (text(constraint, "to"), columns.is_empty()) {
        (Some(to), false) => Some(format!("references {to} ({})", columns.join(", "))),
        _ => text(constraint, "expression").map(|expression| format!("references {expression}")),
    }
}

fn column_constraint(constraint: &serde_json::Value) -> Option<String> {
    let expression = text(constraint, "expression").unwrap_or_default();
    let written = match text(constraint, "type")? {
        "check" if !expression.is_empty() => format!("check ({expression})"),
        "not_null" => format!("not null {expression}"),
        "unique" => format!("unique {expression}"),
        "primary_key" => format!("primary key {expression}"),
        "foreign_key" => references(constraint)?,
        "custom" if !expression.is_empty() => expression.to_owned(),
        _ => return None,
    };
    Some(written.trim().to_owned())
}

fn model_constraint(constraint: &serde_json::Value) -> Option<String> {
    let prefix = text(constraint, "name")
        .map(|name| format!("constraint {name} "))
        .unwrap_or_default();
    let columns: Vec<&str> = constraint
        .get("columns")
        .and_then(serde_json::Value::as_array)
        .map(|columns| {
            columns
                .iter()
                .filter_map(serde_json::Value::as_str)
                .collect()
        })
        .unwrap_or_default();
    let columns = columns.join(", ");
    let expression = text(constraint, "expression").unwrap_or_default();
    let spaced = if expression.is_empty() {
        String::new()
    } else {
        format!(" {expression}")
    };
    Some(match text(constraint, "type")? {
        "check" if !expression.is_empty() => format!("{prefix}check ({expression})"),
        "unique" => format!("{prefix}unique{spaced} ({columns})"),
        "primary_key" => format!("{prefix}primary key{spaced} ({columns})"),
        "foreign_key" => format!(
            "{prefix}foreign key ({columns}) {}",
            references(constraint)?
        ),
        "custom" if !expression.is_empty() => format!("{prefix}{expression}"),
        _ => return None,
    })
}

/// Names a type as coarsely as contracts compare them.
///
/// dbt compares what its driver calls types, so texts of any length are the same, and all moments with
/// a zone; projects rely on it.
pub(super) fn contract_type(dialect: &Dialect, written: &str) -> String {
    let bare = written.split('(').next().unwrap_or(written).trim();
    if dialect.adapter != "postgres" {
        return bare.to_owned();
    }
    match bare {
        "text" | "character varying" | "character" | "name" | "\"char\"" => "TEXT",
        "smallint" | "integer" => "INTEGER",
        "bigint" => "LONGINTEGER",
        "real" | "double precision" => "FLOAT",
        "numeric" => "DECIMAL",
        "boolean" => "BOOLEAN",
        "timestamp without time zone" => "DATETIME",
        "timestamp with time zone" => "DATETIMETZ",
        "time without time zone" | "time with time zone" => "TIME",
        "date" => "DATE",
        "interval" => "INTERVAL",
        "bytea" => "BINARY",
        "json" => "JSON",
        "jsonb" => "JSONB",
        "text[]" | "character varying[]" => "STRINGARRAY",
        "integer[]" | "smallint[]" => "INTEGERARRAY",
        "bigint[]" => "LONGINTEGERARRAY",
        "boolean[]" => "BOOLEANARRAY",
        other => other,
    }
    .to_owned()
}
