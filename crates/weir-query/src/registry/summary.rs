use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::QueryId;
use crate::caller::Caller;

/// How far a query is, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    Waiting,
    Planning,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl QueryState {
    /// Returns the state as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            QueryState::Waiting => "waiting",
            QueryState::Planning => "planning",
            QueryState::Running => "running",
            QueryState::Done => "done",
            QueryState::Failed => "failed",
            QueryState::Cancelled => "cancelled",
        }
    }
}

/// What is known of one query.
#[derive(Clone, Debug)]
pub struct QuerySummary {
    pub id: QueryId,
    pub state: QueryState,
    pub caller: Caller,
    /// What the client calls itself.
    pub application: String,
    /// `SELECT`, `INSERT`, ...; empty while unknown, and for what is no SQL.
    pub kind: String,
    /// The same for all statements that differ in constants only; empty like the kind.
    pub hash: String,
    /// The statement, cut off after four kilobytes.
    pub sql: String,
    pub started_at: DateTime<Utc>,
    pub elapsed: Duration,
    /// How long it waited for its turn.
    pub queued: Duration,
    /// How long it was planned.
    pub planned: Duration,
    /// Rows handed out so far, or written.
    pub rows: u64,
    /// Bytes read from files; known once it has ended.
    pub read_bytes: u64,
    /// Time its operators computed, on all threads; known once it has ended.
    pub cpu: Duration,
    /// The most memory held at one time.
    pub peak_bytes: u64,
    /// The tables it reads, as `schema.table`.
    pub tables: Vec<String>,
    /// The columns it reads, as `schema.table.column`.
    pub columns: Vec<String>,
    pub sqlstate: Option<String>,
    pub error: Option<String>,
}

impl QuerySummary {
    /// Returns roughly what remembering it costs.
    pub(super) fn bytes(&self) -> usize {
        let names = self.tables.iter().chain(&self.columns);
        let names: usize = names.map(|name| name.len() + size_of::<String>()).sum();
        size_of::<Self>() + self.sql.len() + names + self.error.as_ref().map_or(0, String::len)
    }
}

/// What one user's queries came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Totals {
    pub(crate) queries: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) elapsed: Duration,
    pub(crate) queued: Duration,
    pub(crate) peak_bytes: u64,
    pub(crate) last_at: Option<DateTime<Utc>>,
}

impl Totals {
    pub(super) fn add(&mut self, query: &QuerySummary) {
        self.queries += 1;
        self.failed += u64::from(query.state == QueryState::Failed);
        self.cancelled += u64::from(query.state == QueryState::Cancelled);
        self.rows += query.rows;
        self.read_bytes += query.read_bytes;
        self.cpu += query.cpu;
        self.elapsed += query.elapsed;
        self.queued += query.queued;
        self.peak_bytes = self.peak_bytes.max(query.peak_bytes);
        self.last_at = self.last_at.max(Some(query.started_at));
    }
}
