//! Rows as bytes, batch by batch.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::csv::writer::{Writer as CsvWriter, WriterBuilder as CsvBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{
    LineDelimited, NullableEncoder, WriterBuilder as JsonBuilder, make_encoder,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use weir_query::{QueryResult, as_intervals, type_name, write_interval};

use super::failure::Failure;
use super::format::Format;
use super::numbers::{NotFinite, json_options};
use super::parquet::ParquetFile;

/// Writes one result: a head, batches, an end.
pub(crate) struct Encoder {
    form: Form,
    started: Instant,
    rows: u64,
}

enum Form {
    Json {
        plain: SchemaRef,
        head: String,
        tail: String,
    },
    JsonLines {
        plain: SchemaRef,
    },
    Csv {
        plain: SchemaRef,
        schema: SchemaRef,
    },
    Arrow(Box<StreamWriter<Vec<u8>>>),
    Parquet(Box<ParquetFile>),
}

/// Returns names and types, as SQL calls them.
pub(crate) fn columns(schema: &SchemaRef) -> Value {
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name(),
            kind: type_name(field.data_type()),
        })
        .collect();
    serde_json::to_value(columns).unwrap_or_default()
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: String,
}

impl Encoder {
    pub(crate) fn new(format: Format, result: &QueryResult) -> Result<Self, ArrowError> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| ArrowError::JsonError(error.to_string()))
        };
        let versions = json(serde_json::to_string(&result.versions))?;
        let affected = match result.command.rows {
            Some(rows) => format!(",\"rows_affected\":{rows}"),
            None => String::new(),
        };
        let tail = format!(
            ",\"versions\":{versions},\"command\":\"{}\"{affected}",
            result.command.tag
        );
        let columns = columns(&result.schema);
        Self::of(
            format,
            &result.schema,
            (&result.id.to_string(), &columns, tail),
            result.started,
        )
    }

    /// Returns one for rows of `schema`; in JSON, before them stand an id and the columns, and
    /// behind them what `tail` holds: members, each with a comma before it.
    pub(crate) fn of(
        format: Format,
        schema: &SchemaRef,
        (id, columns, tail): (&str, &Value, String),
        started: Instant,
    ) -> Result<Self, ArrowError> {
        let schema = schema.clone();
        let form = match format {
            Format::Json => {
                let head = format!("{{\"query_id\":\"{id}\",\"columns\":{columns},\"rows\":[");
                Form::Json {
                    plain: plain(&schema, Flat::Json),
                    head,
                    tail,
                }
            }
            Format::JsonLines => Form::JsonLines {
                plain: plain(&schema, Flat::Json),
            },
            Format::Csv => Form::Csv {
                plain: plain(&schema, Flat::Csv),
                schema: schema.clone(),
            },
            Format::Arrow => Form::Arrow(Box::new(StreamWriter::try_new(Vec::new(), &schema)?)),
            Format::Parquet => {
                Form::Parquet(Box::new(ParquetFile::new(plain(&schema, Flat::Parquet))?))
            }
        };
        Ok(Self {
            form,
            started,
            rows: 0,
        })
    }

    /// Changes what stands behind the rows, in JSON.
    pub(crate) fn set_tail(&mut self, text: String) {
        if let Form::Json { tail, .. } = &mut self.form {
            *tail = text;
        }
    }

    /// Returns how many rows were written.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns what comes before the first row.
    pub(crate) fn head(&mut self) -> Result<Bytes, ArrowError> {
        match &mut self.form {
            Form::Json { head, .. } => Ok(Bytes::from(std::mem::take(head))),
            Form::JsonLines { .. } => Ok(Bytes::new()),
            Form::Csv { schema, .. } => {
                // The writer names columns with the first batch only, which may never come.
                let mut names = CsvBuilder::new().with_header(true).build(Vec::new());
                names.write(&RecordBatch::new_empty(schema_of_text(schema)))?;
                Ok(Bytes::from(names.into_inner()))
            }
            Form::Arrow(writer) => Ok(Bytes::from(std::mem::take(writer.get_mut()))),
            Form::Parquet(_) => Ok(Bytes::new()),
        }
    }

    /// Returns the rows of `batch`, or some of them and of those before.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, ArrowError> {
        let first = self.rows == 0;
        self.rows += batch.num_rows() as u64;
        match &mut self.form {
            Form::Json { plain, .. } => {
                Ok(Bytes::from(json_lists(&to_plain(batch, plain)?, first)?))
            }
            Form::JsonLines { plain } => Ok(Bytes::from(json_lines(&to_plain(batch, plain)?)?)),
            Form::Csv { plain, .. } => {
                let mut writer: CsvWriter<Vec<u8>> =
                    CsvBuilder::new().with_header(false).build(Vec::new());
                writer.write(&to_plain(batch, plain)?)?;
                Ok(Bytes::from(writer.into_inner()))
            }
            Form::Arrow(writer) => {
                writer.write(batch)?;
                Ok(Bytes::from(std::mem::take(writer.get_mut())))
            }
            Form::Parquet(file) => file.write(batch),
        }
    }

    /// Returns what comes after the last row.
    pub(crate) fn end(&mut self) -> Result<Bytes, ArrowError> {
        match &mut self.form {
            Form::Json { tail, .. } => {
                let elapsed = self.started.elapsed().as_millis();
                let counts = format!("],\"row_count\":{},\"elapsed_ms\":{elapsed}", self.rows);
                Ok(Bytes::from(counts + tail + "}\n"))
            }
            Form::JsonLines { .. } | Form::Csv { .. } => Ok(Bytes::new()),
            Form::Arrow(writer) => {
                writer.finish()?;
                Ok(Bytes::from(std::mem::take(writer.get_mut())))
            }
            Form::Parquet(file) => file.finish(),
        }
    }

    /// Returns an end that tells the rows are not all; none where the format has no way to, and the
    /// connection must break instead.
    pub(crate) fn broken(&self, failure: &Failure) -> Option<Bytes> {
        let error = serde_json::to_string(failure).ok()?;
        match &self.form {
            Form::Json { .. } => {
                let elapsed = self.started.elapsed().as_millis();
                let counts = format!("],\"row_count\":{},\"elapsed_ms\":{elapsed}", self.rows);
                Some(Bytes::from(format!("{counts},\"error\":{error}}}\n")))
            }
            Form::JsonLines { .. } => Some(Bytes::from(format!("{{\"error\":{error}}}\n"))),
            Form::Csv { .. } | Form::Arrow(_) | Form::Parquet(_) => None,
        }
    }
}

/// Writes one line per row. Line breaks inside values are escaped, so a line is a row.
fn json_lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let builder = JsonBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(NotFinite));
    let mut writer = builder.build::<_, LineDelimited>(Vec::with_capacity(batch.num_rows() * 64));
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// Writes rows as items of a list, each the list of its values; `first` says that none was written before.
fn json_lists(batch: &RecordBatch, first: bool) -> Result<Vec<u8>, ArrowError> {
    let schema = batch.schema();
    let options = json_options();
    let columns = schema.fields().iter().zip(batch.columns());
    let encoders: Result<Vec<_>, _> = columns
        .map(|(field, column)| make_encoder(field, column, &options))
        .collect();
    let mut encoders = encoders?;
    let mut items = Vec::with_capacity(batch.num_rows() * 64);
    for row in 0..batch.num_rows() {
        items.extend_from_slice(if first && row == 0 { b"\n[" } else { b",\n[" });
        for (at, encoder) in encoders.iter_mut().enumerate() {
            if at > 0 {
                items.push(b',');
            }
            write_json(encoder, row, &mut items);
        }
        items.push(b']');
    }
    Ok(items)
}

fn write_json(encoder: &mut NullableEncoder<'_>, row: usize, out: &mut Vec<u8>) {
    match encoder.is_null(row) {
        true => out.extend_from_slice(b"null"),
        false => encoder.encode(row, out),
    }
}

/// What a format can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flat {
    Json,
    /// No lists and records.
    Csv,
    Parquet,
}

/// Returns the schema with types that have no form in a format replaced by text.
pub(crate) fn plain(schema: &SchemaRef, flat: Flat) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Interval(_) | DataType::Duration(_) | DataType::Union(..) => text(field),
        DataType::Null if flat == Flat::Parquet => text(field),
        kind if flat == Flat::Csv && kind.is_nested() => text(field),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn text(field: &Field) -> Field {
    Field::new(field.name(), DataType::Utf8, true)
}

fn schema_of_text(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .map(|field| text(field))
            .collect::<Vec<_>>(),
    ))
}

pub(crate) fn to_plain(batch: &RecordBatch, plain: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .zip(plain.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                return Ok(column.clone());
            }
            if column.data_type().is_nested() && !matches!(column.data_type(), DataType::Union(..))
            {
                return nested_text(column);
            }
            if column.data_type().is_null() {
                return Ok(new_null_array(field.data_type(), column.len()));
            }
            if matches!(
                column.data_type(),
                DataType::Interval(_) | DataType::Duration(_)
            ) {
                return intervals(column);
            }
            let formatter = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default())?;
            let values = (0..column.len()).map(|row| {
                if column.is_null(row) {
                    None
                } else {
                    Some(formatter.value(row).to_string())
                }
            });
            Ok(Arc::new(values.collect::<StringArray>()) as ArrayRef)
        });
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(plain.clone(), columns, &options)
}

/// Returns intervals as PostgreSQL writes them.
fn intervals(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let spans = as_intervals(column)?;
    let texts = spans.iter().map(|value| {
        let mut text = String::new();
        value.map(|value| write_interval(value, &mut text).map(|()| text))
    });
    let texts: Result<StringArray, _> = texts.map(Option::transpose).collect();
    Ok(Arc::new(texts.map_err(|error| {
        ArrowError::ExternalError(Box::new(error))
    })?))
}

/// Returns lists and records as JSON text.
fn nested_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let options = json_options();
    let mut encoder = make_encoder(&field, column, &options)?;
    let values = (0..column.len()).map(|row| {
        let mut value = Vec::new();
        (!encoder.is_null(row)).then(|| {
            encoder.encode(row, &mut value);
            String::from_utf8_lossy(&value).into_owned()
        })
    });
    Ok(Arc::new(values.collect::<StringArray>()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Float64Array, Int64Array, ListArray, StructArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn rows_become_items() {
        let point: ArrayRef = Arc::new(StructArray::from(vec![(
            Arc::new(Field::new("x", DataType::Float64, true)),
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])) as ArrayRef,
        )]));
        let number: ArrayRef = Arc::new(Float32Array::from(vec![
            f32::INFINITY,
            f32::NEG_INFINITY,
            2.0,
        ]));
        let batch = RecordBatch::try_from_iter([("point", point), ("number", number)]).unwrap();
        assert_eq!(
            String::from_utf8(json_lists(&batch, true).unwrap()).unwrap(),
            "\n[{\"x\":1.5},\"Infinity\"],\n[{\"x\":null},\"-Infinity\"],\n[{\"x\":\"NaN\"},2.0]"
        );
        assert!(json_lists(&batch, false).unwrap().starts_with(b",\n["));
        assert_eq!(
            String::from_utf8(json_lines(&batch.slice(2, 1)).unwrap()).unwrap(),
            "{\"point\":{\"x\":\"NaN\"},\"number\":2.0}\n"
        );
    }

    #[test]
    fn lists_are_text_where_values_are_flat() {
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), None]),
            None,
        ]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
        let batch = RecordBatch::try_from_iter([("id", ids), ("list", list)]).unwrap();
        let flat = to_plain(&batch, &plain(&batch.schema(), Flat::Csv)).unwrap();
        let mut writer: CsvWriter<Vec<u8>> = CsvBuilder::new().with_header(false).build(Vec::new());
        writer.write(&flat).unwrap();
        assert_eq!(
            String::from_utf8(writer.into_inner()).unwrap(),
            "7,\"[1,null]\"\n8,\n"
        );
    }
}
