//! Values from Rust's and from JSON, and back.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value as Json;

use super::{Dict, List, Set, Tuple, Undefined, Value};
use crate::{Error, ErrorKind, MacroDef, Object, Result};

macro_rules! from {
    ($($from:ty => $value:ident => $into:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

from! {
    bool => flag => Self::Bool(flag),
    i8 => number => Self::Int(number.into()),
    i16 => number => Self::Int(number.into()),
    i32 => number => Self::Int(number.into()),
    i64 => number => Self::Int(number),
    i128 => number => Self::integer(number),
    u8 => number => Self::Int(number.into()),
    u16 => number => Self::Int(number.into()),
    u32 => number => Self::Int(number.into()),
    u64 => number => Self::integer(number.into()),
    usize => number => Self::integer(number as i128),
    f32 => number => Self::Float(number.into()),
    f64 => number => Self::Float(number),
    &str => text => Self::Str(text.into()),
    String => text => Self::Str(text.into()),
    &String => text => Self::Str(text.as_str().into()),
    Arc<str> => text => Self::Str(text),
    &Arc<str> => text => Self::Str(Arc::clone(text)),
    List => list => Self::List(list),
    Tuple => tuple => Self::Tuple(tuple),
    Dict => dict => Self::Dict(dict),
    Set => set => Self::Set(set),
    Undefined => undefined => Self::Undefined(undefined),
    MacroDef => definition => Self::Macro(definition),
    Arc<dyn Object> => object => Self::Object(object),
    () => _unit => Self::None,
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::list(items)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<T: Into<Value>> From<BTreeMap<String, T>> for Value {
    fn from(entries: BTreeMap<String, T>) -> Self {
        Self::dict(entries)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::list(items)
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::None,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => json_number(number),
            Json::String(text) => Self::str(text.as_str()),
            Json::Array(items) => Self::list(items),
            Json::Object(entries) => {
                Self::dict(entries.iter().map(|(key, value)| (key.as_str(), value)))
            }
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        Self::from(&json)
    }
}

fn json_number(number: &serde_json::Number) -> Value {
    if let Some(integer) = number.as_i128() {
        return Value::integer(integer);
    }
    number.as_f64().map_or(Value::None, Value::Float)
}

/// How deeply nested values become JSON.
const MAX_DEPTH: usize = 100;

impl Value {
    /// The value as JSON: tuples and sets become arrays, keys strings. Undefined, macros and
    /// objects that have no JSON are errors, and so is a value inside of itself.
    pub fn to_json(&self) -> Result<Json> {
        json_of(self, 0, &mut 0)
    }
}

fn json_of(value: &Value, depth: usize, count: &mut usize) -> Result<Json> {
    *count += 1;
    if depth > MAX_DEPTH || *count > 10_000_000 {
        return Err(Error::new(
            ErrorKind::Value,
            "a value is too large or nests too deeply to become JSON",
        )
        .with_hint("a list or dictionary may be in itself"));
    }
    let array = |items: &[Value], count: &mut usize| -> Result<Json> {
        items
            .iter()
            .map(|item| json_of(item, depth + 1, count))
            .collect()
    };
    Ok(match value {
        Value::None => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::BigInt(number) => serde_json::Number::from_i128(**number)
            .map_or_else(|| Json::from(**number as f64), Json::Number),
        Value::Float(number) => Json::from(*number),
        Value::Str(text) => Json::String(text.to_string()),
        Value::List(list) => array(&list.items(), count)?,
        Value::Tuple(tuple) => array(tuple, count)?,
        Value::Set(set) => array(&set.members(), count)?,
        Value::Dict(dict) => {
            let mut object = serde_json::Map::new();
            for (key, value) in dict.entries() {
                object.insert(json_key(&key)?, json_of(&value, depth + 1, count)?);
            }
            Json::Object(object)
        }
        Value::Object(object) => object.to_json().ok_or_else(|| no_json(value))?,
        Value::Undefined(_) | Value::Macro(_) => return Err(no_json(value)),
    })
}

pub(crate) fn json_key(key: &Value) -> Result<String> {
    Ok(match key {
        Value::Str(text) => text.to_string(),
        Value::None => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) => key.repr(),
        other => {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "keys must be str, int, float, bool or None, not {}",
                    other.type_name()
                ),
            ));
        }
    })
}

fn no_json(value: &Value) -> Error {
    Error::new(
        ErrorKind::Type,
        format!(
            "Object of type {} is not JSON serializable",
            value.type_name()
        ),
    )
}
