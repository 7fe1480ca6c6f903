//! Rows into files, and files into rows.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::SchemaRef;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;

use super::writer::{FileOptions, FileWriter};
use crate::view::{DataFile, widen_batch};

/// Rows handed to the writer, and read from a file, at once: a few megabytes of wide rows.
const CHUNK: usize = 4 * 1024;
/// Writes batches as one file with the columns of `schema`, sorted as `options` say.
pub(crate) async fn write_file(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    batches: &[RecordBatch],
    schema: &SchemaRef,
    options: &FileOptions,
) -> Result<DataFile, ParquetError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let batches: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| widen_batch(batch, schema, None))
        .collect();
    let mut writer = FileWriter::new(store, folder, schema, rows, options)?;
    match order(&batches, options.sort_by)? {
        None => {
            for batch in &batches {
                writer.write(batch).await?;
            }
        }
        Some(order) => {
            let sources: Vec<&RecordBatch> = batches.iter().collect();
            for chunk in order.chunks(CHUNK) {
                let sorted = compute::interleave_record_batch(&sources, chunk)?;
                writer.write(&sorted).await?;
            }
        }
    }
    writer.finish().await
}

/// Writes a file again with the wider types of `schema`.
pub(crate) async fn rewrite_file(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    file: &DataFile,
    schema: &SchemaRef,
    options: &FileOptions,
) -> Result<DataFile, ParquetError> {
    // The rows are in order already.
    let mut writer = FileWriter::new(store, folder, schema, file.rows as usize, options)?;
    let mut stream = read_batches(store, file).await?;
    while let Some(batch) = stream.try_next().await? {
        writer.write(&widen_batch(&batch, schema, None)).await?;
    }
    writer.finish().await
}

/// Returns the rows of `batches` in the order of a column; none when they are in order already.
fn order(
    batches: &[RecordBatch],
    sort_by: Option<&str>,
) -> Result<Option<Vec<(usize, usize)>>, arrow::error::ArrowError> {
    let Some(columns) = sort_by.and_then(|name| {
        batches
            .iter()
            .map(|b| b.column_by_name(name).map(|c| c.as_ref()))
            .collect::<Option<Vec<&dyn Array>>>()
    }) else {
        return Ok(None);
    };
    if columns.is_empty() {
        return Ok(None);
    }
    let column = compute::concat(&columns)?;
    let options = SortOptions {
        descending: false,
        nulls_first: true,
    };
    let sorted = compute::sort_to_indices(&column, Some(options), None)?;
    if sorted.values().is_sorted() {
        return Ok(None);
    }
    let mut places = Vec::with_capacity(column.len());
    for (batch, rows) in batches.iter().enumerate() {
        places.extend((0..rows.num_rows()).map(|row| (batch, row)));
    }
    Ok(Some(
        sorted
            .values()
            .iter()
            .map(|at| places[*at as usize])
            .collect(),
    ))
}

/// Reads a file's batches.
pub(crate) async fn read_batches(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
) -> Result<BoxStream<'static, Result<RecordBatch, ParquetError>>, ParquetError> {
    #[expect(
        deprecated,
        reason = "its successor is an example to copy; this one still serves"
    )]
    let reader =
        parquet::arrow::async_reader::ParquetObjectReader::new(store.clone(), file.path.clone())
            .with_file_size(file.size);
    let stream = ParquetRecordBatchStreamBuilder::new(reader)
        .await?
        .with_batch_size(CHUNK)
        .build()?;
    Ok(stream.into_stream().boxed())
}
