//! The queries that run and those that ran lately, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::access_statements::redact;
use crate::caller::Caller;
use crate::error::QueryError;
use crate::memory::Share;

/// How many finished queries are remembered.
const RECENT: usize = 500;

/// How much of a statement is remembered.
const SQL_BYTES: usize = 4_096;

/// Identifies one run of a query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(Arc<str>);

impl QueryId {
    fn new() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string().into())
    }

    /// Returns the id of something that is looked at and never run.
    pub(crate) fn unlisted() -> Self {
        Self("".into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
    /// The statement, cut off after four kilobytes.
    pub sql: String,
    pub started_at: DateTime<Utc>,
    pub elapsed: Duration,
    /// Rows handed out so far.
    pub rows: u64,
    /// The most memory held at one time.
    pub peak_bytes: u64,
    pub error: Option<String>,
}

/// All queries of one engine.
#[derive(Default)]
pub(crate) struct Queries {
    inner: Mutex<Inner>,
    finished: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct Inner {
    running: BTreeMap<QueryId, Arc<Entry>>,
    recent: VecDeque<QuerySummary>,
}

struct Entry {
    id: QueryId,
    caller: Caller,
    sql: String,
    started_at: DateTime<Utc>,
    started: Instant,
    rows: AtomicU64,
    progress: Mutex<Progress>,
    cancel: watch::Sender<bool>,
}

struct Progress {
    state: QueryState,
    share: Option<Arc<Share>>,
}

impl Entry {
    fn summary(&self) -> QuerySummary {
        let progress = self.progress.lock();
        QuerySummary {
            id: self.id.clone(),
            state: progress.state,
            caller: self.caller.clone(),
            sql: self.sql.clone(),
            started_at: self.started_at,
            elapsed: self.started.elapsed(),
            rows: self.rows.load(Ordering::Relaxed),
            peak_bytes: progress
                .share
                .as_ref()
                .map_or(0, |share| share.peak() as u64),
            error: None,
        }
    }
}

impl Queries {
    pub(crate) fn start(self: &Arc<Self>, caller: &Caller, sql: &str) -> Ticket {
        // Passwords must not outlive the statement they are in.
        let sql = &*redact(sql);
        let mut end = sql.len().min(SQL_BYTES);
        while !sql.is_char_boundary(end) {
            end -= 1;
        }
        let entry = Arc::new(Entry {
            id: QueryId::new(),
            caller: caller.clone(),
            sql: sql[..end].to_owned(),
            started_at: Utc::now(),
            started: Instant::now(),
            rows: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                state: QueryState::Waiting,
                share: None,
            }),
            cancel: watch::Sender::new(false),
        });
        self.inner
            .lock()
            .running
            .insert(entry.id.clone(), entry.clone());
        Ticket {
            queries: self.clone(),
            entry,
            ended: false,
        }
    }

    /// Asks a running query to end; returns whether there is one.
    pub(crate) fn cancel(&self, id: &str) -> bool {
        self.cancel_if(id, |_| true)
    }

    /// Asks a running query to end if `may` says so of its caller; returns whether it was asked.
    pub(crate) fn cancel_if(&self, id: &str, may: impl Fn(&Caller) -> bool) -> bool {
        let inner = self.inner.lock();
        let entry = inner.running.values().find(|entry| entry.id.as_str() == id);
        let entry = entry.filter(|entry| may(&entry.caller));
        entry.is_some_and(|entry| {
            entry.cancel.send_replace(true);
            true
        })
    }

    /// Returns running queries, then recent ones, newest first.
    pub(crate) fn list(&self) -> Vec<QuerySummary> {
        let inner = self.inner.lock();
        let running = inner.running.values().rev().map(|entry| entry.summary());
        running.chain(inner.recent.iter().rev().cloned()).collect()
    }

    /// Returns how many run, ended, and failed.
    pub(crate) fn counts(&self) -> (usize, u64, u64) {
        let running = self.inner.lock().running.len();
        (
            running,
            self.finished.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }
}

/// A query's place in the registry; leaving it behind means the query was given up.
pub(crate) struct Ticket {
    queries: Arc<Queries>,
    entry: Arc<Entry>,
    ended: bool,
}

impl Ticket {
    pub(crate) fn id(&self) -> QueryId {
        self.entry.id.clone()
    }

    pub(crate) fn enter(&self, state: QueryState) {
        self.entry.progress.lock().state = state;
    }

    pub(crate) fn track(&self, share: Arc<Share>) {
        self.entry.progress.lock().share = Some(share);
    }

    pub(crate) fn count_rows(&self, rows: usize) {
        self.entry.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Returns what turns true when somebody asks the query to end.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.entry.cancel.subscribe()
    }

    pub(crate) fn done(mut self) {
        self.end(QueryState::Done, None);
    }

    pub(crate) fn failed(mut self, error: &QueryError) {
        let state = match error.kind() {
            crate::error::QueryErrorKind::Cancelled => QueryState::Cancelled,
            _ => QueryState::Failed,
        };
        self.end(state, Some(error.to_string()));
    }

    fn end(&mut self, state: QueryState, error: Option<String>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut summary = self.entry.summary();
        summary.state = state;
        summary.error = error;
        self.queries.finished.fetch_add(1, Ordering::Relaxed);
        if state == QueryState::Failed {
            self.queries.failed.fetch_add(1, Ordering::Relaxed);
        }
        let mut inner = self.queries.inner.lock();
        inner.running.remove(&self.entry.id);
        if inner.recent.len() == RECENT {
            inner.recent.pop_front();
        }
        inner.recent.push_back(summary);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(QueryState::Cancelled, None);
    }
}
