//! Small tables made of cells: what a catalog is.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, Int64Array, ListArray,
    StringArray, UInt32Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::common::DataFusionError;

/// The type of a catalog column, by Postgres' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Oid,
    Text,
    TextArray,
    Int2Array,
}

impl Kind {
    pub(super) fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::Int2 => DataType::Int16,
            Kind::Int4 => DataType::Int32,
            Kind::Int8 => DataType::Int64,
            Kind::Float4 => DataType::Float32,
            Kind::Oid => DataType::UInt32,
            Kind::Text => DataType::Utf8,
            Kind::TextArray => list(DataType::Utf8),
            Kind::Int2Array => list(DataType::Int32),
        }
    }
}

/// A value of a catalog's row.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Cell::Int(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Cell::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Cell::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

impl Cell {
    fn int(&self) -> Option<i64> {
        match self {
            Cell::Int(value) => Some(*value),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(value) => Some(value),
            _ => None,
        }
    }

    fn bool(&self) -> Option<bool> {
        match self {
            Cell::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

/// Turns rows, each with the cells it sets by name, into columns; what a row does not set is null.
pub(super) fn columns(
    layout: &[(&str, Kind)],
    rows: &[Vec<(&'static str, Cell)>],
) -> Result<Vec<ArrayRef>, DataFusionError> {
    let null = Cell::Null;
    layout
        .iter()
        .map(|(name, kind)| {
            let cells = rows.iter().map(|row| {
                let cell = row.iter().find(|(column, _)| column == name);
                cell.map_or(&null, |(_, cell)| cell)
            });
            column(*kind, cells)
        })
        .collect()
}

fn column<'a>(
    kind: Kind,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<ArrayRef, DataFusionError> {
    Ok(match kind {
        Kind::Bool => Arc::new(cells.map(Cell::bool).collect::<BooleanArray>()),
        Kind::Int2 => Arc::new(
            cells
                .map(|cell| cell.int().and_then(|v| i16::try_from(v).ok()))
                .collect::<Int16Array>(),
        ),
        Kind::Int4 => Arc::new(
            cells
                .map(|cell| cell.int().and_then(|v| i32::try_from(v).ok()))
                .collect::<Int32Array>(),
        ),
        Kind::Int8 => Arc::new(cells.map(Cell::int).collect::<Int64Array>()),
        Kind::Float4 => Arc::new(
            cells
                .map(|cell| cell.int().map(|v| v as f32))
                .collect::<Float32Array>(),
        ),
        Kind::Oid => Arc::new(
            cells
                .map(|cell| cell.int().and_then(|v| u32::try_from(v).ok()))
                .collect::<UInt32Array>(),
        ),
        Kind::Text => Arc::new(cells.map(Cell::text).collect::<StringArray>()),
        // Catalogs here have no lists with values in them.
        Kind::TextArray => {
            let rows = cells.count();
            datafusion::arrow::array::new_null_array(&kind.data_type(), rows)
        }
        Kind::Int2Array => Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
            cells.map(|_| None::<Vec<Option<i32>>>),
        )),
    })
}
