//! The write-ahead log: append-only segment files in one directory, owned by one process.
//!
//! A record is durable once the `fdatasync` that covers it returned; one sync covers every record
//! waiting at that moment. The newest segment has zeros ahead of its records, which the next ones are
//! written over: a segment ends where only zeros follow. Positions ([`weir_core::Seq`]) count rows and
//! are given out here.

mod frame;
mod lock;
mod recover;
mod segment;
mod writer;

pub use frame::{FrameError, read_frame};
pub(crate) use lock::DirLock;
pub(crate) use recover::{Damage, Recovered, recover, replay};
pub(crate) use segment::{SegmentFile, Segments};
pub(crate) use writer::{
    Durable, MAX_PAYLOAD, Wal, WalOptions, WalStats, read_checkpoint, record_bytes,
    write_checkpoint,
};
