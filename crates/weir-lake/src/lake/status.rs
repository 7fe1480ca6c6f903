use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Lake;

/// How far the flusher is, for those who watch.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) committed: AtomicU64,
    pub(super) flushes: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Milliseconds since the epoch of the last commit.
    pub(super) last_commit_ms: AtomicU64,
    pub(super) disk_full: AtomicBool,
    /// What the tables hold is known: false while the store has been away since the start.
    pub(super) loaded: AtomicBool,
    pub(super) unreadable: AtomicU64,
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
    /// The store has not answered since the start: rows are taken and wait in the log, and no table
    /// can be read yet.
    pub waiting_for_store: bool,
    /// Tables whose Delta log cannot be read; their rows wait in the log.
    pub unreadable_tables: u64,
}

impl Lake {
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
            waiting_for_store: !progress.loaded.load(Ordering::Relaxed),
            unreadable_tables: progress.unreadable.load(Ordering::Relaxed),
        }
    }
}
