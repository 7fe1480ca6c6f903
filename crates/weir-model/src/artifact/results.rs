//! run_results.json, version 6, and sources.json, version 3.

use serde_json::{Value as Json, json};

use super::manifest::metadata;
use crate::node::{JsonMap, Manifest, UniqueId};

/// When one step of a node's execution began and ended, as RFC 3339 in UTC.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    /// `compile` or `execute`.
    pub name: &'static str,
    pub started_at: Option<String>,
    pub completed_at: Option<String>,
}

/// How one node came out.
#[derive(Debug, Clone, Default)]
pub struct NodeResult {
    pub id: Option<UniqueId>,
    /// `success`, `error`, `fail`, `warn`, `skipped`, `pass`, `runtime error`, `partial success`, `no-op`.
    pub status: String,
    pub timing: Vec<Timing>,
    pub thread_id: String,
    /// In seconds.
    pub execution_time: f64,
    pub adapter_response: JsonMap,
    pub message: Option<String>,
    pub failures: Option<i64>,
    pub compiled: Option<bool>,
    pub compiled_code: Option<String>,
    pub relation_name: Option<String>,
    /// `successful` and `failed` batches of a microbatch model.
    pub batch_results: Option<Json>,
}

/// How fresh one source's table is.
#[derive(Debug, Clone, Default)]
pub struct FreshnessResult {
    pub id: Option<UniqueId>,
    /// `pass`, `warn`, `error` or `runtime error`.
    pub status: String,
    /// What failed, for `runtime error`.
    pub error: Option<String>,
    pub max_loaded_at: String,
    pub snapshotted_at: String,
    pub age_seconds: f64,
    pub criteria: Json,
    pub adapter_response: JsonMap,
    pub timing: Vec<Timing>,
    pub thread_id: String,
    pub execution_time: f64,
}

fn timing_json(timing: &[Timing]) -> Json {
    timing
        .iter()
        .map(|step| {
            json!({ "name": step.name, "started_at": step.started_at, "completed_at": step.completed_at })
        })
        .collect()
}

/// Returns the results of a run; `args` is what the command line asked for, secrets already taken out.
pub fn run_results_json(
    manifest: &Manifest,
    results: &[NodeResult],
    elapsed_seconds: f64,
    args: &JsonMap,
    generated_at: &str,
) -> Json {
    let mut metadata = metadata(manifest, "run-results/v6");
    metadata.insert("generated_at".to_owned(), generated_at.into());
    let results: Vec<Json> = results
        .iter()
        .map(|result| {
            json!({
                "status": result.status, "timing": timing_json(&result.timing),
                "thread_id": result.thread_id, "execution_time": result.execution_time,
                "adapter_response": result.adapter_response, "message": result.message,
                "failures": result.failures, "unique_id": result.id, "compiled": result.compiled,
                "compiled_code": result.compiled_code, "relation_name": result.relation_name,
                "batch_results": result.batch_results,
            })
        })
        .collect();
    json!({ "metadata": metadata, "results": results, "elapsed_time": elapsed_seconds, "args": args })
}

/// Returns the results of `source freshness`.
pub fn sources_json(
    manifest: &Manifest,
    results: &[FreshnessResult],
    elapsed_seconds: f64,
    generated_at: &str,
) -> Json {
    let mut metadata = metadata(manifest, "sources/v3");
    metadata.insert("generated_at".to_owned(), generated_at.into());
    let results: Vec<Json> = results
        .iter()
        .map(|result| {
            if result.status == "runtime error" {
                return json!({ "unique_id": result.id, "error": result.error, "status": result.status });
            }
            json!({
                "unique_id": result.id, "max_loaded_at": result.max_loaded_at,
                "snapshotted_at": result.snapshotted_at, "max_loaded_at_time_ago_in_s": result.age_seconds,
                "status": result.status, "criteria": result.criteria,
                "adapter_response": result.adapter_response, "timing": timing_json(&result.timing),
                "thread_id": result.thread_id, "execution_time": result.execution_time,
            })
        })
        .collect();
    json!({ "metadata": metadata, "results": results, "elapsed_time": elapsed_seconds })
}
