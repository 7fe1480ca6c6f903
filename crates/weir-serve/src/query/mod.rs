//! `/api/v1/query`: SQL in, rows out, in the format that was asked for.

mod encode;
mod failure;
mod format;
mod parquet;
mod route;
mod transactions;

pub(crate) use route::router;
pub(crate) use transactions::transactions;

/// The names of the formats of rows.
pub(crate) const FORMATS: [&str; 5] = format::Format::NAMES;
