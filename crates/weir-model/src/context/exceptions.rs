//! `exceptions`: how templates give up and warn.

use std::sync::Weak;

use weir_jinja::{Args, Call, Error, ErrorKind, Function, Object, Result, Value};

use super::Context;
use crate::convert::to_json;
use crate::error::{ModelError, ModelErrorKind};

/// Wraps what a template raised, so that it can be told from mistakes in templates.
pub(crate) fn node_error(kind: ModelErrorKind, message: impl Into<String>) -> Error {
    Error::from_source(ModelError::new(kind, message))
}

pub(super) fn exceptions(context: Weak<Context>) -> Value {
    Value::object(Exceptions(context))
}

#[derive(Debug)]
struct Exceptions(Weak<Context>);

/// Functions that raise their first argument.
const RAISING: &[&str] = &[
    "raise_compiler_error",
    "raise_database_error",
    "raise_parsing_error",
    "raise_fail_fast_error",
    "raise_not_implemented",
    "raise_dep_not_found",
    "raise_duplicate_resource_name",
    "raise_invalid_property_yml_version",
    "missing_config",
    "missing_materialization",
    "missing_relation",
    "raise_ambiguous_alias",
    "raise_ambiguous_catalog_match",
    "raise_cache_inconsistent",
    "raise_dataclass_not_dict",
    "doc_invalid_args",
    "doc_target_not_found",
    "ref_invalid_args",
    "ref_bad_context",
    "macro_invalid_dispatch_arg",
    "invalid_type_error",
    "invalid_bool_error",
    "disallow_secret_env_var",
];

impl Object for Exceptions {
    fn type_name(&self) -> &str {
        "exceptions"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        // Projects ask whether a function is there before they call it.
        let known = RAISING.contains(&name)
            || [
                "warn",
                "column_type_missing",
                "raise_contract_error",
                "relation_wrong_type",
                "warn_snapshot_timestamp_data_types",
                "raise_no_pk",
            ]
            .contains(&name);
        if !known {
            return Ok(None);
        }
        let (context, method) = (Weak::clone(&self.0), name.to_owned());
        Ok(Some(Function::value(name, move |call: &mut Call<'_>| {
            let called = Exceptions(Weak::clone(&context)).method(&method, call)?;
            Ok(called.unwrap_or(Value::None))
        })))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if RAISING.contains(&name) {
            let message = call.rest().first().map(Value::to_str).or_else(|| {
                call.kwargs
                    .iter()
                    .find(|(key, _)| matches!(&**key, "msg" | "message"))
                    .map(|(_, value)| value.to_str())
            });
            let message = message.unwrap_or_else(|| name.into());
            let kind = if name == "raise_database_error" {
                ModelErrorKind::Warehouse
            } else {
                ModelErrorKind::Template
            };
            let error = ModelError::new(kind, message.to_string());
            return Err(Error::from_source(if name == "raise_fail_fast_error" {
                error.hint("the run stops here")
            } else {
                error
            }));
        }
        match name {
            "warn" => {
                let message = call.required("msg")?.to_str();
                if let Some(context) = self.0.upgrade() {
                    if context.shared().flags.warn_error {
                        return Err(node_error(ModelErrorKind::Template, message.to_string()));
                    }
                    context.shared().log.warning(&message);
                }
                Ok(Some(Value::str("")))
            }
            "warn_snapshot_timestamp_data_types" => {
                let now = call.required("snapshot_time_data_type")?.to_str();
                let updated = call.required("updated_at_data_type")?.to_str();
                if let Some(context) = self.0.upgrade() {
                    context.shared().log.warning(&format!(
                        "the snapshot's updated_at is of type {updated}, and the clock of the warehouse of type {now}: ends of rows may be off"
                    ));
                }
                Ok(Some(Value::str("")))
            }
            "column_type_missing" => {
                let names = call.required("column_names")?.to_str();
                Err(node_error(
                    ModelErrorKind::Properties,
                    format!(
                        "Contracted models require data_type to be defined for each column. Please ensure that the column name and data_type are defined within the YAML configuration for the {names} column(s)."
                    ),
                ))
            }
            "relation_wrong_type" => {
                let relation = call.required("relation")?.to_str();
                let wanted = call.required("expected_type")?.to_str();
                Err(Error::from_source(
                    ModelError::new(ModelErrorKind::Warehouse, format!("Trying to create {wanted} {relation}, but it already exists as something else"))
                        .hint("drop it, or run with --full-refresh"),
                ))
            }
            "raise_contract_error" => {
                let promised = call.required("yaml_columns")?;
                let found = call.required("sql_columns")?;
                Err(contract_error(&promised, &found))
            }
            _ => Ok(None),
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Says which columns differ from what was promised, as a table.
fn contract_error(promised: &Value, found: &Value) -> Error {
    let promised = columns_of(promised);
    let found = columns_of(found);
    if promised.is_empty() && found.is_empty() {
        return Error::from_source(
            ModelError::new(ModelErrorKind::Properties, "This model has an enforced contract, and its 'columns' specification is missing")
                .hint("list its columns with name and data_type in a properties file, or switch the contract off"),
        );
    }
    let mut rows = Vec::new();
    for (name, kind) in &found {
        match promised.iter().find(|(promised, _)| promised == name) {
            None => rows.push((
                name.clone(),
                kind.clone(),
                String::new(),
                "missing in contract",
            )),
            Some((_, wanted)) if wanted != kind => {
                rows.push((
                    name.clone(),
                    kind.clone(),
                    wanted.clone(),
                    "data type mismatch",
                ));
            }
            Some(_) => {}
        }
    }
    for (name, kind) in &promised {
        if !found.iter().any(|(found, _)| found == name) {
            rows.push((
                name.clone(),
                String::new(),
                kind.clone(),
                "missing in definition",
            ));
        }
    }
    rows.sort();
    let mut message = String::from(
        "This model has an enforced contract that failed.\nPlease ensure the name, data_type, and number of columns in your contract match the columns in your model's definition.\n\n| column_name | definition_type | contract_type | mismatch_reason |\n| ----------- | --------------- | ------------- | --------------- |",
    );
    for (name, definition, contract, reason) in rows {
        message.push_str(&format!(
            "\n| {name} | {definition} | {contract} | {reason} |"
        ));
    }
    node_error(ModelErrorKind::Properties, message)
}

fn columns_of(value: &Value) -> Vec<(String, String)> {
    let json = to_json(value);
    let items = json.as_array().cloned().unwrap_or_default();
    let text = |item: &serde_json::Value, key: &str| {
        item.get(key)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    items
        .iter()
        .map(|item| (text(item, "name"), text(item, "data_type")))
        .collect()
}

/// `try_or_compiler_error(message, function, ...)`: calls, and says `message` instead of what fails.
pub(super) fn try_or_compiler_error() -> Value {
    Function::value("try_or_compiler_error", |call: &mut Call<'_>| {
        let message = call.required("message_if_exception")?.to_str();
        let function = call.required("func")?;
        let args: Args = call.take_all();
        let names = call.names;
        match call.interpreter.call(&function, args, names) {
            Err(error) if error.kind() != ErrorKind::Limit && !error.is_return() => {
                Err(Error::from_source(
                    ModelError::new(ModelErrorKind::Template, message.to_string())
                        .hint(error.message().to_owned()),
                ))
            }
            done => done,
        }
    })
}

pub(super) fn no_python() -> Value {
    Function::value("submit_python_job", |_| {
        Err(Error::from_source(
            ModelError::new(ModelErrorKind::Template, "Python models cannot be run")
                .hint("write the model in SQL, or switch it off with `enabled: false`"),
        ))
    })
}
