use std::collections::HashMap;

use serde_json::Value as Json;
use weir_jinja::{Call, Function, Object, Result, Value};

use crate::context::MacroTable;
use crate::convert::to_value;
use crate::node::{JsonMap, UniqueId};

/// What a unit test gives in place of relations, and what it covers.
#[derive(Debug, Default)]
pub(crate) struct UnitScope {
    /// The SQL of each input's rows, under the name of its stand-in.
    pub(crate) inputs: HashMap<UniqueId, Input>,
    /// The input that stands for the tested model itself.
    pub(crate) this: Option<UniqueId>,
    pub(crate) macros: JsonMap,
    pub(crate) vars: JsonMap,
    pub(crate) env_vars: JsonMap,
}

/// Rows that stand for a relation.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl UnitScope {
    /// Returns what `name` is to the tested model, if the test says so.
    pub(super) fn overridden(
        &self,
        name: &str,
        macros: &MacroTable,
        package: &str,
    ) -> Option<Value> {
        if let Some(value) = self.macros.get(name) {
            return Some(constant(name, value));
        }
        let prefix = format!("{name}.");
        let covered: HashMap<String, Value> = self
            .macros
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix(&prefix)?.to_owned(), constant(key, value)))
            })
            .collect();
        if !covered.is_empty() {
            let inner = macros.lookup(package, name)?;
            return Some(Value::object(Covered { inner, covered }));
        }
        // What is covered in the library's namespace is covered without it too.
        let value = self.macros.get(&format!("dbt.{name}"))?;
        Some(constant(name, value))
    }
}

/// A macro that gives the same whatever it is told.
fn constant(name: &str, value: &Json) -> Value {
    let value = to_value(value);
    Function::value(name.to_owned(), move |call: &mut Call<'_>| {
        call.take_all();
        Ok(value.clone())
    })
}

/// A package of which some macros are covered.
#[derive(Debug)]
struct Covered {
    inner: Value,
    covered: HashMap<String, Value>,
}

impl Object for Covered {
    fn type_name(&self) -> &str {
        "package"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        if let Some(value) = self.covered.get(name) {
            return Ok(Some(value.clone()));
        }
        match &self.inner {
            Value::Object(inner) => inner.attr(name),
            _ => Ok(None),
        }
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let args = call.take_all();
        if let Some(value) = self.covered.get(name).cloned() {
            return call.call(&value, args).map(Some);
        }
        let names = call.names;
        call.interpreter
            .call_method(&self.inner, name, args, names)
            .map(Some)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
