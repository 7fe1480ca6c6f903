//! `/api/v1/query`: SQL in, rows out, in the format that was asked for.

mod check;
mod encode;
mod failure;
mod file;
mod format;
mod numbers;
mod parquet;
mod route;
mod transactions;

pub(crate) use encode::{Encoder, Flat, columns, plain, to_plain};
pub(crate) use failure::Failure;
pub use file::{FileFormat, RowsFileError, write_rows};
pub(crate) use format::Format;
pub(crate) use numbers::json_options;
pub(crate) use route::{Chunk, broken_off, router, streamed, unwritable};
pub(crate) use transactions::{Refusal, transactions};

/// The names of the formats of rows.
pub(crate) const FORMATS: [&str; 5] = format::Format::NAMES;
