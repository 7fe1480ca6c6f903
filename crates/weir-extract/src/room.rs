//! The room of all sources: one sync of a source at a time, on threads of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chrono::Utc;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use weir_core::{SourceName, did_you_mean};

use crate::budget::Budgets;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::gate::{Gate, Gated};
use crate::health::{Attention, HealthFiles, Looked, SourceHealth, Stale};
use crate::http::Http;
use crate::load::{Destination, TableHistory};
use crate::postgres::Lag;
use crate::progress::Progress;
use crate::singer::{MOST_LEVELS, SourceFolder};
use crate::spec::SourceSpec;
use crate::sync::{self, Loading, PlannedStream, Service, Source, SyncRequest};

/// A source's name, and what its file declares, or what is wrong with it.
pub type NamedSource = (String, Result<SourceSpec, ExtractError>);

/// Where descriptions of sources come from: read anew each time, so that an edit needs no restart.
pub trait SourceFiles: Send + Sync {
    /// Returns each source that is fetched from by its name, or what is wrong with its file.
    fn sources(&self) -> Result<Vec<NamedSource>, ExtractError>;
}

/// All sources. Clones share it.
#[derive(Clone)]
pub struct Extracts {
    inner: Arc<Inner>,
}

struct Inner {
    files: Box<dyn SourceFiles>,
    destination: Arc<dyn Destination>,
    /// Below it, each source has a folder for its own files.
    folder: PathBuf,
    threads: Handle,
    budgets: Budgets,
    http: OnceLock<Arc<dyn Http>>,
    busy: Mutex<BTreeSet<String>>,
    /// Tells that a source is free again.
    freed: Notify,
    health: Mutex<BTreeMap<String, SourceHealth>>,
    health_files: HealthFiles,
    /// What the last look at all of them found.
    attention: Mutex<Attention>,
}

impl Inner {
    fn ended(&self, source: &str, progress: &Progress, done: &Result<(), ExtractError>) {
        let mut all = self.health.lock();
        let health = all.entry(source.to_owned()).or_default();
        if let Some(text) = health.ended(&progress.shown(), done, Utc::now()) {
            self.health_files.write(self.folder.join(source), text);
        }
    }
}

/// A source, in short.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub source: String,
    /// None where its file is wrong.
    pub kind: Option<&'static str>,
    /// How many tables it has in the lake.
    pub tables: usize,
    pub syncing: bool,
    /// What is wrong with its file.
    pub problem: Option<String>,
    /// How its syncs went; none where there was none.
    pub health: Option<SourceHealth>,
    /// What of it is older than its file allows.
    pub stale: Vec<Stale>,
}

/// What a source answers when it is asked.
#[derive(Clone, Debug, Serialize)]
pub struct Discovered {
    /// What it offers, and what a sync would take of it.
    pub streams: Vec<PlannedStream>,
    /// What people should know of how it is read.
    pub notes: Vec<String>,
    /// How far behind it the lake is, where it tells.
    pub lag: Option<Lag>,
    /// How its syncs went; none where there was none.
    pub health: Option<SourceHealth>,
    /// What of it is older than its file allows.
    pub stale: Vec<Stale>,
}

/// A sync under way. Dropping it ends the sync; what was committed stays.
pub struct Running {
    pub run: String,
    pub progress: Progress,
    task: JoinHandle<Result<(), ExtractError>>,
}

/// The turn to work with one source.
pub struct Turn {
    room: Arc<Inner>,
    source: String,
}

impl fmt::Debug for Extracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extracts")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.room.busy.lock().remove(&self.source);
        self.room.freed.notify_waiters();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Waits for the end of the sync.
    pub async fn ended(&mut self) -> Result<(), ExtractError> {
        match (&mut self.task).await {
            Ok(done) => done,
            Err(_) => Err(
                ExtractError::new(ExtractErrorKind::Busy, "the sync was interrupted")
                    .hint("run it again: it goes on where its last commit ended"),
            ),
        }
    }
}

impl Extracts {
    /// Makes the room; work runs on `threads`. What an earlier process left in the folders of sources is put
    /// in order.
    pub fn new(
        files: Box<dyn SourceFiles>,
        destination: Arc<dyn Destination>,
        folder: PathBuf,
        threads: Handle,
    ) -> Self {
        tidy(&folder);
        let mut known = read_health(&folder);
        if let Ok(sources) = files.sources() {
            // One that is gone has no state.
            known.retain(|name, _| sources.iter().any(|(source, _)| source == name));
        }
        let health = Mutex::new(known);
        Self {
            inner: Arc::new(Inner {
                files,
                destination,
                folder,
                threads,
                budgets: Budgets::default(),
                http: OnceLock::new(),
                busy: Mutex::default(),
                freed: Notify::new(),
                health,
                health_files: HealthFiles::default(),
                attention: Mutex::default(),
            }),
        }
    }

    /// Lends the room a client, by which files of web servers are fetched.
    pub fn with_http(self, http: Arc<dyn Http>) -> Self {
        let _ = self.inner.http.set(http);
        self
    }

    /// Lists the sources.
    pub async fn list(&self) -> Result<Vec<Listed>, ExtractError> {
        let mut listed = Vec::new();
        for (name, spec) in self.inner.files.sources()? {
            let tables = match source_name(&name) {
                Ok(source) => self.inner.destination.standing(&source).await?.len(),
                Err(_) => 0,
            };
            let health = self.inner.health.lock().get(&name).cloned();
            let stale = match (&spec, &health) {
                (Ok(spec), Some(health)) => health.stale(spec, Utc::now()),
                _ => Vec::new(),
            };
            listed.push(Listed {
                syncing: self.inner.busy.lock().contains(&name),
                health,
                stale,
                source: name,
                kind: spec.as_ref().ok().map(SourceSpec::kind_name),
                tables,
                problem: spec
                    .err()
                    .map(|error| match std::error::Error::source(&error) {
                        Some(cause) => cause.to_string(),
                        None => error.to_string(),
                    }),
            });
        }
        Ok(listed)
    }

    /// Returns what the project's files declare now.
    pub fn sources(&self) -> Result<Vec<NamedSource>, ExtractError> {
        self.inner.files.sources()
    }

    /// Asks a source what it offers.
    pub async fn discover(&self, name: &str) -> Result<Discovered, ExtractError> {
        let source = self.source(name)?;
        let turn = self.turn(name)?;
        let run = run_id(name);
        let spec = source.spec.clone();
        let work = async move {
            let _turn = turn;
            let progress = Progress::default();
            let streams = source.discover(&run, &progress).await?;
            Ok((streams, progress.shown()))
        };
        let task = self.inner.threads.spawn(work);
        let (streams, shown) = task.await.map_err(|_| {
            ExtractError::new(ExtractErrorKind::Busy, "the question was interrupted")
        })??;
        let health = self.inner.health.lock().get(name).cloned();
        let stale = health
            .as_ref()
            .map(|health| health.stale(&spec, Utc::now()));
        Ok(Discovered {
            streams,
            notes: shown.notes,
            lag: shown.lag,
            health,
            stale: stale.unwrap_or_default(),
        })
    }

    /// Looks at how all sources do that were ever synced.
    pub fn look(&self) -> Result<Vec<Looked>, ExtractError> {
        let now = Utc::now();
        let mut looked = Vec::new();
        for (name, spec) in self.inner.files.sources()? {
            let Some(health) = self.inner.health.lock().get(&name).cloned() else {
                continue;
            };
            looked.push(Looked {
                failing: match &spec {
                    Err(error) => Some(error.told()),
                    Ok(_) => health.problem.clone().filter(|_| health.is_failing()),
                },
                stale: spec
                    .as_ref()
                    .map(|spec| health.stale(spec, now))
                    .unwrap_or_default(),
                source: name,
                spec: spec.ok(),
            });
        }
        *self.inner.attention.lock() = Attention::of(&looked);
        Ok(looked)
    }

    /// Returns which sources were not well when they were last looked at.
    pub fn attention(&self) -> Attention {
        self.inner.attention.lock().clone()
    }

    /// Starts a sync.
    pub fn sync(&self, name: &str, request: SyncRequest) -> Result<Running, ExtractError> {
        let source = self.source(name)?;
        let turn = self.turn(name)?;
        Ok(self.begin(source, turn, request))
    }

    /// Starts a sync once no other work with the source is under way. Each of its commits passes `gate`.
    pub async fn sync_in_turn(
        &self,
        name: &str,
        request: SyncRequest,
        gate: Arc<dyn Gate>,
    ) -> Result<Running, ExtractError> {
        let turn = self.wait(name).await;
        // Read now: what is declared may have changed meanwhile.
        let mut source = self.source(name)?;
        let inner = source.destination.clone();
        source.destination = Arc::new(Gated { inner, gate });
        Ok(self.begin(source, turn, request))
    }

    fn begin(&self, source: Source, turn: Turn, request: SyncRequest) -> Running {
        let (run, progress) = (run_id(&turn.source), Progress::default());
        let (of, shown) = (run.clone(), progress.clone());
        let work = async move { source.sync(of, request, &shown).await };
        self.start(run, progress, turn, work)
    }

    /// Starts to compare a source with the lake; with `repair`, what differs is fetched.
    pub fn verify(&self, name: &str, repair: bool) -> Result<Running, ExtractError> {
        let source = self.source(name)?;
        let turn = self.turn(name)?;
        let (run, progress) = (run_id(name), Progress::default());
        let (of, shown) = (run.clone(), progress.clone());
        let work = async move { source.verify(&of, repair, &shown).await };
        Ok(self.start(run, progress, turn, work))
    }

    fn start(
        &self,
        run: String,
        progress: Progress,
        turn: Turn,
        work: impl Future<Output = Result<(), ExtractError>> + Send + 'static,
    ) -> Running {
        let room = self.inner.clone();
        let shown = progress.clone();
        let task = self.inner.threads.spawn(async move {
            let done = work.await;
            room.ended(&turn.source, &shown, &done);
            drop(turn);
            done
        });
        Running {
            run,
            progress,
            task,
        }
    }

    /// Returns how each source does that was synced since the start, by name.
    pub fn health(&self) -> BTreeMap<String, SourceHealth> {
        self.inner.health.lock().clone()
    }

    /// Keeps a source from being synced until the turn is dropped; fails where a sync is under way.
    pub fn pause(&self, name: &str) -> Result<Turn, ExtractError> {
        self.turn(name)
    }

    /// Whether every change a source is still going to tell comes after all that are there. Rows that a sync
    /// which was cut off left without a state are taken back first.
    pub async fn is_settled(&self, turn: &Turn) -> Result<bool, ExtractError> {
        let source = source_name(&turn.source)?;
        let state = sync::state(&self.inner.destination, &source).await?;
        Ok(crate::postgres::is_settled(&state) && crate::mysql::is_settled(&state))
    }

    /// Begins to load messages of a tap that somebody else runs; the turn is held as long.
    pub async fn load(
        &self,
        name: &str,
        flatten: u8,
    ) -> Result<(Turn, Loading, String), ExtractError> {
        if flatten > MOST_LEVELS {
            let message = format!("{flatten} levels of objects cannot become columns");
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                .hint(format!("ask for {MOST_LEVELS} at most")));
        }
        let source = source_name(name)?;
        let turn = self.turn(name)?;
        let run = run_id(name);
        let destination = self.inner.destination.clone();
        let loading = Loading::begin(destination, source, run.clone(), flatten).await?;
        Ok((turn, loading, run))
    }

    /// Returns where a source is to be read on from; null for the beginning.
    pub async fn state(&self, name: &str) -> Result<Value, ExtractError> {
        let _turn = self.turn(name)?;
        sync::state(&self.inner.destination, &source_name(name)?).await
    }

    /// Sets where a source is to be read on from.
    pub async fn set_state(&self, name: &str, state: Value) -> Result<(), ExtractError> {
        let _turn = self.turn(name)?;
        let run = run_id(name);
        sync::set_state(&self.inner.destination, &source_name(name)?, &run, state).await
    }

    /// Gives a source's tables back what they were before a sync, its state included; returns them.
    pub async fn undo(&self, run: &str) -> Result<Vec<String>, ExtractError> {
        let unknown = || {
            ExtractError::new(ExtractErrorKind::NotFound, format!("there is no sync `{run}`"))
                .hint("`weir sync` says the name of each; so does the column `weir_run` of what it loaded")
        };
        let (name, _) = run.split_once('-').ok_or_else(unknown)?;
        let source = source_name(name).map_err(|_| unknown())?;
        let _turn = self.turn(name)?;
        let destination = &self.inner.destination;
        let mut targets = Vec::new();
        for table in destination.standing(&source).await? {
            let history = destination.history(&source, &table.name).await?;
            if let Some(before) = before(&history, run)? {
                targets.push((table.name, before));
            }
        }
        if targets.is_empty() {
            return Err(unknown());
        }
        let names = targets.iter().map(|(name, _)| name.clone()).collect();
        destination
            .restore(&source, &format!("{}-undo", run_id(name)), targets)
            .await?;
        Ok(names)
    }

    fn source(&self, name: &str) -> Result<Source, ExtractError> {
        let sources = self.inner.files.sources()?;
        let names: Vec<String> = sources.iter().map(|(name, _)| name.clone()).collect();
        let Some((_, spec)) = sources.into_iter().find(|(known, _)| known == name) else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let hint = match (did_you_mean(name, &names), names.is_empty()) {
                (Some(meant), _) => format!("did you mean `{meant}`?"),
                (None, true) => "`weir source add` makes one".to_owned(),
                (None, false) => format!("there are: {}", names.join(", ")),
            };
            let message = format!("there is no source `{name}` to fetch from");
            return Err(ExtractError::new(ExtractErrorKind::NotFound, message).hint(hint));
        };
        let spec = spec?;
        let service = Service {
            account: self.inner.budgets.account(name, spec.budget.as_ref()),
            http: self.inner.http.get().cloned(),
        };
        Ok(Source {
            spec,
            service,
            folder: SourceFolder::at(self.inner.folder.join(name)),
            destination: self.inner.destination.clone(),
        })
    }

    async fn wait(&self, name: &str) -> Turn {
        loop {
            let freed = self.inner.freed.notified();
            tokio::pin!(freed);
            // Before looking: what ends in between is told.
            freed.as_mut().enable();
            if let Ok(turn) = self.turn(name) {
                return turn;
            }
            freed.await;
        }
    }

    fn turn(&self, name: &str) -> Result<Turn, ExtractError> {
        match self.inner.busy.lock().insert(name.to_owned()) {
            true => Ok(Turn {
                room: self.inner.clone(),
                source: name.to_owned(),
            }),
            false => Err(ExtractError::new(
                ExtractErrorKind::Busy,
                format!("a sync of `{name}` is under way"),
            )
            .hint("wait until it has ended")),
        }
    }
}

/// Puts the folders of all sources in order; one that cannot be is told when its source is synced.
fn tidy(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        if let Err(error) = SourceFolder::at(entry.path()).tidy() {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "files of a source may have secrets in clear");
        }
    }
}

fn read_health(folder: &Path) -> BTreeMap<String, SourceHealth> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let known = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, SourceHealth::read(&entry.path())?))
    });
    known.collect()
}

fn source_name(name: &str) -> Result<SourceName, ExtractError> {
    SourceName::new(name)
        .map_err(|error| ExtractError::new(ExtractErrorKind::Invalid, error.to_string()))
}

/// Returns a new name for a sync: its source, and what no other has.
fn run_id(source: &str) -> String {
    format!("{source}-{}", uuid::Uuid::now_v7().simple())
}

/// Returns the version of a table before a sync, or that it was not there; none where the sync did not touch
/// it. Fails when later syncs rest on its rows.
fn before(history: &[TableHistory], run: &str) -> Result<Option<Option<u64>>, ExtractError> {
    let standing = standing(history);
    let is_of = |commit: &&TableHistory| commit.run.as_deref() == Some(run);
    let of_run = || {
        standing
            .iter()
            .copied()
            .filter(is_of)
            .map(|commit| commit.version)
    };
    let (Some(newest), Some(oldest)) = (of_run().max(), of_run().min()) else {
        return Ok(None);
    };
    let later = standing
        .iter()
        .find(|c| c.version > newest && c.run.is_some());
    if let Some(later) = later.and_then(|commit| commit.run.as_deref()) {
        let message = format!("sync `{later}` came after `{run}`, and rests on its rows");
        return Err(
            ExtractError::new(ExtractErrorKind::Busy, message).hint(format!(
                "take the later one back first: weir undo sync {later}"
            )),
        );
    }
    Ok(Some(oldest.checked_sub(1)))
}

/// Returns the versions that were not taken back since, newest first.
fn standing(history: &[TableHistory]) -> Vec<&TableHistory> {
    let mut standing = Vec::with_capacity(history.len());
    // Versions above this one were taken back.
    let mut top = u64::MAX;
    for commit in history {
        if commit.version > top {
            continue;
        }
        match commit.restores {
            Some(Some(version)) => top = version,
            Some(None) => break,
            None => standing.push(commit),
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(version: u64, run: Option<&str>) -> TableHistory {
        TableHistory {
            version,
            run: run.map(str::to_owned),
            restores: None,
        }
    }

    #[test]
    fn a_sync_is_taken_back_to_the_version_before_its_first_commit() {
        let history = [
            commit(4, None),
            commit(3, Some("b")),
            commit(2, Some("b")),
            commit(1, Some("a")),
            commit(0, Some("a")),
        ];
        assert_eq!(before(&history, "b").unwrap(), Some(Some(1)));
        assert_eq!(before(&history, "c").unwrap(), None);
        assert!(
            before(&history, "a")
                .unwrap_err()
                .to_string()
                .contains("`b` came after `a`")
        );
        assert_eq!(before(&history[3..], "a").unwrap(), Some(None));
        // What was taken back is not in the way.
        let undo = TableHistory {
            version: 5,
            run: None,
            restores: Some(Some(1)),
        };
        let history = [&[undo], &history[..]].concat();
        assert_eq!(before(&history, "b").unwrap(), None);
        assert_eq!(before(&history, "a").unwrap(), Some(None));
    }
}
