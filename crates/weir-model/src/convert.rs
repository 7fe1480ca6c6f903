//! Between values of templates and JSON, in which everything else is kept.

use serde_json::{Number, Value as Json};
use weir_jinja::Value;

/// Makes a value of templates.
pub(crate) fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(to_value)),
        Json::Object(map) => Value::dict(
            map.iter()
                .map(|(key, value)| (key.as_str(), to_value(value))),
        ),
    }
}

/// Makes JSON; what JSON has no form for becomes its text, and nothing what is undefined.
pub(crate) fn to_json(value: &Value) -> Json {
    nested(value, 0)
}

/// Lists may contain themselves; nothing written by people nests this deep.
const DEPTH: usize = 64;

fn nested(value: &Value, depth: usize) -> Json {
    if depth > DEPTH {
        return Json::String("...".to_owned());
    }
    match value {
        Value::Undefined(_) | Value::None => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(int) => Json::from(*int),
        Value::Float(float) => Number::from_f64(*float)
            .map_or_else(|| Json::String(value.to_str().to_string()), Json::Number),
        Value::Str(text) => Json::String(text.to_string()),
        Value::List(list) => list
            .items()
            .iter()
            .map(|item| nested(item, depth + 1))
            .collect(),
        Value::Tuple(tuple) => tuple.iter().map(|item| nested(item, depth + 1)).collect(),
        Value::Set(set) => set
            .members()
            .iter()
            .map(|item| nested(item, depth + 1))
            .collect(),
        Value::Dict(dict) => Json::Object(
            dict.entries()
                .iter()
                .map(|(key, item)| (key_text(key), nested(item, depth + 1)))
                .collect(),
        ),
        Value::Object(object) => object
            .to_json()
            .unwrap_or_else(|| Json::String(value.to_str().to_string())),
        Value::BigInt(_) | Value::Macro(_) => Json::String(value.to_str().to_string()),
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::None => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        other => other.to_str().to_string(),
    }
}
