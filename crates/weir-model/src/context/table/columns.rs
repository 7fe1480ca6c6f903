use std::sync::Arc;

use weir_jinja::{Call, Error, Object, Result, Value};

use super::{cell_value, index, kind_name};
use crate::warehouse::Table;

/// `table.columns`: by position or name.
#[derive(Debug)]
pub(super) struct Columns(pub(super) Arc<Table>);

impl Columns {
    fn column(&self, column: usize) -> Value {
        Value::object(TableColumnObject {
            table: Arc::clone(&self.0),
            column,
        })
    }

    fn all(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.0.columns.len()).map(|column| self.column(column))
    }
}

impl Object for Columns {
    fn type_name(&self) -> &str {
        "MappedSequence"
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        let at = match key.as_str() {
            Some(name) => self.0.position(name),
            None => index(key, self.0.columns.len()),
        };
        if at.is_none() && key.as_str().is_some() {
            return Err(Error::custom(format!(
                "the table has no column {}",
                key.repr()
            )));
        }
        Ok(at.map(|column| self.column(column)))
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.0.position(name).map(|column| self.column(column)))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "values" => Value::list(self.all()),
            "keys" => Value::tuple(
                self.0
                    .columns
                    .iter()
                    .map(|column| Value::str(column.name.as_str())),
            ),
            "items" => Value::list(
                self.0
                    .columns
                    .iter()
                    .zip(self.all())
                    .map(|(column, value)| Value::tuple([Value::str(column.name.as_str()), value])),
            ),
            "get" => {
                let key = call.required_str("key")?;
                self.attr(&key)?.unwrap_or(Value::None)
            }
            _ => return Ok(None),
        }))
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(self.all().collect())
    }

    fn length(&self) -> Option<usize> {
        Some(self.0.columns.len())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// One column of a table: its name, its type and its values.
#[derive(Debug)]
struct TableColumnObject {
    table: Arc<Table>,
    column: usize,
}

impl TableColumnObject {
    fn values(&self) -> impl Iterator<Item = Value> + '_ {
        self.table
            .rows
            .iter()
            .filter_map(|row| row.get(self.column))
            .map(cell_value)
    }
}

impl Object for TableColumnObject {
    fn type_name(&self) -> &str {
        "Column"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "name" => self
                .table
                .columns
                .get(self.column)
                .map(|column| Value::str(column.name.as_str())),
            "index" => i64::try_from(self.column).ok().map(Value::Int),
            "data_type" => Some(kind_name(&self.table, self.column)),
            _ => None,
        })
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        let at = index(key, self.table.rows.len());
        Ok(at
            .and_then(|at| self.table.rows[at].get(self.column))
            .map(cell_value))
    }

    fn method(&self, name: &str, _: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "values" => Value::tuple(self.values()),
            "values_without_nulls" => Value::tuple(self.values().filter(|value| !value.is_none())),
            "values_distinct" => {
                let mut seen: Vec<Value> = Vec::new();
                for value in self.values() {
                    if !seen.contains(&value) {
                        seen.push(value);
                    }
                }
                Value::list(seen)
            }
            _ => return Ok(None),
        }))
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(self.values().collect())
    }

    fn length(&self) -> Option<usize> {
        Some(self.table.rows.len())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
