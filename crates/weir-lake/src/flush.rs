//! From memory to the open tables, each row once.
//!
//! Two steps, so that memory and commits are bounded apart: *staging* writes the rows in memory
//! into Parquet files as often as memory asks for it; *committing* adds the staged files to the
//! Delta logs every so often. A crash between them leaves files nobody refers to, and the log
//! still has their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use fail::fail_point;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tracing::{info, warn};
use weir_core::{Seq, TableName};

use crate::applier::{Barrier, Request};
use crate::dedup::{DedupRuns, FrozenKeys};
use crate::delta::{CODE, Change, FileOptions, Input, Receipt, TableLog, rewrite_file, write_file};
use crate::error::{LakeError, LakeErrorKind};
use crate::hot::{Hot, Staged, StagedFile, joined};
use crate::plant::planted;
use crate::store::LakeRoot;
use crate::view::DataFile;
use crate::wal::{Segments, write_checkpoint};

/// As many keys may wait in memory for their file.
const KEYS_IN_MEMORY: usize = 200_000;

/// The logs of all tables; each is locked while it is committed to.
pub(crate) struct Logs {
    root: LakeRoot,
    map: Mutex<BTreeMap<TableName, Arc<AsyncMutex<TableLog>>>>,
    turns: Mutex<BTreeMap<TableName, Arc<AsyncMutex<()>>>>,
    /// Tables that stages rest on, and how many do.
    held: Mutex<BTreeMap<TableName, usize>>,
}

impl Logs {
    pub(crate) fn new(root: LakeRoot) -> Self {
        Self {
            root,
            map: Mutex::default(),
            turns: Mutex::default(),
            held: Mutex::default(),
        }
    }

    pub(crate) fn insert(&self, log: TableLog) {
        self.map
            .lock()
            .insert(log.name.clone(), Arc::new(AsyncMutex::new(log)));
    }

    /// Returns the log of a table, which may not exist in the store yet.
    pub(crate) fn get(&self, name: &TableName) -> Arc<AsyncMutex<TableLog>> {
        let mut map = self.map.lock();
        let new = || Arc::new(AsyncMutex::new(TableLog::new(&self.root, name)));
        map.entry(name.clone()).or_insert_with(new).clone()
    }

    /// Returns the turn to change files of a table: a statement holds it from reading to
    /// committing, the joining of small files takes it only when it is free.
    pub(crate) fn turn(&self, name: &TableName) -> Arc<AsyncMutex<()>> {
        self.turns.lock().entry(name.clone()).or_default().clone()
    }

    /// Keeps small files of a table from being joined: a stage knows its rows by their files.
    pub(crate) fn hold(&self, name: &TableName) {
        *self.held.lock().entry(name.clone()).or_default() += 1;
    }

    /// Takes one [`Logs::hold`] back.
    pub(crate) fn release(&self, name: Option<&TableName>) {
        let Some(name) = name else { return };
        let mut held = self.held.lock();
        if let Some(count) = held.get_mut(name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(name);
            }
        }
    }

    pub(crate) fn is_held(&self, name: &TableName) -> bool {
        self.held.lock().contains_key(name)
    }

    pub(crate) fn names(&self) -> Vec<TableName> {
        self.map.lock().keys().cloned().collect()
    }
}

pub(crate) struct Flusher {
    pub(crate) root: LakeRoot,
    pub(crate) hot: Arc<Hot>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) dedup: Arc<DedupRuns>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) wal_dir: PathBuf,
    pub(crate) applier: crossbeam_channel::Sender<Request>,
    pub(crate) run_id: String,
    /// Rows up to here are in staged or committed files.
    pub(crate) staged: Seq,
    /// Rows up to here are in committed files, and the log knows it.
    pub(crate) committed: Seq,
    /// Held while commits are made; a rebuild holds it to have the tables to itself.
    pub(crate) gate: Arc<AsyncMutex<()>>,
    /// Whether the last commit brought all tables to one position, which a rebuild starts from.
    pub(crate) settled: Arc<AtomicBool>,
    /// Keys not yet in files of the index.
    pub(crate) keys: Vec<FrozenKeys>,
    /// Tables that are there and could not be read so far; nothing is committed to them.
    pub(crate) unreadable: BTreeSet<TableName>,
    /// The position after the log's end at the start.
    pub(crate) replay_until: Seq,
}

impl Flusher {
    /// Writes the rows in memory into files.
    pub(crate) async fn stage(&mut self) -> Result<Seq, LakeError> {
        let Some(Barrier { seq, tables, keys }) = self.barrier().await else {
            return Ok(self.staged);
        };
        self.keys.push(keys);
        if self.keys.iter().map(|keys| keys.len()).sum::<usize>() >= KEYS_IN_MEMORY {
            self.persist_keys()?;
        }
        fail_point!("stage-begin");
        let mut files = Vec::with_capacity(tables.len());
        for table in tables {
            let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
                LakeError::new(LakeErrorKind::Storage, "write a file of table", &table.name)
                    .because(e)
            };
            let (folder, _) = self.root.table(&table.name);
            let write = || {
                let (batches, options) = (&table.batches, &table.options);
                write_file(&self.root.store, &folder, batches, &table.schema, options)
            };
            let file = write().await.map_err(|e| fail(e.into()))?;
            fail_point!("stage-stored");
            let schema = table.schema.clone();
            if planted("plant-double-flush") {
                let (file, schema) = (write().await.map_err(|e| fail(e.into()))?, schema.clone());
                files.push((table.name.clone(), StagedFile { file, schema }));
            }
            files.push((table.name.clone(), StagedFile { file, schema }));
        }
        // All tables at one instant, and only once all are written: a failed attempt is repeated
        // whole, and its files stay unreferenced.
        self.hot.staged(files);
        self.staged = seq;
        fail_point!("stage-end");
        Ok(seq)
    }

    async fn barrier(&self) -> Option<Barrier> {
        let (answer, barrier) = crossbeam_channel::bounded(1);
        self.applier.send(Request::Freeze(answer)).ok()?;
        tokio::task::spawn_blocking(move || barrier.recv().ok())
            .await
            .ok()?
    }

    /// Commits the staged files, table by table, then lets go of the log.
    pub(crate) async fn commit(&mut self) -> Result<Seq, LakeError> {
        let _gate = self.gate.clone().lock_owned().await;
        self.settled.store(false, Ordering::Release);
        let seq = self.staged;
        self.take_back().await?;
        let waiting = self.hot.to_commit();
        let tables = waiting.len();
        let mut rows = 0;
        let mut held_up = None;
        for table in waiting {
            if self.unreadable.contains(&table.name) {
                held_up = Some(table.name);
                continue;
            }
            rows += table.files.iter().map(|f| f.file.rows).sum::<u64>();
            fail_point!("commit-table");
            self.commit_table(table, seq).await?;
            fail_point!("commit-table-done");
        }
        if let Some(name) = held_up {
            return Err(
                LakeError::new(LakeErrorKind::Corrupt, "commit to table", name)
                    .because("its log cannot be read; its rows wait until it can"),
            );
        }
        if seq == self.committed {
            self.settled.store(true, Ordering::Release);
            return Ok(seq);
        }
        // The keys before the checkpoint: once the log is gone they cannot be had from it.
        self.persist_keys()?;
        let io =
            |e| LakeError::new(LakeErrorKind::Storage, "let go of the log up to", seq).because(e);
        write_checkpoint(&self.wal_dir, seq).map_err(io)?;
        fail_point!("checkpoint-written");
        self.segments.trim(seq).map_err(io)?;
        fail_point!("log-trimmed");
        if rows > 0 {
            info!(rows, tables, seq = seq.0, "committed");
        }
        self.committed = seq;
        self.settled.store(true, Ordering::Release);
        Ok(seq)
    }

    /// Moves keys from memory into files of the index. Safe at any time: a key there answers its
    /// own row, replayed after a crash, as it did the first time.
    fn persist_keys(&mut self) -> Result<(), LakeError> {
        while let Some(keys) = self.keys.first() {
            self.dedup.persist(keys).map_err(|e| {
                LakeError::new(LakeErrorKind::Storage, "write the index of", "keys").because(e)
            })?;
            self.keys.remove(0);
            fail_point!("keys-persisted");
        }
        Ok(())
    }

    async fn commit_table(&self, table: Staged, seq: Seq) -> Result<(), LakeError> {
        let log = self.logs.get(&table.name);
        let mut log = log.lock().await;
        if log.version().is_none() {
            log.load().await?;
        }
        if log.committed >= seq {
            // Committed by an attempt whose answer was lost, with these very files or, after a
            // restart, with others that hold the same rows.
            self.hot.committed(&log, table.files.len());
            return Ok(());
        }
        let staged = table.files.len();
        if planted("plant-dropped-batch") {
            self.hot.committed(&log, staged);
            return Ok(());
        }
        let schema = joined(&log.schema, &table.schema);
        let mut change = Change {
            committed: Some(seq),
            data_change: true,
            receipt: Receipt {
                writer: "collect".into(),
                run_id: self.run_id.clone(),
                inputs: vec![Input {
                    name: "wal".into(),
                    from: log.committed.0 + 1,
                    to: seq.0,
                }],
                code: CODE.into(),
                rows_added: table.files.iter().map(|f| f.file.rows).sum(),
                rows_removed: 0,
                ..Receipt::default()
            },
            ..Change::default()
        };
        if widens(&log.schema, &schema) {
            // A column got a wider type: Delta keeps one type per column, so all files of the
            // table are written again, in the same commit that changes the schema.
            let old = log.files.clone();
            info!(table = %table.name, files = old.len(), "rewriting for a wider column type");
            for file in old.iter() {
                change.add.push(
                    self.rewrite(file, &schema, &table.options, &table.name)
                        .await?,
                );
                change.receipt.rows_added += file.rows;
                change.receipt.rows_removed += file.rows;
            }
            change.remove = old.as_ref().clone();
        }
        for staged in table.files {
            // Written before the column got its type, by a row or by a rebuild.
            change.add.push(if widens(&staged.schema, &schema) {
                self.rewrite(&staged.file, &schema, &table.options, &table.name)
                    .await?
            } else {
                staged.file
            });
        }
        if *schema != *log.schema {
            change.schema = Some(schema);
        }
        log.commit(change).await?;
        self.hot.committed(&log, staged);
        Ok(())
    }

    /// Writes a file again with the wider types of `schema`.
    async fn rewrite(
        &self,
        file: &DataFile,
        schema: &SchemaRef,
        options: &FileOptions,
        name: &TableName,
    ) -> Result<DataFile, LakeError> {
        let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
            LakeError::new(LakeErrorKind::Storage, "rewrite a file of table", name).because(e)
        };
        let (folder, _) = self.root.table(name);
        rewrite_file(&self.root.store, &folder, file, schema, options)
            .await
            .map_err(|e| fail(e.into()))
    }

    /// Stages and commits, reporting a failure; what is in memory stays there until it works.
    pub(crate) async fn flush(&mut self) -> Result<Seq, LakeError> {
        self.stage().await?;
        self.commit().await
    }
}

/// Tells whether a committed column has another type in `new`.
fn widens(old: &SchemaRef, new: &SchemaRef) -> bool {
    old.fields().iter().any(|field| {
        new.field_with_name(field.name())
            .is_ok_and(|f| f.data_type() != field.data_type())
    })
}

/// Logs a failure; the next flush tries again.
pub(crate) fn report(error: &LakeError) {
    warn!(cause = %chain(error), "cannot flush; rows stay in the log and in memory");
}

/// Returns an error and what caused it, in one line.
pub(crate) fn chain(error: &LakeError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
