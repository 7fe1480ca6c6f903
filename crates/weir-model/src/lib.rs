//! Projects of models: dbt projects read unchanged, parsed, selected, compiled and run.
//!
//! What this crate is not: it knows no HTTP and no query engine. Where SQL runs is behind a seam.

mod error;
mod hash;
pub mod node;
mod python;

pub use error::{ModelError, ModelErrorKind, Place, excerpt};
