//! Parquet files, written row group by row group into the store while their rows still come.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::Utc;
use fail::fail_point;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tokio::io::AsyncWriteExt;

use super::stats::Gather;
use crate::view::DataFile;

/// Rows of a row group: what is pruned, and buffered, at once.
const ROW_GROUP: usize = 128 * 1024;
/// A row group ends early when it takes this much encoded: it is kept in memory until then.
const ROW_GROUP_BYTES: usize = 8 << 20;
/// A page ends at this many bytes. Its buffers come and go all the time: small ones are found again by
/// the allocator, large ones are new pages of memory each time.
const PAGE_BYTES: usize = 192 << 10;
/// Encoded bytes leave memory in chunks of this size.
const CHUNK_BYTES: usize = 512 << 10;
/// Parts of an upload; stores ask for 5 MiB at least.
const PART_BYTES: usize = 5 << 20;
/// Parts on their way at once, besides the one being filled.
const PARTS: usize = 1;

/// How files of a table are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileOptions {
    pub(crate) sort_by: Option<&'static str>,
    pub(crate) bloom: Vec<&'static str>,
}

/// A Parquet file in the making. It holds one row group and a few parts of an upload in memory,
/// however large the file becomes.
///
/// The file has its name only once [`FileWriter::finish`] returns, and is durable then. A writer
/// that is dropped before leaves nothing behind on a local disk; on an object store the parts of an
/// upload may stay until the store's rule for incomplete uploads removes them.
pub(crate) struct FileWriter {
    writer: ArrowWriter<Chunks>,
    /// None once something failed: the file was given up.
    upload: Option<BufWriter>,
    path: Path,
    size: u64,
    gather: Gather,
    rows: u64,
}

impl FileWriter {
    /// Begins a file of about `rows` rows under a new name in `folder`.
    pub(crate) fn new(
        store: &Arc<dyn ObjectStore>,
        folder: &Path,
        schema: &SchemaRef,
        rows: usize,
        options: &FileOptions,
    ) -> Result<Self> {
        // Without the embedded Arrow schema, files read the same whoever wrote them
        // (a view type in it stops some engines).
        let options = ArrowWriterOptions::new()
            .with_properties(properties(schema, rows, options)?)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Chunks::default(), schema.clone(), options)?;
        let path = folder
            .clone()
            .join(format!("part-{}.zstd.parquet", uuid::Uuid::new_v4()));
        let upload = BufWriter::with_capacity(store.clone(), path.clone(), PART_BYTES)
            .with_max_concurrency(PARTS);
        Ok(Self {
            writer,
            upload: Some(upload),
            path,
            size: 0,
            gather: Gather::default(),
            rows: 0,
        })
    }

    /// Adds rows, which must have the columns the file began with.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.gather.add(batch);
        self.rows += batch.num_rows() as u64;
        let written = self.writer.write(batch);
        match written {
            Ok(()) => self.send().await,
            Err(error) => Err(self.give_up(error).await),
        }
    }

    /// Returns the bytes encoded so far, roughly.
    pub(crate) fn size(&self) -> u64 {
        self.size + self.writer.in_progress_size() as u64
    }

    /// Ends the file. It has its name and is durable when this returns.
    pub(crate) async fn finish(mut self) -> Result<DataFile> {
        if let Err(error) = self.writer.finish() {
            return Err(self.give_up(error).await);
        }
        self.send().await?;
        fail_point!("stage-encoded");
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.shutdown().await
        {
            return Err(error.into());
        }
        Ok(DataFile {
            path: self.path,
            size: self.size,
            rows: self.rows,
            modified: Utc::now(),
            columns: self.gather.finish(),
        })
    }

    /// Hands what was encoded to the store, waiting while it is slower than we are.
    async fn send(&mut self) -> Result<()> {
        self.writer.sync()?;
        for chunk in self.writer.inner_mut().take() {
            self.size += chunk.len() as u64;
            let sent = match &mut self.upload {
                Some(upload) => upload.put(chunk).await,
                None => return Err(ParquetError::General("the file was given up".into())),
            };
            if let Err(error) = sent {
                return Err(self.give_up(error.into()).await);
            }
        }
        Ok(())
    }

    /// Lets the store forget what it has of the file.
    async fn give_up(&mut self, cause: ParquetError) -> ParquetError {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::debug!(path = %self.path, %error, "parts of an upload stay in the store");
        }
        cause
    }
}

fn properties(schema: &SchemaRef, rows: usize, options: &FileOptions) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(64))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned());
    for field in schema.fields() {
        let column = ColumnPath::new(vec![field.name().clone()]);
        if field.data_type().is_floating() {
            // They leave NaN out, which is larger than all numbers here, as in PostgreSQL.
            properties =
                properties.set_column_statistics_enabled(column.clone(), EnabledStatistics::None);
        }
        if options.bloom.contains(&field.name().as_str()) {
            properties = properties
                .set_column_bloom_filter_enabled(column.clone(), true)
                .set_column_bloom_filter_max_ndv(column.clone(), rows.clamp(1, ROW_GROUP) as u64)
                // Identifiers are all different: a dictionary of them only costs.
                .set_column_dictionary_enabled(column, false);
        } else if matches!(field.name().as_str(), "raw" | "weir_seq") {
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    Ok(properties.build())
}

/// Encoded bytes on their way out, in chunks, so that nothing large is copied while it grows.
#[derive(Default)]
struct Chunks {
    full: Vec<Bytes>,
    open: Vec<u8>,
}

impl Chunks {
    fn take(&mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        std::mem::take(&mut self.full)
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.open.len());
        self.open.extend_from_slice(&bytes[..taken]);
        if self.open.len() == CHUNK_BYTES {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
