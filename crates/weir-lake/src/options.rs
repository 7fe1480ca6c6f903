use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use weir_core::config::RetentionRule;

/// How a lake is kept.
#[derive(Clone, Debug)]
pub struct LakeOptions {
    /// The folder of the write-ahead log; one process owns it.
    pub wal_dir: PathBuf,
    /// The folder of the index of identifiers seen.
    pub index_dir: PathBuf,
    /// Where the tables are: a path, or a URL of an object store.
    pub url: String,
    /// The object store's own options (`region`, `endpoint`, `access_key_id`, ...).
    pub store_options: BTreeMap<String, String>,
    /// Rows are committed to the tables this often.
    pub flush_interval: Duration,
    /// Rows in memory are written into files when they take this much.
    pub flush_bytes: u64,
    /// Rows are refused while more than this is in memory.
    pub hot_limit_bytes: u64,
    pub wal_segment_bytes: u64,
    /// Rows are refused while the log is larger than this.
    pub wal_limit_bytes: u64,
    /// Rows are refused while the log's disk has less free than this (or a twentieth of a small
    /// disk), so that what is in memory can still be written.
    pub min_free_bytes: u64,
    /// How long an identifier is remembered; none means for ever.
    pub dedup_window: Option<Duration>,
    /// Files no version younger than this needs are deleted.
    pub vacuum_retention: Duration,
    /// How long rows are kept, by table; for ever where no rule matches.
    pub retention: Vec<RetentionRule>,
    /// Whether small files are joined in the background.
    pub compaction: bool,
    /// Between two rounds of housekeeping.
    pub housekeeping_interval: Duration,
    /// How long an object store that is away is waited for at the start.
    pub store_patience: Duration,
    /// Whether to start even so, if the log alone can tell where to go on: rows are taken and wait
    /// in the log until the store answers.
    pub start_without_store: bool,
}

impl LakeOptions {
    /// Returns the defaults, for a lake at `url` with its log below `dir`.
    pub fn new(dir: impl Into<PathBuf>, url: impl Into<String>) -> Self {
        let dir = dir.into();
        Self {
            wal_dir: dir.join("wal"),
            index_dir: dir.join("index"),
            url: url.into(),
            store_options: BTreeMap::new(),
            flush_interval: Duration::from_secs(20),
            flush_bytes: 32 << 20,
            hot_limit_bytes: 96 << 20,
            wal_segment_bytes: 64 << 20,
            wal_limit_bytes: 8 << 30,
            min_free_bytes: 256 << 20,
            dedup_window: Some(Duration::from_secs(30 * 24 * 3600)),
            vacuum_retention: Duration::from_secs(7 * 24 * 3600),
            retention: Vec::new(),
            compaction: true,
            housekeeping_interval: Duration::from_secs(15),
            store_patience: Duration::from_secs(60),
            start_without_store: false,
        }
    }
}
