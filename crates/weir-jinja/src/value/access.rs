//! Attributes, items, slices and loops, as Jinja looks them up: what is not there is undefined.

use std::sync::Arc;

use super::{List, Tuple, Undefined, Value};
use crate::{Error, ErrorKind, Result, builtins::method_names, object::BoundMethod};

/// The items of a loop. Those of a list are taken as the loop goes on, so that what is appended
/// meanwhile is seen, as in Python.
pub(crate) enum Items {
    List(List, usize),
    Values(std::vec::IntoIter<Value>),
}

impl Iterator for Items {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        match self {
            Self::List(list, at) => {
                let item = list.get(*at)?;
                *at += 1;
                Some(item)
            }
            Self::Values(values) => values.next(),
        }
    }
}

impl Value {
    /// The items of a loop over the value; an error if there is no looping over it.
    pub(crate) fn iterate(&self) -> Result<Items> {
        Ok(match self {
            Self::List(list) => Items::List(list.clone(), 0),
            other => Items::Values(other.items()?.into_iter()),
        })
    }

    /// The items of a loop over the value, as they are now. A dictionary gives its keys, a string
    /// its characters, undefined nothing.
    pub fn items(&self) -> Result<Vec<Self>> {
        Ok(match self {
            Self::List(list) => list.items(),
            Self::Tuple(tuple) => tuple.to_vec(),
            Self::Dict(dict) => dict.keys(),
            Self::Set(set) => set.members(),
            Self::Str(text) => text
                .chars()
                .map(|letter| Self::from(&*letter.encode_utf8(&mut [0; 4])))
                .collect(),
            Self::Undefined(_) => Vec::new(),
            Self::Object(object) => match object.iterate() {
                Some(items) => items,
                None => return Err(self.not("iterable")),
            },
            _ => return Err(self.not("iterable")),
        })
    }

    fn not(&self, able: &str) -> Error {
        Error::new(
            ErrorKind::Type,
            format!("'{}' object is not {able}", self.type_name()),
        )
    }

    /// The number of items, characters or entries.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::Str(text) if text.is_ascii() => Some(text.len()),
            Self::Str(text) => Some(text.chars().count()),
            Self::List(list) => Some(list.len()),
            Self::Tuple(tuple) => Some(tuple.len()),
            Self::Dict(dict) => Some(dict.len()),
            Self::Set(set) => Some(set.len()),
            Self::Undefined(_) => Some(0),
            Self::Object(object) => object.length(),
            _ => None,
        }
    }

    /// `value.name`: an attribute or method, else an item, else undefined.
    pub fn get_attr(&self, name: &str) -> Result<Self> {
        if let Self::Undefined(undefined) = self {
            return if undefined.is_chainable() {
                Ok(self.clone())
            } else {
                Err(undefined.error())
            };
        }
        if let Some(found) = self.own_attr(name)? {
            return Ok(found);
        }
        let item = match self {
            Self::Dict(dict) => dict.get_str(name),
            Self::Object(object) => object.item(&Self::from(name))?,
            _ => None,
        };
        Ok(item.unwrap_or_else(|| Self::Undefined(Undefined::attribute(self.type_name(), name))))
    }

    /// What Python's `getattr` finds.
    fn own_attr(&self, name: &str) -> Result<Option<Self>> {
        match self {
            Self::Object(object) => {
                if let Some(found) = object.attr(name)? {
                    return Ok(Some(found));
                }
                if !object.methods().contains(&name) {
                    return Ok(None);
                }
            }
            Self::Macro(definition) => return Ok(macro_attr(definition, name)),
            _ if method_names(self).contains(&name) => {}
            _ => return Ok(None),
        }
        Ok(Some(Self::object(BoundMethod {
            object: self.clone(),
            name: name.into(),
        })))
    }

    /// `value[key]`: an item, else an attribute or method, else undefined.
    pub fn get_item(&self, key: &Self) -> Result<Self> {
        if let Self::Undefined(undefined) = self {
            return if undefined.is_chainable() {
                Ok(self.clone())
            } else {
                Err(undefined.error())
            };
        }
        if let Some(found) = self.own_item(key)? {
            return Ok(found);
        }
        if let Self::Str(name) = key
            && let Some(found) = self.own_attr(name)?
        {
            return Ok(found);
        }
        Ok(Self::Undefined(Undefined::element(self.type_name(), key)))
    }

    fn own_item(&self, key: &Self) -> Result<Option<Self>> {
        Ok(match self {
            Self::Dict(dict) => dict.get(key),
            Self::Object(object) => object.item(key)?,
            Self::List(list) => key
                .as_int()
                .and_then(|at| list.get(position(at, list.len())?)),
            Self::Tuple(tuple) => key
                .as_int()
                .and_then(|at| tuple.get(position(at, tuple.len())?).cloned()),
            Self::Str(text) => key.as_int().and_then(|at| letter(text, at)),
            _ => None,
        })
    }

    /// `value[start:stop:step]`
    pub(crate) fn slice(&self, start: &Self, stop: &Self, step: &Self) -> Result<Self> {
        if let Self::Undefined(undefined) = self {
            return if undefined.is_chainable() {
                Ok(self.clone())
            } else {
                Err(undefined.error())
            };
        }
        let bound = |value: &Self| match value {
            Self::None => Ok(None),
            other => match other.as_i128() {
                Some(number) => Ok(Some(number.clamp(i64::MIN.into(), i64::MAX.into()) as i64)),
                None => Err(Error::new(
                    ErrorKind::Type,
                    "slice indices must be integers or None",
                )),
            },
        };
        let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?.unwrap_or(1));
        if step == 0 {
            return Err(Error::new(ErrorKind::Value, "slice step cannot be zero"));
        }
        match self {
            Self::Str(text) if step == 1 && text.is_ascii() => {
                let (from, to) = slice_bounds(start, stop, 1, text.len());
                Ok(Self::from(
                    text.get(from as usize..to.max(from) as usize)
                        .unwrap_or_default(),
                ))
            }
            Self::Str(text) => {
                let letters: Vec<char> = text.chars().collect();
                let picked: String = slice_indices(start, stop, step, letters.len())
                    .map(|at| letters[at])
                    .collect();
                Ok(Self::from(picked))
            }
            Self::List(list) => {
                let items = list.items();
                Ok(Self::list(
                    slice_indices(start, stop, step, items.len()).map(|at| items[at].clone()),
                ))
            }
            Self::Tuple(items) => Ok(Self::Tuple(Tuple::new(
                slice_indices(start, stop, step, items.len())
                    .map(|at| items[at].clone())
                    .collect(),
            ))),
            Self::Dict(_) => Err(Error::new(ErrorKind::Type, "unhashable type: 'slice'")),
            // What can be gone through only once, or has no order, has no slices.
            Self::Object(object)
                if object.length().is_none() || object.type_name().starts_with("dict_") =>
            {
                Err(self.not("subscriptable"))
            }
            Self::Object(object) => match object.iterate() {
                Some(items) => Ok(Self::list(
                    slice_indices(start, stop, step, items.len()).map(|at| items[at].clone()),
                )),
                None => Err(self.not("subscriptable")),
            },
            _ => Err(self.not("subscriptable")),
        }
    }
}

fn macro_attr(definition: &crate::MacroDef, name: &str) -> Option<Value> {
    let node = definition.node();
    let ast = &definition.template().0.ast;
    Some(match name {
        "name" => Value::from(definition.name()),
        "arguments" => Value::tuple(
            node.parameters
                .iter()
                .map(|(symbol, _)| Arc::clone(ast.symbol(*symbol))),
        ),
        "catch_kwargs" => Value::Bool(node.uses_kwargs),
        "catch_varargs" => Value::Bool(node.uses_varargs),
        "caller" => Value::Bool(node.uses_caller),
        _ => return None,
    })
}

/// An index from the front, of one that may count from the back.
pub(crate) fn position(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 {
        index.checked_add_unsigned(length as u64)?
    } else {
        index
    };
    usize::try_from(at).ok().filter(|at| *at < length)
}

fn letter(text: &str, index: i64) -> Option<Value> {
    if text.is_ascii() {
        let at = position(index, text.len())?;
        return Some(Value::from(&text[at..=at]));
    }
    let at = position(index, text.chars().count())?;
    text.chars()
        .nth(at)
        .map(|letter| Value::from(&*letter.encode_utf8(&mut [0; 4])))
}

/// Where a slice begins and ends, as Python clips it.
fn slice_bounds(start: Option<i64>, stop: Option<i64>, step: i64, length: usize) -> (i64, i64) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let clip = |bound: i64| {
        if bound < 0 {
            bound.saturating_add(length).max(low)
        } else {
            bound.min(high)
        }
    };
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    (start.map_or(first, clip), stop.map_or(last, clip))
}

/// The positions that a slice picks.
pub(crate) fn slice_indices(
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
    length: usize,
) -> impl Iterator<Item = usize> {
    let (start, stop) = slice_bounds(start, stop, step, length);
    let mut at = Some(start);
    std::iter::from_fn(move || {
        let current = at?;
        if step > 0 && current >= stop || step < 0 && current <= stop {
            return None;
        }
        at = current.checked_add(step);
        usize::try_from(current).ok()
    })
}
