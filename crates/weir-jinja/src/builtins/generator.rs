//! What `map`, `select` and their like give: items that can be gone through once.

use std::any::Any;

use parking_lot::Mutex;

use crate::{Object, Value, value::bury};

/// A Python generator: always true, without a length, empty once it has been gone through.
pub(super) struct Generator {
    name: &'static str,
    items: Mutex<Vec<Value>>,
}

impl Generator {
    pub(super) fn value(name: &'static str, items: Vec<Value>) -> Value {
        Value::object(Self {
            name,
            items: Mutex::new(items),
        })
    }

    /// Takes the first item only, as `next` does.
    pub(super) fn first(&self) -> Option<Value> {
        let mut items = self.items.lock();
        if items.is_empty() {
            None
        } else {
            Some(items.remove(0))
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        bury(std::mem::take(self.items.get_mut()));
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Generator")
    }
}

impl Object for Generator {
    fn type_name(&self) -> &str {
        "generator"
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(std::mem::take(&mut *self.items.lock()))
    }

    fn is_true(&self) -> bool {
        true
    }

    fn repr(&self) -> String {
        format!("<generator object {}>", self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
