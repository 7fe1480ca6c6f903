//! A module: names that cannot be changed, so that all templates share it.

use std::any::Any;

use weir_jinja::{Object, Result, Value};

/// A module of Python.
pub(super) struct Module {
    members: Vec<(&'static str, Value)>,
}

impl Module {
    pub(super) fn value(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        Value::object(Self {
            members: members.into_iter().collect(),
        })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Module")
    }
}

impl Object for Module {
    fn type_name(&self) -> &str {
        "module"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self
            .members
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.clone()))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn attributes(&self) -> Vec<String> {
        self.members
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(
            self.members
                .iter()
                .map(|(name, _)| Value::from(*name))
                .collect(),
        )
    }

    fn length(&self) -> Option<usize> {
        Some(self.members.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
