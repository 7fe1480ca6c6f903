use std::sync::Arc;

use weir_jinja::{Call, Object, Result, Value};

use super::{cell_value, index};
use crate::warehouse::{Cell, Table, TableColumn};

/// `table.rows`.
#[derive(Debug)]
pub(super) struct Rows(pub(super) Arc<Table>);

impl Rows {
    fn row(&self, row: usize) -> Value {
        Value::object(Row {
            table: Arc::clone(&self.0),
            row,
        })
    }
}

impl Object for Rows {
    fn type_name(&self) -> &str {
        "MappedSequence"
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(index(key, self.0.rows.len()).map(|row| self.row(row)))
    }

    fn method(&self, name: &str, _: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(
            (name == "values")
                .then(|| Value::list((0..self.0.rows.len()).map(|row| self.row(row)))),
        )
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some((0..self.0.rows.len()).map(|row| self.row(row)).collect())
    }

    fn length(&self) -> Option<usize> {
        Some(self.0.rows.len())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// One row: by position or name.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) table: Arc<Table>,
    pub(super) row: usize,
}

impl Row {
    fn cells(&self) -> &[Cell] {
        self.table.rows.get(self.row).map_or(&[], Vec::as_slice)
    }

    fn named(&self, name: &str) -> Option<Value> {
        let at = self.table.position(name)?;
        self.cells().get(at).map(cell_value)
    }

    fn keys(&self) -> impl Iterator<Item = &TableColumn> {
        self.table.columns.iter()
    }
}

impl Object for Row {
    fn type_name(&self) -> &str {
        "Row"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.named(name))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        if let Some(name) = key.as_str() {
            return Ok(self.named(name));
        }
        Ok(index(key, self.cells().len()).and_then(|at| self.cells().get(at).map(cell_value)))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let pairs = || self.keys().zip(self.cells());
        Ok(Some(match name {
            "values" => Value::tuple(self.cells().iter().map(cell_value)),
            "keys" => Value::tuple(self.keys().map(|column| Value::str(column.name.as_str()))),
            "items" => Value::list(pairs().map(|(column, cell)| {
                Value::tuple([Value::str(column.name.as_str()), cell_value(cell)])
            })),
            "dict" => {
                Value::dict(pairs().map(|(column, cell)| (column.name.as_str(), cell_value(cell))))
            }
            "get" => {
                let key = call.required("key")?;
                let default = call.optional("default")?.unwrap_or(Value::None);
                self.item(&key)?.unwrap_or(default)
            }
            _ => return Ok(None),
        }))
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(self.cells().iter().map(cell_value).collect())
    }

    fn length(&self) -> Option<usize> {
        Some(self.cells().len())
    }

    fn repr(&self) -> String {
        let cells: Vec<String> = self
            .cells()
            .iter()
            .map(|cell| cell_value(cell).repr())
            .collect();
        format!("<agate.Row: ({})>", cells.join(", "))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
