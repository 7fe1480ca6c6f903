use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::columns::fit;
use crate::delta::{FileOptions, FileWriter};
use crate::error::{LakeError, LakeErrorKind};
use crate::view::DataFile;

/// A file that reaches this size is ended, and another begun.
const FILE_BYTES: u64 = 64 << 20;

/// Rows on their way into files of a table. Memory is bounded by one file's row group.
///
/// Nobody sees the files before a commit names them; those of a statement that fails are deleted
/// by [`RowSink::abandon`], or by the vacuum.
pub struct RowSink {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    schema: SchemaRef,
    options: FileOptions,
    open: Option<FileWriter>,
    done: Vec<DataFile>,
    rows: u64,
}

/// Rows in files that no commit names yet.
#[derive(Debug)]
pub struct StoredRows {
    /// The columns as stored.
    pub schema: SchemaRef,
    pub rows: u64,
    pub(super) files: Vec<DataFile>,
}

impl RowSink {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: Path, schema: SchemaRef) -> Self {
        Self {
            store,
            folder,
            schema,
            options: FileOptions::default(),
            open: None,
            done: Vec::new(),
            rows: 0,
        }
    }

    /// Returns the columns rows are brought to.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds rows; their columns are matched by place and cast to the stored types.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = fit(batch, &self.schema).map_err(|error| {
            LakeError::new(LakeErrorKind::Invalid, "store rows in", &self.folder).because(error)
        })?;
        self.rows += batch.num_rows() as u64;
        self.write_stored(&batch).await
    }

    /// Adds rows that have the stored columns already; they do not count as new.
    pub(super) async fn write_stored(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let fail =
            |e| LakeError::new(LakeErrorKind::Storage, "write a file in", &self.folder).because(e);
        let writer = match &mut self.open {
            Some(writer) => writer,
            none => none.insert(
                FileWriter::new(&self.store, &self.folder, &self.schema, 0, &self.options)
                    .map_err(fail)?,
            ),
        };
        writer.write(batch).await.map_err(fail)?;
        if writer.size() >= FILE_BYTES
            && let Some(full) = self.open.take()
        {
            self.done.push(full.finish().await.map_err(fail)?);
        }
        Ok(())
    }

    /// Ends the last file. All of them are durable when this returns, and belong to nothing yet.
    pub async fn finish(&mut self) -> Result<StoredRows, LakeError> {
        let fail =
            |e| LakeError::new(LakeErrorKind::Storage, "write a file in", &self.folder).because(e);
        if let Some(last) = self.open.take() {
            self.done.push(last.finish().await.map_err(fail)?);
        }
        Ok(StoredRows {
            schema: self.schema.clone(),
            rows: self.rows,
            files: std::mem::take(&mut self.done),
        })
    }

    /// Deletes what was written, as far as the store lets us.
    pub async fn abandon(mut self) {
        self.open.take();
        for file in std::mem::take(&mut self.done) {
            if let Err(error) = self.store.delete(&file.path).await {
                tracing::debug!(path = %file.path, %error, "a file stays until the vacuum");
            }
        }
    }
}
