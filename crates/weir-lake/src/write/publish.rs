//! Commits of several tables that readers see at one instant.

use std::sync::Arc;

use fail::fail_point;
use object_store::ObjectStoreExt;
use tokio::sync::OwnedMutexGuard;
use tracing::{error, warn};
use weir_core::TableName;

use super::stage::restored;
use crate::delta::{Input, Operation, Receipt, StatementCommit, TableLog, Writer};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::chain;
use crate::hot::Hot;
use crate::lake::Lake;
use crate::view::DataFile;

/// Commits of several tables, prepared: nobody else can change these tables until it is dropped.
///
/// The order of calls is [`Publishing::commit`], whatever the caller wants to remember, then
/// [`Publishing::show`]. Between the two, only the logs have the new versions. A process that ends
/// there leaves some tables changed and others not: whoever publishes writes [`Publishing::tables`]
/// down beforehand, and takes them back with [`Lake::take_back`] at the next start.
pub struct Publishing {
    hot: Arc<Hot>,
    changes: Vec<TableChange>,
    done: usize,
    _turns: Vec<OwnedMutexGuard<()>>,
}

pub(super) struct TableChange {
    log: OwnedMutexGuard<TableLog>,
    commit: Option<StatementCommit>,
    /// What takes it back.
    undo: Undo,
    /// The version readers see until then; none where there is no table.
    before: Option<u64>,
}

struct Undo {
    add: Vec<DataFile>,
    remove: Vec<DataFile>,
    schema: Option<arrow::datatypes::SchemaRef>,
    load_state: Option<String>,
    is_drop: bool,
}

/// A table of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedTable {
    pub name: TableName,
    /// The version it had; none when it is new.
    pub before: Option<u64>,
    /// The version it has after.
    pub after: u64,
}

impl TableChange {
    pub(super) fn new(
        log: OwnedMutexGuard<TableLog>,
        commit: StatementCommit,
        before: Option<u64>,
    ) -> Self {
        let undo = Undo {
            add: commit.remove.clone(),
            remove: commit.add.clone(),
            schema: commit.schema.as_ref().map(|_| log.schema.clone()),
            load_state: log.load_state().map(str::to_owned),
            is_drop: before.is_none(),
        };
        Self {
            log,
            commit: Some(commit),
            undo,
            before,
        }
    }

    pub(super) fn name(&self) -> &TableName {
        &self.log.name
    }

    /// Returns the version its commit is going to have.
    pub(super) fn next_version(&self) -> u64 {
        self.log.version().map_or(0, |version| version + 1)
    }

    pub(super) fn inputs(&mut self) -> impl Iterator<Item = &mut Input> {
        let commits = self.commit.iter_mut();
        commits.flat_map(|commit| commit.receipt.inputs.iter_mut())
    }

    async fn make(&mut self) -> Result<(), LakeError> {
        if let Some(commit) = self.commit.take() {
            self.log.commit_statement(commit).await?;
        }
        Ok(())
    }

    async fn take_back(&mut self, run_id: &str) -> Result<(), LakeError> {
        let undo = &mut self.undo;
        let (add, remove) = (
            std::mem::take(&mut undo.add),
            std::mem::take(&mut undo.remove),
        );
        let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum();
        let receipt = Receipt {
            writer: "publish".into(),
            run_id: format!("{run_id}-undone"),
            code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
            rows_added: rows(&add),
            rows_removed: rows(&remove),
            ..Receipt::default()
        };
        let operation = match undo.is_drop {
            true => Operation::Drop,
            false => Operation::Overwrite,
        };
        self.log
            .commit_statement(StatementCommit {
                add,
                remove,
                schema: undo.schema.take(),
                load_state: undo.load_state.take(),
                ..StatementCommit::new(operation, receipt)
            })
            .await?;
        Ok(())
    }
}

impl Publishing {
    pub(super) fn new(
        hot: Arc<Hot>,
        turns: Vec<OwnedMutexGuard<()>>,
        changes: Vec<TableChange>,
    ) -> Self {
        Self {
            hot,
            changes,
            done: 0,
            _turns: turns,
        }
    }

    /// Returns the tables that change.
    pub fn tables(&self) -> Vec<PublishedTable> {
        let table = |change: &TableChange| PublishedTable {
            name: change.name().clone(),
            before: change.before,
            after: match change.commit {
                Some(_) => change.next_version(),
                None => change.log.version().unwrap_or(0),
            },
        };
        self.changes.iter().map(table).collect()
    }

    /// Adds to the receipts of all commits what the publisher knows.
    pub fn describe(&mut self, describe: impl Fn(&TableName, &mut Receipt)) {
        for change in &mut self.changes {
            let name = change.log.name.clone();
            if let Some(commit) = &mut change.commit {
                describe(&name, &mut commit.receipt);
            }
        }
    }

    /// Commits, table by table, until one fails; [`Publishing::revert`] takes those before back.
    pub async fn commit(&mut self) -> Result<(), LakeError> {
        fail_point!("publish-begin");
        for at in 0..self.changes.len() {
            self.changes[at].make().await?;
            self.done = at + 1;
            fail_point!("publish-table-done");
        }
        fail_point!("publish-committed");
        Ok(())
    }

    /// Takes back what [`Publishing::commit`] did; returns whether all of it.
    pub async fn revert(&mut self, run_id: &str) -> bool {
        let mut whole = true;
        for change in self.changes[..self.done].iter_mut().rev() {
            if let Err(error) = change.take_back(run_id).await {
                whole = false;
                error!(table = %change.log.name, cause = %chain(&error),
                    "a publication that failed cannot be taken back; the next start tries again");
            }
        }
        self.done = 0;
        whole
    }

    /// Lets readers see the new versions, all at one instant.
    pub fn show(self) {
        fail_point!("publish-show");
        let logs: Vec<&TableLog> = self.changes.iter().map(|change| &*change.log).collect();
        self.hot.by_statement(&logs);
    }
}

impl Lake {
    /// Prepares the commits that give tables the rows they had: at a version, or, where that is
    /// none, before they were there.
    ///
    /// Fails when files of the old versions are gone.
    pub async fn restore(
        &self,
        tables: &[(TableName, Option<u64>)],
        receipt: &Receipt,
    ) -> Result<Publishing, LakeError> {
        let (root, logs, hot) = self.parts();
        let mut tables: Vec<_> = tables.to_vec();
        tables.sort();
        tables.dedup_by(|a, b| a.0 == b.0);
        let mut turns = Vec::with_capacity(tables.len());
        for (name, _) in &tables {
            turns.push(logs.turn(name).lock_owned().await);
        }
        let view = hot.view();
        let mut changes = Vec::new();
        for (name, version) in &tables {
            let mut log = logs.get(name).lock_owned().await;
            if log.version().is_none() {
                log.load().await?;
            }
            let current = view.table(name);
            let commit = match version {
                None if log.is_dropped() || log.version().is_none() => continue,
                None => StatementCommit {
                    remove: log.files.as_ref().clone(),
                    ..StatementCommit::new(Operation::Drop, receipt.clone())
                },
                Some(version) => {
                    let then = log.at_version(*version).await?;
                    StatementCommit {
                        // What a connector remembers goes with the rows it is true of.
                        load_state: match log.is_written_by(Writer::Loads) {
                            true => log.load_state_at(*version).await?,
                            false => None,
                        },
                        ..restored(&log, then, receipt.clone())
                    }
                }
            };
            for file in &commit.add {
                root.store.head(&file.path).await.map_err(|error| {
                    LakeError::new(LakeErrorKind::NotFound, "restore table", name)
                        .because(format!("its old files are gone: {error}"))
                })?;
            }
            let before = current.and(log.version());
            changes.push(TableChange::new(log, commit, before));
        }
        Ok(Publishing::new(hot.clone(), turns, changes))
    }

    /// Takes back the commits of a publication that was cut off, as [`Publishing::tables`] said
    /// they would be. Tables it had not come to are left alone.
    pub async fn take_back(
        &self,
        run_id: &str,
        tables: &[(TableName, Option<u64>)],
    ) -> Result<(), LakeError> {
        let (_, logs, _) = self.parts();
        let mut changed = Vec::new();
        for (name, before) in tables {
            let log = logs.get(name);
            let mut log = log.lock().await;
            if log.version().is_none() {
                log.load().await?;
            }
            if log.version().is_none() {
                continue;
            }
            let newest = log.history(1).await?;
            let by_run = newest.first().and_then(|commit| commit.receipt.as_ref());
            if by_run.is_some_and(|receipt| receipt.run_id == run_id) {
                changed.push((name.clone(), *before));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        warn!(
            run = run_id,
            tables = changed.len(),
            "taking back a publication that was cut off"
        );
        let receipt = Receipt {
            writer: "publish".into(),
            run_id: format!("{run_id}-undone"),
            code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
            ..Receipt::default()
        };
        let mut restore = self.restore(&changed, &receipt).await?;
        let done = restore.commit().await;
        // Each of them is as it was or as it is again; the next start does the rest.
        restore.show();
        done?;
        Ok(())
    }
}
