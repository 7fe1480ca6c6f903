//! What rows are made of besides their columns' values: the columns of changes, values that fit nowhere,
//! hashes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use serde_json::{Value, json};
use weir_core::changelog::CHANGE_COLUMNS;

use super::cell::{Cell, unquoted};

pub(super) fn change_type(name: &str) -> DataType {
    match name {
        "weir_position" | "weir_ordinal" | "weir_version" => DataType::Int64,
        "weir_loaded_at" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    }
}

/// Brings a batch to the columns of the commit: earlier ones have fewer, or narrower.
pub(super) fn conform(
    batch: &RecordBatch,
    schema: &SchemaRef,
    run: &str,
    loaded_at: i64,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let rows = batch.num_rows();
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "weir_run" => Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                run, rows,
            ))) as ArrayRef),
            "weir_loaded_at" => {
                let times = TimestampMicrosecondArray::from_value(loaded_at, rows);
                Ok(Arc::new(times.with_timezone("UTC")) as ArrayRef)
            }
            name => match batch.column_by_name(name) {
                Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
                Some(column) => cast(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), rows)),
            },
        });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

/// Returns a name that the open format and the columns of changes leave free.
pub(crate) fn column_name(name: &str) -> String {
    let forbidden = |c: char| c.is_control() || " ,;{}()=".contains(c);
    let mut name: String = name
        .chars()
        .map(|c| if forbidden(c) { '_' } else { c })
        .collect();
    if name.is_empty() {
        name.push('_');
    }
    if CHANGE_COLUMNS.contains(&name.to_lowercase().as_str()) {
        name.push('_');
    }
    name
}

pub(super) fn misfit(cell: Cell<'_>, reason: &str) -> Value {
    let value = match cell {
        Cell::Null => Value::Null,
        Cell::Json(raw) => match unquoted(raw) {
            Ok(text) => Value::String(text.into_owned()),
            Err(_) => Value::String(raw.to_owned()),
        },
        Cell::Text(text) => Value::String(text.to_owned()),
        Cell::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        own => Value::String(format!("{own:?}")),
    };
    json!({ "value": value, "reason": reason })
}

pub(super) fn hashed(key: &[u8; 32], cell: Cell<'_>) -> Option<String> {
    let hash = |bytes: &[u8]| blake3::keyed_hash(key, bytes).to_hex().to_string();
    match cell {
        Cell::Null | Cell::Json("null") => None,
        Cell::Json(raw) => Some(match unquoted(raw) {
            Ok(text) => hash(text.as_bytes()),
            Err(_) => hash(raw.as_bytes()),
        }),
        Cell::Text(text) => Some(hash(text.as_bytes())),
        Cell::Bytes(bytes) => Some(hash(bytes)),
        // Hashes are of the text that a source writes: whoever reads values in another form asks for text.
        _ => None,
    }
}

pub(super) fn size(cell: Cell<'_>) -> usize {
    match cell {
        Cell::Null => 1,
        Cell::Json(text) | Cell::Text(text) => text.len(),
        Cell::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}
