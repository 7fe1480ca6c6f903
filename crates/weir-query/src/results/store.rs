use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use weir_lake::Lake;

use crate::error::{QueryError, QueryErrorKind};

/// Rows of a row group: what is read at least to come to a row.
const ROW_GROUP_ROWS: usize = 64 << 10;

/// Rows that are read at a time.
const BATCH_ROWS: usize = 8 << 10;

/// The rows of answers, one Parquet file each, below `_results` in the lake.
#[derive(Clone, Debug)]
pub struct ResultStore {
    store: Arc<dyn ObjectStore>,
    folder: Path,
}

/// The rows of a stored answer, in order.
pub type StoredRowsStream = BoxStream<'static, Result<RecordBatch, QueryError>>;

fn failed(what: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> QueryError {
    QueryError::new(
        QueryErrorKind::Lake,
        format!("cannot {what} the stored answer"),
    )
    .hint("ask again; the log says what is wrong with the store")
    .caused_by(error)
}

impl ResultStore {
    /// Returns the store of a lake's answers.
    pub fn of(lake: &Lake) -> Self {
        let (store, folder) = lake.side_folder("results");
        Self { store, folder }
    }

    fn path(&self, id: &str) -> Path {
        self.folder.clone().join(format!("{id}.parquet"))
    }

    /// Begins to store an answer; `schema` has only types that Parquet has. What is not finished
    /// leaves nothing.
    pub fn write(&self, id: &str, schema: SchemaRef) -> Result<ResultWriter, QueryError> {
        let writer = BufWriter::new(self.store.clone(), self.path(id));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = AsyncArrowWriter::try_new(writer, schema, Some(properties))
            .map_err(|error| failed("begin", error))?;
        Ok(ResultWriter { writer })
    }

    /// Reads `limit` rows of an answer after the first `offset`; all of them without a limit.
    pub async fn read(
        &self,
        id: &str,
        offset: usize,
        limit: Option<usize>,
    ) -> Result<(SchemaRef, StoredRowsStream), QueryError> {
        let path = self.path(id);
        let found = self.store.head(&path).await;
        let size = found.map_err(|error| failed("read", error))?.size;
        let reader = StoredFile {
            store: self.store.clone(),
            path,
            size,
        };
        let builder = ParquetRecordBatchStreamBuilder::new(reader)
            .await
            .map_err(|error| failed("read", error))?;
        let schema = builder.schema().clone();
        let mut builder = builder.with_batch_size(BATCH_ROWS).with_offset(offset);
        if let Some(limit) = limit {
            builder = builder.with_limit(limit);
        }
        let rows = builder.build().map_err(|error| failed("read", error))?;
        Ok((schema, rows.map_err(|error| failed("read", error)).boxed()))
    }

    /// Returns the whole file of an answer, in pieces.
    pub async fn file(
        &self,
        id: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, QueryError>>, QueryError> {
        let found = self.store.get(&self.path(id)).await;
        let found = found.map_err(|error| failed("read", error))?;
        Ok(found
            .into_stream()
            .map_err(|error| failed("read", error))
            .boxed())
    }

    /// Removes an answer's rows; that there are none is no error.
    pub async fn remove(&self, id: &str) -> Result<(), QueryError> {
        match self.store.delete(&self.path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", error)),
        }
    }

    /// Returns the answers whose rows were stored before `before`: a crash may have left some that
    /// nobody knows.
    pub async fn older_than(&self, before: DateTime<Utc>) -> Result<BTreeSet<String>, QueryError> {
        let mut listed = self.store.list(Some(&self.folder));
        let mut found = BTreeSet::new();
        while let Some(entry) = listed.next().await {
            let entry = entry.map_err(|error| failed("list", error))?;
            let name = entry.location.filename().unwrap_or_default();
            if let Some(id) = name.strip_suffix(".parquet")
                && entry.last_modified < before
            {
                found.insert(id.to_owned());
            }
        }
        Ok(found)
    }
}

/// A file that is read in parts.
struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let read = self.store.get_range(&self.path, range).await;
            read.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.size;
            let read = ParquetMetaDataReader::new().load_and_finish(self, size);
            Ok(Arc::new(read.await?))
        }
        .boxed()
    }
}

/// An answer that is being stored.
pub struct ResultWriter {
    writer: AsyncArrowWriter<BufWriter>,
}

impl ResultWriter {
    /// Adds rows.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.writer
            .write(batch)
            .await
            .map_err(|error| failed("write", error))
    }

    /// Returns about how many bytes it has come to.
    pub fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Makes the answer durable; returns the size of its file.
    pub async fn finish(mut self) -> Result<u64, QueryError> {
        self.writer
            .finish()
            .await
            .map_err(|error| failed("finish", error))?;
        Ok(self.writer.bytes_written() as u64)
    }
}
