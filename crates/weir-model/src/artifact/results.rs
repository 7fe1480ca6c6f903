//! run_results.json, version 6, and sources.json, version 3.

use serde_json::{Value as Json, json};

use super::manifest::metadata;
use crate::node::{JsonMap, Manifest};
use crate::run::{FreshnessResult, Report};

/// Returns the results of a run; `args` is what the command line asked for, secrets already taken out.
pub fn run_results_json(
    manifest: &Manifest,
    report: &Report,
    args: &JsonMap,
    generated_at: &str,
) -> Json {
    let mut metadata = metadata(manifest, "run-results/v6");
    metadata.insert("generated_at".to_owned(), generated_at.into());
    json!({
        "metadata": metadata,
        "results": report.results_json(),
        "elapsed_time": report.seconds,
        "args": args,
    })
}

/// Returns the results of `source freshness`, which took so many seconds.
pub fn sources_json(
    manifest: &Manifest,
    results: &[FreshnessResult],
    seconds: f64,
    generated_at: &str,
) -> Json {
    let mut metadata = metadata(manifest, "sources/v3");
    metadata.insert("generated_at".to_owned(), generated_at.into());
    let results: Vec<Json> = results.iter().map(FreshnessResult::to_json).collect();
    json!({ "metadata": metadata, "results": results, "elapsed_time": seconds })
}
