//! Filters that pick attributes and items: `map`, `select`, `reject` and theirs.

use super::generator::Generator;
use crate::{Args, Call, Error, ErrorKind, Result, Value};

/// The way to an attribute: `a.0.b`, or an index.
pub(super) struct Path(Vec<Value>);

impl Path {
    /// Reads a way; no attribute is the item itself.
    pub(super) fn new(attribute: &Value) -> Self {
        Self(match attribute {
            Value::None => Vec::new(),
            Value::Str(text) => text
                .split('.')
                .map(|part| match part.parse::<i64>() {
                    Ok(index) if part.bytes().all(|byte| byte.is_ascii_digit()) => {
                        Value::Int(index)
                    }
                    _ => Value::from(part),
                })
                .collect(),
            other => vec![other.clone()],
        })
    }

    /// Goes the way from an item; what is undefined becomes the default, if there is one.
    pub(super) fn get(&self, item: &Value, default: Option<&Value>) -> Result<Value> {
        let mut found = item.clone();
        for part in &self.0 {
            found = found.get_item(part)?;
            if found.is_undefined()
                && let Some(default) = default
            {
                found = default.clone();
            }
        }
        Ok(found)
    }
}

/// Letters of one case, unless case matters.
pub(super) fn folded(value: Value, case_sensitive: bool) -> Value {
    match value {
        Value::Str(text) if !case_sensitive => Value::from(text.to_lowercase()),
        other => other,
    }
}

pub(super) fn attr(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("obj")?;
    let name = call.required_str("name")?;
    call.finish()?;
    match &value {
        // The filter finds attributes only, never items.
        Value::Dict(dict) if dict.get_str(&name).is_some() => {
            Value::Dict(crate::Dict::new()).get_attr(&name)
        }
        other => other.get_attr(&name),
    }
}

/// What is picked from. These filters ask whether there is anything before they loop, so that `None` is
/// as good as an empty list.
fn items_of(value: &Value) -> Result<Vec<Value>> {
    if value.is_true() || value.is_undefined() {
        value.items()
    } else {
        Ok(Vec::new())
    }
}

pub(super) fn map(call: &mut Call<'_>) -> Result<Value> {
    let items = items_of(&call.required("value")?)?;
    call.interpreter.check_items(items.len())?;
    let mut mapped = Vec::with_capacity(items.len());
    if call.next >= call.args.len()
        && let Some(attribute) = call.named("attribute")
    {
        let default = call.named("default").filter(|default| !default.is_none());
        if let Some((unknown, _)) = call.kwargs.first() {
            return Err(Error::new(
                ErrorKind::Type,
                format!("Unexpected keyword argument '{unknown}'"),
            ));
        }
        let path = Path::new(&attribute);
        for item in items {
            mapped.push(path.get(&item, default.as_ref())?);
        }
    } else {
        let Args { positional, named } = call.take_all();
        let Some(Value::Str(filter)) = positional.first().cloned() else {
            return Err(
                Error::new(ErrorKind::Type, "map requires a filter argument")
                    .with_hint("write `map('upper')` or `map(attribute='name')`"),
            );
        };
        for item in items {
            let args = Args {
                positional: positional[1..].to_vec(),
                named: named.clone(),
            };
            mapped.push(call.interpreter.filter(&filter, item, args, call.names)?);
        }
    }
    Ok(Generator::value("do_map", mapped))
}

pub(super) fn select(call: &mut Call<'_>) -> Result<Value> {
    pick(call, "do_select", true, false)
}

pub(super) fn reject(call: &mut Call<'_>) -> Result<Value> {
    pick(call, "do_reject", false, false)
}

pub(super) fn selectattr(call: &mut Call<'_>) -> Result<Value> {
    pick(call, "do_selectattr", true, true)
}

pub(super) fn rejectattr(call: &mut Call<'_>) -> Result<Value> {
    pick(call, "do_rejectattr", false, true)
}

fn pick(call: &mut Call<'_>, name: &'static str, keep: bool, by_attribute: bool) -> Result<Value> {
    let items = items_of(&call.required("value")?)?;
    call.interpreter.check_items(items.len())?;
    let Args {
        mut positional,
        named,
    } = call.take_all();
    let mut path = Path(Vec::new());
    if by_attribute {
        if positional.is_empty() {
            return Err(Error::new(
                ErrorKind::Type,
                "Missing parameter for attribute name",
            ));
        }
        path = Path::new(&positional.remove(0));
    }
    let test = if positional.is_empty() {
        None
    } else {
        Some(positional.remove(0))
    };
    let mut picked = Vec::new();
    for item in items {
        let tested = path.get(&item, None)?;
        let holds = match &test {
            None => tested.is_true(),
            Some(Value::Str(test)) => {
                let args = Args {
                    positional: positional.clone(),
                    named: named.clone(),
                };
                call.interpreter.test(test, tested, args, call.names)?
            }
            Some(other) => return Err(call.wrong("test", "the name of a test", other)),
        };
        if holds == keep {
            picked.push(item);
        }
    }
    Ok(Generator::value(name, picked))
}
