//! Names, sequence numbers, time and configuration shared by every room of Weir.
//!
//! What this crate is not: it opens no file and no socket, and it knows neither SQL nor HTTP.

pub mod config;
mod name;
pub mod priority;
mod seq;
mod spelling;

pub use name::{NameError, SourceName, TableName};
pub use seq::Seq;
pub use spelling::did_you_mean;
