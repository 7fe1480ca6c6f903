//! Methods of lists and tuples.

use super::{no_method, sequences::sort_values};
use crate::{Call, Error, ErrorKind, List, Result, Tuple, Value, value::position};

pub(super) const METHODS: &[&str] = &[
    "append",
    "clear",
    "copy",
    "count",
    "extend",
    "index",
    "insert",
    "pop",
    "remove",
    "reverse",
    "sort",
    "__setitem__",
    "__getitem__",
    "__delitem__",
    "__contains__",
    "__len__",
];
pub(super) const TUPLE_METHODS: &[&str] =
    &["count", "index", "__getitem__", "__contains__", "__len__"];

pub(super) fn call(list: &List, name: &str, call: &mut Call<'_>) -> Result<Value> {
    call.interpreter.charge(1)?;
    let value = match name {
        "append" => {
            let value = call.required("object")?;
            call.interpreter.check_items_once(list.len() + 1)?;
            list.push(value);
            Value::None
        }
        "extend" => {
            let items = call.required("iterable")?.items()?;
            call.interpreter
                .check_items_once(list.len() + items.len())?;
            call.interpreter.charge(items.len() as u64)?;
            list.change(|own| own.extend(items));
            Value::None
        }
        "insert" => {
            let index = call.required("index")?;
            let Some(index) = index.as_int() else {
                return Err(call.wrong("index", "an integer", &index));
            };
            let value = call.required("object")?;
            call.interpreter.check_items_once(list.len() + 1)?;
            call.interpreter.charge(list.len() as u64 / 64)?;
            list.change(|own| {
                let length = own.len() as i64;
                let at = if index < 0 {
                    index.saturating_add(length).max(0)
                } else {
                    index.min(length)
                };
                own.insert(at as usize, value);
            });
            Value::None
        }
        "pop" => {
            let index = call.optional_int("index")?.unwrap_or(-1);
            call.interpreter.charge(list.len() as u64 / 64)?;
            list.change(|own| {
                if own.is_empty() {
                    return Err(Error::new(ErrorKind::Index, "pop from empty list"));
                }
                match position(index, own.len()) {
                    Some(at) => Ok(own.remove(at)),
                    None => Err(Error::new(ErrorKind::Index, "pop index out of range")),
                }
            })?
        }
        "remove" => {
            let value = call.required("value")?;
            let items = list.items();
            call.interpreter.charge(items.len() as u64)?;
            match items.iter().position(|item| *item == value) {
                Some(at) => {
                    let removed = list.change(|own| (at < own.len()).then(|| own.remove(at)));
                    drop(removed);
                }
                None => {
                    return Err(Error::new(
                        ErrorKind::Value,
                        "list.remove(x): x not in list",
                    ));
                }
            }
            Value::None
        }
        "clear" => {
            let items = list.change(std::mem::take);
            drop(List::new(items));
            Value::None
        }
        "reverse" => {
            list.change(|own| own.reverse());
            Value::None
        }
        "sort" => {
            let reverse = call.named("reverse").is_some_and(|value| value.is_true());
            let key = call.named("key").filter(|key| !key.is_none());
            let mut items = list.items();
            call.interpreter.charge(items.len() as u64 * 8)?;
            match key {
                Some(key) => {
                    let mut keyed = Vec::with_capacity(items.len());
                    for item in items {
                        let key = call.call(&key, vec![item.clone()].into())?;
                        keyed.push((key, item));
                    }
                    items = sort_values(keyed, reverse)?;
                }
                None => {
                    items = sort_values(
                        items.into_iter().map(|item| (item.clone(), item)).collect(),
                        reverse,
                    )?;
                }
            }
            list.change(|own| *own = items);
            Value::None
        }
        "copy" => {
            call.interpreter.check_items(list.len())?;
            Value::list(list.items())
        }
        "__setitem__" => {
            let (key, value) = (call.required("key")?, call.required("value")?);
            let old = list.change(|own| {
                let at = key.as_int().and_then(|at| position(at, own.len()))?;
                Some(std::mem::replace(&mut own[at], value))
            });
            if old.is_none() {
                return Err(Error::new(
                    ErrorKind::Index,
                    "list assignment index out of range",
                ));
            }
            Value::None
        }
        "__delitem__" => {
            let key = call.required("key")?;
            let old = list.change(|own| {
                let at = key.as_int().and_then(|at| position(at, own.len()))?;
                Some(own.remove(at))
            });
            if old.is_none() {
                return Err(Error::new(
                    ErrorKind::Index,
                    "list assignment index out of range",
                ));
            }
            Value::None
        }
        _ => return shared(&list.items(), "list", name, call),
    };
    call.finish()?;
    Ok(value)
}

pub(super) fn call_tuple(tuple: &Tuple, name: &str, call: &mut Call<'_>) -> Result<Value> {
    shared(tuple, "tuple", name, call)
}

/// What lists and tuples have in common.
fn shared(items: &[Value], kind: &str, name: &str, call: &mut Call<'_>) -> Result<Value> {
    call.interpreter.charge(items.len() as u64)?;
    let value = match name {
        "index" => {
            let value = call.required("value")?;
            let length = items.len() as i64;
            let clip = |bound: i64| if bound < 0 { (bound + length).max(0) } else { bound.min(length) } as usize;
            let start = clip(call.optional_int("start")?.unwrap_or(0));
            let stop = clip(call.optional_int("stop")?.unwrap_or(length));
            match items
                .iter()
                .enumerate()
                .take(stop)
                .skip(start)
                .find(|(_, item)| **item == value)
            {
                Some((at, _)) => Value::from(at),
                None if kind == "list" => {
                    return Err(Error::new(
                        ErrorKind::Value,
                        format!("{} is not in list", value.repr()),
                    ));
                }
                None => {
                    return Err(Error::new(
                        ErrorKind::Value,
                        "tuple.index(x): x not in tuple",
                    ));
                }
            }
        }
        "count" => {
            let value = call.required("value")?;
            Value::from(items.iter().filter(|item| **item == value).count())
        }
        "__getitem__" => {
            let key = call.required("key")?;
            match key
                .as_int()
                .and_then(|at| items.get(position(at, items.len())?))
            {
                Some(item) => item.clone(),
                None => {
                    return Err(Error::new(
                        ErrorKind::Index,
                        format!("{kind} index out of range"),
                    ));
                }
            }
        }
        "__contains__" => Value::Bool(items.contains(&call.required("value")?)),
        "__len__" => Value::from(items.len()),
        _ => return Err(no_method(kind, name)),
    };
    call.finish()?;
    Ok(value)
}
