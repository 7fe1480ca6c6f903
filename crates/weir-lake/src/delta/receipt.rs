use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a commit says about how it came to be. It lies in the commit itself, for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The kind of writer: `collect`, `compact`, `rebuild`, ...
    pub writer: String,
    /// Ties together the commits of one run.
    pub run_id: String,
    /// What the rows were made from.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// A fingerprint of the code and configuration that made the rows.
    #[serde(default)]
    pub code: String,
    /// Rows added (and, for a rewrite, removed).
    #[serde(default)]
    pub rows_added: u64,
    #[serde(default)]
    pub rows_removed: u64,
    /// What else the writer knows: for a model, its project, its text's fingerprint and its tests.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// What Weir's own writers tell as the code that made their rows.
pub(crate) const CODE: &str = concat!("weir ", env!("CARGO_PKG_VERSION"));

/// One input of a commit: a table at a version, or a range of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// `wal`, or a table as `schema.table`.
    pub name: String,
    /// The first and the last position or version read.
    pub from: u64,
    pub to: u64,
}

/// One commit of a table's history.
#[derive(Clone, Debug)]
pub struct Commit {
    pub version: u64,
    /// Milliseconds since the epoch.
    pub committed_at: i64,
    /// The Delta operation (`WRITE`, `OPTIMIZE`, ...).
    pub operation: String,
    /// None for commits of other writers.
    pub receipt: Option<Receipt>,
}

/// The key of the receipt in a commit's `commitInfo`.
const KEY: &str = "weir";

impl Receipt {
    pub(super) fn into_metadata(self) -> HashMap<String, Value> {
        let value = serde_json::to_value(self).unwrap_or(Value::Null);
        HashMap::from([(KEY.to_owned(), value)])
    }

    pub(super) fn from_info(info: &HashMap<String, Value>) -> Option<Self> {
        serde_json::from_value(info.get(KEY)?.clone()).ok()
    }
}
