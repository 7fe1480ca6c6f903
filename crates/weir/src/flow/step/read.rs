//! Files of rows that a step wrote, as batches of one table.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::csv::ReaderBuilder as CsvReader;
use arrow::csv::reader::Format as CsvFormat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::json::ReaderBuilder as JsonReader;
use arrow::json::reader::infer_json_schema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use weir_step::{LoadFile, TableFormat};

use super::guess::{Guess, both};

/// As many rows are read at a time.
const BATCH: usize = 8_192;

/// A file that cannot be read as what it says to be.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is no {format}: {why}")]
pub(super) struct Unreadable {
    name: String,
    format: TableFormat,
    why: String,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Returns columns that hold the rows of all files, by name, in the order in which they come up.
///
/// Text has no types: of a CSV file all values are looked at.
pub(super) fn columns(files: &[LoadFile]) -> Result<Schema, Unreadable> {
    let mut fields: Vec<(String, DataType)> = Vec::new();
    for file in files {
        let schema = match file.format {
            TableFormat::Csv => guess(&file.path),
            TableFormat::Json => of_json(&file.path),
            TableFormat::Parquet | TableFormat::Arrow => own(file),
        };
        for field in schema.map_err(|error| unreadable(file, &error))?.fields() {
            let known = fields.iter_mut().find(|(name, _)| name == field.name());
            match known {
                Some((_, kind)) => *kind = both(kind, field.data_type()),
                None => fields.push((field.name().clone(), field.data_type().clone())),
            }
        }
    }
    let field = |(name, kind): (String, DataType)| match kind {
        // Nothing but NULL is text.
        DataType::Null => Field::new(name, DataType::Utf8, true),
        kind => Field::new(name, kind, true),
    };
    Ok(Schema::new(
        fields.into_iter().map(field).collect::<Vec<_>>(),
    ))
}

/// Hands the rows of all files to `take`, brought to `columns`, until it wants no more.
pub(super) fn rows(
    files: &[LoadFile],
    columns: &SchemaRef,
    mut take: impl FnMut(RecordBatch) -> bool,
) -> Result<(), Unreadable> {
    for file in files {
        let failed = |error: ArrowError| unreadable(file, &error);
        for batch in batches(file, columns).map_err(failed)? {
            let batch = batch
                .and_then(|batch| fit(&batch, columns))
                .map_err(failed)?;
            if !take(batch) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn unreadable(file: &LoadFile, error: &ArrowError) -> Unreadable {
    Unreadable {
        name: file.name.clone(),
        format: file.format,
        why: error.to_string(),
    }
}

fn batches(file: &LoadFile, columns: &SchemaRef) -> Result<Batches, ArrowError> {
    let open = || File::open(&file.path).map_err(ArrowError::from);
    Ok(match file.format {
        TableFormat::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(open()?)?;
            Box::new(reader.with_batch_size(BATCH).build()?)
        }
        TableFormat::Arrow => Box::new(FileReader::try_new(open()?, None)?),
        TableFormat::Csv => Box::new(texts(&file.path)?.1),
        TableFormat::Json => {
            let names = of_json(&file.path)?;
            // Of the columns of the table, those that the file has.
            let fields = columns.fields().iter();
            let fields = fields.filter(|field| names.field_with_name(field.name()).is_ok());
            let schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
            let reader = JsonReader::new(schema)
                .with_batch_size(BATCH)
                .with_coerce_primitive(true);
            Box::new(reader.build(BufReader::new(open()?))?)
        }
    })
}

/// Returns the columns that a file itself says it has.
fn own(file: &LoadFile) -> Result<Schema, ArrowError> {
    let open = File::open(&file.path)?;
    let schema = match file.format {
        TableFormat::Arrow => FileReader::try_new(open, None)?.schema(),
        _ => ParquetRecordBatchReaderBuilder::try_new(open)?
            .schema()
            .clone(),
    };
    // Texts come in many layouts, which are one type of a table.
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => {
            field.as_ref().clone().with_data_type(DataType::Utf8)
        }
        _ => field.as_ref().clone(),
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

fn of_json(path: &Path) -> Result<Schema, ArrowError> {
    let (schema, _) = infer_json_schema(BufReader::new(File::open(path)?), None)?;
    Ok(schema)
}

/// Opens a CSV file as columns of text.
fn texts(path: &Path) -> Result<(SchemaRef, Batches), ArrowError> {
    let mut file = File::open(path)?;
    let format = CsvFormat::default().with_header(true);
    let (header, _) = format.infer_schema(&mut file, Some(0))?;
    let fields = header.fields().iter();
    let fields = fields.map(|field| Field::new(field.name(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    file.rewind()?;
    let reader = CsvReader::new(schema.clone())
        .with_header(true)
        .with_batch_size(BATCH)
        .build(file)?;
    Ok((schema, Box::new(reader)))
}

fn guess(path: &Path) -> Result<Schema, ArrowError> {
    let (schema, batches) = texts(path)?;
    let mut guesses = vec![Guess::default(); schema.fields().len()];
    for batch in batches {
        for (guess, column) in guesses.iter_mut().zip(batch?.columns()) {
            let texts = column.as_string::<i32>();
            texts.iter().flatten().for_each(|text| guess.see(text));
        }
    }
    let fields = schema.fields().iter().zip(guesses);
    let fields = fields.map(|(field, guess)| Field::new(field.name(), guess.kind(), true));
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Brings rows to the columns of the table, by name.
fn fit(batch: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let fitted = columns
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => cast_with_options(column, field.data_type(), &strict),
        });
    let fitted = fitted.collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(columns.clone(), fitted, &options)
}
