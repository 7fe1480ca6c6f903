//! Projects of models: dbt projects read unchanged, parsed, selected, compiled and run.
//!
//! What this crate is not: it knows no HTTP and no query engine. Where SQL runs is behind a seam.

pub mod artifact;
mod compile;
pub mod context;
mod convert;
mod error;
pub mod graph;
mod hash;
mod library;
pub mod node;
pub mod parse;
pub mod project;
mod python;
pub mod run;
pub mod select;
pub mod warehouse;
pub mod yaml;

/// The version of dbt whose behaviour is followed, as `dbt_version` says.
pub const DBT_VERSION: &str = "1.11.16";

pub use error::{ModelError, ModelErrorKind, Place, excerpt};
