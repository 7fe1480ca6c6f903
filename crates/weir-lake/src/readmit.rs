//! Tables that could not be read at the start, taken back once they can be.
//!
//! Which of their rows are in files was not known when the log was read, so rows that are there
//! already were put into memory again. They are told by their position, and dropped.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type};
use futures::TryStreamExt;
use tracing::{debug, info};
use weir_core::Seq;

use crate::applier::Request;
use crate::delta::{TableLog, read_batches, write_file};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::{Flusher, chain};
use crate::hot::StagedFile;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The column that holds a row's position.
const SEQ: &str = "weir_seq";

impl Flusher {
    /// Looks whether tables that could not be read so far can be read now.
    pub(crate) async fn take_back(&mut self) -> Result<(), LakeError> {
        let replayed = self.hot.view().visible.plus(1) >= self.replay_until;
        if !replayed {
            return Ok(());
        }
        for name in self.unreadable.clone() {
            let log = self.logs.get(&name);
            let mut log = log.lock().await;
            match log.load().await {
                // Somebody removed it: the rows in memory are all there is.
                Ok(false) => {}
                Ok(true) => self.take_back_table(&log).await?,
                Err(error) => {
                    debug!(table = %name, cause = %chain(&error), "still cannot be read");
                    continue;
                }
            }
            self.unreadable.remove(&name);
            self.hot.set_unreadable(&self.unreadable);
            info!(table = %name, "can be read again");
        }
        Ok(())
    }

    async fn take_back_table(&self, log: &TableLog) -> Result<(), LakeError> {
        if log.is_dropped() {
            return Ok(());
        }
        let fail = |e: BoxError| {
            LakeError::new(LakeErrorKind::Storage, "take back table", &log.name).because(e)
        };
        // New rows must be typed no narrower than the files are.
        let (done, adopted) = crossbeam_channel::bounded(1);
        let request = Request::Adopt(log.name.clone(), log.schema.clone(), done);
        if self.applier.send(request).is_ok() {
            let _ = tokio::task::spawn_blocking(move || adopted.recv()).await;
        }
        let mut staged = Vec::new();
        for file in self.hot.staged_files(&log.name) {
            staged.extend(self.without_known(log, file).await.map_err(fail)?);
        }
        let committed = log.committed;
        self.hot
            .taken_back(log, staged, &|batch| after(batch, committed))
            .map_err(fail)
    }

    /// Writes a waiting file again without the rows the table has; none when that is all of them.
    async fn without_known(
        &self,
        log: &TableLog,
        staged: StagedFile,
    ) -> Result<Option<StagedFile>, BoxError> {
        let mut stream = read_batches(&self.root.store, &staged.file).await?;
        let mut kept = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            kept.push(after(&batch, log.committed)?);
        }
        let rows: usize = kept.iter().map(RecordBatch::num_rows).sum();
        if rows as u64 == staged.file.rows {
            return Ok(Some(staged));
        }
        if rows == 0 {
            return Ok(None);
        }
        let options = self.hot.file_options(&log.name);
        let (store, schema) = (&self.root.store, &staged.schema);
        let file = write_file(store, &log.location, &kept, schema, &options).await?;
        Ok(Some(StagedFile {
            file,
            schema: staged.schema,
        }))
    }
}

/// Returns the rows of `batch` with positions after `committed`.
fn after(batch: &RecordBatch, committed: Seq) -> Result<RecordBatch, BoxError> {
    if committed == Seq::ZERO {
        return Ok(batch.clone());
    }
    let seqs = batch
        .column_by_name(SEQ)
        .filter(|column| *column.data_type() == DataType::Int64)
        .ok_or("its rows do not tell their position: restart Weir")?;
    let seqs = seqs.as_primitive::<Int64Type>();
    let keep: BooleanArray = (0..seqs.len())
        .map(|at| Some(seqs.is_null(at) || seqs.value(at) as u64 > committed.0))
        .collect();
    Ok(filter_record_batch(batch, &keep)?)
}
