//! How generic tests are written, and their arguments rendered.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value as Json;
use weir_jinja::{Interpreter, Names, Template, Value};

use super::generic::{TestJob, Tested, error};
use crate::convert::to_value;
use crate::error::ModelError;
use crate::node::JsonMap;
use crate::yaml::{Yaml, YamlValue};

/// Returns the test's name and arguments as written, in any of the forms they may have.
pub(super) fn written(job: &TestJob) -> Result<(String, JsonMap), ModelError> {
    let (name, mut args) = match &job.test.value {
        YamlValue::Text(name) => (name.clone(), JsonMap::new()),
        YamlValue::Map(map) => {
            if let Some(name) = map.get("test_name").and_then(Yaml::as_str) {
                let mut args = map.to_json();
                args.shift_remove("test_name");
                (name.to_owned(), args)
            } else {
                let mut entries = map.iter();
                let (Some(entry), None) = (entries.next(), entries.next()) else {
                    return Err(error(
                        job,
                        format!("a test has one name, but here are {}", map.len()),
                    )
                    .hint("indent the arguments below the test's name"));
                };
                match entry.value.to_json() {
                    Json::Object(args) => (entry.key.clone(), args),
                    Json::Null => (entry.key.clone(), JsonMap::new()),
                    _ => {
                        let message = format!(
                            "the arguments of `{}` should be a mapping, but are {}",
                            entry.key,
                            entry.value.what()
                        );
                        return Err(error(job, message)
                            .hint("write each as `name: value` below the test's name"));
                    }
                }
            }
        }
        _ => {
            return Err(error(
                job,
                format!(
                    "a test is a name or a mapping, but this is {}",
                    job.test.what()
                ),
            )
            .hint("write `- unique` or `- accepted_values:` with its arguments below"));
        }
    };
    if let Some(column) = &job.column {
        args.insert("column_name".to_owned(), column.as_str().into());
    }
    if let Some(Json::Object(arguments)) = args.shift_remove("arguments") {
        args.extend(arguments);
    }
    Ok((name, args))
}

pub(super) fn split(written: &str) -> Option<(Option<&str>, &str)> {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match written.split_once('.') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => {
            Some((Some(namespace), name))
        }
        None if is_name(written) => Some((None, written)),
        _ => None,
    }
}

/// The text by which the tested relation is passed to the macro.
pub(super) fn model_text(tested: &Tested) -> String {
    let relation = match tested {
        Tested::Node {
            name,
            version: Some(version),
        } => format!("ref('{name}', version='{version}')"),
        Tested::Node {
            name,
            version: None,
        } => format!("ref('{name}')"),
        Tested::Source { source, table } => format!("source('{source}', '{table}')"),
    };
    format!("{{{{ get_where_subquery({relation}) }}}}")
}

/// Renders a test's arguments: texts that are templates or look like a call of `ref` and its kind become
/// what they give, a column's name stays text.
pub(crate) fn render_arguments(
    interpreter: &mut Interpreter,
    names: &dyn Names,
    args: &JsonMap,
    shown: &Arc<str>,
) -> weir_jinja::Result<Value> {
    let mut entries = Vec::with_capacity(args.len());
    for (key, value) in args {
        let value = if key == "column_name" {
            to_value(value)
        } else {
            render_argument(interpreter, names, value, shown, 0)?
        };
        entries.push((key.as_str(), value));
    }
    Ok(Value::dict(entries))
}

fn render_argument(
    interpreter: &mut Interpreter,
    names: &dyn Names,
    value: &Json,
    shown: &Arc<str>,
    depth: usize,
) -> weir_jinja::Result<Value> {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?s)^\s*(env_var|ref|var|source|doc)\s*\(.+\)\s*$").ok());
    if depth > 64 {
        return Ok(to_value(value));
    }
    match value {
        Json::String(text) => {
            let text = text.strip_suffix('\n').unwrap_or(text);
            let called = CALL
                .as_ref()
                .is_some_and(|call| text.contains('(') && call.is_match(text));
            if !called && !text.contains('{') {
                return Ok(Value::str(text));
            }
            let template = if called {
                format!("{{{{ {text} }}}}")
            } else {
                text.to_owned()
            };
            let template = Template::parse(Arc::clone(shown), &template)?;
            interpreter.render_native(&template, names)
        }
        Json::Array(items) => {
            let mut all = Vec::with_capacity(items.len());
            for item in items {
                all.push(render_argument(interpreter, names, item, shown, depth + 1)?);
            }
            Ok(Value::list(all))
        }
        Json::Object(map) => {
            let mut entries = Vec::with_capacity(map.len());
            for (key, item) in map {
                entries.push((
                    key.as_str(),
                    render_argument(interpreter, names, item, shown, depth + 1)?,
                ));
            }
            Ok(Value::dict(entries))
        }
        other => Ok(to_value(other)),
    }
}
