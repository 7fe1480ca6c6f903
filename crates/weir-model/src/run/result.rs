use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::error::{ModelError, ModelErrorKind};
use crate::node::{JsonMap, Node, ResourceKind, UniqueId};

/// How a node ended, in dbt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    Success,
    /// Something prevented the node from being built.
    Error,
    Skipped,
    /// Some batches of a model failed.
    PartialSuccess,
    /// There was nothing to do.
    NoOp,
    /// A test's outcomes.
    Pass,
    Fail,
    Warn,
    /// A freshness check could not be made.
    RuntimeErr,
}

impl Status {
    /// Returns the word that artifacts have.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::PartialSuccess => "partial success",
            Self::NoOp => "no-op",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::RuntimeErr => "runtime error",
        }
    }

    /// Says whether the command has failed by it.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Error | Self::Fail | Self::PartialSuccess | Self::RuntimeErr
        )
    }

    /// Says whether nodes below are not run because of it.
    pub fn holds_back(self) -> bool {
        self.is_failure() || self == Self::Skipped
    }
}

/// How long one phase of a node took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `compile` or `execute`.
    pub name: &'static str,
    pub started_at: DateTime<Utc>,
    pub completed_at: DateTime<Utc>,
}

/// What a node was made of, for whoever explains its rows later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The sha256 of the SQL that ran, ephemeral models included.
    pub sql_hash: Option<String>,
    /// What it referred to, in order.
    pub reads: Vec<UniqueId>,
    /// A hash of everything it was made of besides the rows it read: its SQL or file, its
    /// configuration, the macros that built it.
    pub code: Option<String>,
}

/// How running one node ended.
#[derive(Clone, Debug)]
pub struct NodeResult {
    pub id: UniqueId,
    pub kind: ResourceKind,
    pub status: Status,
    pub message: Option<String>,
    /// What went wrong, with its place and advice.
    pub error: Option<ModelError>,
    /// Rows that fail a test.
    pub failures: Option<i64>,
    /// What the warehouse said: `_message`, `code`, `rows_affected`.
    pub response: JsonMap,
    pub timing: Vec<Timing>,
    /// `Thread-1`.
    pub thread: String,
    pub seconds: f64,
    /// The SQL as it ran, if the node came so far.
    pub compiled_code: Option<Arc<str>>,
    /// Where it was written.
    pub compiled_path: Option<String>,
    pub relation_name: Option<String>,
    /// `successful` and `failed`: starts and ends of batches.
    pub batches: Option<Json>,
    pub provenance: Provenance,
    /// Whether it was not built or tested again, as nothing can have changed.
    pub reused: bool,
    /// Why it was built, where what was built before is known.
    pub reason: Option<String>,
}

impl NodeResult {
    /// Makes the result of a node that nothing was done for.
    pub(crate) fn of(node: &Node, status: Status, thread: &str) -> Self {
        Self {
            id: node.id.clone(),
            kind: node.kind,
            status,
            message: None,
            error: None,
            failures: None,
            response: JsonMap::new(),
            timing: Vec::new(),
            thread: thread.to_owned(),
            seconds: 0.0,
            compiled_code: None,
            compiled_path: None,
            relation_name: node.relation_name.clone(),
            batches: None,
            provenance: Provenance::default(),
            reused: false,
            reason: None,
        }
    }

    /// Returns the same as not done again.
    pub(crate) fn told_again(mut self) -> Self {
        self.reused = true;
        self.message = Some("unchanged".to_owned());
        self.response.insert("_message".into(), "unchanged".into());
        self
    }

    /// Returns the same as failed by `error`.
    pub(crate) fn failed(mut self, error: ModelError, shown: &str) -> Self {
        self.status = if error.kind() == ModelErrorKind::Cancelled {
            Status::Skipped
        } else {
            Status::Error
        };
        self.message = Some(message_of(&error, shown));
        self.error = Some(error);
        self
    }

    /// Returns the result as `run_results.json` holds it.
    pub fn to_json(&self) -> Json {
        let timing: Vec<Json> = self
            .timing
            .iter()
            .map(|timing| {
                json!({
                    "name": timing.name,
                    "started_at": moment_text(timing.started_at),
                    "completed_at": moment_text(timing.completed_at),
                })
            })
            .collect();
        json!({
            "status": self.status.as_str(),
            "timing": timing,
            "thread_id": self.thread,
            "execution_time": self.seconds,
            "adapter_response": self.response,
            "message": self.message,
            "failures": self.failures,
            "unique_id": self.id.as_str(),
            "compiled": self.compiled_code.is_some(),
            "compiled_code": self.compiled_code.as_deref(),
            "relation_name": self.relation_name,
            "batch_results": self.batches,
        })
    }
}

/// Writes a moment as artifacts do.
pub(crate) fn moment_text(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Says which kind of error it is, of which node, and what.
fn message_of(error: &ModelError, shown: &str) -> String {
    let kind = match error.kind() {
        ModelErrorKind::Warehouse => "Database Error",
        ModelErrorKind::Internal => "Internal Error",
        ModelErrorKind::Cancelled => return error.message().to_owned(),
        _ => "Compilation Error",
    };
    let mut out = format!("{kind} in {shown}");
    for line in error.message().lines() {
        out.push_str("\n  ");
        out.push_str(line);
    }
    out
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order in which nodes ended.
    pub results: Vec<NodeResult>,
    pub started_at: DateTime<Utc>,
    pub seconds: f64,
    /// Whether somebody ended it.
    pub cancelled: bool,
}

impl Report {
    /// Says whether nothing failed.
    pub fn succeeded(&self) -> bool {
        !self.cancelled && !self.results.iter().any(|result| result.status.is_failure())
    }

    /// Returns dbt's exit code: 0, or 1 if a node failed.
    pub fn exit_code(&self) -> i32 {
        i32::from(!self.succeeded())
    }

    /// Counts the results of a status.
    pub fn count(&self, status: Status) -> usize {
        self.results
            .iter()
            .filter(|result| result.status == status)
            .count()
    }

    /// Counts what was not built or tested again.
    pub fn reused(&self, status: Status) -> usize {
        let results = self.results.iter();
        results
            .filter(|result| result.reused && result.status == status)
            .count()
    }

    /// Returns `results` as `run_results.json` holds them.
    pub fn results_json(&self) -> Json {
        self.results.iter().map(NodeResult::to_json).collect()
    }
}
