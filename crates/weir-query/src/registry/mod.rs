//! The queries that run and those that ran lately: in memory, and in files beside it.

mod fingerprint;
mod kept;
mod summary;
mod usage;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::access_statements::redact;
use crate::caller::Caller;
use crate::engine::QueryRequest;
use crate::error::QueryError;
use crate::memory::Share;

pub(crate) use summary::Totals;
pub use summary::{QueryState, QuerySummary};
pub(crate) use usage::{Cost, Reads};

/// How many finished queries are remembered, and in how much memory.
const RECENT: usize = 10_000;
const RECENT_BYTES: usize = 16 << 20;

/// How much of a statement is remembered.
const SQL_BYTES: usize = 4_096;

/// How many users' totals are kept; those that are no more are not missed.
const MAX_USERS: usize = 10_000;

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
    recent_bytes: usize,
    users: BTreeMap<String, Totals>,
    keeper: Option<kept::Keeper>,
}

impl Inner {
    fn remember(&mut self, summary: QuerySummary) {
        let user = summary.caller.name();
        if self.users.contains_key(user) || self.users.len() < MAX_USERS {
            let totals = self.users.entry(user.to_owned()).or_default();
            totals.add(&summary);
            if let Some(keeper) = &self.keeper {
                keeper.note(&summary, totals);
            }
        }
        self.show(summary);
    }

    fn show(&mut self, summary: QuerySummary) {
        self.recent_bytes += summary.bytes();
        self.recent.push_back(summary);
        while self.recent.len() > RECENT || self.recent_bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= oldest.bytes();
        }
    }
}

struct Entry {
    id: QueryId,
    caller: Caller,
    application: String,
    sql: String,
    started_at: DateTime<Utc>,
    started: Instant,
    rows: AtomicU64,
    progress: Mutex<Progress>,
    cancel: watch::Sender<bool>,
}

struct Progress {
    state: QueryState,
    /// How long it took until planning began, and until planning had ended.
    planning_after: Option<Duration>,
    running_after: Option<Duration>,
    fingerprint: fingerprint::Fingerprint,
    reads: Reads,
    cost: Cost,
    share: Option<Arc<Share>>,
}

impl Entry {
    fn summary(&self) -> QuerySummary {
        let progress = self.progress.lock();
        let elapsed = self.started.elapsed();
        let queued = progress.planning_after.unwrap_or(elapsed);
        let planned = progress.running_after.unwrap_or(elapsed);
        QuerySummary {
            id: self.id.clone(),
            state: progress.state,
            caller: self.caller.clone(),
            application: self.application.clone(),
            kind: progress.fingerprint.kind.clone(),
            hash: progress.fingerprint.hash.clone(),
            sql: self.sql.clone(),
            started_at: self.started_at,
            elapsed,
            queued,
            planned: planned.saturating_sub(queued),
            rows: self.rows.load(Ordering::Relaxed),
            read_bytes: progress.cost.read_bytes,
            cpu: progress.cost.cpu,
            peak_bytes: progress
                .share
                .as_ref()
                .map_or(0, |share| share.peak() as u64),
            tables: progress.reads.tables.iter().cloned().collect(),
            columns: progress.reads.columns.iter().cloned().collect(),
            sqlstate: None,
            error: None,
        }
    }
}

/// Returns the beginning of a text.
fn beginning(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

impl Queries {
    /// Begins with the queries that are kept in `folder`, and keeps those that end there.
    pub(crate) fn kept_in(folder: Option<&Path>) -> std::io::Result<Self> {
        let queries = Self::default();
        if let Some(folder) = folder {
            let (keeper, left) = kept::Keeper::open(folder)?;
            let mut inner = queries.inner.lock();
            inner.users = left.totals;
            for summary in left.queries {
                inner.show(summary);
            }
            inner.keeper = Some(keeper);
        }
        Ok(queries)
    }

    pub(crate) fn start(self: &Arc<Self>, request: &QueryRequest) -> Ticket {
        // Passwords must not outlive the statement they are in.
        let sql = redact(&request.sql);
        let entry = Arc::new(Entry {
            id: QueryId::new(),
            caller: request.caller.clone(),
            application: beginning(&request.settings.application_name, 256),
            sql: beginning(&sql, SQL_BYTES),
            started_at: Utc::now(),
            started: Instant::now(),
            rows: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                state: QueryState::Waiting,
                planning_after: None,
                running_after: None,
                fingerprint: Default::default(),
                reads: Reads::default(),
                cost: Cost::default(),
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

    /// Returns what each user's queries came to, those that run left out.
    pub(crate) fn totals(&self) -> Vec<(String, Totals)> {
        let inner = self.inner.lock();
        let users = inner.users.iter();
        users
            .map(|(user, totals)| (user.clone(), totals.clone()))
            .collect()
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
        let mut progress = self.entry.progress.lock();
        let elapsed = self.entry.started.elapsed();
        match state {
            QueryState::Planning => progress.planning_after = Some(elapsed),
            QueryState::Running => progress.running_after = Some(elapsed),
            _ => {}
        }
        progress.state = state;
    }

    /// Notes what kind of statement it is; reading a long one takes a while.
    pub(crate) fn identify(&self, sql: &str, longest: usize) {
        if let Some(fingerprint) = fingerprint::of(sql, longest) {
            self.entry.progress.lock().fingerprint = fingerprint;
        }
    }

    pub(crate) fn reads(&self, reads: Reads) {
        self.entry.progress.lock().reads.extend(reads);
    }

    /// Notes what a plan took, once it runs no more.
    pub(crate) fn ran(&self, plan: &Arc<dyn ExecutionPlan>) {
        self.entry.progress.lock().cost.add(Cost::of(plan));
    }

    pub(crate) fn track(&self, share: Arc<Share>) {
        self.entry.progress.lock().share = Some(share);
    }

    /// Returns the rows handed out so far.
    pub(crate) fn rows(&self) -> u64 {
        self.entry.rows.load(Ordering::Relaxed)
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
        self.end(state, Some(error));
    }

    fn end(&mut self, state: QueryState, error: Option<&QueryError>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut summary = self.entry.summary();
        summary.state = state;
        summary.sqlstate = error.map(|error| error.sqlstate().to_owned());
        summary.error = error.map(ToString::to_string);
        self.queries.finished.fetch_add(1, Ordering::Relaxed);
        if state == QueryState::Failed {
            self.queries.failed.fetch_add(1, Ordering::Relaxed);
        }
        let mut inner = self.queries.inner.lock();
        inner.running.remove(&self.entry.id);
        inner.remember(summary);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(QueryState::Cancelled, None);
    }
}
