//! The files that other tools read: manifest.json and its kin, and what of them is read back.

mod catalog;
mod manifest;
mod nodes;
mod results;
mod semantic;
mod state;

pub use catalog::{CatalogColumn, CatalogStat, CatalogTable, catalog_json};
pub use manifest::manifest_json;
pub use results::{FreshnessResult, NodeResult, Timing, run_results_json, sources_json};
pub use semantic::semantic_manifest_json;
pub use state::{PreviousNode, PreviousState};
