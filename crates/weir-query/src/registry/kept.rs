//! Ended queries in files, so that a restart forgets none but those of its last second.
//!
//! A thread of its own writes what has ended, once a second; a query only leaves a note of itself. There
//! are two files of lines, the older of which goes when the newer one is full, and one of totals.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use weir_access::Identity;

use super::{QueryId, QueryState, QuerySummary, Totals};
use crate::caller::Caller;

/// How often what has ended is written.
const EVERY: Duration = Duration::from_secs(1);

/// How large a file becomes.
const FILE_BYTES: u64 = 16 << 20;

/// How many ended queries wait to be written; further ones are known in memory only.
const MAX_WAITING: usize = 20_000;

const NEWER: &str = "queries.jsonl";
const OLDER: &str = "queries.old.jsonl";
const TOTALS: &str = "users.json";

/// What has ended and is not written yet.
#[derive(Default)]
struct Waiting {
    queries: Vec<QuerySummary>,
    totals: BTreeMap<String, Totals>,
    closed: bool,
}

/// Writes ended queries until it is dropped, and then what is left of them.
pub(super) struct Keeper {
    waiting: Arc<(Mutex<Waiting>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

/// What an earlier run of the server left.
#[derive(Default)]
pub(super) struct Left {
    /// Oldest first.
    pub(super) queries: Vec<QuerySummary>,
    pub(super) totals: BTreeMap<String, Totals>,
}

impl Keeper {
    /// Reads what is in `folder`, and begins to write there.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Left)> {
        fs::create_dir_all(folder)?;
        let mut left = Left::default();
        for name in [OLDER, NEWER] {
            left.queries.extend(read(&folder.join(name))?);
        }
        if let Ok(text) = fs::read(folder.join(TOTALS)) {
            // A file that was cut off counts anew; the lines are still there.
            left.totals = serde_json::from_slice(&text).unwrap_or_default();
        }
        let waiting = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
        let (shared, folder) = (waiting.clone(), folder.to_owned());
        let thread = std::thread::Builder::new().name("weir-query-log".to_owned());
        let thread = thread.spawn(move || write_all(&shared, &folder))?;
        let keeper = Self {
            waiting,
            thread: Some(thread),
        };
        Ok((keeper, left))
    }

    /// Notes a query that has ended, and what all of its user's came to.
    pub(super) fn note(&self, query: &QuerySummary, totals: &Totals) {
        let mut waiting = self.waiting.0.lock();
        if waiting.queries.len() < MAX_WAITING {
            waiting.queries.push(query.clone());
        }
        let user = query.caller.name();
        waiting.totals.insert(user.to_owned(), totals.clone());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.waiting.0.lock().closed = true;
        self.waiting.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all((waiting, changed): &(Mutex<Waiting>, Condvar), folder: &Path) {
    let mut all = BTreeMap::new();
    if let Ok(text) = fs::read(folder.join(TOTALS)) {
        all = serde_json::from_slice(&text).unwrap_or_default();
    }
    let mut told = false;
    loop {
        let (queries, totals, closed) = {
            let mut waiting = waiting.lock();
            if !waiting.closed {
                changed.wait_for(&mut waiting, EVERY);
            }
            let queries = std::mem::take(&mut waiting.queries);
            let totals = std::mem::take(&mut waiting.totals);
            (queries, totals, waiting.closed)
        };
        if !queries.is_empty() || !totals.is_empty() {
            all.extend(totals);
            // A full disk ends no query: they stay known in memory.
            match write(folder, &queries, &all) {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::warn!(%error, "cannot write the log of queries");
                    told = true;
                }
                Err(_) => {}
            }
        }
        if closed {
            return;
        }
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // Statements have values in them.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write(
    folder: &Path,
    queries: &[QuerySummary],
    totals: &BTreeMap<String, Totals>,
) -> io::Result<()> {
    let path = folder.join(NEWER);
    let mut lines = Vec::new();
    for query in queries {
        serde_json::to_writer(&mut lines, &Line::of(query))?;
        lines.push(b'\n');
    }
    let mut file = private(&path)?;
    if file.metadata()?.len() >= FILE_BYTES {
        fs::rename(&path, folder.join(OLDER))?;
        file = private(&path)?;
    }
    file.write_all(&lines)?;
    let new: PathBuf = folder.join("users.new");
    let _ = fs::remove_file(&new);
    private(&new)?.write_all(&serde_json::to_vec(totals)?)?;
    fs::rename(new, folder.join(TOTALS))
}

/// Reads the lines of a file; what was cut off by a crash is left out.
fn read(path: &Path) -> io::Result<Vec<QuerySummary>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut queries = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line: Result<Line, _> = serde_json::from_slice(&line?);
        queries.extend(line.ok().and_then(Line::summary));
    }
    Ok(queries)
}

/// A query as it is written.
#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    state: String,
    user: String,
    user_id: i64,
    door: String,
    application: String,
    kind: String,
    hash: String,
    sql: String,
    started_at: i64,
    elapsed_us: u64,
    queued_us: u64,
    planned_us: u64,
    cpu_us: u64,
    rows: u64,
    read_bytes: u64,
    peak_bytes: u64,
    tables: Vec<String>,
    columns: Vec<String>,
    sqlstate: Option<String>,
    error: Option<String>,
}

const STATES: [QueryState; 3] = [QueryState::Done, QueryState::Failed, QueryState::Cancelled];

/// The doors there are.
const DOORS: [&str; 7] = ["http", "postgres", "cli", "web", "flow", "server", "test"];

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Line {
    fn of(query: &QuerySummary) -> Self {
        let identity = query.caller.identity();
        Self {
            id: query.id.to_string(),
            state: query.state.as_str().to_owned(),
            user: identity.user().to_owned(),
            user_id: identity.user_id(),
            door: query.caller.door().to_owned(),
            application: query.application.clone(),
            kind: query.kind.clone(),
            hash: query.hash.clone(),
            sql: query.sql.clone(),
            started_at: query.started_at.timestamp_micros(),
            elapsed_us: micros(query.elapsed),
            queued_us: micros(query.queued),
            planned_us: micros(query.planned),
            cpu_us: micros(query.cpu),
            rows: query.rows,
            read_bytes: query.read_bytes,
            peak_bytes: query.peak_bytes,
            tables: query.tables.clone(),
            columns: query.columns.clone(),
            sqlstate: query.sqlstate.clone(),
            error: query.error.clone(),
        }
    }

    fn summary(self) -> Option<QuerySummary> {
        let identity = Identity::recorded(&self.user, self.user_id);
        let door = DOORS.into_iter().find(|door| *door == self.door);
        Some(QuerySummary {
            id: QueryId(self.id.into()),
            state: STATES.into_iter().find(|s| s.as_str() == self.state)?,
            caller: Caller::new(identity, door.unwrap_or("other")),
            application: self.application,
            kind: self.kind,
            hash: self.hash,
            sql: self.sql,
            started_at: DateTime::<Utc>::from_timestamp_micros(self.started_at)?,
            elapsed: Duration::from_micros(self.elapsed_us),
            queued: Duration::from_micros(self.queued_us),
            planned: Duration::from_micros(self.planned_us),
            rows: self.rows,
            read_bytes: self.read_bytes,
            cpu: Duration::from_micros(self.cpu_us),
            peak_bytes: self.peak_bytes,
            tables: self.tables,
            columns: self.columns,
            sqlstate: self.sqlstate,
            error: self.error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Queries;
    use super::*;
    use crate::engine::QueryRequest;

    fn ask(queries: &Arc<Queries>, sql: &str) {
        queries
            .start(&QueryRequest::new(sql, Caller::owner("test")))
            .done();
    }

    #[test]
    fn ended_queries_outlive_the_process_that_ran_them() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Arc::new(Queries::kept_in(Some(folder.path())).unwrap());
        let queries = open();
        ask(&queries, "SELECT 1");
        ask(&queries, "CREATE USER vera PASSWORD 'geheim'");
        drop(queries);
        // A crash may cut the last line off.
        let path = folder.path().join(NEWER);
        private(&path).unwrap().write_all(b"{\"id\":\"cut").unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("geheim"));

        let queries = open();
        let all = queries.list();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].sql, "SELECT 1");
        assert_eq!(
            (all[1].caller.name(), all[1].caller.door()),
            ("owner", "test")
        );
        ask(&queries, "SELECT 2");
        assert_eq!(queries.totals()[0].1.queries, 3);
        drop(queries);
        assert_eq!(open().totals()[0].1.queries, 3);
    }

    #[test]
    fn the_older_file_goes_when_the_newer_one_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NEWER);
        let file = private(&path).unwrap();
        file.set_len(FILE_BYTES).unwrap();
        let queries = Arc::new(Queries::kept_in(Some(folder.path())).unwrap());
        ask(&queries, "SELECT 1");
        drop(queries);
        assert!(fs::metadata(&path).unwrap().len() < FILE_BYTES);
        assert!(folder.path().join(OLDER).exists());
    }
}
