//! The room of all sources: one sync of a source at a time, on threads of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use weir_core::{SourceName, did_you_mean};

use crate::error::{ExtractError, ExtractErrorKind};
use crate::load::{Destination, TableHistory};
use crate::postgres::Lag;
use crate::progress::Progress;
use crate::singer::SourceFolder;
use crate::spec::SourceSpec;
use crate::sync::{self, Loading, PlannedStream, Source, SyncOptions};

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
    busy: Mutex<BTreeSet<String>>,
    health: Mutex<BTreeMap<String, SourceHealth>>,
}

/// How a source does.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceHealth {
    /// When a sync last ended well; none since the start.
    pub synced_at: Option<DateTime<Utc>>,
    /// Syncs that failed since then.
    pub failures: u64,
    /// Why the last one failed.
    pub problem: Option<String>,
    /// How far behind its log a database is.
    pub lag: Option<Lag>,
}

impl Inner {
    fn ended(&self, source: &str, progress: &Progress, done: &Result<(), ExtractError>) {
        let mut health = self.health.lock();
        let health = health.entry(source.to_owned()).or_default();
        if let Some(lag) = progress.shown().lag {
            health.lag = Some(lag);
        }
        match done {
            Ok(()) => {
                health.synced_at = Some(Utc::now());
                health.failures = 0;
                health.problem = None;
            }
            Err(error) => {
                health.failures += 1;
                health.problem = Some(error.to_string());
            }
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
    /// How its syncs went since the start; none where there was none.
    pub health: Option<SourceHealth>,
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
        Self {
            inner: Arc::new(Inner {
                files,
                destination,
                folder,
                threads,
                busy: Mutex::default(),
                health: Mutex::default(),
            }),
        }
    }

    /// Lists the sources.
    pub async fn list(&self) -> Result<Vec<Listed>, ExtractError> {
        let mut listed = Vec::new();
        for (name, spec) in self.inner.files.sources()? {
            let tables = match source_name(&name) {
                Ok(source) => self.inner.destination.standing(&source).await?.len(),
                Err(_) => 0,
            };
            listed.push(Listed {
                syncing: self.inner.busy.lock().contains(&name),
                health: self.inner.health.lock().get(&name).cloned(),
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

    /// Returns the sources that are synced by themselves, and how often.
    pub fn timed(&self) -> Result<Vec<(String, Duration)>, ExtractError> {
        let sources = self.inner.files.sources()?.into_iter();
        let timed = sources.filter_map(|(name, spec)| Some((name, spec.ok()?.every?)));
        Ok(timed.collect())
    }

    /// Asks a source what it offers.
    pub async fn discover(&self, name: &str) -> Result<Vec<PlannedStream>, ExtractError> {
        let source = self.source(name)?;
        let turn = self.turn(name)?;
        let run = run_id(name);
        let work = async move {
            let _turn = turn;
            source.discover(&run, &Progress::default()).await
        };
        let task = self.inner.threads.spawn(work);
        task.await.map_err(|_| {
            ExtractError::new(ExtractErrorKind::Busy, "the question was interrupted")
        })?
    }

    /// Starts a sync.
    pub fn sync(
        &self,
        name: &str,
        streams: Vec<String>,
        full_refresh: bool,
    ) -> Result<Running, ExtractError> {
        let source = self.source(name)?;
        let turn = self.turn(name)?;
        let options = SyncOptions {
            run: run_id(name),
            streams,
            full_refresh,
        };
        let (run, progress) = (options.run.clone(), Progress::default());
        let shown = progress.clone();
        let work = async move { source.sync(options, &shown).await };
        Ok(self.start(run, progress, turn, work))
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
        Ok(crate::postgres::is_settled(&state))
    }

    /// Begins to load messages of a tap that somebody else runs; the turn is held as long.
    pub async fn load(&self, name: &str) -> Result<(Turn, Loading, String), ExtractError> {
        let source = source_name(name)?;
        let turn = self.turn(name)?;
        let run = run_id(name);
        let destination = self.inner.destination.clone();
        let loading = Loading::begin(destination, source, run.clone(), Progress::default()).await?;
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
        Ok(Source {
            spec: spec?,
            folder: SourceFolder::at(self.inner.folder.join(name)),
            destination: self.inner.destination.clone(),
        })
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
