//! The answer of a tile's question, as far as it is shown.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// What a column holds, as far as drawing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Time,
    Text,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A value as people read it, and as a number where it is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    /// None where there is no value.
    pub(super) text: Option<String>,
    pub(super) number: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// Whether there are more rows.
    pub(super) cut_off: bool,
}

impl Answer {
    pub(super) fn new(schema: &Schema) -> Self {
        let columns = schema.fields().iter().map(|field| Column {
            name: field.name().clone(),
            kind: match field.data_type() {
                kind if kind.is_numeric() => Kind::Number,
                DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Time,
                _ => Kind::Text,
            },
        });
        Self {
            columns: columns.collect(),
            ..Self::default()
        }
    }

    /// Takes over rows, up to `most` of all.
    ///
    /// # Errors
    /// When a value cannot be written as text.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch,
        most: usize,
    ) -> Result<(), arrow::error::ArrowError> {
        let rows = batch.num_rows().min(most - self.rows.len());
        self.cut_off |= rows < batch.num_rows();
        let options = FormatOptions::default()
            .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S"))
            .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S"));
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (at, array) in batch.columns().iter().enumerate() {
            let numbers = match self.columns.get(at).map(|column| column.kind) {
                Some(Kind::Number) => Some(arrow::compute::cast(array, &DataType::Float64)?),
                _ => None,
            };
            columns.push((array, ArrayFormatter::try_new(array, &options)?, numbers));
        }
        for row in 0..rows {
            let mut cells = Vec::with_capacity(columns.len());
            for (array, texts, numbers) in &columns {
                if array.is_null(row) {
                    cells.push(Cell::default());
                    continue;
                }
                let number = numbers.as_ref().filter(|all| !all.is_null(row));
                let number = number.map(|all| all.as_primitive::<Float64Type>().value(row));
                let text = texts.value(row).try_to_string()?;
                cells.push(Cell {
                    text: Some(shortened(text)),
                    number: number.filter(|number| number.is_finite()),
                });
            }
            self.rows.push(cells);
        }
        Ok(())
    }
}

/// Midnight is the day itself.
fn shortened(text: String) -> String {
    match text.strip_suffix(" 00:00:00") {
        Some(day) => day.to_owned(),
        None => text,
    }
}
