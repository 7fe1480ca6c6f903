//! A sync of a tap: discover, choose, run, load.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::batch::BatchRecords;
use super::catalog::{Offered, select};
use super::program::{LINE_BYTES, Program, RunFolder, SourceFolder, rotated};
use super::since::set_back;
use super::target::{Expected, Target};
use crate::budget::Account;
use crate::error::{ExtractError, ExtractErrorKind, protocol};
use crate::load::Session;
use crate::progress::Progress;
use crate::spec::{Replication, SingerSpec, SourceSpec};

/// A tap with its configuration, ready to run.
pub(crate) struct Tap<'a> {
    spec: &'a SourceSpec,
    singer: &'a SingerSpec,
    own: SourceFolder,
    program: Program,
    config: Map<String, Value>,
    account: Arc<Account>,
    progress: Progress,
}

/// What a tap is to do in a sync.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// Only these streams; all that the source takes when empty.
    pub(crate) streams: Vec<String>,
    /// Whether it begins anew.
    pub(crate) refresh: bool,
    /// The moment from which on rows are read again.
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) run: String,
    /// What rows that replace others are numbered with: microseconds since the epoch.
    pub(crate) version: i64,
}

impl<'a> Tap<'a> {
    /// Makes the tap's environment where it is not there yet.
    pub(crate) async fn ready(
        spec: &'a SourceSpec,
        singer: &'a SingerSpec,
        (own, account): (SourceFolder, Arc<Account>),
        progress: Progress,
    ) -> Result<Self, ExtractError> {
        let mut config = singer.config.clone();
        config.extend(own.kept(&singer.config)?);
        let program = Program::ready(singer, &config, &own, &progress).await?;
        Ok(Self {
            spec,
            singer,
            own,
            program,
            config,
            account,
            progress,
        })
    }

    /// Waits until the tap may ask its service; what it asks is known only when it has.
    async fn within_budget(&self) -> Result<(), ExtractError> {
        self.account.free(&self.progress).await
    }

    /// Asks the tap what it offers, and marks what is taken.
    pub(crate) async fn discover(&self, run: &str) -> Result<(Value, Vec<Offered>), ExtractError> {
        self.within_budget().await?;
        self.progress.doing("asking the tap what it offers");
        let folder = self.program.run_folder(&format!("{run}-discover"))?;
        let config = folder.write("config.json", &Value::Object(self.config.clone()))?;
        let arguments = [
            OsStr::new("--config"),
            config.as_os_str(),
            OsStr::new("--discover"),
        ];
        let mut child = self.program.start(&arguments)?;
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(protocol("the tap has no output"));
        };
        let mut text = Vec::new();
        let (read, said) = tokio::join!(
            stdout.read_to_end(&mut text),
            self.program.listen(stderr, &self.account)
        );
        let status = child.wait().await;
        self.keep_rotated(&self.config, &config);
        let status = read
            .and(status)
            .map_err(|error| protocol("the tap's catalog cannot be read").because(error))?;
        if !status.success() {
            return Err(self.program.failed(status, &said));
        }
        let mut catalog: Value = serde_json::from_slice(&text).map_err(|error| {
            protocol("what the tap writes with `--discover` is no catalog").because(error)
        })?;
        let offered = select(&mut catalog, self.spec)?;
        Ok((catalog, offered))
    }

    /// Reads the source into the session, and ends it.
    pub(crate) async fn sync(&self, mut session: Session, work: Work) -> Result<(), ExtractError> {
        let (mut catalog, offered) = self.discover(&work.run).await?;
        let chosen = chosen(&offered, &work.streams)?;
        narrow(&mut catalog, &chosen);
        let state = match work.refresh {
            true => {
                session.hold();
                without(session.state(), &chosen, work.streams.is_empty())
            }
            false => session.state().clone(),
        };
        let (state, config) = match work.from {
            Some(from) => {
                let read = offered.iter().filter(|o| chosen.contains(&o.stream));
                set_back(&state, &self.config, &read.collect::<Vec<_>>(), from)?
            }
            None => (state, self.config.clone()),
        };
        let full = Replication::FullTable.as_singer();
        let replaced: BTreeSet<String> = offered
            .iter()
            .filter(|offered| chosen.contains(&offered.stream))
            .filter(|offered| work.refresh || offered.replication == full)
            .map(|offered| offered.stream.clone())
            .collect();
        let expected = Expected {
            replaced,
            version: work.version,
        };
        let before = session.state().clone();
        let mut target = Target::new(session, expected);
        self.progress.doing("reading");
        let given = Given {
            config,
            catalog,
            properties: self.singer.properties,
            state,
        };
        match self.run(&mut target, &work.run, &given).await {
            Ok(()) => {
                if !work.streams.is_empty() {
                    keep_others(target.session(), &before, &chosen);
                }
                target.finish().await?;
                Ok(())
            }
            Err(error) => {
                // What a state covers is kept; the next sync goes on there.
                target.stop().await?;
                Err(error)
            }
        }
    }

    async fn run(&self, target: &mut Target, run: &str, given: &Given) -> Result<(), ExtractError> {
        let folder = self.program.run_folder(run)?;
        let config = folder.write("config.json", &Value::Object(given.config.clone()))?;
        let paths = given.files(&folder)?;
        let mut arguments = vec![OsStr::new("--config"), config.as_os_str()];
        for (flag, path) in &paths {
            arguments.extend([OsStr::new(flag), path.as_os_str()]);
        }
        let mut child = self.program.start(&arguments)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(protocol("the tap has no output"));
        };
        let reading = self.read_lines(stdout, target);
        let (read, said) = tokio::join!(
            async {
                let read = reading.await;
                if read.is_err() {
                    // It would wait for a reader for ever.
                    let _ = child.start_kill();
                }
                read
            },
            self.program.listen(stderr, &self.account)
        );
        let status = child.wait().await;
        self.keep_rotated(&given.config, &config);
        read?;
        let status =
            status.map_err(|error| protocol("the tap's end cannot be seen").because(error))?;
        match status.success() {
            true => Ok(()),
            false => Err(self.program.failed(status, &said)),
        }
    }

    fn keep_rotated(&self, given: &Map<String, Value>, config: &std::path::Path) {
        let changed = rotated(given, config);
        if !changed.is_empty() {
            self.progress.note(
                "the tap changed its configuration; the new values are kept, sealed, for its next run",
            );
            if let Err(error) = self.own.keep(&self.singer.config, &changed) {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), "the tap's next run has its old tokens");
                self.progress
                    .note(format!("{error}: its next run has the old values"));
            }
        }
    }
}

/// What a tap is given for one run.
struct Given {
    config: Map<String, Value>,
    catalog: Value,
    /// Whether the tap asks for its catalog by the flag that was before `--catalog`.
    properties: bool,
    state: Value,
}

impl Given {
    /// Writes all but the configuration; returns the arguments for them.
    fn files(&self, folder: &RunFolder) -> Result<Vec<(&'static str, PathBuf)>, ExtractError> {
        let flag = match self.properties {
            true => "--properties",
            false => "--catalog",
        };
        let mut files = vec![(flag, folder.write("catalog.json", &self.catalog)?)];
        if !self.state.is_null() {
            files.push(("--state", folder.write("state.json", &self.state)?));
        }
        Ok(files)
    }
}

impl Tap<'_> {
    async fn read_lines(
        &self,
        stdout: impl tokio::io::AsyncRead + Unpin,
        target: &mut Target,
    ) -> Result<(), ExtractError> {
        let mut lines = BufReader::with_capacity(256 << 10, stdout);
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            number += 1;
            if self.spec.budget.is_some() {
                // A tap whose output nobody reads soon stops asking.
                self.within_budget().await?;
            }
            let mut part = (&mut lines).take(LINE_BYTES as u64);
            let read = part.read_until(b'\n', &mut line).await;
            match read
                .map_err(|error| protocol("the tap's output cannot be read").because(error))?
            {
                0 => return Ok(()),
                LINE_BYTES => {
                    return Err(protocol(format!(
                        "line {number} is longer than {LINE_BYTES} bytes"
                    )));
                }
                _ => {}
            }
            let text = std::str::from_utf8(&line)
                .map_err(|_| protocol(format!("line {number} is not UTF-8")))?;
            match BatchRecords::of(text)? {
                None => {
                    target.line(text).await?;
                }
                Some(records) => {
                    for record in records {
                        target.line(&record?).await?;
                    }
                }
            }
        }
    }
}

/// Returns the streams to read.
fn chosen(offered: &[Offered], named: &[String]) -> Result<BTreeSet<String>, ExtractError> {
    if let Some(unknown) = named
        .iter()
        .find(|name| offered.iter().all(|o| o.stream != **name))
    {
        let names: Vec<&str> = offered.iter().map(|o| o.stream.as_str()).collect();
        let hint = match weir_core::did_you_mean(unknown, &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it offers: {}", names.join(", ")),
        };
        let message = format!("the source has no stream `{unknown}`");
        return Err(ExtractError::new(ExtractErrorKind::NotFound, message).hint(hint));
    }
    let chosen: BTreeSet<String> = match named.is_empty() {
        true => offered
            .iter()
            .filter(|o| o.taken)
            .map(|o| o.stream.clone())
            .collect(),
        false => named.iter().cloned().collect(),
    };
    match chosen.is_empty() {
        true => Err(ExtractError::new(
            ExtractErrorKind::Invalid,
            "no stream of the source is taken",
        )
        .hint("`weir source discover` lists what it offers; name some under `streams:`")),
        false => Ok(chosen),
    }
}

/// Marks in a catalog that only these streams are read.
fn narrow(catalog: &mut Value, chosen: &BTreeSet<String>) {
    let streams = catalog.get_mut("streams").and_then(Value::as_array_mut);
    for stream in streams.into_iter().flatten() {
        let name = stream.get("stream").or_else(|| stream.get("tap_stream_id"));
        let taken = name
            .and_then(Value::as_str)
            .is_some_and(|name| chosen.contains(name));
        stream["selected"] = taken.into();
        let metadata = stream.get_mut("metadata").and_then(Value::as_array_mut);
        for entry in metadata.into_iter().flatten() {
            if entry.get("breadcrumb") == Some(&json!([])) {
                entry["metadata"]["selected"] = taken.into();
            }
        }
    }
}

/// Returns a state in which these streams begin anew.
fn without(state: &Value, streams: &BTreeSet<String>, all: bool) -> Value {
    let mut state = state.clone();
    let bookmarks = state.get_mut("bookmarks").and_then(Value::as_object_mut);
    match (all, bookmarks) {
        (false, Some(bookmarks)) => {
            bookmarks.retain(|stream, _| !streams.iter().any(|s| s == stream));
            state
        }
        _ => Value::Null,
    }
}

/// Keeps the bookmarks of streams that were not read: taps leave them out of their states.
fn keep_others(session: &mut Session, before: &Value, read: &BTreeSet<String>) {
    let Some(old) = before.get("bookmarks").and_then(Value::as_object) else {
        return;
    };
    let Some(mut state) = session.pending().cloned() else {
        return;
    };
    let Some(new) = state.get_mut("bookmarks").and_then(Value::as_object_mut) else {
        return;
    };
    for (stream, bookmark) in old.iter().filter(|(stream, _)| !read.contains(*stream)) {
        new.entry(stream.clone())
            .or_insert_with(|| bookmark.clone());
    }
    session.cover(state);
}
