use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use fail::fail_point;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::warn;
use weir_core::TableName;

use super::columns::stored_columns;
use super::matched::Matched;
use super::sink::{RowSink, StoredRows};
use super::stage::{Stage, StagedChange};
use crate::delta::{Operation, Receipt, StatementCommit, TableLog, read_batches};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::chain;
use crate::hot::Hot;
use crate::lake::Lake;
use crate::store::LakeRoot;
use crate::view::{DataFile, TableView, widen_batch};

/// The turn to write one table. Other statements that write it wait until this is dropped.
pub struct TableWriter {
    root: LakeRoot,
    hot: Arc<Hot>,
    log: Arc<Mutex<TableLog>>,
    name: TableName,
    /// The table as it is; none when there is no such table.
    table: Option<Arc<TableView>>,
    /// Where changes go, unless to the log at once.
    stage: Option<Arc<Stage>>,
    _turn: OwnedMutexGuard<()>,
}

/// A statement that changes rows in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    Delete,
    Update,
    Merge,
}

impl Lake {
    /// Waits for the turn to write table `name`, which need not exist.
    ///
    /// Tables of the intake are refused: their rows come through the log, and a rebuild derives
    /// them anew.
    pub async fn table_writer(&self, name: &TableName) -> Result<TableWriter, LakeError> {
        let (_, logs, _) = self.parts();
        let turn = logs.turn(name).lock_owned().await;
        self.writer(name, turn, None).await
    }

    /// Waits for the turn to write table `name` in a stage: nobody else sees what is written until
    /// the stage is published.
    pub async fn staged_writer(
        &self,
        stage: &Arc<Stage>,
        name: &TableName,
    ) -> Result<TableWriter, LakeError> {
        let turn = stage.turn(name).await;
        self.writer(name, turn, Some(stage.clone())).await
    }

    async fn writer(
        &self,
        name: &TableName,
        turn: OwnedMutexGuard<()>,
        stage: Option<Arc<Stage>>,
    ) -> Result<TableWriter, LakeError> {
        let (root, logs, hot) = self.parts();
        refuse_intake(hot, name)?;
        let log = logs.get(name);
        {
            let mut log = log.lock().await;
            if log.version().is_none() {
                // A log that could not be read at the start is not to be written over.
                log.load().await?;
            }
            if log.version().is_some() && !log.is_written_by_statements() {
                return Err(of_the_intake(name));
            }
        }
        let current = hot.view().table(name).cloned();
        let table = match &stage {
            Some(stage) => stage.table(name, current.as_ref()),
            None => current,
        };
        Ok(TableWriter {
            root: root.clone(),
            hot: hot.clone(),
            log,
            name: name.clone(),
            table,
            stage,
            _turn: turn,
        })
    }

    /// Returns where rows of `columns` for table `name` go until a commit names them.
    pub fn row_sink(&self, name: &TableName, columns: &Schema) -> Result<RowSink, LakeError> {
        let (root, ..) = self.parts();
        let (folder, _) = root.table(name);
        Ok(RowSink::new(
            root.store.clone(),
            folder,
            stored_columns(columns)?,
        ))
    }
}

fn of_the_intake(name: &TableName) -> LakeError {
    LakeError::new(LakeErrorKind::ReadOnly, "write table", name)
        .because("its rows come from a source, through the log")
}

/// Refuses schemas the log writes to, whether or not it has written this very table yet.
fn refuse_intake(hot: &Hot, name: &TableName) -> Result<(), LakeError> {
    let view = hot.view();
    let taken = name.schema().starts_with("raw_")
        || view
            .tables
            .values()
            .any(|table| table.name.schema() == name.schema() && !table.by_statements);
    match taken {
        true => Err(of_the_intake(name)),
        false => Ok(()),
    }
}

impl TableWriter {
    /// Returns the table as it is, and stays until the commit; none when there is no such table.
    pub fn table(&self) -> Option<&Arc<TableView>> {
        self.table.as_ref()
    }

    /// Returns where rows of this table go until a commit names them.
    pub fn sink(&self, columns: &Schema) -> Result<RowSink, LakeError> {
        let (folder, _) = self.root.table(&self.name);
        Ok(RowSink::new(
            self.root.store.clone(),
            folder,
            stored_columns(columns)?,
        ))
    }

    /// Makes `rows` the whole table, with their columns; what was there before is gone at once.
    pub async fn replace(self, rows: StoredRows, receipt: Receipt) -> Result<u64, LakeError> {
        let operation = match self.table {
            Some(_) => Operation::Overwrite,
            None => Operation::Create,
        };
        let remove = self.files();
        let columns = Some(rows.schema.clone());
        self.commit(operation, rows, remove, columns, receipt).await
    }

    /// Adds rows.
    ///
    /// Fails as a conflict when the columns are no longer those the rows were brought to.
    pub async fn append(self, rows: StoredRows, receipt: Receipt) -> Result<u64, LakeError> {
        let table = self.existing()?;
        if table.schema.fields() != rows.schema.fields() {
            return Err(
                LakeError::new(LakeErrorKind::Conflict, "insert into table", &self.name)
                    .because("its columns were changed meanwhile"),
            );
        }
        self.commit(Operation::Append, rows, Vec::new(), None, receipt)
            .await
    }

    /// Puts `rows` in the place of the files that [`TableWriter::keep_others`] returned; all other
    /// files stay as they are.
    pub async fn rewrite(
        self,
        rewrite: Rewrite,
        remove: Vec<DataFile>,
        rows: StoredRows,
        receipt: Receipt,
    ) -> Result<u64, LakeError> {
        let operation = match rewrite {
            Rewrite::Delete => Operation::Delete,
            Rewrite::Update => Operation::Update,
            Rewrite::Merge => Operation::Merge,
        };
        self.commit(operation, rows, remove, None, receipt).await
    }

    /// Writes the rows that share a file with matched ones again; returns the files to remove.
    pub async fn keep_others(
        &self,
        matched: &Matched,
        sink: &mut RowSink,
    ) -> Result<Vec<DataFile>, LakeError> {
        let table = self.existing()?;
        let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
            LakeError::new(
                LakeErrorKind::Storage,
                "rewrite a file of table",
                &self.name,
            )
            .because(e)
        };
        let mut remove = Vec::new();
        for (number, rows) in matched.files() {
            let Some(file) = table.files.get(number as usize) else {
                return Err(fail("a row is in no file".into()));
            };
            remove.push(file.clone());
            if rows.rows == file.rows {
                continue;
            }
            let mut batches = read_batches(&table.store, file)
                .await
                .map_err(|e| fail(e.into()))?;
            let mut at = 0_u64;
            while let Some(batch) = batches.try_next().await.map_err(|e| fail(e.into()))? {
                let count = batch.num_rows() as u64;
                let keep: BooleanArray = (at..at + count)
                    .map(|row| Some(!rows.contains(row)))
                    .collect();
                at += count;
                let batch = widen_batch(&batch, sink.schema(), None);
                let kept = filter_record_batch(&batch, &keep).map_err(|e| fail(e.into()))?;
                sink.write_stored(&kept).await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(remove)
    }

    /// Changes the columns and leaves the files alone: only columns at the end may be new.
    pub async fn add_columns(self, columns: &Schema, receipt: Receipt) -> Result<u64, LakeError> {
        self.existing()?;
        let schema = stored_columns(columns)?;
        let nothing = StoredRows {
            schema: schema.clone(),
            rows: 0,
            files: Vec::new(),
        };
        self.commit(Operation::Alter, nothing, Vec::new(), Some(schema), receipt)
            .await
    }

    /// Says what the table is, for people; empty text says nothing.
    pub async fn comment(self, comment: String, receipt: Receipt) -> Result<u64, LakeError> {
        self.existing()?;
        let commit = StatementCommit {
            comment: Some(comment),
            ..StatementCommit::new(Operation::Alter, receipt)
        };
        self.make(commit).await
    }

    /// Removes all rows.
    pub async fn truncate(self, receipt: Receipt) -> Result<u64, LakeError> {
        let remove = self.files();
        let nothing = self.no_rows()?;
        self.commit(Operation::Delete, nothing, remove, None, receipt)
            .await
    }

    /// Drops the table. Its history stays until the vacuum.
    pub async fn drop_table(self, receipt: Receipt) -> Result<u64, LakeError> {
        let remove = self.files();
        let nothing = self.no_rows()?;
        self.commit(Operation::Drop, nothing, remove, None, receipt)
            .await
    }

    /// Gives the table the name `to` has the turn of.
    ///
    /// Its files are copied (linked on a local disk), so that a table always lies in the folder of
    /// its name. Readers see one name or the other; should the process end between the two logs'
    /// commits, the next start finishes it.
    pub async fn rename(self, to: TableWriter, receipt: Receipt) -> Result<u64, LakeError> {
        let table = self.existing()?.clone();
        let (folder, _) = to.root.table(&to.name);
        let mut files = Vec::with_capacity(table.files.len());
        for file in table.files.iter() {
            let path = folder
                .clone()
                .join(format!("part-{}.zstd.parquet", uuid::Uuid::new_v4()));
            let copied = self.root.store.copy(&file.path, &path).await;
            copied.map_err(|e| {
                LakeError::new(LakeErrorKind::Storage, "rename table", &self.name).because(e)
            })?;
            files.push(DataFile {
                path,
                ..file.clone()
            });
        }
        if self.stage.is_some() {
            let made = StatementCommit {
                add: files,
                remove: to.files(),
                schema: Some(table.schema.clone()),
                comment: table.comment.as_deref().map(str::to_owned),
                ..StatementCommit::new(Operation::Create, receipt.clone())
            };
            let version = to.make(made).await?;
            self.make(dropped(&table, receipt)).await?;
            return Ok(version);
        }
        let mut target = to.log.lock().await;
        let mut source = self.log.lock().await;
        let schema = source.schema.clone();
        let version = target
            .commit_statement(StatementCommit {
                add: files,
                remove: to.files(),
                schema: Some(schema),
                renamed_from: source.version().map(|v| (self.name.clone(), v)),
                ..StatementCommit::new(Operation::Create, receipt.clone())
            })
            .await?;
        fail_point!("rename-copied");
        source.commit_statement(dropped(&table, receipt)).await?;
        self.hot.by_statement(&[&target, &source]);
        Ok(version)
    }

    fn existing(&self) -> Result<&Arc<TableView>, LakeError> {
        self.table.as_ref().ok_or_else(|| {
            LakeError::new(LakeErrorKind::NotFound, "write table", &self.name)
                .because("there is no such table")
        })
    }

    fn files(&self) -> Vec<DataFile> {
        self.table
            .as_ref()
            .map(|table| table.files.as_ref().clone())
            .unwrap_or_default()
    }

    fn no_rows(&self) -> Result<StoredRows, LakeError> {
        Ok(StoredRows {
            schema: self.existing()?.schema.clone(),
            rows: 0,
            files: Vec::new(),
        })
    }

    async fn commit(
        self,
        operation: Operation,
        rows: StoredRows,
        remove: Vec<DataFile>,
        schema: Option<SchemaRef>,
        receipt: Receipt,
    ) -> Result<u64, LakeError> {
        self.make(StatementCommit {
            add: rows.files,
            remove,
            schema,
            ..StatementCommit::new(operation, receipt)
        })
        .await
    }

    /// Commits, or lets the stage remember what is to be committed; returns the version.
    async fn make(self, commit: StatementCommit) -> Result<u64, LakeError> {
        fail_point!("statement-stored");
        let mut log = self.log.lock().await;
        if let Some(stage) = &self.stage {
            let current = self.hot.view().table(&self.name).cloned();
            let change = StagedChange {
                commit,
                version: log.version(),
            };
            return Ok(stage.change(&self.name, current.as_ref(), change));
        }
        let version = log.commit_statement(commit).await?;
        self.hot.by_statement(&[&log]);
        Ok(version)
    }
}

fn dropped(table: &TableView, receipt: Receipt) -> StatementCommit {
    let receipt = Receipt {
        rows_added: 0,
        rows_removed: table.rows(),
        ..receipt
    };
    StatementCommit {
        remove: table.files.as_ref().clone(),
        ..StatementCommit::new(Operation::Drop, receipt)
    }
}

/// Drops tables whose rename was cut off after their new name was committed.
pub(crate) async fn finish_renames(logs: &mut [TableLog]) {
    let unfinished: Vec<(usize, TableName)> = logs
        .iter()
        .filter_map(|new| {
            let (from, version) = new.renamed_from()?;
            let old = logs.iter().position(|log| log.name.to_string() == from)?;
            let waits = !logs[old].is_dropped() && logs[old].version() == Some(version);
            waits.then(|| (old, new.name.clone()))
        })
        .collect();
    for (old, new) in unfinished {
        let log = &mut logs[old];
        warn!(from = %log.name, to = %new, "finishing a rename that was cut off");
        let receipt = Receipt {
            writer: "sql".into(),
            run_id: format!("rename-{}", uuid::Uuid::new_v4()),
            code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
            rows_removed: log.files.iter().map(|file| file.rows).sum(),
            ..Receipt::default()
        };
        let remove = log.files.as_ref().clone();
        let commit = StatementCommit {
            remove,
            ..StatementCommit::new(Operation::Drop, receipt)
        };
        if let Err(error) = log.commit_statement(commit).await {
            warn!(table = %log.name, cause = %chain(&error), "cannot finish a rename; both names stay");
        }
    }
}
