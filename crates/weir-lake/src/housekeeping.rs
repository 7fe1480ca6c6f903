//! What keeps the lake tidy by itself: joining files, merging the index, checkpoints, vacuum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{debug, info, warn};
use weir_core::config::RetentionRule;

use crate::compact::compact;
use crate::dedup::DedupRuns;
use crate::error::LakeError;
use crate::flush::{Logs, chain};
use crate::hot::Hot;
use crate::options::LakeOptions;
use crate::retention::expire;
use crate::store::LakeRoot;

/// Between two vacuums of all tables.
const VACUUM_EVERY: Duration = Duration::from_secs(6 * 3600);
/// How long after the start it is done first: servers that start often need it, too.
const FIRST_VACUUM: Duration = Duration::from_secs(600);
/// What a crash left half written is not being written any more after this.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);
/// Commits between two checkpoints of a table's log.
const CHECKPOINT_EVERY: u64 = 50;
/// With so many bytes of records waiting to become rows, the processors are needed elsewhere.
const BUSY_BYTES: u64 = 8 << 20;
/// A table with more files than this is compacted however busy the intake is.
const FILES_BORNE: usize = 256;

/// The background thread; it runs one task at a time, at a low priority.
pub(crate) struct Housekeeper {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Housekeeper {
    pub(crate) fn start(
        options: &LakeOptions,
        root: LakeRoot,
        logs: Arc<Logs>,
        hot: Arc<Hot>,
        dedup: Arc<DedupRuns>,
        queued: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (mut waiting, mut working) = (stopped.clone(), stopped);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (retention, compaction) = (options.vacuum_retention, options.compaction);
        let (rules, every) = (options.retention.clone(), options.housekeeping_interval);
        let thread = std::thread::Builder::new()
            .name("weir-tidy".into())
            .spawn(move || {
                // Reading and intake go first.
                weir_core::priority::yield_to_others();
                runtime.block_on(async move {
                    let mut keeper = Keeper {
                        root,
                        logs,
                        hot,
                        dedup,
                        queued,
                        compaction,
                        rules,
                        retention,
                        checkpoints: Default::default(),
                        vacuum_at: Instant::now() + FIRST_VACUUM,
                    };
                    loop {
                        let waited = tokio::time::timeout(every, waiting.wait_for(|s| *s)).await;
                        if waited.is_ok() {
                            return;
                        }
                        tokio::select! {
                            () = keeper.round() => {}
                            _ = working.wait_for(|s| *s) => return,
                        }
                    }
                });
            })?;
        Ok(Self { stop, thread })
    }

    /// Ends the task under way at its next step; what it had not committed was never seen.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

struct Keeper {
    root: LakeRoot,
    logs: Arc<Logs>,
    hot: Arc<Hot>,
    dedup: Arc<DedupRuns>,
    /// Bytes of records that wait to become rows.
    queued: Arc<AtomicU64>,
    compaction: bool,
    rules: Vec<RetentionRule>,
    retention: Duration,
    /// The version of each table's last checkpoint.
    checkpoints: std::collections::HashMap<weir_core::TableName, u64>,
    vacuum_at: Instant,
}

impl Keeper {
    async fn round(&mut self) {
        for name in self.logs.names() {
            let options = self.hot.file_options(&name);
            let compacted = match self.compaction && self.may_compact(&name) {
                true => compact(&self.root, &self.logs, &self.hot, &name, &options, false).await,
                false => Ok(None),
            };
            match compacted {
                Ok(Some(done)) => {
                    debug!(table = %name, files = done.files_before, rows = done.rows, "compacted")
                }
                Ok(None) => {}
                Err(error) => warn!(table = %name, %error, "cannot compact; trying again later"),
            }
            match expire(&self.logs, &self.hot, &self.rules, &name).await {
                Ok(Some(done)) => {
                    info!(table = %name, files = done.files, rows = done.rows, "rows past their retention removed")
                }
                Ok(None) => {}
                Err(error) => {
                    warn!(table = %name, cause = %chain(&error), "cannot remove old rows; trying again later")
                }
            }
            if let Err(error) = self.checkpoint(&name).await {
                warn!(table = %name, %error, "cannot write a checkpoint; trying again later");
            }
            tokio::task::yield_now().await;
        }
        let now = chrono::Utc::now().timestamp().clamp(0, i64::from(u32::MAX)) as u32;
        if let Err(error) = self.dedup.tidy(now) {
            warn!(%error, "cannot merge the index; trying again later");
        }
        if Instant::now() >= self.vacuum_at {
            self.vacuum_at = Instant::now() + VACUUM_EVERY;
            self.vacuum().await;
        }
    }

    /// Whether the table's files may be joined now: in a rush of events that can wait, unless
    /// reading gets slow by it.
    fn may_compact(&self, name: &weir_core::TableName) -> bool {
        let busy = self.queued.load(Ordering::Relaxed) >= BUSY_BYTES;
        let files = || {
            self.hot
                .view()
                .table(name)
                .map_or(0, |view| view.files.len())
        };
        !busy || files() > FILES_BORNE
    }

    async fn checkpoint(&mut self, name: &weir_core::TableName) -> Result<(), LakeError> {
        let log = self.logs.get(name);
        let log = log.lock().await;
        let Some(version) = log.version() else {
            return Ok(());
        };
        let last = self
            .checkpoints
            .entry(name.clone())
            .or_insert(version - version % CHECKPOINT_EVERY);
        if version < *last + CHECKPOINT_EVERY {
            return Ok(());
        }
        *last = version;
        log.checkpoint().await
    }

    async fn vacuum(&self) {
        for name in self.logs.names() {
            let log = self.logs.get(&name);
            let log = log.lock().await;
            if log.version().is_none() {
                continue;
            }
            self.root.sweep(&log.location, LEFT_OVER);
            match log.vacuum(self.retention).await {
                Ok(0) => {}
                Ok(files) => info!(table = %name, files, "deleted files no version needs"),
                Err(error) => warn!(table = %name, %error, "cannot vacuum; trying again later"),
            }
        }
    }
}
