use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};
use weir_core::{Seq, TableName};

use crate::applier::Applier;
use crate::compact::{Compacted, compact};
use crate::dedup::{DedupIndex, DedupRuns};
use crate::delta::{Commit, TableLog};
use crate::error::{AppendError, AppendErrorKind, LakeError, LakeErrorKind};
use crate::flush::{Flusher, Logs, chain, report};
use crate::hot::Hot;
use crate::housekeeping::Housekeeper;
use crate::options::LakeOptions;
use crate::rebuild::{RebuildOptions, Rebuilder, Rebuilt};
use crate::rows::{Apply, Derive, Tables};
use crate::store::LakeRoot;
use crate::view::{LakeView, TableView};
use crate::write::finish_renames;
use crate::wal::{DirLock, MAX_PAYLOAD, Wal, WalOptions, read_checkpoint, record_bytes, recover};

/// How long an unreachable object store is waited for at the start.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// How far the flusher is, for those who watch.
#[derive(Default)]
struct Progress {
    committed: AtomicU64,
    flushes: AtomicU64,
    failures: AtomicU64,
    /// Milliseconds since the epoch of the last commit.
    last_commit_ms: AtomicU64,
    disk_full: AtomicBool,
}

/// Gauges and counters of the lake.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LakeStatus {
    /// Rows up to here are readable.
    pub visible: u64,
    /// Rows up to here are in committed files.
    pub committed: u64,
    pub tables: usize,
    pub hot_bytes: u64,
    pub queued_bytes: u64,
    pub wal_bytes: u64,
    pub wal_records: u64,
    pub wal_syncs: u64,
    pub wal_sync_micros: u64,
    pub wal_written_bytes: u64,
    pub wal_failures: u64,
    /// Damaged ranges found in the log at the start, a torn tail included.
    pub wal_damaged: usize,
    pub flushes: u64,
    pub flush_failures: u64,
    /// Milliseconds since the epoch; 0 before the first.
    pub last_commit_ms: u64,
    pub dedup_keys: u64,
    /// Rows can be taken.
    pub writable: bool,
    /// The log is being read again after a start; newest rows are not all visible yet.
    pub recovering: bool,
}

impl Lake {
    /// Opens the lake, creating what is missing, and makes the log's rows visible again.
    ///
    /// Returns once rows can be appended; the replay goes on in the background
    /// ([`LakeStatus::recovering`]).
    pub async fn open(options: LakeOptions, apply: Box<dyn Apply>) -> Result<Self, LakeError> {
        #[cfg(feature = "failpoints")]
        crate::failpoints::configure();
        let io = |action, dir: &std::path::Path| {
            let dir = dir.display().to_string();
            move |e: std::io::Error| LakeError::new(LakeErrorKind::Storage, action, dir).because(e)
        };
        std::fs::create_dir_all(&options.wal_dir)
            .map_err(io("create the log directory", &options.wal_dir))?;
        let lock = DirLock::take(&options.wal_dir)?;
        let root = LakeRoot::open(&options.url, &options.store_options)?;

        let hot = Arc::new(Hot::new(root.clone()));
        let logs = Arc::new(Logs::new(root.clone()));
        let mut known = HashMap::new();
        let mut newest = Seq::ZERO;
        let mut loaded = load_tables(&root).await?;
        finish_renames(&mut loaded).await;
        for log in loaded {
            newest = newest.max(log.committed);
            if !log.is_dropped() {
                known.insert(log.name.clone(), (log.schema.clone(), log.committed));
                hot.committed(&log, 0);
            }
            logs.insert(log);
        }

        let checkpoint = read_checkpoint(&options.wal_dir);
        let mut recovered = recover(&options.wal_dir, checkpoint)
            .map_err(io("read the log in", &options.wal_dir))?;
        for damage in &recovered.damage {
            let (segment, kept_in) = (damage.segment.display(), damage.kept_in.display());
            let (offset, bytes, reason) = (damage.offset, damage.bytes, damage.reason);
            if damage.tail {
                warn!(%segment, offset, bytes, %reason, %kept_in, "a write was cut off by a crash; it was never acknowledged");
            } else {
                error!(%segment, offset, bytes, %reason, %kept_in, "the log is damaged; records in this range are lost, those after it are kept");
            }
        }
        // Positions are never given out twice, even if the log's folder was lost.
        recovered.next = recovered.next.max(newest.plus(1)).max(checkpoint.plus(1));
        let until = recovered.next;
        let damaged = recovered.damage.len();
        let segments_at_start = recovered.segments.clone();

        let dedup = DedupRuns::open(&options.index_dir, options.dedup_window)
            .map_err(io("open the index in", &options.index_dir))?;
        sync_ancestors(&options.wal_dir);
        sync_ancestors(&options.index_dir);
        if let Ok(path) = root.url.to_file_path() {
            sync_ancestors(&path);
        }
        let queued = Arc::new(AtomicU64::new(0));
        let (durable, records) = crossbeam_channel::unbounded();
        let wal_options = WalOptions {
            dir: options.wal_dir.clone(),
            segment_bytes: options.wal_segment_bytes,
        };
        let wal = Wal::start(wal_options, recovered, durable)
            .map_err(io("open the log in", &options.wal_dir))?;
        let (segments, stats) = (wal.segments().clone(), wal.stats().clone());

        let (applier_requests, asked) = crossbeam_channel::bounded(1);
        let applier = Applier {
            apply,
            wal_dir: options.wal_dir.clone(),
            tables: Tables::new(known),
            dedup: DedupIndex::new(dedup.clone()),
            hot: hot.clone(),
            queued: queued.clone(),
            next: checkpoint.plus(1),
            published: checkpoint.plus(1),
        };
        // The threads end with the channels they listen to.
        std::thread::Builder::new()
            .name("weir-apply".into())
            .spawn(move || applier.run(&segments_at_start, until, &records, &asked))
            .map_err(io("start a thread for", &options.wal_dir))?;

        let progress = Arc::new(Progress::default());
        progress.committed.store(checkpoint.0, Ordering::Relaxed);
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        let settled = Arc::new(AtomicBool::new(false));
        let flusher = Flusher {
            root: root.clone(),
            hot: hot.clone(),
            logs: logs.clone(),
            dedup: dedup.clone(),
            segments: segments.clone(),
            wal_dir: options.wal_dir.clone(),
            applier: applier_requests.clone(),
            gate: gate.clone(),
            settled: settled.clone(),
            run_id: format!("collect-{}", uuid::Uuid::new_v4()),
            staged: checkpoint,
            committed: checkpoint,
            keys: Vec::new(),
        };
        let (flush, requests) = mpsc::channel(64);
        spawn_flusher(flusher, requests, options.clone(), progress.clone())
            .map_err(io("start a thread for", &options.wal_dir))?;
        let housekeeper = options
            .compaction
            .then(|| {
                Housekeeper::start(
                    &options,
                    root.clone(),
                    logs.clone(),
                    hot.clone(),
                    dedup.clone(),
                )
            })
            .transpose()
            .map_err(io("start a thread for", &options.wal_dir))?;

        let inner = Inner {
            options,
            wal: tokio::sync::RwLock::new(Some(wal)),
            segments,
            stats,
            hot,
            logs,
            dedup,
            queued,
            flush,
            progress,
            applier: applier_requests,
            gate,
            settled,
            root,
            replay_until: until,
            damaged,
            housekeeper: Mutex::new(housekeeper),
            lock: Mutex::new(Some(lock)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Tells whether rows would be taken now, at no cost: asked before a request is even unpacked.
    pub fn admits(&self) -> Result<(), AppendError> {
        let inner = &self.inner;
        let full = |reason| {
            let retry_after = Duration::from_secs(1);
            AppendError::new(AppendErrorKind::Full { retry_after }, reason)
        };
        let waiting = inner.queued.load(Ordering::Relaxed) + inner.hot.bytes();
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
        // What is durable becomes rows before the last flush asks for them.
        let mut visible = self.inner.hot.watch();
        while self.inner.queued.load(Ordering::Relaxed) > 0 {
            let _ = tokio::time::timeout(Duration::from_millis(50), visible.changed()).await;
        }
        let flushed = self.flush().await.map(|_| ());
        self.inner.lock.lock().take();
        flushed
    }

    /// Returns gauges and counters.
    pub fn status(&self) -> LakeStatus {
        let inner = &self.inner;
        let (stats, progress) = (&inner.stats, &inner.progress);
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let view = inner.hot.view();
        let disk_full = progress.disk_full.load(Ordering::Relaxed);
        LakeStatus {
            visible: view.visible.0,
            committed: get(&progress.committed),
            tables: view.tables.len(),
            hot_bytes: inner.hot.bytes(),
            queued_bytes: get(&inner.queued),
            wal_bytes: inner.segments.bytes(),
            wal_records: get(&stats.records),
            wal_syncs: get(&stats.syncs),
            wal_sync_micros: get(&stats.sync_micros),
            wal_written_bytes: get(&stats.bytes),
            wal_failures: get(&stats.failures),
            wal_damaged: inner.damaged,
            flushes: get(&progress.flushes),
            flush_failures: get(&progress.failures),
            last_commit_ms: get(&progress.last_commit_ms),
            dedup_keys: inner.dedup.entries(),
            writable: !disk_full && !stats.broken.load(Ordering::Relaxed),
            recovering: view.visible.plus(1) < inner.replay_until,
        }
    }

    /// Returns the newest commits of a table, newest first.
    pub async fn commits(&self, table: &TableName, limit: usize) -> Result<Vec<Commit>, LakeError> {
        self.inner.logs.get(table).lock().await.history(limit).await
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
                then.ok_or_else(|| missing("it is older than the table's history".into()))?
                    .version
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
        }))
    }

    /// Returns what writing tables takes.
    pub(crate) fn parts(&self) -> (&LakeRoot, &Logs, &Arc<Hot>) {
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
}

/// Lists the tables, waiting a while for a store that is away: a restart during a short outage
/// should not need a second one.
async fn list_tables(root: &LakeRoot) -> Result<Vec<TableName>, LakeError> {
    let began = Instant::now();
    loop {
        match root.list().await {
            Err(error)
                if error.kind() == LakeErrorKind::Unreachable && began.elapsed() < PATIENCE =>
            {
                warn!(cause = %chain(&error), "waiting for the object store");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            listed => return listed,
        }
    }
}

/// Makes the names that lead to `dir` durable, as far as this process may open them.
fn sync_ancestors(dir: &std::path::Path) {
    for ancestor in dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
        if let Ok(folder) = std::fs::File::open(ancestor) {
            let _ = folder.sync_all();
        }
    }
}

/// Reads the logs of all tables of the lake. A table that cannot be read is named and left out;
/// the rest works.
async fn load_tables(root: &LakeRoot) -> Result<Vec<TableLog>, LakeError> {
    let loads = list_tables(root).await?.into_iter().map(|name| async move {
        let mut log = TableLog::new(root, &name);
        match log.load().await {
            Ok(true) => Some(log),
            Ok(false) => None,
            // The store answers, or the list would have failed: this one table is damaged.
            Err(error) => {
                error!(table = %name, cause = %chain(&error), "table left out; its log cannot be read");
                None
            }
        }
    });
    let loaded: Vec<Option<TableLog>> = stream::iter(loads).buffer_unordered(16).collect().await;
    Ok(loaded.into_iter().flatten().collect())
}

fn spawn_flusher(
    mut flusher: Flusher,
    mut requests: mpsc::Receiver<FlushRequest>,
    options: LakeOptions,
    progress: Arc<Progress>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("weir-flush".into())
        .spawn(move || {
            runtime.block_on(async move {
                const TICK: Duration = Duration::from_millis(200);
                let mut last_commit = Instant::now();
                let mut retry_at = Instant::now();
                loop {
                    let request = tokio::time::timeout(TICK, requests.recv()).await;
                    progress
                        .disk_full
                        .store(disk_full(&options), Ordering::Relaxed);
                    let result = match request {
                        Ok(None) => return,
                        Ok(Some(Some(done))) => {
                            let result = flusher.flush().await;
                            let copy = result.as_ref().copied().map_err(|_| ());
                            let _ = done.send(result);
                            Some(copy)
                        }
                        _ if Instant::now() < retry_at => None,
                        _ => {
                            let due = last_commit.elapsed() >= options.flush_interval;
                            let large = flusher.hot.bytes() >= options.flush_bytes;
                            let result = match (due, large) {
                                (true, _) => Some(flusher.flush().await),
                                (false, true) => Some(flusher.stage().await),
                                _ => None,
                            };
                            result.map(|r| r.map_err(|error| report(&error)))
                        }
                    };
                    match result {
                        Some(Ok(_)) => {
                            progress.flushes.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(Err(())) => {
                            progress.failures.fetch_add(1, Ordering::Relaxed);
                            retry_at = Instant::now() + Duration::from_secs(1);
                        }
                        None => {}
                    }
                    if progress
                        .committed
                        .swap(flusher.committed.0, Ordering::Relaxed)
                        != flusher.committed.0
                    {
                        let now = chrono::Utc::now().timestamp_millis().max(0) as u64;
                        progress.last_commit_ms.store(now, Ordering::Relaxed);
                    }
                    if last_commit.elapsed() >= options.flush_interval {
                        last_commit = Instant::now();
                    }
                }
            });
        })?;
    Ok(())
}

/// Tells whether the log's disk has too little room left to be safe.
fn disk_full(options: &LakeOptions) -> bool {
    let Ok(disk) = rustix::fs::statvfs(&options.wal_dir) else {
        return false;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let total = disk.f_blocks.saturating_mul(disk.f_frsize);
    free < options.min_free_bytes.min(total / 20)
}
