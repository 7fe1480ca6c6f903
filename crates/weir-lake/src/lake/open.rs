//! Opening a lake: the log, the tables, the threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tracing::{error, warn};
use weir_core::Seq;

use super::flusher::spawn_flusher;
use super::start::{Loaded, Start};
use super::status::Progress;
use super::{Inner, Lake};
use crate::applier::Applier;
use crate::dedup::{DedupIndex, DedupRuns};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::{Flusher, Logs, chain};
use crate::hot::Hot;
use crate::housekeeping::Housekeeper;
use crate::options::LakeOptions;
use crate::rows::{Apply, Tables};
use crate::store::LakeRoot;
use crate::wal::{Damage, DirLock, Wal, WalOptions, read_checkpoint, recover};

/// How long a start that can do without the store waits for it.
const ALONE_AFTER: Duration = Duration::from_secs(3);
/// Positions passed over by a start without the store.
const LEAP: u64 = 1 << 40;

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
        let checkpoint = read_checkpoint(&options.wal_dir);
        let mut recovered = recover(&options.wal_dir, checkpoint)
            .map_err(io("read the log in", &options.wal_dir))?;
        report_damage(&recovered.damage);
        // A log that was never written to does not know which positions the tables have.
        let alone = options.start_without_store && recovered.next > Seq(1);
        let patience = match alone {
            true => options.store_patience.min(ALONE_AFTER),
            false => options.store_patience,
        };
        let loaded = match Loaded::read_patiently(&root, patience).await {
            Ok(loaded) => Some(loaded),
            Err(error) if alone && error.kind() == LakeErrorKind::Unreachable => {
                error!(cause = %chain(&error), "the object store is away; rows are taken and wait in the log");
                None
            }
            Err(error) => return Err(error),
        };
        // Positions are never given out twice, even if the log's folder was lost. Without the tables
        // nobody can tell that it was not, so there a leap leaves room for what they may hold.
        let newest = match &loaded {
            Some(loaded) => loaded.newest(),
            None => recovered.next.plus(LEAP),
        };
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
            tables: Tables::default(),
            dedup: DedupIndex::new(dedup.clone()),
            hot: hot.clone(),
            queued: queued.clone(),
            next: checkpoint.plus(1),
            published: checkpoint.plus(1),
        };
        let start = Start {
            applier,
            segments: segments_at_start,
            until,
            records,
            requests: asked,
        };
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
            unreadable: loaded
                .as_ref()
                .map(|l| l.unreadable.clone())
                .unwrap_or_default(),
            replay_until: until,
        };
        let start = match loaded {
            None => Some(start),
            Some(loaded) => {
                start
                    .begin(loaded, &hot, &logs, &progress)
                    .map_err(io("start a thread for", &options.wal_dir))?;
                None
            }
        };
        let (flush, requests) = mpsc::channel(64);
        spawn_flusher(flusher, start, requests, options.clone(), progress.clone())
            .map_err(io("start a thread for", &options.wal_dir))?;
        let housekeeper = (options.compaction || !options.retention.is_empty())
            .then(|| {
                let (root, logs, hot) = (root.clone(), logs.clone(), hot.clone());
                let queued = queued.clone();
                Housekeeper::start(&options, root, logs, hot, dedup.clone(), queued)
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
}

fn report_damage(damages: &[Damage]) {
    for damage in damages {
        let (segment, kept_in) = (damage.segment.display(), damage.kept_in.display());
        let (offset, bytes, reason) = (damage.offset, damage.bytes, damage.reason);
        if damage.tail {
            warn!(%segment, offset, bytes, %reason, %kept_in, "the end of the log cannot be read and was set aside; after a crash that is a write that was cut off and not acknowledged, otherwise damage");
        } else {
            error!(%segment, offset, bytes, %reason, %kept_in, "the log is damaged; records in this range are lost, those after it are kept");
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
