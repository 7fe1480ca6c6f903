//! The lake: a write-ahead log, rows in memory, and Delta tables, joined so that an acknowledged
//! row is durable, visible at once, and in the open files exactly once.
//!
//! What this crate is not: it parses no SQL, speaks no HTTP and knows no users or events. What a
//! record of the log means is told to it by an [`Apply`].

mod error;
mod options;
mod store;

mod applier;
mod dedup;
mod hot;
mod rows;
mod view;
mod wal;

mod compact;
mod delta;
#[cfg(feature = "failpoints")]
mod failpoints;
mod flush;
mod fsck;
mod housekeeping;
mod lake;
mod plant;
mod read;
mod readmit;
mod rebuild;
mod retention;
mod write;

pub use compact::Compacted;
pub use dedup::{DedupKey, Seen};
pub use delta::{Commit, Input, Receipt};
pub use error::{AppendError, AppendErrorKind, LakeError, LakeErrorKind};
pub use fsck::{Checked, Damaged};
pub use lake::{At, Lake, LakeStatus};
pub use options::LakeOptions;
pub use read::LakeTable;
pub use rebuild::{RebuildOptions, Rebuilt};
pub use retention::Expired;
pub use rows::{
    Apply, ColumnId, ColumnKind, ColumnSpec, Derive, MAX_COLUMNS, Placed, Record, Rows, TableId,
    TableRows, TableSpec, Value,
};
pub use view::{ColumnStats, DataFile, LakeView, TableView};
pub use wal::{FrameError, read_frame};
pub use write::{
    FILE_COLUMN, LoadState, LoadedTable, Matched, PublishedTable, Publishing, ROW_COLUMN, Rewrite,
    RowSink, Stage, StoredRows, TableWriter, TargetTable, stored_columns,
};

/// Whether crash points for tests are compiled in, which `WEIR_FAILPOINTS` sets.
pub const CRASH_POINTS: bool = cfg!(feature = "failpoints");
