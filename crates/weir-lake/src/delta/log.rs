use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, MetadataExt, Remove, StructType, Transaction};
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableError};
use fail::fail_point;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use tracing::warn;
use weir_core::{Seq, TableName};

use super::receipt::{Commit, Receipt};
use super::stats;
use crate::error::{LakeError, LakeErrorKind};
use crate::store::LakeRoot;
use crate::view::DataFile;

/// The application whose `txn` versions are positions of the log.
const APP_ID: &str = "weir.wal";

/// A Delta table as its one writer knows it.
pub(crate) struct TableLog {
    pub(crate) name: TableName,
    pub(crate) location: Path,
    pub(super) log_store: LogStoreRef,
    pub(super) state: Option<DeltaTableState>,
    pub(crate) files: Arc<Vec<DataFile>>,
    /// The schema as committed.
    pub(crate) schema: SchemaRef,
    /// Rows up to here are committed.
    pub(crate) committed: Seq,
}

/// What a commit changes.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) add: Vec<DataFile>,
    pub(crate) remove: Vec<DataFile>,
    /// A schema other than the committed one.
    pub(crate) schema: Option<SchemaRef>,
    /// Rows up to here are in the table once this is committed.
    pub(crate) committed: Option<Seq>,
    pub(crate) receipt: Receipt,
    /// False when the rows stay the same (compaction).
    pub(crate) data_change: bool,
}

impl TableLog {
    /// Returns the table at its place in the lake, whether or not it exists yet.
    pub(crate) fn new(root: &LakeRoot, name: &TableName) -> Self {
        let (location, url) = root.table(name);
        let store: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(root.store.clone(), location.clone()));
        let log_store =
            default_logstore(store, root.store.clone(), &url, &StorageConfig::default());
        Self {
            name: name.clone(),
            location,
            log_store,
            state: None,
            files: Arc::default(),
            schema: Arc::new(Schema::empty()),
            committed: Seq::ZERO,
        }
    }

    /// Reads the newest state; false when there is no such table.
    pub(crate) async fn load(&mut self) -> Result<bool, LakeError> {
        let fail = |e: DeltaTableError| self.error("read the log of table", e);
        let state = match &self.state {
            Some(state) => {
                let mut state = state.clone();
                state
                    .update(self.log_store.as_ref(), None)
                    .await
                    .map_err(fail)?;
                state
            }
            None => match DeltaTableState::try_new(self.log_store.as_ref(), None).await {
                Ok(state) => state,
                Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => {
                    return Ok(false);
                }
                Err(error) if !self.exists().await? => {
                    tracing::debug!(table = %self.name, %error, "not a table");
                    return Ok(false);
                }
                Err(error) => return Err(fail(error)),
            },
        };
        self.accept(state).await?;
        Ok(true)
    }

    async fn exists(&self) -> Result<bool, LakeError> {
        DeltaTable::new(self.log_store.clone())
            .verify_deltatable_existence()
            .await
            .map_err(|e| self.error("look for table", e))
    }

    pub(super) async fn accept(&mut self, state: DeltaTableState) -> Result<(), LakeError> {
        let committed = state
            .transaction_version(self.log_store.as_ref(), APP_ID)
            .await
            .map_err(|e| self.error("read the log of table", e))?;
        self.committed = Seq(committed.unwrap_or(0).max(0) as u64);
        self.schema = state.snapshot().arrow_schema();
        self.files = Arc::new(files_of(&state, &self.schema, &self.location));
        self.state = Some(state);
        Ok(())
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.state.as_ref().map(|s| s.version())
    }

    /// Returns the files and schema of an older version.
    pub(crate) async fn at_version(
        &self,
        version: u64,
    ) -> Result<(Vec<DataFile>, SchemaRef), LakeError> {
        let state = self.state_at(version).await?;
        let schema = state.snapshot().arrow_schema();
        Ok((files_of(&state, &schema, &self.location), schema))
    }

    pub(super) async fn state_at(&self, version: u64) -> Result<DeltaTableState, LakeError> {
        const ACTION: &str = "read an older version of table";
        let read = DeltaTableState::try_new(self.log_store.as_ref(), Some(version)).await;
        match read {
            Ok(state) => Ok(state),
            // Of a store that answers, the version is gone; of another nothing is known.
            Err(error) => match self.log_store.get_latest_version(version).await {
                Ok(_) => {
                    Err(LakeError::new(LakeErrorKind::Expired, ACTION, &self.name).because(error))
                }
                Err(_) => Err(self.error(ACTION, error)),
            },
        }
    }

    /// Returns the newest commits, newest first.
    pub(crate) async fn history(&self, limit: usize) -> Result<Vec<Commit>, LakeError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let newest = state.version();
        let fail = |e: DeltaTableError| self.error("read the history of table", e);
        let mut table = DeltaTable::new(self.log_store.clone());
        table.load().await.map_err(fail)?;
        // delta-rs computes with a signed limit.
        let limit = i32::try_from(limit).ok().map(|limit| limit as usize);
        let infos: Vec<_> = table.history(limit).try_collect().await.map_err(fail)?;
        Ok(infos
            .into_iter()
            .enumerate()
            .map(|(back, info)| Commit {
                version: newest.saturating_sub(back as u64),
                committed_at: info.timestamp.unwrap_or(0),
                operation: info.operation.clone().unwrap_or_default(),
                receipt: Receipt::from_info(&info.info),
            })
            .collect())
    }

    /// Commits a change, creating the table if it is the first. Safe to call again after an error:
    /// a commit that did go through is recognised by its position and not made twice.
    pub(crate) async fn commit(&mut self, change: Change) -> Result<u64, LakeError> {
        match self.try_commit(&change).await {
            Ok(version) => Ok(version),
            Err(error) => {
                // The answer may have been lost after the work was done.
                self.load().await?;
                match (change.committed, self.version()) {
                    (Some(seq), Some(version)) if self.committed >= seq => {
                        warn!(table = %self.name, version, %error, "commit went through although its answer was an error");
                        Ok(version)
                    }
                    _ => Err(self.error("commit to table", error)),
                }
            }
        }
    }

    async fn try_commit(&mut self, change: &Change) -> Result<u64, DeltaTableError> {
        fail_point!("delta-commit", |_| Err(DeltaTableError::generic(
            "failpoint delta-commit"
        )));
        if self.state.is_none() {
            let schema = change.schema.clone().unwrap_or_else(|| self.schema.clone());
            // The rows come with the next commit; this one has the same writer.
            let receipt = Receipt {
                inputs: Vec::new(),
                rows_added: 0,
                rows_removed: 0,
                details: Default::default(),
                ..change.receipt.clone()
            };
            self.create(&schema, receipt).await?;
        }
        let state = self
            .state
            .as_ref()
            .ok_or_else(|| DeltaTableError::generic("no state"))?;
        let mut actions = Vec::new();
        if let Some(schema) = change.schema.as_ref().filter(|s| ***s != *self.schema) {
            let kernel: StructType = schema.as_ref().try_into_kernel()?;
            actions.push(Action::Metadata(
                state.metadata().clone().with_schema(&kernel)?,
            ));
        }
        let now = Utc::now().timestamp_millis();
        for file in &change.remove {
            actions.push(Action::Remove(self.remove_action(
                file,
                now,
                change.data_change,
            )));
        }
        for file in &change.add {
            actions.push(Action::Add(self.add_action(file, change.data_change)));
        }
        if let Some(seq) = change.committed {
            actions.push(Action::Txn(Transaction::new_with_last_update(
                APP_ID,
                seq.0 as i64,
                Some(now),
            )));
        }
        let operation = match change {
            Change {
                data_change: false, ..
            } => DeltaOperation::Optimize {
                predicate: None,
                target_size: 0,
            },
            Change { add, remove, .. } if add.is_empty() && !remove.is_empty() => {
                DeltaOperation::Delete { predicate: None }
            }
            _ => DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: None,
                predicate: None,
            },
        };
        let commit = CommitBuilder::default()
            .with_actions(actions)
            .with_app_metadata(change.receipt.clone().into_metadata())
            .build(Some(state), self.log_store.clone(), operation)
            .await?;
        fail_point!("delta-committed", |_| Err(DeltaTableError::generic(
            "failpoint delta-committed"
        )));
        let alone = commit.version() == state.version() + 1;
        let state = commit.snapshot();
        let version = commit.version();
        if alone {
            // Nobody else wrote: our own account of the files is the newest.
            let removed: std::collections::HashSet<&Path> =
                change.remove.iter().map(|f| &f.path).collect();
            let mut files: Vec<DataFile> = self
                .files
                .iter()
                .filter(|f| !removed.contains(&f.path))
                .cloned()
                .collect();
            files.extend(change.add.iter().cloned());
            self.files = Arc::new(files);
            self.schema = state.snapshot().arrow_schema();
            self.committed = change.committed.unwrap_or(self.committed);
            self.state = Some(state);
        } else {
            self.accept(state)
                .await
                .map_err(|e| DeltaTableError::generic(e.to_string()))?;
        }
        Ok(version)
    }

    async fn create(&mut self, schema: &Schema, receipt: Receipt) -> Result<(), DeltaTableError> {
        let kernel: StructType = schema.try_into_kernel()?;
        let table = DeltaTable::new(self.log_store.clone())
            .create()
            .with_table_name(self.name.to_string())
            .with_columns(kernel.fields().cloned())
            .with_configuration_property(deltalake::TableProperty::CheckpointInterval, Some("50"))
            .with_commit_properties(
                CommitProperties::default().with_metadata(receipt.into_metadata()),
            )
            .await;
        let state = match table {
            Ok(table) => table.snapshot()?.clone(),
            Err(DeltaTableError::VersionAlreadyExists(_)) => {
                DeltaTableState::try_new(self.log_store.as_ref(), None).await?
            }
            Err(error) => return Err(error),
        };
        self.accept(state)
            .await
            .map_err(|e| DeltaTableError::generic(e.to_string()))
    }

    pub(super) fn add_action(&self, file: &DataFile, data_change: bool) -> Add {
        Add {
            path: self.relative(&file.path),
            partition_values: HashMap::new(),
            size: file.size as i64,
            modification_time: file.modified.timestamp_millis(),
            data_change,
            stats: Some(stats::to_json(file.rows, &file.columns)),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        }
    }

    pub(super) fn remove_action(&self, file: &DataFile, now: i64, data_change: bool) -> Remove {
        Remove {
            path: self.relative(&file.path),
            data_change,
            deletion_timestamp: Some(now),
            extended_file_metadata: Some(true),
            partition_values: Some(HashMap::new()),
            size: Some(file.size as i64),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
        }
    }

    fn relative(&self, path: &Path) -> String {
        match path.prefix_match(&self.location) {
            Some(rest) => Path::from_iter(rest).to_string(),
            None => path.to_string(),
        }
    }

    pub(super) fn error(&self, action: &'static str, source: DeltaTableError) -> LakeError {
        LakeError::new(LakeErrorKind::Storage, action, &self.name).because(source)
    }

    /// Writes a checkpoint of the log and removes what it makes superfluous.
    pub(crate) async fn checkpoint(&self) -> Result<(), LakeError> {
        let mut table = DeltaTable::new(self.log_store.clone());
        let fail = |e: DeltaTableError| self.error("checkpoint the log of table", e);
        table.load().await.map_err(fail)?;
        deltalake::checkpoints::create_checkpoint(&table, None)
            .await
            .map_err(fail)?;
        // Old entries of the log stay: their receipts are what numbers are explained from.
        Ok(())
    }
}

/// Lists the files of a state. Paths of other writers may be absolute; those stay in their place.
fn files_of(state: &DeltaTableState, schema: &Schema, location: &Path) -> Vec<DataFile> {
    let log_data = state.log_data();
    log_data
        .iter()
        .map(|file| {
            let (rows, columns) =
                stats::from_json(file.stats().as_deref().unwrap_or_default(), schema);
            let path = location
                .parts()
                .chain(file.object_store_path().parts())
                .collect();
            DataFile {
                path,
                size: file.size() as u64,
                rows: rows
                    .or_else(|| file.num_records().map(|n| n as u64))
                    .unwrap_or(0),
                modified: DateTime::<Utc>::from_timestamp_millis(file.modification_time())
                    .unwrap_or_default(),
                columns,
            }
        })
        .collect()
}
