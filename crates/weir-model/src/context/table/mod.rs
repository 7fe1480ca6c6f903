mod columns;
mod rows;

use std::sync::Arc;

use weir_jinja::{Call, Object, Result, Value};

use crate::context::python;
use crate::warehouse::{Cell, CellKind, Table};
use columns::Columns;
use rows::{Row, Rows};

/// Rows of an answer as templates see them.
#[derive(Clone, Debug)]
pub(crate) struct AgateTable(pub(crate) Arc<Table>);

impl AgateTable {
    pub(crate) fn new(table: Table) -> Self {
        Self(Arc::new(table))
    }

    /// Returns the table of statements that have no rows.
    pub(crate) fn empty() -> Self {
        Self::new(Table::default())
    }

    /// Makes a value of it.
    pub(crate) fn value(self) -> Value {
        Value::object(self)
    }

    /// Returns all rows as lists.
    pub(super) fn matrix(&self) -> Value {
        Value::list(
            self.0
                .rows
                .iter()
                .map(|row| Value::list(row.iter().map(cell_value))),
        )
    }

    fn rows(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.0.rows.len()).map(|row| {
            Value::object(Row {
                table: Arc::clone(&self.0),
                row,
            })
        })
    }

    fn names(&self) -> Value {
        Value::tuple(
            self.0
                .columns
                .iter()
                .map(|column| Value::str(column.name.as_str())),
        )
    }

    /// The same rows with some of the columns.
    fn with_columns(&self, kept: &[usize]) -> Self {
        Self::new(Table {
            columns: kept.iter().map(|at| self.0.columns[*at].clone()).collect(),
            rows: self
                .0
                .rows
                .iter()
                .map(|row| kept.iter().map(|at| row[*at].clone()).collect())
                .collect(),
        })
    }

    fn positions(&self, names: &Value) -> Vec<usize> {
        let names = match names {
            Value::List(list) => list.items(),
            Value::Tuple(tuple) => tuple.to_vec(),
            one => vec![one.clone()],
        };
        names
            .iter()
            .filter_map(|name| self.0.position(&name.to_str()))
            .collect()
    }

    /// Writes the table with lines, as people see it.
    fn drawn(&self) -> String {
        let header: Vec<String> = self
            .0
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let rows: Vec<Vec<String>> = self
            .0
            .rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|cell| cell.text().unwrap_or_default())
                    .collect()
            })
            .collect();
        let width = |at: usize| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.chain([header[at].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let line = |cells: &[String]| {
            let cells = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!(" {cell:<width$} "));
            format!("|{}|", cells.collect::<Vec<_>>().join("|"))
        };
        let rule = widths
            .iter()
            .map(|width| "-".repeat(width + 2))
            .collect::<Vec<_>>()
            .join("+");
        let mut out = format!("{}\n|{rule}|", line(&header));
        for row in &rows {
            out.push('\n');
            out.push_str(&line(row));
        }
        out
    }
}

/// Makes a value of a cell.
pub(crate) fn cell_value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::None,
        Cell::Bool(flag) => Value::Bool(*flag),
        Cell::Int(int) => Value::Int(*int),
        Cell::Float(float) => Value::Float(*float),
        Cell::Decimal(digits) => decimal_value(digits),
        Cell::Text(text) => Value::str(text.as_str()),
        Cell::Date(date) => python::date(*date),
        Cell::Timestamp(moment) => python::naive(*moment),
        Cell::TimestampTz(moment) => python::aware(*moment),
        Cell::Json(json) => Value::str(json.to_string()),
    }
}

/// Whole numbers become integers, short ones floats; what a float would change stays text.
fn decimal_value(digits: &str) -> Value {
    if let Ok(int) = digits.parse::<i64>() {
        return Value::Int(int);
    }
    let significant = digits.bytes().filter(u8::is_ascii_digit).count();
    match digits.parse::<f64>() {
        Ok(float) if significant <= 15 => Value::Float(float),
        _ => Value::str(digits),
    }
}

impl Object for AgateTable {
    fn type_name(&self) -> &str {
        "Table"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "rows" => Value::object(Rows(Arc::clone(&self.0))),
            "columns" => Value::object(Columns(Arc::clone(&self.0))),
            "column_names" => self.names(),
            "column_types" => {
                Value::tuple((0..self.0.columns.len()).map(|column| kind_name(&self.0, column)))
            }
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "print_table" | "print_csv" | "print_json" => Value::str(self.drawn()),
            "select" => {
                let names = call.required("key")?;
                self.with_columns(&self.positions(&names)).value()
            }
            "exclude" => {
                let out = self.positions(&call.required("key")?);
                let kept: Vec<usize> = (0..self.0.columns.len())
                    .filter(|at| !out.contains(at))
                    .collect();
                self.with_columns(&kept).value()
            }
            "limit" => {
                let first = call.optional_int("start_or_stop")?.unwrap_or(0);
                let second = call.optional_int("stop")?;
                let (start, stop) = second.map_or((0, first), |stop| (first, stop));
                let at = |index: i64| usize::try_from(index).unwrap_or(0).min(self.0.rows.len());
                let rows = self.0.rows[at(start).min(at(stop))..at(stop)].to_vec();
                Self::new(Table {
                    columns: self.0.columns.clone(),
                    rows,
                })
                .value()
            }
            "rename" => {
                let names = call.optional("column_names")?.unwrap_or(Value::None);
                self.renamed(&names).value()
            }
            "where" => {
                let test = call.required("test")?;
                let mut rows = Vec::new();
                for (at, row) in self.rows().enumerate() {
                    if call.call(&test, [row].into_iter().collect())?.is_true() {
                        rows.push(self.0.rows[at].clone());
                    }
                }
                Self::new(Table {
                    columns: self.0.columns.clone(),
                    rows,
                })
                .value()
            }
            _ => return Ok(None),
        }))
    }

    fn methods(&self) -> &[&str] {
        &[
            "print_table",
            "select",
            "exclude",
            "limit",
            "rename",
            "where",
        ]
    }

    fn iterate(&self) -> Option<Vec<Value>> {
        Some(self.rows().collect())
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Rows(Arc::clone(&self.0)).item(key)
    }

    fn length(&self) -> Option<usize> {
        Some(self.0.rows.len())
    }

    fn is_true(&self) -> bool {
        // agate's tables are true even without rows.
        true
    }

    fn repr(&self) -> String {
        "<agate.table.Table object>".to_owned()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl AgateTable {
    fn renamed(&self, names: &Value) -> Self {
        let mut columns = self.0.columns.clone();
        match names {
            Value::Dict(dict) => {
                for column in &mut columns {
                    if let Some(name) = dict.get_str(&column.name) {
                        column.name = name.to_str().to_string();
                    }
                }
            }
            Value::List(list) => {
                for (column, name) in columns.iter_mut().zip(list.items()) {
                    column.name = name.to_str().to_string();
                }
            }
            _ => {}
        }
        Self::new(Table {
            columns,
            rows: self.0.rows.clone(),
        })
    }
}

/// What agate calls the type of a column's values.
pub(super) fn kind_name(table: &Table, column: usize) -> Value {
    let kind = table
        .rows
        .iter()
        .map(|row| row[column].kind())
        .find(|kind| *kind != CellKind::Null);
    Value::str(match kind {
        Some(CellKind::Bool) => "<Boolean>",
        Some(CellKind::Int) => "<Integer>",
        Some(CellKind::Float | CellKind::Decimal) => "<Number>",
        Some(CellKind::Date) => "<Date>",
        Some(CellKind::Timestamp | CellKind::TimestampTz) => "<DateTime>",
        _ => "<Text>",
    })
}

pub(super) fn index(key: &Value, length: usize) -> Option<usize> {
    let at = key.as_int()?;
    let at = if at < 0 {
        at.checked_add(i64::try_from(length).ok()?)?
    } else {
        at
    };
    usize::try_from(at).ok().filter(|at| *at < length)
}
