//! The Delta tables of the lake: their logs, their files, and what each commit says of itself.

mod log;
mod parquet;
mod receipt;
mod stats;

pub(crate) use log::{Change, TableLog};
pub(crate) use parquet::{FileOptions, FileWriter, encode, read_batches};
pub use receipt::{Commit, Input, Receipt};
