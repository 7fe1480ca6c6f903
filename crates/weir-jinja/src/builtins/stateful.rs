//! Values that remember: `namespace`, `cycler` and `joiner`.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::dicts;
use crate::{Call, Dict, Error, ErrorKind, Object, Result, Tuple, Value, value::bury};

pub(super) fn namespace(call: &mut Call<'_>) -> Result<Value> {
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

pub(super) fn cycler(call: &mut Call<'_>) -> Result<Value> {
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

pub(super) fn joiner(call: &mut Call<'_>) -> Result<Value> {
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
/// Whether a value counts as a sequence of its own kind for the test `sequence`.
pub(super) fn is_sequence(object: &Arc<dyn Object>) -> bool {
    object.length().is_some() && object.as_any().type_id() != std::any::TypeId::of::<Namespace>()
}
