//! The files that other tools read: manifest.json and its kin, and what of them is read back.

mod catalog;
mod manifest;
mod nodes;
mod results;
mod semantic;
mod state;

pub use catalog::catalog_json;
pub use manifest::manifest_text;
pub use results::{run_results_json, sources_json};
pub use semantic::semantic_manifest_json;
pub use state::PreviousState;

pub(crate) use nodes::node_json;

use serde_json::Value as Json;

use crate::node::{Manifest, UniqueId};

/// Returns anything of a manifest as manifest.json holds it.
pub(crate) fn thing_json(manifest: &Manifest, id: &UniqueId) -> Option<Json> {
    if let Some(node) = manifest.nodes.get(id) {
        return Some(nodes::node_json(node));
    }
    if let Some(source) = manifest.sources.get(id) {
        return Some(nodes::source_json(source));
    }
    if let Some(exposure) = manifest.exposures.get(id) {
        return Some(semantic::exposure_json(exposure));
    }
    if let Some(metric) = manifest.metrics.get(id) {
        return Some(semantic::metric_json(metric));
    }
    if let Some(model) = manifest.semantic_models.get(id) {
        return Some(semantic::semantic_model_json(model));
    }
    if let Some(query) = manifest.saved_queries.get(id) {
        return Some(semantic::saved_query_json(query));
    }
    manifest
        .unit_tests
        .get(id)
        .map(|test| semantic::unit_test_json(test))
}
