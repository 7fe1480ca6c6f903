//! What needs no node: functions, filters and tests of dbt's.

use std::sync::Arc;

use weir_jinja::{Call, Environment, Error, ErrorKind, Function, List, Result, Set, Value};

use super::Shared;
use crate::convert::{to_json, to_value};
use crate::yaml;

/// Makes the environment of all templates of a project.
pub fn environment() -> Environment {
    let mut environment = Environment::new();
    environment.add_function("tojson", to_json_text);
    environment.add_function("fromjson", from_json_text);
    environment.add_function("toyaml", to_yaml_text);
    environment.add_function("fromyaml", from_yaml_text);
    environment.add_function("set", |call| set_of(call, false));
    environment.add_function("set_strict", |call| set_of(call, true));
    environment.add_function("zip", |call| zip_of(call, false));
    environment.add_function("zip_strict", |call| zip_of(call, true));
    environment.add_function("local_md5", |call| {
        let value = call.required("value")?.to_str();
        call.finish()?;
        Ok(Value::str(crate::hash::md5_hex(value.as_bytes())))
    });
    environment.add_function("diff_of_two_dicts", diff_of_two_dicts);
    environment.add_filter("is_list", |call| {
        let value = call.required("value")?;
        Ok(Value::Bool(matches!(value, Value::List(_))))
    });
    environment
}

/// `var(name, default)` of a node's package; an unknown one is an error if it is `needed`, else none.
pub(crate) fn var(shared: Arc<Shared>, package: Arc<str>, needed: bool) -> Value {
    Value::object(Var {
        shared,
        package,
        needed,
    })
}

/// Makes a variable's value. Texts with templates in them are rendered where they are asked for.
pub(crate) fn rendered_var(value: &serde_json::Value, call: &mut Call<'_>) -> Result<Value> {
    match value {
        serde_json::Value::String(text) if (text.contains("{{") || text.contains("{%")) => {
            let template = weir_jinja::Template::parse("var", text)?;
            let names = call.names;
            call.interpreter.render(&template, names).map(Value::str)
        }
        value => Ok(to_value(value)),
    }
}

#[derive(Debug)]
struct Var {
    shared: Arc<Shared>,
    package: Arc<str>,
    needed: bool,
}

impl weir_jinja::Object for Var {
    fn type_name(&self) -> &str {
        "Var"
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let name = call.required_str("var_name")?;
        let default = call.optional("default")?;
        call.finish()?;
        match (self.shared.project.var(&self.package, &name), default) {
            (Some(value), _) => rendered_var(value, call),
            (None, Some(default)) => Ok(default),
            (None, None) if !self.needed => Ok(Value::None),
            (None, None) => Err(Error::custom(format!("Required var '{name}' not found in config"))
                .with_hint(format!("give it by --vars '{{{name}: ...}}', under vars in dbt_project.yml, or give var() a default"))),
        }
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if name != "has_var" {
            return Ok(None);
        }
        let name = call.required_str("var_name")?;
        Ok(Some(Value::Bool(
            self.shared.project.var(&self.package, &name).is_some(),
        )))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn to_json_text(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let default = call.optional("default")?;
    let sort = call.optional_bool("sort_keys", false)?;
    call.finish()?;
    if value.is_undefined() {
        return Ok(default.unwrap_or(Value::None));
    }
    let json = to_json(&value);
    let json = if sort { sorted(json) } else { json };
    Ok(Value::str(python_json(&json)))
}

fn sorted(json: serde_json::Value) -> serde_json::Value {
    match json {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Writes JSON with a space after each comma and colon, and ASCII only, as Python does.
fn python_json(json: &serde_json::Value) -> String {
    let mut out = String::new();
    write_json(json, &mut out);
    out
}

fn write_json(json: &serde_json::Value, out: &mut String) {
    match json {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_json(item, out);
            }
            out.push(']');
        }
        serde_json::Value::Object(map) => {
            out.push('{');
            for (at, (key, item)) in map.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_text(key, out);
                out.push_str(": ");
                write_json(item, out);
            }
            out.push('}');
        }
        serde_json::Value::String(text) => write_text(text, out),
        serde_json::Value::Number(number) if number.is_f64() => {
            out.push_str(&crate::python::float_text(
                number.as_f64().unwrap_or_default(),
            ));
        }
        other => out.push_str(&other.to_string()),
    }
}

fn write_text(text: &str, out: &mut String) {
    let quoted = serde_json::Value::String(text.to_owned()).to_string();
    for character in quoted.chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

fn from_json_text(call: &mut Call<'_>) -> Result<Value> {
    let text = call.required("string")?;
    let default = call.optional("default")?.unwrap_or(Value::None);
    call.finish()?;
    let Some(text) = text.as_str() else {
        return Ok(default);
    };
    Ok(serde_json::from_str(text).map_or(default, |json| to_value(&json)))
}

fn from_yaml_text(call: &mut Call<'_>) -> Result<Value> {
    let text = call.required("value")?;
    let default = call.optional("default")?.unwrap_or(Value::None);
    call.finish()?;
    let Some(text) = text.as_str() else {
        return Ok(default);
    };
    Ok(yaml::read("fromyaml", text).map_or(default, |document| to_value(&document.root.to_json())))
}

fn to_yaml_text(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let default = call.optional("default")?;
    let sort = call.optional_bool("sort_keys", false)?;
    call.finish()?;
    if value.is_undefined() {
        return Ok(default.unwrap_or(Value::None));
    }
    let json = to_json(&value);
    let json = if sort { sorted(json) } else { json };
    let mut out = String::new();
    write_yaml(&json, 0, &mut out);
    Ok(Value::str(out))
}

/// Writes block style, two spaces a level; texts that could be read otherwise are quoted.
fn write_yaml(json: &serde_json::Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match json {
        serde_json::Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                out.push_str(&format!(
                    "{indent}{}:",
                    yaml_scalar(&serde_json::Value::String(key.clone()))
                ));
                write_below(item, depth, out);
            }
        }
        serde_json::Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{indent}-"));
                match item {
                    serde_json::Value::Object(map) if !map.is_empty() => {
                        let mut block = String::new();
                        write_yaml(item, depth + 1, &mut block);
                        out.push(' ');
                        out.push_str(block.trim_start());
                    }
                    _ => write_below(item, depth, out),
                }
            }
        }
        scalar => out.push_str(&format!("{indent}{}\n", yaml_scalar(scalar))),
    }
}

fn write_below(item: &serde_json::Value, depth: usize, out: &mut String) {
    match item {
        serde_json::Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_yaml(item, depth + 1, out);
        }
        serde_json::Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_yaml(item, depth, out);
        }
        scalar => out.push_str(&format!(" {}\n", yaml_scalar(scalar))),
    }
}

fn yaml_scalar(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::String(text) => {
            let plain = yaml::read("toyaml", text)
                .is_ok_and(|document| document.root.to_json() == *json && !text.contains('\n'));
            if plain {
                text.clone()
            } else {
                format!("'{}'", text.replace('\'', "''"))
            }
        }
        serde_json::Value::Object(_) => "{}".to_owned(),
        serde_json::Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

fn items_of(call: &mut Call<'_>, value: &Value) -> Result<Option<Vec<Value>>> {
    Ok(match value {
        Value::List(list) => Some(list.items()),
        Value::Tuple(tuple) => Some(tuple.to_vec()),
        Value::Set(set) => Some(set.members()),
        Value::Dict(dict) => Some(dict.keys()),
        Value::Str(text) => Some(text.chars().map(|c| Value::str(c.to_string())).collect()),
        Value::Object(object) => match object.iterate() {
            Some(items) => Some(items),
            None => return Ok(None),
        },
        Value::Undefined(_) | Value::None => None,
        other => {
            let names = call.names;
            let list =
                call.interpreter
                    .filter("list", other.clone(), weir_jinja::Args::none(), names);
            list.ok().and_then(|list| list.as_list().map(List::items))
        }
    })
}

fn set_of(call: &mut Call<'_>, strict: bool) -> Result<Value> {
    let value = call.required("value")?;
    let default = call.optional("default")?.unwrap_or(Value::None);
    call.finish()?;
    let items = items_of(call, &value)?;
    match items.map(Set::new) {
        Some(Ok(set)) => Ok(Value::Set(set)),
        _ if strict => Err(Error::new(
            ErrorKind::Type,
            format!("'{}' object is not iterable", value.type_name()),
        )),
        _ => Ok(default),
    }
}

fn zip_of(call: &mut Call<'_>, strict: bool) -> Result<Value> {
    let default = call.named("default").unwrap_or(Value::None);
    let values = call.rest();
    call.finish()?;
    let mut columns = Vec::with_capacity(values.len());
    for value in &values {
        match items_of(call, value)? {
            Some(items) => columns.push(items),
            None if strict => {
                return Err(Error::new(
                    ErrorKind::Type,
                    format!("'{}' object is not iterable", value.type_name()),
                ));
            }
            None => return Ok(default),
        }
    }
    let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
    Ok(Value::list((0..rows).map(|row| {
        Value::tuple(columns.iter().map(|column| column[row].clone()))
    })))
}

/// What the lists of one mapping have that those of another lack, without regard to case.
fn diff_of_two_dicts(call: &mut Call<'_>) -> Result<Value> {
    let first = call.required("dict_a")?;
    let second = call.required("dict_b")?;
    call.finish()?;
    let (Value::Dict(first), Value::Dict(second)) = (&first, &second) else {
        return Err(Error::new(
            ErrorKind::Type,
            "diff_of_two_dicts() takes two dictionaries",
        ));
    };
    let lower = |value: &Value| value.to_str().to_lowercase();
    let known: Vec<(String, Vec<String>)> = second
        .entries()
        .iter()
        .map(|(key, items)| (lower(key), list_items(items).iter().map(lower).collect()))
        .collect();
    let mut missing = Vec::new();
    for (key, items) in first.entries() {
        let has = known
            .iter()
            .find(|(name, _)| *name == lower(&key))
            .map(|(_, items)| items);
        let rest: Vec<Value> = list_items(&items)
            .into_iter()
            .filter(|item| !has.is_some_and(|has| has.contains(&lower(item))))
            .collect();
        if !rest.is_empty() {
            missing.push((key.to_str(), Value::list(rest)));
        }
    }
    Ok(Value::dict(missing))
}

fn list_items(value: &Value) -> Vec<Value> {
    match value {
        Value::List(list) => list.items(),
        Value::Tuple(tuple) => tuple.to_vec(),
        Value::None | Value::Undefined(_) => Vec::new(),
        one => vec![one.clone()],
    }
}

/// A function that answers nothing.
pub(super) fn nothing(name: &'static str) -> Value {
    Function::value(name, |_| Ok(Value::str("")))
}
