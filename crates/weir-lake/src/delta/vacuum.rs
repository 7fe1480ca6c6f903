//! Deleting files that no version of interest needs.

use std::sync::Arc;
use std::time::Duration;

use deltalake::kernel::transaction::CommitProperties;
use deltalake::operations::vacuum::{Clock, VacuumMode};
use deltalake::{DeltaTable, DeltaTableError};

use super::log::TableLog;
use super::receipt::Receipt;
use crate::error::LakeError;

/// Files that a version named stay at least this long: queries pinned to one read on.
const PINNED: Duration = Duration::from_secs(3600);
/// Files that no version ever named stay at least this long: they may wait for their commit, which a
/// statement that runs for hours or a store that refuses commits can put off.
const UNNAMED: Duration = Duration::from_secs(24 * 3600);

impl TableLog {
    /// Deletes files no version within `retention` needs, and those of attempts that failed;
    /// returns how many.
    pub(crate) async fn vacuum(&self, retention: Duration) -> Result<usize, LakeError> {
        self.vacuum_at(retention, None).await
    }

    async fn vacuum_at(
        &self,
        retention: Duration,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<usize, LakeError> {
        let fail = |e: DeltaTableError| self.error("vacuum table", e);
        let mut deleted = 0;
        let modes = [
            (VacuumMode::Lite, retention.max(PINNED)),
            (VacuumMode::Full, retention.max(UNNAMED)),
        ];
        for (mode, retention) in modes {
            let mut table = DeltaTable::new(self.log_store.clone());
            table.load().await.map_err(fail)?;
            let retention = chrono::Duration::from_std(retention).unwrap_or(chrono::Duration::MAX);
            let receipt = Receipt {
                writer: "vacuum".into(),
                run_id: format!("vacuum-{}", chrono::Utc::now().timestamp_millis()),
                code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
                ..Receipt::default()
            };
            // Entries of the log stay: their receipts are what numbers are explained from.
            let properties = CommitProperties::default()
                .with_metadata(receipt.into_metadata())
                .with_cleanup_expired_logs(Some(false));
            let mut vacuum = table
                .vacuum()
                .with_mode(mode)
                .with_retention_period(retention)
                .with_enforce_retention_duration(false)
                .with_commit_properties(properties);
            if let Some(clock) = &clock {
                vacuum = vacuum.with_clock(clock.clone());
            }
            let (_, metrics) = vacuum.await.map_err(fail)?;
            deleted += metrics.files_deleted.len();
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use weir_core::{Seq, TableName};

    use super::*;
    use crate::delta::{Change, FileOptions, write_file};
    use crate::store::LakeRoot;

    #[derive(Debug)]
    struct In(Duration);

    impl Clock for In {
        fn current_timestamp_millis(&self) -> i64 {
            chrono::Utc::now().timestamp_millis() + self.0.as_millis() as i64
        }
    }

    fn files(folder: &Path) -> usize {
        let names = std::fs::read_dir(folder).unwrap();
        names
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".parquet")
            })
            .count()
    }

    /// However short the retention is: what a query may read stays an hour, what may wait for its
    /// commit a day.
    #[tokio::test]
    async fn files_of_pinned_readers_and_of_commits_to_come_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = LakeRoot::open(dir.path().to_str().unwrap(), &Default::default()).unwrap();
        let name = TableName::new("test", "files").unwrap();
        let mut log = TableLog::new(&root, &name);
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap();
        let schema = batch.schema();
        let mut written = Vec::new();
        for _ in 0..3 {
            let options = FileOptions::default();
            let batches = std::slice::from_ref(&batch);
            let file = write_file(&root.store, &log.location, batches, &schema, &options);
            written.push(file.await.unwrap());
        }
        // One that stays, one that is replaced, one that nobody names.
        let change = |add: &[usize], remove: &[usize], seq| Change {
            add: add.iter().map(|at| written[*at].clone()).collect(),
            remove: remove.iter().map(|at| written[*at].clone()).collect(),
            schema: Some(schema.clone()),
            committed: Some(Seq(seq)),
            data_change: true,
            ..Change::default()
        };
        log.commit(change(&[0, 1], &[], 1)).await.unwrap();
        log.commit(change(&[], &[1], 2)).await.unwrap();
        let folder = dir.path().join("test/files");
        for (minutes, left) in [(0, 3), (59, 3), (61, 2), (23 * 60, 2), (25 * 60, 1)] {
            let clock = Arc::new(In(Duration::from_secs(minutes * 60)));
            log.vacuum_at(Duration::ZERO, Some(clock)).await.unwrap();
            assert_eq!(files(&folder), left, "after {minutes} minutes");
        }
        log.load().await.unwrap();
        assert_eq!(log.files.len(), 1);
        let receipts = log.history(1).await.unwrap();
        assert_eq!(receipts[0].receipt.as_ref().unwrap().writer, "vacuum");
    }
}
