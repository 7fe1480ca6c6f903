//! The rows that are in memory, and the one place where a view of the lake is put together.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use parking_lot::Mutex;
use tokio::sync::watch;
use weir_core::{Seq, TableName};

use crate::delta::{FileOptions, TableLog};
use crate::rows::{TableRows, column_kind};
use crate::store::LakeRoot;
use crate::view::{DataFile, LakeView, TableView, widen_batch};

/// Batches grow to this many rows by merging; larger ones are left alone. Under load a batch has
/// about as many from the start, and copying rows again costs more than reading some more batches.
const MERGE_ROWS: usize = 2 * 1024;

/// What readers see, and what it is made of.
pub(crate) struct Hot {
    root: LakeRoot,
    view: ArcSwap<LakeView>,
    tables: Mutex<BTreeMap<TableName, HotTable>>,
    unreadable: Mutex<Arc<BTreeSet<TableName>>>,
    bytes: AtomicU64,
    visible: watch::Sender<Seq>,
}

struct HotTable {
    schema: SchemaRef,
    options: FileOptions,
    /// Batches being written into a file.
    frozen: Vec<RecordBatch>,
    /// Batches that still grow.
    active: Vec<RecordBatch>,
    /// Files written but not yet committed.
    staged: Vec<StagedFile>,
    cold: Cold,
    /// Committed and staged files, as readers see them.
    files: Arc<Vec<DataFile>>,
}

/// The committed part of a table.
struct Cold {
    version: Option<u64>,
    files: Arc<Vec<DataFile>>,
    committed: Seq,
    location: object_store::path::Path,
    by_statements: bool,
    comment: Option<Arc<str>>,
}

/// Rows of one table on their way into a file.
pub(crate) struct Frozen {
    pub(crate) name: TableName,
    pub(crate) schema: SchemaRef,
    pub(crate) options: FileOptions,
    pub(crate) batches: Vec<RecordBatch>,
}

/// Files of one table on their way into a commit.
pub(crate) struct Staged {
    pub(crate) name: TableName,
    pub(crate) schema: SchemaRef,
    pub(crate) options: FileOptions,
    pub(crate) files: Vec<StagedFile>,
}

/// A file that waits for a commit, and the columns it was written with: they may have become
/// wider since.
#[derive(Clone)]
pub(crate) struct StagedFile {
    pub(crate) file: DataFile,
    pub(crate) schema: SchemaRef,
}

impl Hot {
    pub(crate) fn new(root: LakeRoot) -> Self {
        Self {
            root,
            view: ArcSwap::default(),
            tables: Mutex::default(),
            unreadable: Mutex::default(),
            bytes: AtomicU64::new(0),
            visible: watch::Sender::new(Seq::ZERO),
        }
    }

    pub(crate) fn view(&self) -> Arc<LakeView> {
        self.view.load_full()
    }

    /// Tells readers which tables cannot be read.
    pub(crate) fn set_unreadable(&self, names: &BTreeSet<TableName>) {
        let tables = self.tables.lock();
        *self.unreadable.lock() = Arc::new(names.clone());
        self.swap(&tables, std::iter::empty(), None);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Seq> {
        self.visible.subscribe()
    }

    /// Returns the bytes of rows in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Makes the rows written since the last call visible, all at one instant.
    pub(crate) fn publish<'a>(&self, rows: impl Iterator<Item = &'a mut TableRows>, visible: Seq) {
        let mut tables = self.tables.lock();
        let mut changed = Vec::new();
        for table in rows.filter(|t| !t.is_empty()) {
            let Some(batch) = table.take() else { continue };
            let options = FileOptions {
                sort_by: table.spec().sort_by,
                bloom: table.spec().bloom.clone(),
            };
            let hot = tables.entry(table.name().clone()).or_insert_with(|| {
                let (location, _) = self.root.table(table.name());
                HotTable::new(location)
            });
            hot.schema = joined(&hot.schema, batch.schema_ref());
            hot.options = options;
            self.bytes
                .fetch_add(batch.get_array_memory_size() as u64, Ordering::Relaxed);
            hot.active.push(batch);
            self.merge(hot);
            changed.push(table.name().clone());
        }
        self.swap(&tables, changed.iter(), Some(visible));
    }

    /// Joins small batches at the end, so that their number stays logarithmic.
    fn merge(&self, hot: &mut HotTable) {
        while let [.., before, last] = hot.active.as_slice() {
            let rows = before.num_rows() + last.num_rows();
            if rows > MERGE_ROWS || before.num_rows() > 2 * last.num_rows() {
                return;
            }
            let parts = [before, last].map(|b| widen_batch(b, &hot.schema, None));
            let Ok(joined) = concat_batches(&hot.schema, &parts) else {
                return;
            };
            let before = hot.active.split_off(hot.active.len() - 2);
            let freed: usize = before.iter().map(RecordBatch::get_array_memory_size).sum();
            self.bytes
                .fetch_add(joined.get_array_memory_size() as u64, Ordering::Relaxed);
            self.bytes.fetch_sub(freed as u64, Ordering::Relaxed);
            hot.active.push(joined);
        }
    }

    /// Returns how files of a table are written.
    pub(crate) fn file_options(&self, name: &TableName) -> FileOptions {
        self.tables
            .lock()
            .get(name)
            .map(|hot| hot.options.clone())
            .unwrap_or_default()
    }

    /// Fixes the batches of now, to be written into files. Those of a failed attempt come along.
    pub(crate) fn freeze(&self) -> Vec<Frozen> {
        let mut tables = self.tables.lock();
        let mut frozen = Vec::new();
        for (name, hot) in tables.iter_mut() {
            hot.frozen.append(&mut hot.active);
            if !hot.frozen.is_empty() {
                frozen.push(Frozen {
                    name: name.clone(),
                    schema: hot.schema.clone(),
                    options: hot.options.clone(),
                    batches: hot.frozen.clone(),
                });
            }
        }
        frozen
    }

    /// Puts files in the place of the frozen batches they hold, at one instant.
    pub(crate) fn staged(&self, files: Vec<(TableName, StagedFile)>) {
        let mut tables = self.tables.lock();
        for (name, file) in &files {
            if let Some(hot) = tables.get_mut(name) {
                let freed: usize = hot
                    .frozen
                    .iter()
                    .map(RecordBatch::get_array_memory_size)
                    .sum();
                self.bytes.fetch_sub(freed as u64, Ordering::Relaxed);
                hot.frozen.clear();
                hot.staged.push(file.clone());
                hot.refresh_files();
            }
        }
        self.swap(&tables, files.iter().map(|(name, _)| name), None);
    }

    /// Returns the files that wait for a commit.
    pub(crate) fn to_commit(&self) -> Vec<Staged> {
        let tables = self.tables.lock();
        let waiting = tables.iter().filter(|(_, hot)| !hot.staged.is_empty());
        waiting
            .map(|(name, hot)| Staged {
                name: name.clone(),
                schema: hot.schema.clone(),
                options: hot.options.clone(),
                files: hot.staged.clone(),
            })
            .collect()
    }

    /// Takes over the committed state of a table; its first `staged` waiting files are in it.
    pub(crate) fn committed(&self, log: &TableLog, staged: usize) {
        self.take_over(&mut self.tables.lock(), log, staged);
    }

    fn take_over(&self, tables: &mut BTreeMap<TableName, HotTable>, log: &TableLog, staged: usize) {
        let hot = tables
            .entry(log.name.clone())
            .or_insert_with(|| HotTable::new(log.location.clone()));
        hot.staged.drain(..staged.min(hot.staged.len()));
        hot.cold.version = log.version();
        hot.cold.files = log.files.clone();
        hot.cold.committed = log.committed;
        hot.cold.by_statements = log.is_written_by_statements();
        hot.cold.comment = log.comment().map(Arc::from);
        hot.schema = joined(&log.schema, &hot.schema);
        hot.refresh_files();
        self.swap(tables, std::iter::once(&log.name), None);
    }

    /// Takes over what a statement made of its tables, all at one instant.
    pub(crate) fn by_statement(&self, logs: &[&TableLog]) {
        let mut tables = self.tables.lock();
        for log in logs {
            if log.is_dropped() {
                tables.remove(&log.name);
                continue;
            }
            let hot = tables
                .entry(log.name.clone())
                .or_insert_with(|| HotTable::new(log.location.clone()));
            hot.cold.version = log.version();
            hot.cold.files = log.files.clone();
            hot.cold.by_statements = log.is_written_by_statements();
            hot.cold.comment = log.comment().map(Arc::from);
            // No rows of another shape wait in memory, so columns may go as well as come.
            hot.schema = log.schema.clone();
            hot.refresh_files();
        }
        self.swap(&tables, logs.iter().map(|log| &log.name), None);
    }

    /// Returns the files of a table that wait for a commit.
    pub(crate) fn staged_files(&self, name: &TableName) -> Vec<StagedFile> {
        let tables = self.tables.lock();
        tables
            .get(name)
            .map(|hot| hot.staged.clone())
            .unwrap_or_default()
    }

    /// Takes over the state of a table that could not be read before: `staged` in the place of its
    /// waiting files, and of the rows in memory those that `keep` leaves, at one instant.
    pub(crate) fn taken_back<E>(
        &self,
        log: &TableLog,
        staged: Vec<StagedFile>,
        keep: &dyn Fn(&RecordBatch) -> Result<RecordBatch, E>,
    ) -> Result<(), E> {
        {
            let mut tables = self.tables.lock();
            if let Some(hot) = tables.get_mut(&log.name) {
                let frozen = hot.frozen.iter().map(keep).collect::<Result<Vec<_>, E>>()?;
                let active = hot.active.iter().map(keep).collect::<Result<Vec<_>, E>>()?;
                let bytes = |batches: &[RecordBatch]| -> u64 {
                    let sizes = batches.iter().map(RecordBatch::get_array_memory_size);
                    sizes.sum::<usize>() as u64
                };
                let before = bytes(&hot.frozen) + bytes(&hot.active);
                let filled = |mut batches: Vec<RecordBatch>| {
                    batches.retain(|batch| batch.num_rows() > 0);
                    batches
                };
                (hot.frozen, hot.active) = (filled(frozen), filled(active));
                let after = bytes(&hot.frozen) + bytes(&hot.active);
                self.bytes.fetch_add(after, Ordering::Relaxed);
                self.bytes.fetch_sub(before, Ordering::Relaxed);
                hot.staged = staged;
            }
            self.take_over(&mut tables, log, 0);
        }
        Ok(())
    }

    /// Shows the changed tables to readers; called with the lock held, so changes are in order.
    fn swap<'a>(
        &self,
        tables: &BTreeMap<TableName, HotTable>,
        changed: impl Iterator<Item = &'a TableName>,
        visible: Option<Seq>,
    ) {
        let old = self.view.load();
        let mut shown = BTreeMap::clone(&old.tables);
        for name in changed {
            match tables.get(name) {
                Some(hot) => shown.insert(name.clone(), Arc::new(hot.view(name, &self.root))),
                None => shown.remove(name),
            };
        }
        let visible = visible.unwrap_or(old.visible).max(old.visible);
        self.view.store(Arc::new(LakeView {
            visible,
            tables: Arc::new(shown),
            unreadable: self.unreadable.lock().clone(),
        }));
        self.visible.send_if_modified(|seen| {
            let moved = *seen != visible;
            *seen = visible;
            moved
        });
    }
}

impl HotTable {
    fn new(location: object_store::path::Path) -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            options: FileOptions::default(),
            frozen: Vec::new(),
            active: Vec::new(),
            staged: Vec::new(),
            files: Arc::default(),
            cold: Cold {
                version: None,
                files: Arc::default(),
                committed: Seq::ZERO,
                location,
                by_statements: false,
                comment: None,
            },
        }
    }

    fn refresh_files(&mut self) {
        self.files = if self.staged.is_empty() {
            self.cold.files.clone()
        } else {
            Arc::new(
                self.cold
                    .files
                    .iter()
                    .chain(self.staged.iter().map(|staged| &staged.file))
                    .cloned()
                    .collect(),
            )
        };
    }

    fn view(&self, name: &TableName, root: &LakeRoot) -> TableView {
        TableView {
            name: name.clone(),
            schema: self.schema.clone(),
            version: self.cold.version,
            files: self.files.clone(),
            hot: self.frozen.iter().chain(&self.active).cloned().collect(),
            store: root.store.clone(),
            store_url: root.url.clone(),
            location: self.cold.location.clone(),
            committed: self.cold.committed,
            sort_by: self.options.sort_by,
            by_statements: self.cold.by_statements,
            comment: self.cold.comment.clone(),
        }
    }
}

/// Returns the columns of both schemas, each with the type that holds the values of both.
///
/// The order of `first` stays; what only `second` has comes after.
pub(crate) fn joined(first: &SchemaRef, second: &SchemaRef) -> SchemaRef {
    if Arc::ptr_eq(first, second) || first.fields() == second.fields() {
        return first.clone();
    }
    let mut fields: Vec<FieldRef> = first
        .fields()
        .iter()
        .map(|field| match second.field_with_name(field.name()) {
            Ok(other) => wider(field, other),
            Err(_) => field.clone(),
        })
        .collect();
    let known: HashSet<&str> = first.fields().iter().map(|f| f.name().as_str()).collect();
    fields.extend(
        second
            .fields()
            .iter()
            .filter(|f| !known.contains(f.name().as_str()))
            .cloned(),
    );
    Arc::new(Schema::new(fields))
}

fn wider(field: &FieldRef, other: &Field) -> FieldRef {
    let kinds = (column_kind(field), column_kind(other));
    let (Some(one), Some(two)) = kinds else {
        return field.clone();
    };
    match one.join(two) {
        Some(kind) if kind == one => field.clone(),
        Some(kind) if kind == two => Arc::new(other.clone()),
        Some(kind) => Arc::new(Field::new(field.name(), kind.data_type(), true)),
        None => field.clone(),
    }
}
