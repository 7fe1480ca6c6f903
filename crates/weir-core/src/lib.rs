//! Names, sequence numbers, time and configuration shared by every room of Weir.
//!
//! What this crate is not: it opens no file and no socket, and it knows no HTTP, and of SQL no more than how
//! names are spelled.

pub mod changelog;
pub mod config;
mod ident;
mod name;
pub mod priority;
mod seq;
mod spelling;

pub use ident::{is_reserved, quote_ident, quoted};
pub use name::{NameError, SourceName, TableName};
pub use seq::Seq;
pub use spelling::did_you_mean;
