//! The lake: where its parts come together.

mod flusher;
mod open;
mod side;
mod start;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use weir_core::{Seq, TableName};

use crate::compact::{Compacted, compact};
use crate::dedup::DedupRuns;
use crate::delta::Commit;
use crate::error::{AppendError, AppendErrorKind, LakeError, LakeErrorKind};
use crate::flush::Logs;
use crate::fsck::{self, Checked};
use crate::hot::Hot;
use crate::housekeeping::Housekeeper;
use crate::options::LakeOptions;
use crate::rebuild::{RebuildOptions, Rebuilder, Rebuilt};
use crate::retention::{Expired, expire};
use crate::rows::Derive;
use crate::store::LakeRoot;
use crate::view::{LakeView, TableView};
use crate::wal::{DirLock, MAX_PAYLOAD, Wal, record_bytes};

pub use status::LakeStatus;

use status::Progress;

/// A point in the history of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// The Delta version.
    Version(u64),
    /// The newest version committed at or before this, in microseconds since the epoch.
    Timestamp(i64),
}

/// The lake, open for appending and reading. Clones share it.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    options: LakeOptions,
    wal: tokio::sync::RwLock<Option<Wal>>,
    segments: Arc<crate::wal::Segments>,
    stats: Arc<crate::wal::WalStats>,
    hot: Arc<Hot>,
    logs: Arc<Logs>,
    dedup: Arc<DedupRuns>,
    queued: Arc<AtomicU64>,
    flush: mpsc::Sender<FlushRequest>,
    progress: Arc<Progress>,
    applier: crossbeam_channel::Sender<crate::applier::Request>,
    /// Held while commits of rows are made.
    gate: Arc<tokio::sync::Mutex<()>>,
    /// Whether the last commit brought all tables to one position.
    settled: Arc<AtomicBool>,
    root: LakeRoot,
    /// The position after the log's end at the start: the replay is done once it is visible.
    replay_until: Seq,
    damaged: usize,
    housekeeper: Mutex<Option<Housekeeper>>,
    lock: Mutex<Option<DirLock>>,
}

type FlushRequest = Option<oneshot::Sender<Result<Seq, LakeError>>>;

impl Lake {
    /// Tells whether rows would be taken now, at no cost: asked before a request is even unpacked.
    pub fn admits(&self) -> Result<(), AppendError> {
        let inner = &self.inner;
        let full = |reason| {
            let retry_after = Duration::from_secs(1);
            AppendError::new(AppendErrorKind::Full { retry_after }, reason)
        };
        // What waits in records takes about twice as much in rows.
        let waiting = 2 * inner.queued.load(Ordering::Relaxed) + inner.hot.bytes();
        if waiting > inner.options.hot_limit_bytes {
            return Err(full("rows come faster than they can be written into files"));
        }
        if inner.segments.bytes() > inner.options.wal_limit_bytes {
            return Err(full(
                "the log has reached its limit; rows are not being committed",
            ));
        }
        if inner.progress.disk_full.load(Ordering::Relaxed) {
            return Err(AppendError::new(
                AppendErrorKind::Unavailable,
                "the disk is nearly full",
            ));
        }
        Ok(())
    }

    /// Appends one record of `rows` rows. Returns its first position once the record is durable;
    /// after an error nothing of it is kept.
    pub async fn append(&self, rows: u32, payload: Vec<u8>) -> Result<Seq, AppendError> {
        let inner = &self.inner;
        if payload.len() > MAX_PAYLOAD || rows == 0 {
            return Err(AppendError::new(
                AppendErrorKind::TooLarge,
                "the record is too large",
            ));
        }
        self.admits()?;
        let bytes = record_bytes(payload.len());
        inner.queued.fetch_add(bytes, Ordering::Relaxed);
        let wal = inner.wal.read().await;
        let result = match wal.as_ref() {
            Some(wal) => wal.append(rows, payload).await,
            None => Err(AppendError::new(
                AppendErrorKind::Unavailable,
                "the lake is closed",
            )),
        };
        if result.is_err() {
            inner.queued.fetch_sub(bytes, Ordering::Relaxed);
        }
        result
    }

    /// Returns the newest instant of all tables.
    pub fn view(&self) -> Arc<LakeView> {
        self.inner.hot.view()
    }

    /// Waits until the row at `seq` is readable.
    pub async fn wait_visible(&self, seq: Seq) {
        let mut watch = self.inner.hot.watch();
        let _ = watch.wait_for(|visible| *visible >= seq).await;
    }

    /// Waits until the rows the log held at the start are readable.
    pub async fn recovered(&self) {
        self.wait_visible(Seq(self.inner.replay_until.0.saturating_sub(1)))
            .await;
    }

    /// Commits everything that is visible now; returns the position up to which that is.
    pub async fn flush(&self) -> Result<Seq, LakeError> {
        let closed =
            || LakeError::new(LakeErrorKind::Storage, "flush", "the lake").because("it is closed");
        let (done, answer) = oneshot::channel();
        self.inner
            .flush
            .send(Some(done))
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Takes no more rows, commits what is there, stops the threads and gives up the lock.
    pub async fn close(&self) -> Result<(), LakeError> {
        let housekeeper = self.inner.housekeeper.lock().take();
        if let Some(housekeeper) = housekeeper {
            housekeeper.stop().await;
        }
        // Waits for appends under way.
        let wal = self.inner.wal.write().await.take();
        if let Some(mut wal) = wal {
            let _ = tokio::task::spawn_blocking(move || wal.close()).await;
        }
        if let Err(error) = self.loaded() {
            self.inner.lock.lock().take();
            return Err(error);
        }
        // What is durable becomes rows before the last flush asks for them.
        let mut visible = self.inner.hot.watch();
        while self.inner.queued.load(Ordering::Relaxed) > 0 {
            let _ = tokio::time::timeout(Duration::from_millis(50), visible.changed()).await;
        }
        let flushed = self.flush().await.map(|_| ());
        self.inner.lock.lock().take();
        flushed
    }

    /// Returns the newest commits of a table, newest first.
    pub async fn commits(&self, table: &TableName, limit: usize) -> Result<Vec<Commit>, LakeError> {
        self.inner.logs.get(table).lock().await.history(limit).await
    }

    /// Returns the first version of a table since it was dropped last, 0 if it never was. Those before are of
    /// another table, which not everybody may read who may read this one.
    pub async fn recreated_at(&self, table: &TableName) -> u64 {
        let log = self.inner.logs.get(table);
        let log = log.lock().await;
        log.recreated_at()
    }

    /// Returns a table as it was. Rows still in memory are not in any version.
    pub async fn table_at(&self, table: &TableName, at: At) -> Result<Arc<TableView>, LakeError> {
        let missing = |why: String| {
            LakeError::new(
                LakeErrorKind::NotFound,
                "find an older version of table",
                table,
            )
            .because(why)
        };
        let log = self.inner.logs.get(table);
        let log = log.lock().await;
        let newest = log
            .version()
            .ok_or_else(|| missing("it has no commit yet".into()))?;
        let version = match at {
            At::Version(version) if version <= newest => version,
            At::Version(version) => {
                return Err(missing(format!(
                    "version {version} is in the future; the newest is {newest}"
                )));
            }
            At::Timestamp(micros) => {
                let commits = log.history(usize::MAX).await?;
                let then = commits
                    .iter()
                    .find(|c| c.committed_at.saturating_mul(1000) <= micros);
                // Without the first commit nobody knows what there was before.
                let begins = commits.last().is_none_or(|first| first.version == 0);
                let none = match begins {
                    true => missing("it was not there yet".into()),
                    false => LakeError::new(
                        LakeErrorKind::Expired,
                        "find an older version of table",
                        table,
                    )
                    .because("the history that is kept begins later"),
                };
                then.ok_or(none)?.version
            }
        };
        let (files, schema) = log.at_version(version).await?;
        Ok(Arc::new(TableView {
            name: table.clone(),
            schema,
            version: Some(version),
            files: Arc::new(files),
            hot: Vec::new(),
            store: self.inner.root.store.clone(),
            store_url: self.inner.root.url.clone(),
            location: log.location.clone(),
            committed: Seq::ZERO,
            sort_by: None,
            by_statements: log.is_written_by_statements(),
            comment: log.comment().map(Arc::from),
        }))
    }

    /// Refuses what needs the tables while the store has been away since the start.
    pub(crate) fn loaded(&self) -> Result<(), LakeError> {
        match self.inner.progress.loaded.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err(self
                .inner
                .root
                .unreachable("it has been away since the start")),
        }
    }

    /// Returns what writing tables takes.
    pub(crate) fn parts(&self) -> (&LakeRoot, &Arc<Logs>, &Arc<Hot>) {
        (&self.inner.root, &self.inner.logs, &self.inner.hot)
    }

    /// Derives tables again from the unaltered rows they came from; see [`RebuildOptions`].
    ///
    /// Rows keep being taken meanwhile; their commit waits until this is done. Each table is
    /// replaced in one commit, and left alone when nothing changes.
    pub async fn rebuild(
        &self,
        options: RebuildOptions,
        derive: Box<dyn Derive>,
    ) -> Result<Vec<Rebuilt>, LakeError> {
        self.loaded()?;
        // Rows of the log that a crash left between two tables' commits are in both only then.
        self.recovered().await;
        self.flush().await?;
        let inner = &self.inner;
        let _gate = inner.gate.lock().await;
        if !inner.settled.load(Ordering::Acquire) {
            let error = LakeError::new(
                LakeErrorKind::Storage,
                "rebuild the tables of",
                &options.schema,
            );
            return Err(
                error.because("the last commit did not reach all tables; try again once one did")
            );
        }
        let rebuilder = Rebuilder::new(&inner.root, &inner.logs, &inner.hot, inner.applier.clone());
        rebuilder.run(&options, derive).await
    }

    /// Removes rows that are older than their table's rule allows, as housekeeping does by itself.
    pub async fn expire(&self) -> Result<Vec<Expired>, LakeError> {
        let inner = &self.inner;
        let mut done = Vec::new();
        for name in inner.logs.names() {
            let rules = &inner.options.retention;
            done.extend(expire(&inner.logs, &inner.hot, rules, &name).await?);
        }
        Ok(done)
    }

    /// Joins all small files of one table, or of every table.
    pub async fn compact(&self, table: Option<&TableName>) -> Result<Vec<Compacted>, LakeError> {
        let names = match table {
            Some(name) => vec![name.clone()],
            None => self.inner.logs.names(),
        };
        let mut done = Vec::new();
        for name in names {
            let options = self.inner.hot.file_options(&name);
            let inner = &self.inner;
            done.extend(
                compact(&inner.root, &inner.logs, &inner.hot, &name, &options, true).await?,
            );
        }
        Ok(done)
    }

    /// Reads every file of one table, or of every table, and says which cannot be read; with
    /// `set_aside`, those leave their table in one commit and a copy of them is kept.
    ///
    /// # Errors
    /// When the store does not answer. Tables done before that stay done.
    pub async fn check_files(
        &self,
        table: Option<&TableName>,
        set_aside: bool,
    ) -> Result<Vec<Checked>, LakeError> {
        self.loaded()?;
        let inner = &self.inner;
        let names = match table {
            Some(name) => vec![name.clone()],
            None => inner.logs.names(),
        };
        let mut done = Vec::new();
        for name in names {
            done.extend(fsck::check(&inner.root, &inner.logs, &inner.hot, &name, set_aside).await?);
        }
        Ok(done)
    }
}
