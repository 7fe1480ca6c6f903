use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::Utc;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::stats::Gather;
use crate::view::{DataFile, widen_batch};

/// Rows handed to the writer at once.
const CHUNK: usize = 8 * 1024;
/// Rows of a row group: what is pruned, and buffered, at once.
const ROW_GROUP: usize = 128 * 1024;

/// How files of a table are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileOptions {
    pub(crate) sort_by: Option<&'static str>,
    pub(crate) bloom: Vec<&'static str>,
}

/// A file's bytes and what the log says of it.
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
    pub(crate) columns: std::collections::HashMap<String, crate::view::ColumnStats>,
}

/// Encodes batches as one Parquet file with the columns of `schema`, sorted as `options` say.
pub(crate) fn encode(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    options: &FileOptions,
) -> Result<Encoded, parquet::errors::ParquetError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let batches: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| widen_batch(batch, schema, None))
        .collect();
    let mut writer = FileWriter::new(schema, rows, options)?;
    match order(&batches, options.sort_by)? {
        None => batches.iter().try_for_each(|batch| writer.write(batch))?,
        Some(order) => {
            let sources: Vec<&RecordBatch> = batches.iter().collect();
            for chunk in order.chunks(CHUNK) {
                writer.write(&compute::interleave_record_batch(&sources, chunk)?)?;
            }
        }
    }
    writer.finish()
}

/// A Parquet file in the making, in memory.
pub(crate) struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    gather: Gather,
    rows: u64,
}

impl FileWriter {
    /// Begins a file of about `rows` rows.
    pub(crate) fn new(
        schema: &SchemaRef,
        rows: usize,
        options: &FileOptions,
    ) -> Result<Self, parquet::errors::ParquetError> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_statistics_truncate_length(Some(64))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned());
        for field in schema.fields() {
            let column = ColumnPath::new(vec![field.name().clone()]);
            if options.bloom.contains(&field.name().as_str()) {
                properties = properties
                    .set_column_bloom_filter_enabled(column.clone(), true)
                    .set_column_bloom_filter_max_ndv(
                        column.clone(),
                        rows.clamp(1, ROW_GROUP) as u64,
                    )
                    // Identifiers are all different: a dictionary of them only costs.
                    .set_column_dictionary_enabled(column, false);
            } else if matches!(field.name().as_str(), "raw" | "weir_seq") {
                properties = properties.set_column_dictionary_enabled(column, false);
            }
        }
        // Without the embedded Arrow schema, files read the same whoever wrote them
        // (a view type in it stops some engines).
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        Ok(Self {
            writer,
            gather: Gather::default(),
            rows: 0,
        })
    }

    pub(crate) fn write(
        &mut self,
        batch: &RecordBatch,
    ) -> Result<(), parquet::errors::ParquetError> {
        self.gather.add(batch);
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch)
    }

    /// Returns the bytes encoded so far, roughly.
    pub(crate) fn size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    pub(crate) fn finish(self) -> Result<Encoded, parquet::errors::ParquetError> {
        let bytes = self.writer.into_inner()?.into();
        Ok(Encoded {
            bytes,
            rows: self.rows,
            columns: self.gather.finish(),
        })
    }
}

impl Encoded {
    /// Stores the file under a new name in `folder`; durable when this returns.
    pub(crate) async fn store(
        self,
        store: &dyn ObjectStore,
        folder: &Path,
    ) -> object_store::Result<DataFile> {
        let name = format!("part-{}.zstd.parquet", uuid::Uuid::new_v4());
        let path = folder.clone().join(name);
        let size = self.bytes.len() as u64;
        store.put(&path, self.bytes.into()).await?;
        let Encoded { rows, columns, .. } = self;
        Ok(DataFile {
            path,
            size,
            rows,
            modified: Utc::now(),
            columns,
        })
    }
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
) -> Result<
    BoxStream<'static, Result<RecordBatch, parquet::errors::ParquetError>>,
    parquet::errors::ParquetError,
> {
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
