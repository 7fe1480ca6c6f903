use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use weir_jinja::{Call, Error, Object, Result, Value};

use crate::convert::{to_json, to_value};
use crate::node::NodeConfig;

/// `config` while compiling and running: reads the node's configuration; calls do nothing any more.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) node: String,
    pub(super) config: Arc<NodeConfig>,
    /// What macros set while the node is built, such as `sql_header`.
    pub(super) set: Arc<Mutex<HashMap<String, Value>>>,
    pub(super) model: Value,
}

impl Config {
    fn find(&self, key: &str) -> Option<Value> {
        if let Some(value) = self.set.lock().get(key) {
            return Some(value.clone());
        }
        if key == "snapshot_table_column_names" {
            return Some(to_value(&snapshot_columns(&self.config)));
        }
        self.config.get(key).map(to_value)
    }

    fn meta(&self, key: &str) -> Option<Value> {
        self.config.meta().get(key).map(to_value)
    }

    fn missing(&self, key: &str) -> Error {
        Error::custom(format!(
            "Model '{}' does not define a required config parameter '{key}'.",
            self.node
        ))
        .with_hint(format!("add `{key}` to the model's config()"))
    }

    fn persists(&self, key: &str) -> bool {
        self.config
            .map("persist_docs")
            .get(key)
            .and_then(Json::as_bool)
            .unwrap_or(false)
    }
}

/// The names of a snapshot's own columns, those not renamed included.
fn snapshot_columns(config: &NodeConfig) -> Json {
    let mut names = json!({
        "dbt_valid_to": "dbt_valid_to", "dbt_valid_from": "dbt_valid_from", "dbt_scd_id": "dbt_scd_id",
        "dbt_updated_at": "dbt_updated_at", "dbt_is_deleted": "dbt_is_deleted",
    });
    for (key, value) in config.map("snapshot_meta_column_names") {
        if let (Some(name), Some(slot)) = (value.as_str(), names.get_mut(key)) {
            *slot = json!(name);
        }
    }
    names
}

impl Object for Config {
    fn type_name(&self) -> &str {
        "Config"
    }

    fn is_callable(&self) -> bool {
        true
    }

    /// Parsing has read it; only what is not known before running is kept.
    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        call.take_all();
        Ok(Value::str(""))
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        if name == "model" {
            return Ok(Some(self.model.clone()));
        }
        Ok(self.find(name))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(key.as_str().and_then(|key| self.find(key)))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "get" => {
                let key = call.required_str("name")?;
                let default = call.optional("default")?.unwrap_or(Value::None);
                call.kwargs.clear();
                self.find(&key).unwrap_or(default)
            }
            "require" => {
                let key = call.required_str("name")?;
                call.kwargs.clear();
                self.find(&key)
                    .filter(|value| !value.is_none())
                    .ok_or_else(|| self.missing(&key))?
            }
            "meta_get" => {
                let key = call.required_str("name")?;
                let default = call.optional("default")?.unwrap_or(Value::None);
                self.meta(&key).unwrap_or(default)
            }
            "meta_require" => {
                let key = call.required_str("name")?;
                self.meta(&key).ok_or_else(|| self.missing(&key))?
            }
            "set" => {
                let key = call.required_str("name")?;
                let value = call.required("value")?;
                self.set.lock().insert(key.to_string(), value);
                Value::str("")
            }
            "persist_relation_docs" => Value::Bool(self.persists("relation")),
            "persist_column_docs" => Value::Bool(self.persists("columns")),
            "items" | "keys" | "to_dict" => {
                let all = to_value(&Json::Object(self.config.to_json()));
                let args = call.take_all();
                let names = call.names;
                if name == "to_dict" {
                    all
                } else {
                    call.interpreter.call_method(&all, name, args, names)?
                }
            }
            _ => return Ok(None),
        }))
    }

    fn methods(&self) -> &[&str] {
        &[
            "get",
            "require",
            "meta_get",
            "meta_require",
            "set",
            "persist_relation_docs",
            "persist_column_docs",
        ]
    }

    fn contains(&self, value: &Value) -> Result<bool> {
        Ok(value.as_str().is_some_and(|key| self.find(key).is_some()))
    }

    fn to_json(&self) -> Option<Json> {
        let mut all = self.config.to_json();
        for (key, value) in self.set.lock().iter() {
            all.insert(key.clone(), to_json(value));
        }
        Some(Json::Object(all))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
