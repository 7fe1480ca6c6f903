//! Learning what the tables hold, and making the log's rows visible after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tracing::{error, info, warn};
use weir_core::{Seq, TableName};

use super::FlushRequest;
use super::status::Progress;
use crate::applier::{Applier, Request};
use crate::delta::TableLog;
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::{Flusher, Logs, chain};
use crate::hot::Hot;
use crate::rows::Tables;
use crate::store::LakeRoot;
use crate::wal::{Durable, SegmentFile};
use crate::write::finish_renames;

/// Between two looks for a store that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// What the store told of the tables.
pub(super) struct Loaded {
    logs: Vec<TableLog>,
    /// Tables that are there and cannot be read.
    pub(super) unreadable: BTreeSet<TableName>,
}

/// The applying thread before it runs: it needs to know what the tables hold.
pub(super) struct Start {
    pub(super) applier: Applier,
    pub(super) segments: Vec<SegmentFile>,
    pub(super) until: Seq,
    pub(super) records: Receiver<Durable>,
    pub(super) requests: Receiver<Request>,
}

impl Loaded {
    /// Returns the newest position that any table holds.
    pub(super) fn newest(&self) -> Seq {
        let committed = self.logs.iter().map(|log| log.committed);
        committed.max().unwrap_or(Seq::ZERO)
    }

    /// Reads the logs of all tables of the lake. A table that cannot be read is named and left out;
    /// the rest works, and it is tried again with each commit.
    async fn read(root: &LakeRoot) -> Result<Self, LakeError> {
        let loads = root.list().await?.into_iter().map(|name| async move {
            let mut log = TableLog::new(root, &name);
            let loaded = log.load().await;
            (name, loaded.map(|there| there.then_some(log)))
        });
        let mut loaded = Self {
            logs: Vec::new(),
            unreadable: BTreeSet::new(),
        };
        let mut loads = stream::iter(loads).buffer_unordered(8);
        while let Some((name, log)) = loads.next().await {
            match log {
                Ok(log) => loaded.logs.extend(log),
                Err(error) => {
                    error!(table = %name, cause = %chain(&error), "table left out; its log cannot be read");
                    loaded.unreadable.insert(name);
                }
            }
        }
        drop(loads);
        finish_renames(&mut loaded.logs).await;
        Ok(loaded)
    }

    /// Reads them, waiting up to `patience` for a store that is away.
    pub(super) async fn read_patiently(
        root: &LakeRoot,
        patience: Duration,
    ) -> Result<Self, LakeError> {
        let began = Instant::now();
        loop {
            // One try of a client of a store may take minutes.
            let left = patience.saturating_sub(began.elapsed()).max(AGAIN);
            let read = tokio::time::timeout(left, Self::read(root)).await;
            let error = match read {
                Ok(Err(error)) if error.kind() == LakeErrorKind::Unreachable => error,
                Ok(read) => return read,
                Err(_) => root.unreachable("it does not answer in time"),
            };
            if began.elapsed() + AGAIN >= patience {
                return Err(error);
            }
            warn!(cause = %chain(&error), "waiting for the object store");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Start {
    /// Waits for the store and then begins; false when the lake is closed before.
    pub(super) async fn wait(
        self,
        flusher: &mut Flusher,
        requests: &mut mpsc::Receiver<FlushRequest>,
        progress: &Progress,
    ) -> bool {
        loop {
            // Longer than a start waits: now nothing else does.
            let read = Loaded::read_patiently(&flusher.root, Duration::from_secs(30));
            tokio::pin!(read);
            let read = loop {
                tokio::select! {
                    read = &mut read => break read,
                    request = requests.recv() => match request {
                        None => return false,
                        Some(None) => {}
                        Some(Some(done)) => {
                            let _ = done.send(Err(flusher.root.unreachable("it has been away since the start")));
                        }
                    },
                }
            };
            match read {
                Ok(loaded) => {
                    info!("the object store answers");
                    flusher.unreadable = loaded.unreadable.clone();
                    let (hot, logs) = (flusher.hot.clone(), flusher.logs.clone());
                    return match self.begin(loaded, &hot, &logs, progress) {
                        Ok(()) => true,
                        Err(error) => {
                            error!(%error, "cannot start a thread; please restart Weir");
                            false
                        }
                    };
                }
                Err(error) => {
                    warn!(cause = %chain(&error), "rows wait in the log until the object store answers");
                }
            }
        }
    }

    /// Shows the tables, and starts the thread that makes the log's rows visible after theirs.
    pub(super) fn begin(
        mut self,
        loaded: Loaded,
        hot: &Hot,
        logs: &Logs,
        progress: &Progress,
    ) -> std::io::Result<()> {
        let mut known = HashMap::new();
        for log in loaded.logs {
            if !log.is_dropped() {
                known.insert(log.name.clone(), (log.schema.clone(), log.committed));
                hot.committed(&log, 0);
            }
            logs.insert(log);
        }
        hot.set_unreadable(&loaded.unreadable);
        let unreadable = loaded.unreadable.len() as u64;
        progress.unreadable.store(unreadable, Ordering::Relaxed);
        progress.loaded.store(true, Ordering::Release);
        self.applier.tables = Tables::new(known);
        // The thread ends with the channels it listens to.
        std::thread::Builder::new()
            .name("weir-apply".into())
            .spawn(move || {
                self.applier
                    .run(&self.segments, self.until, &self.records, &self.requests);
            })?;
        Ok(())
    }
}
