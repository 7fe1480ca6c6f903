//! Global functions: `range`, `dict`, `namespace`, `cycler`, `joiner`, `set` and `return`.

use std::{any::Any, collections::HashMap, sync::LazyLock};

use super::{
    dicts,
    stateful::{cycler, joiner, namespace},
};
use crate::{Call, Dict, Error, ErrorKind, Function, Object, Result, Set, Value, value::position};

type Body = fn(&mut Call<'_>) -> Result<Value>;

const FUNCTIONS: [(&str, Body); 7] = [
    ("range", range),
    ("dict", dict),
    ("namespace", namespace),
    ("cycler", cycler),
    ("joiner", joiner),
    ("set", set),
    ("return", return_value),
];

static GLOBALS: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| {
    FUNCTIONS
        .iter()
        .map(|(name, body)| (*name, Function::value(*name, *body)))
        .collect()
});

pub(crate) fn global(name: &str) -> Option<Value> {
    GLOBALS.get(name).cloned()
}

pub(crate) fn global_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}

/// Ends the macro that is running, with a value.
fn return_value(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("data")?;
    call.finish()?;
    Err(Error::returned(value))
}

fn dict(call: &mut Call<'_>) -> Result<Value> {
    let dict = Dict::new();
    dicts::update(&dict, call)?;
    Ok(Value::Dict(dict))
}

fn set(call: &mut Call<'_>) -> Result<Value> {
    let items = match call.optional("value")? {
        Some(value) => value.items()?,
        None => Vec::new(),
    };
    call.interpreter.check_items(items.len())?;
    let default = call.optional("default")?;
    call.finish()?;
    match (Set::new(items), default) {
        (Ok(set), _) => Ok(Value::Set(set)),
        (Err(_), Some(default)) => Ok(default),
        (Err(error), None) => Err(error),
    }
}

fn range(call: &mut Call<'_>) -> Result<Value> {
    let mut bounds = Vec::with_capacity(3);
    for value in call.rest() {
        match value.as_int() {
            Some(bound) => bounds.push(bound),
            None => {
                if let Value::Undefined(undefined) = &value {
                    return Err(undefined.error());
                }
                return Err(Error::new(
                    ErrorKind::Type,
                    format!(
                        "'{}' object cannot be interpreted as an integer",
                        value.type_name()
                    ),
                ));
            }
        }
    }
    call.finish()?;
    let (start, stop, step) = match bounds.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] => (*start, *stop, *step),
        other => {
            let message = format!("range expected 1 to 3 arguments, got {}", other.len());
            return Err(Error::new(ErrorKind::Type, message));
        }
    };
    if step == 0 {
        return Err(Error::new(
            ErrorKind::Value,
            "range() arg 3 must not be zero",
        ));
    }
    let distance = if step > 0 {
        i128::from(stop) - i128::from(start)
    } else {
        i128::from(start) - i128::from(stop)
    };
    let length = if distance <= 0 {
        0
    } else {
        (distance - 1) / i128::from(step.unsigned_abs()) + 1
    };
    let limit = call.interpreter.environment().limits.range;
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(Value::object(Range {
            start,
            stop,
            step,
            length,
        })),
        _ => Err(Error::new(
            ErrorKind::Overflow,
            format!("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({limit})."),
        )),
    }
}

#[derive(Debug)]
struct Range {
    start: i64,
    stop: i64,
    step: i64,
    length: usize,
}

impl Range {
    fn at(&self, index: usize) -> Value {
        Value::Int(self.start + index as i64 * self.step)
    }
}

impl Object for Range {
    fn type_name(&self) -> &str {
        "range"
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some((0..self.length).map(|index| self.at(index)).collect())
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(key
            .as_int()
            .and_then(|at| position(at, self.length))
            .map(|at| self.at(at)))
    }

    fn length(&self) -> Option<usize> {
        Some(self.length)
    }

    fn repr(&self) -> String {
        if self.step == 1 {
            format!("range({}, {})", self.start, self.stop)
        } else {
            format!("range({}, {}, {})", self.start, self.stop, self.step)
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
