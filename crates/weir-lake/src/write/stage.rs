//! Changes of several tables that become visible together.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::path::Path;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use weir_core::{Seq, TableName};

use crate::delta::{Input, Operation, Receipt, StatementCommit, TableLog};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::Logs;
use crate::lake::Lake;
use crate::store::LakeRoot;
use crate::view::{DataFile, LakeView, TableView};
use crate::write::publish::{Publishing, TableChange};

/// Tables as the statements of one run have made them, which nobody else sees yet.
///
/// Rows lie in files already, in the folders of their tables; no log names them. Letting go of a
/// stage leaves everything as it was, and the vacuum takes the files.
pub struct Stage {
    root: LakeRoot,
    logs: Arc<Logs>,
    tables: Mutex<BTreeMap<TableName, StagedTable>>,
    turns: Mutex<BTreeMap<TableName, Arc<AsyncMutex<()>>>>,
}

#[derive(Clone)]
struct StagedTable {
    /// The table when the stage first changed it; none when it is new.
    base: Option<Arc<TableView>>,
    /// The table in the stage; none once it is dropped.
    now: Option<Arc<TableView>>,
    /// Whether nothing is kept of what was there, whatever others make of it meanwhile.
    replaced: bool,
    operation: Operation,
    receipt: Receipt,
}

/// What one statement does to a staged table.
pub(super) struct StagedChange {
    pub(super) commit: StatementCommit,
    /// The version its log has, dropped or not.
    pub(super) version: Option<u64>,
}

impl Lake {
    /// Returns a stage without changes.
    pub fn stage(&self) -> Stage {
        let (root, logs, _) = self.parts();
        Stage {
            root: root.clone(),
            logs: logs.clone(),
            tables: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Takes the turns of everything the stage changed and prepares its commits.
    ///
    /// Fails as a conflict when others changed rows meanwhile that the stage's changes rest on.
    /// Nothing is written yet.
    pub async fn publish(&self, stage: &Stage, run_id: &str) -> Result<Publishing, LakeError> {
        let (_, logs, hot) = self.parts();
        let staged = stage.tables.lock().clone();
        let mut turns = Vec::with_capacity(staged.len());
        // In the order of names, so that two of them cannot wait for each other.
        for name in staged.keys() {
            turns.push(logs.turn(name).lock_owned().await);
        }
        let view = hot.view();
        let mut changes = Vec::with_capacity(staged.len());
        for (name, table) in &staged {
            let log = logs.get(name).lock_owned().await;
            let current = view.table(name);
            if let Some(commit) = table.commit(name, current, run_id)? {
                let before = current.and(log.version());
                changes.push(TableChange::new(log, commit, before));
            }
        }
        let versions: BTreeMap<String, u64> = changes
            .iter()
            .map(|change| (change.name().to_string(), change.next_version()))
            .collect();
        for change in &mut changes {
            for input in change.inputs() {
                if let Some(&version) = versions.get(&input.name) {
                    // Read as staged: the version it is published as.
                    (input.from, input.to) = (version, version);
                }
            }
        }
        Ok(Publishing::new(hot.clone(), turns, changes))
    }
}

impl Stage {
    /// Returns `view` with the stage's tables in the place of those it changed.
    pub fn over(&self, view: &Arc<LakeView>) -> Arc<LakeView> {
        let staged = self.tables.lock();
        if staged.is_empty() {
            return view.clone();
        }
        let mut tables = BTreeMap::clone(&view.tables);
        for (name, table) in staged.iter() {
            match &table.now {
                Some(now) => tables.insert(name.clone(), now.clone()),
                None => tables.remove(name),
            };
        }
        Arc::new(LakeView {
            visible: view.visible,
            tables: Arc::new(tables),
            unreadable: view.unreadable.clone(),
        })
    }

    /// Returns the tables the stage changed, and whether they are new.
    pub fn tables(&self) -> Vec<(TableName, bool)> {
        let staged = self.tables.lock();
        let tables = staged.iter().filter(|(_, table)| table.now.is_some());
        tables
            .map(|(name, table)| (name.clone(), table.base.is_none()))
            .collect()
    }

    /// Tells whether a table was made here.
    pub fn made(&self, name: &TableName) -> bool {
        let staged = self.tables.lock();
        staged.get(name).is_some_and(|table| table.base.is_none())
    }

    /// Deletes the files that only the stage knows, as far as the store lets us.
    pub async fn discard(&self) {
        use object_store::ObjectStoreExt;
        let staged = std::mem::take(&mut *self.tables.lock());
        for table in staged.values() {
            self.logs
                .release(table.base.as_ref().map(|base| &base.name));
            for file in table.added() {
                if let Err(error) = self.root.store.delete(&file.path).await {
                    tracing::debug!(path = %file.path, %error, "a file stays until the vacuum");
                }
            }
        }
    }

    pub(super) async fn turn(&self, name: &TableName) -> OwnedMutexGuard<()> {
        let turn = self.turns.lock().entry(name.clone()).or_default().clone();
        turn.lock_owned().await
    }

    /// Returns the table as it is here; none when there is none.
    pub(super) fn table(
        &self,
        name: &TableName,
        current: Option<&Arc<TableView>>,
    ) -> Option<Arc<TableView>> {
        match self.tables.lock().get(name) {
            Some(staged) => staged.now.clone(),
            None => current.cloned(),
        }
    }

    /// Changes a table here; returns the version it is going to have.
    pub(super) fn change(
        &self,
        name: &TableName,
        current: Option<&Arc<TableView>>,
        change: StagedChange,
    ) -> u64 {
        let version = change.version.map_or(0, |version| version + 1);
        let mut tables = self.tables.lock();
        let staged = tables.entry(name.clone()).or_insert_with(|| {
            if let Some(base) = current {
                // Rows that are kept must stay in the files they are known by.
                self.logs.hold(&base.name);
            }
            StagedTable {
                base: current.cloned(),
                now: current.cloned(),
                replaced: false,
                operation: change.commit.operation,
                receipt: Receipt::default(),
            }
        });
        let (folder, _) = self.root.table(name);
        staged.apply(name, &self.root, folder, version, change.commit);
        version
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for table in self.tables.get_mut().values() {
            self.logs
                .release(table.base.as_ref().map(|base| &base.name));
        }
    }
}

impl StagedTable {
    fn apply(
        &mut self,
        name: &TableName,
        root: &LakeRoot,
        location: Path,
        version: u64,
        change: StatementCommit,
    ) {
        let fresh = self.now.is_none();
        match change.operation {
            Operation::Create | Operation::Overwrite | Operation::Drop => self.replaced = true,
            Operation::Append if self.operation != Operation::Append => {}
            Operation::Alter => {}
            operation => self.operation = operation,
        }
        self.receipt.join(change.receipt, self.replaced && fresh);
        if change.operation == Operation::Drop {
            self.now = None;
            return;
        }
        let old = self.now.as_deref();
        let removed: HashSet<&Path> = change.remove.iter().map(|file| &file.path).collect();
        let kept = old.map(|old| old.files.iter()).into_iter().flatten();
        let kept = kept.filter(|file| !removed.contains(&file.path)).cloned();
        let files: Vec<DataFile> = kept.chain(change.add).collect();
        let comment = match change.comment {
            Some(comment) => Some(comment).filter(|text| !text.is_empty()).map(Arc::from),
            None => old.and_then(|old| old.comment.clone()),
        };
        let schema = change.schema.or_else(|| old.map(|old| old.schema.clone()));
        self.now = Some(Arc::new(TableView {
            name: name.clone(),
            schema: schema.unwrap_or_else(|| Arc::new(arrow::datatypes::Schema::empty())),
            version: Some(version),
            files: Arc::new(files),
            hot: Vec::new(),
            store: root.store.clone(),
            store_url: root.url.clone(),
            location,
            committed: Seq::ZERO,
            sort_by: None,
            by_statements: true,
            comment,
        }));
    }

    fn files(view: Option<&Arc<TableView>>) -> &[DataFile] {
        view.map_or(&[], |view| view.files.as_slice())
    }

    /// Returns the files no log names.
    fn added(&self) -> Vec<DataFile> {
        let old = paths(Self::files(self.base.as_ref()));
        let now = Self::files(self.now.as_ref()).iter();
        now.filter(|file| !old.contains(&file.path))
            .cloned()
            .collect()
    }

    /// Returns the commit that makes the table of now what it is here; none for no change.
    fn commit(
        &self,
        name: &TableName,
        current: Option<&Arc<TableView>>,
        run_id: &str,
    ) -> Result<Option<StatementCommit>, LakeError> {
        let conflict = |why: &str| {
            LakeError::new(LakeErrorKind::Conflict, "publish table", name).because(why.to_owned())
        };
        let receipt = Receipt {
            run_id: run_id.to_owned(),
            ..self.receipt.clone()
        };
        let all = || Self::files(current).to_vec();
        let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<u64>();
        let Some(now) = &self.now else {
            return Ok(current.map(|_| StatementCommit {
                remove: all(),
                receipt: Receipt {
                    rows_added: 0,
                    rows_removed: rows(&all()),
                    ..receipt.clone()
                },
                ..StatementCommit::new(Operation::Drop, receipt)
            }));
        };
        let add = self.added();
        let schema = match current {
            Some(current) if current.schema == now.schema => None,
            _ => Some(now.schema.clone()),
        };
        let comment = match (
            current.and_then(|current| current.comment.as_ref()),
            &now.comment,
        ) {
            (old, new) if old == new.as_ref() => None,
            (_, new) => Some(new.as_deref().unwrap_or_default().to_owned()),
        };
        let (operation, remove, receipt) = if self.replaced {
            let operation = match current {
                Some(_) => Operation::Overwrite,
                None => Operation::Create,
            };
            let receipt = Receipt {
                rows_added: rows(&add),
                rows_removed: rows(&all()),
                ..receipt
            };
            (operation, all(), receipt)
        } else {
            let current = current.ok_or_else(|| conflict("it was dropped meanwhile"))?;
            let base = self.base.as_ref().unwrap_or(current);
            if base.schema != current.schema {
                return Err(conflict("its columns were changed meanwhile"));
            }
            let kept = paths(&now.files);
            let gone = base.files.iter().filter(|file| !kept.contains(&file.path));
            let gone: Vec<DataFile> = gone.cloned().collect();
            let there = paths(&current.files);
            if gone.iter().any(|file| !there.contains(&file.path)) {
                return Err(conflict("another statement changed its rows meanwhile"));
            }
            (self.operation, gone, receipt)
        };
        if add.is_empty() && remove.is_empty() && schema.is_none() && comment.is_none() {
            return Ok(None);
        }
        Ok(Some(StatementCommit {
            add,
            remove,
            schema,
            comment,
            ..StatementCommit::new(operation, receipt)
        }))
    }
}

fn paths(files: &[DataFile]) -> HashSet<&Path> {
    files.iter().map(|file| &file.path).collect()
}

impl Receipt {
    /// Adds what a later statement says; `anew` forgets what came before.
    fn join(&mut self, later: Receipt, anew: bool) {
        if anew || self.writer.is_empty() {
            *self = later;
            return;
        }
        let mut inputs: Vec<Input> = std::mem::take(&mut self.inputs);
        inputs.retain(|input| later.inputs.iter().all(|other| other.name != input.name));
        inputs.extend(later.inputs);
        *self = Receipt {
            inputs,
            rows_added: self.rows_added + later.rows_added,
            rows_removed: self.rows_removed + later.rows_removed,
            ..later
        };
    }
}

/// Returns the commit that gives a table the rows it had in an older version.
pub(super) fn restored(
    log: &TableLog,
    (files, schema): (Vec<DataFile>, SchemaRef),
    receipt: Receipt,
) -> StatementCommit {
    let (then, now) = (paths(&files), paths(&log.files));
    let add: Vec<DataFile> = files
        .iter()
        .filter(|file| !now.contains(&file.path))
        .cloned()
        .collect();
    let remove: Vec<DataFile> = log
        .files
        .iter()
        .filter(|file| !then.contains(&file.path))
        .cloned()
        .collect();
    let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum();
    let receipt = Receipt {
        rows_added: rows(&add),
        rows_removed: rows(&remove),
        ..receipt
    };
    StatementCommit {
        schema: (schema != log.schema).then_some(schema),
        add,
        remove,
        ..StatementCommit::new(Operation::Overwrite, receipt)
    }
}
