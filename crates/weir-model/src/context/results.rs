use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_jinja::{Call, Error, Function, Object, Result, Value};

use super::AgateTable;
use crate::warehouse::Answer;

/// What statements of one node stored under names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results(Arc<Mutex<HashMap<String, Option<Value>>>>);

impl Results {
    /// Returns the result called `main`, the node's own.
    pub(crate) fn main(&self) -> Option<Value> {
        self.0.lock().get("main").cloned().flatten()
    }

    /// `store_result(name, response, agate_table)`.
    pub(super) fn store(&self) -> Value {
        let results = self.clone();
        Function::value("store_result", move |call: &mut Call<'_>| {
            let name = call.required_str("name")?;
            let response = call.required("response")?;
            let table = call.optional("agate_table")?.unwrap_or(Value::None);
            call.finish()?;
            results.put(&name, response, table);
            Ok(Value::str(""))
        })
    }

    /// `store_raw_result(name, message, code, rows_affected, agate_table)`.
    pub(super) fn store_raw(&self) -> Value {
        let results = self.clone();
        Function::value("store_raw_result", move |call: &mut Call<'_>| {
            let name = call.required_str("name")?;
            let mut text = |key: &str| -> Result<Option<String>> {
                Ok(call
                    .optional(key)?
                    .filter(|value| !value.is_none())
                    .map(|value| value.to_str().to_string()))
            };
            let (message, code, rows) = (text("message")?, text("code")?, text("rows_affected")?);
            let table = call.optional("agate_table")?.unwrap_or(Value::None);
            call.finish()?;
            let response = Response {
                message: message.unwrap_or_default(),
                code: code.unwrap_or_default(),
                rows_affected: rows.and_then(|rows| rows.parse().ok()),
            };
            results.put(&name, Value::object(response), table);
            Ok(Value::str(""))
        })
    }

    /// `load_result(name)`: once, except for `main`.
    pub(super) fn load(&self) -> Value {
        let results = self.clone();
        Function::value("load_result", move |call: &mut Call<'_>| {
            let name = call.required_str("name")?;
            call.finish()?;
            let mut stored = results.0.lock();
            match stored.get_mut(&*name) {
                None => Ok(Value::None),
                Some(result) if &*name == "main" => Ok(result.clone().unwrap_or(Value::None)),
                Some(result) => result.take().ok_or_else(|| {
                    Error::custom(format!("The 'statement' result named '{name}' has already been loaded into a variable"))
                        .with_hint("keep what load_result() gave in a variable")
                }),
            }
        })
    }

    fn put(&self, name: &str, response: Value, table: Value) {
        let table = if table.is_none() || table.is_undefined() {
            AgateTable::empty().value()
        } else {
            table
        };
        let data = table
            .as_object::<AgateTable>()
            .map_or(Value::list(Vec::<Value>::new()), AgateTable::matrix);
        let result = Value::dict([("response", response), ("data", data), ("table", table)]);
        self.0.lock().insert(name.to_owned(), Some(result));
    }
}

/// What the warehouse said it did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) message: String,
    pub(crate) code: String,
    pub(crate) rows_affected: Option<i64>,
}

impl Response {
    /// Takes over an answer's tag.
    pub(crate) fn of(answer: &Answer) -> Self {
        Self {
            message: answer.tag.clone(),
            code: answer.code().to_owned(),
            rows_affected: answer
                .rows_affected
                .and_then(|rows| i64::try_from(rows).ok()),
        }
    }
}

impl Object for Response {
    fn type_name(&self) -> &str {
        "AdapterResponse"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "_message" | "message" => Value::str(self.message.as_str()),
            "code" => Value::str(self.code.as_str()),
            "rows_affected" => self.rows_affected.map_or(Value::None, Value::Int),
            _ => return Ok(None),
        }))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn to_str(&self) -> String {
        self.message.clone()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
