//! What `groupby` gives.

use std::any::Any;

use crate::{Object, Result, Tuple, Value, value::position};

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
