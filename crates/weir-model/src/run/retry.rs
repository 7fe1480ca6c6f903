use std::collections::HashMap;

use serde_json::Value as Json;

use super::runner::Span;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{Manifest, UniqueId};

/// What has to run again after a run that did not succeed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    /// The command that failed, such as `build`.
    pub which: String,
    /// What failed or was skipped and is still in the project, in the order of the results.
    pub selected: Vec<UniqueId>,
    /// The batches that failed, of models of which others succeeded.
    pub batches: HashMap<UniqueId, Vec<Span>>,
}

impl Retry {
    /// Reads `run_results.json` of the run before.
    ///
    /// # Errors
    /// When it is no such artifact.
    pub fn of(results: &Json, manifest: &Manifest) -> Result<Self, ModelError> {
        let Some(all) = results.get("results").and_then(Json::as_array) else {
            return Err(ModelError::new(
                ModelErrorKind::Artifact,
                "the file holds no results of a run",
            )
            .at(Place::file("run_results.json"))
            .hint("run the command itself, not its repetition"));
        };
        let which = results.pointer("/args/which").and_then(Json::as_str);
        let mut retry = Self {
            which: which.unwrap_or("build").to_owned(),
            ..Self::default()
        };
        for result in all {
            let text = |key: &str| result.get(key).and_then(Json::as_str).unwrap_or_default();
            let again = matches!(
                text("status"),
                "error" | "fail" | "skipped" | "runtime error" | "partial success"
            );
            let id = UniqueId::from_text(text("unique_id"));
            let known = manifest.nodes.contains_key(&id) || manifest.unit_tests.contains_key(&id);
            // Hooks run with whatever else does.
            if !again || !known || id.as_str().starts_with("operation.") {
                continue;
            }
            let failed = result
                .pointer("/batch_results/failed")
                .and_then(Json::as_array);
            let failed: Vec<Span> = failed.into_iter().flatten().filter_map(span).collect();
            if text("status") == "partial success" && !failed.is_empty() {
                retry.batches.insert(id.clone(), failed);
            }
            retry.selected.push(id);
        }
        Ok(retry)
    }
}

fn span(pair: &Json) -> Option<Span> {
    let moment = |at: usize| pair.get(at)?.as_str()?.parse().ok();
    Some((moment(0)?, moment(1)?))
}
