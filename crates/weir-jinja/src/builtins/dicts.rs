//! Methods of dictionaries, and the views that `keys`, `values` and `items` give.

use std::{any::Any, sync::Arc};

use super::{mapping_entries, no_method};
use crate::{Call, Dict, Error, ErrorKind, Object, Result, Set, Value};

pub(super) const METHODS: &[&str] = &[
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
    "fromkeys",
    "__setitem__",
    "__getitem__",
    "__delitem__",
    "__contains__",
    "__len__",
];

pub(super) fn call(dict: &Dict, name: &str, call: &mut Call<'_>) -> Result<Value> {
    call.interpreter.charge(1)?;
    let value = match name {
        "get" => {
            let key = call.required("key")?;
            let default = call.optional("default")?.unwrap_or_default();
            crate::value::unhashable(&key)?;
            dict.get(&key).unwrap_or(default)
        }
        "items" => view(dict, Kind::Items),
        "keys" => view(dict, Kind::Keys),
        "values" => view(dict, Kind::Values),
        "update" => {
            update(dict, call)?;
            return Ok(Value::None);
        }
        "setdefault" => {
            let key = call.required("key")?;
            let default = call.optional("default")?.unwrap_or_default();
            match dict.get(&key) {
                Some(value) => value,
                None => {
                    dict.set(key, default.clone())?;
                    default
                }
            }
        }
        "pop" => {
            let key = call.required("key")?;
            let default = call.optional("default")?;
            call.interpreter.charge(dict.len() as u64 / 8)?;
            match dict.remove(&key).or(default) {
                Some(value) => value,
                None => return Err(missing(&key)),
            }
        }
        "popitem" => match dict.pop_last() {
            Some((key, value)) => Value::tuple([key, value]),
            None => {
                return Err(Error::new(
                    ErrorKind::Key,
                    "'popitem(): dictionary is empty'",
                ));
            }
        },
        "clear" => {
            dict.clear();
            Value::None
        }
        "copy" => {
            call.interpreter.check_items(dict.len())?;
            Value::Dict(dict.copy())
        }
        "fromkeys" => {
            let keys = call.required("iterable")?.items()?;
            let value = call.optional("value")?.unwrap_or_default();
            call.interpreter.check_items(keys.len())?;
            let made = Dict::new();
            for key in keys {
                made.set(key, value.clone())?;
            }
            Value::Dict(made)
        }
        "__setitem__" => {
            let (key, value) = (call.required("key")?, call.required("value")?);
            call.interpreter.check_items_once(dict.len() + 1)?;
            dict.set(key, value)?;
            Value::None
        }
        "__getitem__" => {
            let key = call.required("key")?;
            dict.get(&key).ok_or_else(|| missing(&key))?
        }
        "__delitem__" => {
            let key = call.required("key")?;
            dict.remove(&key).ok_or_else(|| missing(&key))?;
            Value::None
        }
        "__contains__" => Value::Bool(dict.get(&call.required("key")?).is_some()),
        "__len__" => Value::from(dict.len()),
        _ => return Err(no_method("dict", name)),
    };
    call.finish()?;
    Ok(value)
}

fn missing(key: &Value) -> Error {
    Error::new(ErrorKind::Key, key.repr())
}

/// The entries that `dict(...)` and `update(...)` take: of a mapping or of pairs, and named ones.
pub(super) fn update(dict: &Dict, call: &mut Call<'_>) -> Result<()> {
    if let Some(source) = call.optional("mapping")? {
        for (key, value) in pairs(&source)? {
            call.interpreter.charge(1)?;
            dict.set(key, value)?;
        }
    }
    for (name, value) in std::mem::take(&mut call.kwargs) {
        dict.set_str(name, value);
    }
    call.interpreter.check_items_once(dict.len())?;
    call.finish()
}

pub(super) fn pairs(source: &Value) -> Result<Vec<(Value, Value)>> {
    if let Some(entries) = mapping_entries(source)? {
        return Ok(entries);
    }
    if let Value::Undefined(undefined) = source {
        return Err(undefined.error());
    }
    let mut entries = Vec::new();
    for (at, item) in source.items()?.into_iter().enumerate() {
        let pair = item.items().map_err(|_| {
            Error::new(
                ErrorKind::Type,
                format!("cannot convert dictionary update sequence element #{at} to a sequence"),
            )
        })?;
        let length = pair.len();
        let mut pair = pair.into_iter();
        match (pair.next(), pair.next(), pair.next()) {
            (Some(key), Some(value), None) => entries.push((key, value)),
            _ => {
                return Err(Error::new(
                    ErrorKind::Value,
                    format!(
                        "dictionary update sequence element #{at} has length {length}; 2 is required"
                    ),
                ));
            }
        }
    }
    Ok(entries)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Keys,
    Values,
    Items,
}

/// What a dictionary has at the time somebody looks.
struct View {
    dict: Dict,
    kind: Kind,
}

fn view(dict: &Dict, kind: Kind) -> Value {
    Value::object(View {
        dict: dict.clone(),
        kind,
    })
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.type_name())
    }
}

impl View {
    fn now(&self) -> Vec<Value> {
        match self.kind {
            Kind::Keys => self.dict.keys(),
            Kind::Values => self.dict.values(),
            Kind::Items => self
                .dict
                .entries()
                .into_iter()
                .map(|(key, value)| Value::tuple([key, value]))
                .collect(),
        }
    }
}

impl Object for View {
    fn type_name(&self) -> &str {
        match self.kind {
            Kind::Keys => "dict_keys",
            Kind::Values => "dict_values",
            Kind::Items => "dict_items",
        }
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(self.now())
    }

    fn length(&self) -> Option<usize> {
        Some(self.dict.len())
    }

    fn contains(&self, value: &Value) -> Result<bool> {
        Ok(match self.kind {
            Kind::Keys => self.dict.get(value).is_some(),
            _ => self.now().contains(value),
        })
    }

    fn equals(&self, other: &Value) -> bool {
        let Some(other) = other.as_object::<Self>() else {
            return false;
        };
        self.kind == other.kind
            && self.kind != Kind::Values
            && self.dict.len() == other.dict.len()
            && self.now().iter().all(|item| other.now().contains(item))
    }

    fn operate(&self, operator: &str, other: &Value, swapped: bool) -> Result<Option<Value>> {
        if operator != "-" || self.kind == Kind::Values {
            return Ok(None);
        }
        let (left, right) = if swapped {
            (other.items()?, self.now())
        } else {
            (self.now(), other.items()?)
        };
        Ok(Some(Value::Set(Set::new(
            left.into_iter().filter(|item| !right.contains(item)),
        )?)))
    }

    fn repr(&self) -> String {
        let items = match self.kind {
            // A view of a dictionary that contains it would never end.
            Kind::Values | Kind::Items if self.dict.values().iter().any(is_view) => "[...]".into(),
            _ => Value::list(self.now()).repr(),
        };
        format!("{}({items})", self.type_name())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn is_view(value: &Value) -> bool {
    matches!(value, Value::Object(object) if Arc::clone(object).as_any().is::<View>())
}
