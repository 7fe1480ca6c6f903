//! What a step says while it runs: into the log of its attempt.

use std::sync::Arc;

use weir_flow::Attempt;
use weir_model::node::{Manifest, UniqueId};
use weir_model::run::{NodeResult, Observer, Status};

use crate::model::Said;

/// Follows what one step builds and tests.
#[derive(Debug)]
pub(super) struct Saying {
    attempt: Arc<Attempt>,
    manifest: Arc<Manifest>,
    said: Arc<Said>,
}

impl Saying {
    pub(super) fn new(attempt: Arc<Attempt>, manifest: Arc<Manifest>, said: Arc<Said>) -> Self {
        Self {
            attempt,
            manifest,
            said,
        }
    }

    /// Writes what templates said since the last time.
    pub(super) fn templates(&self) {
        for line in self.said.take().iter().filter(|line| line.shown) {
            self.attempt.log().write(&line.text);
        }
    }

    fn name(&self, id: &UniqueId) -> String {
        let node = self.manifest.nodes.get(id);
        match node.filter(|node| node.relation_name.is_some()) {
            Some(node) => format!("{} {}.{}", node.kind.as_str(), node.schema, node.alias),
            None => id.as_str().to_owned(),
        }
    }
}

impl Observer for Saying {
    fn started(&self, id: &UniqueId, _index: usize) {
        self.attempt
            .log()
            .write(&format!("began {}", self.name(id)));
    }

    fn ended(&self, result: &NodeResult, _index: Option<usize>) {
        self.templates();
        let rows = result.response.get("rows_affected");
        let rows = rows
            .and_then(serde_json::Value::as_i64)
            .filter(|rows| *rows >= 0);
        let remark = match (result.status, result.failures, rows) {
            _ if result.reused => ": as before, nothing it rests on has changed".to_owned(),
            (Status::Fail | Status::Warn, Some(failures), _) => format!(": {failures} rows fail"),
            (_, _, Some(rows)) => format!(": {rows} rows"),
            _ => String::new(),
        };
        let reason = result
            .reason
            .as_ref()
            .map(|why| format!("; {why}"))
            .unwrap_or_default();
        self.attempt.log().write(&format!(
            "{} {}{remark}{reason} ({:.2}s)",
            result.status.as_str(),
            self.name(&result.id),
            result.seconds
        ));
        if let Some(error) = &result.error {
            self.attempt.log().write(&error.report());
        }
    }
}

/// Returns why a run of nodes did not go well: the first thing that went wrong, in a sentence.
pub(super) fn first_failure(results: &[NodeResult]) -> Option<(&NodeResult, String)> {
    let failed = results.iter().find(|result| result.status.is_failure())?;
    let why = match (&failed.error, failed.failures) {
        (Some(error), _) => error.message().to_owned(),
        (None, Some(rows)) => format!("{rows} rows fail the test"),
        (None, None) => failed
            .message
            .clone()
            .unwrap_or_else(|| "it failed".to_owned()),
    };
    Some((failed, format!("{}: {why}", short(&failed.id))))
}

/// Returns the name of a node without its project.
fn short(id: &UniqueId) -> &str {
    let text = id.as_str();
    text.splitn(3, '.').nth(2).unwrap_or(text)
}
