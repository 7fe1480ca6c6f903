//! The objects among the names of a stage: `ref`, `config`, `builtins` and packages.

use std::fmt;
use std::sync::{Arc, Weak};

use weir_jinja::{Call, Dict, Interpreter, Names, Object, Result, Value};

use super::merge;
use super::stage::Stage;
use crate::convert::to_json;
use crate::node::{JsonMap, UniqueId};

/// `graph` knows nothing while the project is parsed.
pub(super) fn graph() -> Value {
    let graph = Dict::new();
    for key in [
        "nodes",
        "sources",
        "exposures",
        "metrics",
        "groups",
        "semantic_models",
        "saved_queries",
    ] {
        graph.set_str(key, Dict::new());
    }
    Value::Dict(graph)
}

/// `ref(...)`; some packages look by its attribute `config` for what is known of the project.
#[derive(Debug)]
pub(super) struct Reference(pub(super) Weak<Stage>);

impl Object for Reference {
    fn type_name(&self) -> &str {
        "function"
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        call.function = "ref".into();
        match self.0.upgrade() {
            Some(stage) => stage.reference(call),
            None => Ok(Value::None),
        }
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        if name != "config" {
            return Ok(None);
        }
        let context = self
            .0
            .upgrade()
            .and_then(|stage| stage.context.get()?.upgrade());
        Ok(context.map(|context| context.shared().project.to_value()))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `config(...)` and its methods, which find nothing yet.
#[derive(Debug)]
pub(super) struct Config(pub(super) Weak<Stage>);

impl Object for Config {
    fn type_name(&self) -> &str {
        "config"
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        match self.0.upgrade() {
            Some(stage) => stage.add_config(call),
            None => Ok(Value::str("")),
        }
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(match name {
            "get" | "require" | "meta_get" | "meta_require" => Some(Value::str("")),
            "set" => {
                if let (Ok(key), Ok(value), Some(stage)) = (
                    call.required_str("name"),
                    call.required("value"),
                    self.0.upgrade(),
                ) {
                    let map = JsonMap::from_iter([(key.to_string(), to_json(&value))]);
                    merge::add_call(&mut stage.lock().config, stage.facts.config_kind, map);
                }
                Some(Value::str(""))
            }
            "persist_relation_docs" | "persist_column_docs" => Some(Value::Bool(false)),
            _ => None,
        })
    }

    fn methods(&self) -> &[&str] {
        &[
            "get",
            "require",
            "set",
            "meta_get",
            "meta_require",
            "persist_relation_docs",
            "persist_column_docs",
        ]
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A package in a node's own text: what is taken from it is taken down.
pub(super) struct Namespace {
    pub(super) package: Arc<str>,
    pub(super) inner: Value,
    pub(super) stage: Weak<Stage>,
}

impl Namespace {
    fn find(&self, name: &str) -> Option<Value> {
        let stage = self.stage.upgrade()?;
        let found = stage.macros.in_package(&self.package, name)?;
        if let Some(id) = found.id() {
            stage.add_macro(UniqueId::from_text(Arc::clone(id)));
        }
        Some(Value::Macro(found.clone()))
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({})", self.package)
    }
}

impl Object for Namespace {
    fn type_name(&self) -> &str {
        "package"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.find(name))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(key.as_str().and_then(|name| self.find(name)))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if self.find(name).is_some() {
            return Ok(None);
        }
        match &self.inner {
            Value::Object(inner) => inner.method(name, call),
            _ => Ok(None),
        }
    }

    fn contains(&self, value: &Value) -> Result<bool> {
        match &self.inner {
            Value::Object(inner) => inner.contains(value),
            _ => Ok(false),
        }
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `builtins`: what a project's own macros of the same names cover.
#[derive(Debug)]
pub(super) struct Builtins(pub(super) Weak<Stage>);

impl Object for Builtins {
    fn type_name(&self) -> &str {
        "dict"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let Some(stage) = self.0.upgrade() else {
            return Ok(None);
        };
        if let Some(own) = stage.own(name) {
            return Ok(Some(own));
        }
        let Some(context) = stage.context.get().and_then(Weak::upgrade) else {
            return Ok(None);
        };
        let interpreter = Interpreter::new(Arc::clone(&context.shared().environment));
        context.lookup(name, &interpreter)
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if name != "get" {
            return Ok(None);
        }
        let key = call.required_str("key")?;
        Ok(Some(self.attr(&key)?.unwrap_or(Value::None)))
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
