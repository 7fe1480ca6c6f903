//! The memory of identifiers seen: what makes loading exactly once.
//!
//! A key maps to the position it was first seen at. Asking again from the same position is not a
//! duplicate, so replaying the log after a crash changes nothing, whatever part of this memory
//! had reached the disk before. New keys live in a table in memory; with each flush they become
//! a sorted file ([`run`]), and files are merged in the background. It is derived state: it can
//! be rebuilt from the raw tables.

mod bloom;
mod index;
mod run;

pub(crate) use index::{DedupIndex, DedupRuns, FrozenKeys};

use weir_core::Seq;

/// An identifier to look up, and what to remember of it.
#[derive(Clone, Copy, Debug)]
pub struct DedupKey<'a> {
    /// The source; identifiers of different sources never meet.
    pub scope: u32,
    pub id: &'a [u8],
    /// A hash of the payload, to tell a repeat from a clash.
    pub payload: u64,
    /// When the row was received, in microseconds since the epoch.
    pub received_at: i64,
    /// The position of the row that asks.
    pub seq: Seq,
}

/// The answer to a [`DedupKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never, within the window.
    New,
    /// At `first`, with the same payload.
    Same { first: Seq },
    /// At `first`, with another payload.
    Different { first: Seq },
}

/// What is kept of one key: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    key: u128,
    seq: u64,
    /// Seconds since the epoch.
    at: u32,
    /// The low half of the payload's hash: enough to tell a repeat from a clash.
    payload: u32,
}

impl Entry {
    const SIZE: usize = 32;

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..16].copy_from_slice(&self.key.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.at.to_le_bytes());
        bytes[28..].copy_from_slice(&self.payload.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let part = |at: usize| -> [u8; 4] { bytes[at..at + 4].try_into().expect("4 bytes") };
        Self {
            key: u128::from_be_bytes(bytes[..16].try_into().expect("16 bytes")),
            seq: u64::from_le_bytes(bytes[16..24].try_into().expect("8 bytes")),
            at: u32::from_le_bytes(part(24)),
            payload: u32::from_le_bytes(part(28)),
        }
    }
}
