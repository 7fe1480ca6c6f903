//! Global functions: `range`, `dict`, `namespace`, `cycler`, `joiner`, `set` and `return`.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::dicts;
use crate::{
    Call, Dict, Error, ErrorKind, Function, Object, Result, Set, Tuple, Value,
    value::{bury, position},
};

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

fn namespace(call: &mut Call<'_>) -> Result<Value> {
    let attributes = Dict::new();
    dicts::update(&attributes, call)?;
    Ok(Value::object(Namespace { attributes }))
}

/// Attributes that can be set from within loops.
struct Namespace {
    attributes: Dict,
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Namespace")
    }
}

impl Object for Namespace {
    fn type_name(&self) -> &str {
        "Namespace"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.attributes.get_str(name))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(self.attributes.get(key))
    }

    fn set_item(&self, key: Value, value: Value) -> Result<()> {
        self.attributes.set(key, value)
    }

    fn set_attr(&self, name: &str, value: Value) -> Result<()> {
        self.attributes.set_str(name, value);
        Ok(())
    }

    fn attributes(&self) -> Vec<String> {
        self.attributes
            .keys()
            .iter()
            .map(|key| key.to_str().to_string())
            .collect()
    }

    fn repr(&self) -> String {
        // A namespace may be in itself; its attributes' names are told, not their values.
        let names = self.attributes.keys();
        let values = self.attributes.values();
        if values.iter().any(|value| {
            matches!(
                value,
                Value::Object(_) | Value::List(_) | Value::Dict(_) | Value::Tuple(_)
            )
        }) {
            return format!("<Namespace {}>", Value::list(names).repr());
        }
        format!(
            "<Namespace {}>",
            Value::Dict(self.attributes.clone()).repr()
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn cycler(call: &mut Call<'_>) -> Result<Value> {
    let items = call.rest();
    call.finish()?;
    if items.is_empty() {
        return Err(Error::new(
            ErrorKind::Type,
            "at least one item has to be provided",
        ));
    }
    Ok(Value::object(Cycler {
        items: Tuple::new(items),
        at: AtomicUsize::new(0),
    }))
}

/// Goes round its items.
struct Cycler {
    items: Tuple,
    at: AtomicUsize,
}

impl Cycler {
    fn current(&self) -> Value {
        self.items[self.at.load(Ordering::Relaxed) % self.items.len()].clone()
    }
}

impl std::fmt::Debug for Cycler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cycler")
    }
}

impl Object for Cycler {
    fn type_name(&self) -> &str {
        "Cycler"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "current" => Some(self.current()),
            "pos" => Some(Value::from(self.at.load(Ordering::Relaxed))),
            "items" => Some(Value::Tuple(self.items.clone())),
            _ => None,
        })
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        match name {
            "next" => {
                call.finish()?;
                let current = self.current();
                let next = (self.at.load(Ordering::Relaxed) + 1) % self.items.len();
                self.at.store(next, Ordering::Relaxed);
                Ok(Some(current))
            }
            "reset" => {
                call.finish()?;
                self.at.store(0, Ordering::Relaxed);
                Ok(Some(Value::None))
            }
            _ => Ok(None),
        }
    }

    fn methods(&self) -> &[&str] {
        &["next", "reset"]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn joiner(call: &mut Call<'_>) -> Result<Value> {
    let separator = call.optional("sep")?.unwrap_or_else(|| ", ".into());
    call.finish()?;
    Ok(Value::object(Joiner {
        separator: vec![separator],
        used: AtomicUsize::new(0),
    }))
}

/// Gives nothing the first time and its separator from then on.
struct Joiner {
    separator: Vec<Value>,
    used: AtomicUsize,
}

impl Drop for Joiner {
    fn drop(&mut self) {
        bury(std::mem::take(&mut self.separator));
    }
}

impl std::fmt::Debug for Joiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Joiner")
    }
}

impl Object for Joiner {
    fn type_name(&self) -> &str {
        "Joiner"
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        call.finish()?;
        if self.used.swap(1, Ordering::Relaxed) == 0 {
            return Ok("".into());
        }
        Ok(self.separator.first().cloned().unwrap_or_default())
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Two values in one, as `groupby` gives them: a tuple with named members.
pub(super) struct Group {
    items: Tuple,
}

impl Group {
    pub(super) fn value(grouper: Value, list: Value) -> Value {
        Value::object(Self {
            items: Tuple::new(vec![grouper, list]),
        })
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

impl Object for Group {
    fn type_name(&self) -> &str {
        "tuple"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "grouper" => Some(self.items[0].clone()),
            "list" => Some(self.items[1].clone()),
            _ => None,
        })
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(key
            .as_int()
            .and_then(|at| position(at, 2))
            .map(|at| self.items[at].clone()))
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(self.items.to_vec())
    }

    fn length(&self) -> Option<usize> {
        Some(2)
    }

    fn equals(&self, other: &Value) -> bool {
        match other {
            Value::Tuple(other) => self.items[..] == other[..],
            other => other
                .as_object::<Self>()
                .is_some_and(|other| self.items[..] == other.items[..]),
        }
    }

    fn repr(&self) -> String {
        Value::Tuple(self.items.clone()).repr()
    }

    fn to_json(&self) -> Option<serde_json::Value> {
        Value::Tuple(self.items.clone()).to_json().ok()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Whether a value counts as a sequence of its own kind for the test `sequence`.
pub(super) fn is_sequence(object: &Arc<dyn Object>) -> bool {
    object.length().is_some() && object.as_any().type_id() != std::any::TypeId::of::<Namespace>()
}
