//! The Delta tables of the lake: their logs, their files, and what each commit says of itself.

mod log;
mod parquet;
mod receipt;
mod statement;
mod stats;
mod vacuum;
mod writer;

pub(crate) use log::{Change, TableLog};
pub(crate) use parquet::{read_batches, rewrite_file, write_file};
pub(crate) use receipt::CODE;
pub use receipt::{Commit, Input, Receipt};
pub(crate) use statement::{Operation, StatementCommit, Writer};
pub(crate) use writer::{FileOptions, FileWriter};
