//! What is there without a host: methods of values, filters, tests and globals.

mod aggregate;
mod dicts;
mod encode;
mod filters;
mod format;
mod generator;
mod globals;
mod group;
mod lists;
mod numbers;
mod percent;
mod select;
mod sequences;
mod sets;
mod spec;
mod split;
mod stateful;
mod strings;
mod tests;
mod words;
mod wrap;

pub(crate) use self::{
    filters::{filter, filter_names},
    globals::{global, global_names},
    percent::percent_format,
    tests::{test, test_names},
};
use crate::{Call, Error, ErrorKind, Result, Value};

/// The names of the methods of a value that is no object.
pub(crate) fn method_names(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Str(_) => strings::METHODS,
        Value::List(_) => lists::METHODS,
        Value::Tuple(_) => lists::TUPLE_METHODS,
        Value::Dict(_) => dicts::METHODS,
        Value::Set(_) => sets::METHODS,
        Value::Float(_) | Value::Int(_) | Value::BigInt(_) | Value::Bool(_) => numbers::METHODS,
        Value::Undefined(_) | Value::None | Value::Macro(_) | Value::Object(_) => &[],
    }
}

/// Calls one of [`method_names`].
pub(crate) fn call_method(value: &Value, name: &str, call: &mut Call<'_>) -> Result<Value> {
    match value {
        Value::Str(text) => strings::call(text, name, call),
        Value::List(list) => lists::call(list, name, call),
        Value::Tuple(tuple) => lists::call_tuple(tuple, name, call),
        Value::Dict(dict) => dicts::call(dict, name, call),
        Value::Set(set) => sets::call(set, name, call),
        other => numbers::call(other, name, call),
    }
}

fn no_method(type_name: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::Attribute,
        format!("'{type_name}' object has no attribute '{name}'"),
    )
}

/// The entries of a value that is a mapping.
pub(crate) fn mapping_entries(value: &Value) -> Result<Option<Vec<(Value, Value)>>> {
    match value {
        Value::Dict(dict) => Ok(Some(dict.entries())),
        Value::Object(object) if object.is_mapping() => {
            let keys = object.iterate().unwrap_or_default();
            let mut entries = Vec::with_capacity(keys.len());
            for key in keys {
                let item = object.item(&key)?.unwrap_or_default();
                entries.push((key, item));
            }
            Ok(Some(entries))
        }
        _ => Ok(None),
    }
}

/// The length of a value, or Python's error.
fn length_of(value: &Value) -> Result<usize> {
    value.length().ok_or_else(|| {
        Error::new(
            ErrorKind::Type,
            format!("object of type '{}' has no len()", value.type_name()),
        )
    })
}

/// A width or a count that a text or list is to have, within reason.
fn size(call: &mut Call<'_>, wanted: i64) -> Result<usize> {
    let wanted = usize::try_from(wanted.max(0)).unwrap_or(usize::MAX);
    call.interpreter.check_text(wanted)?;
    Ok(wanted)
}
