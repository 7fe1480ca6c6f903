//! One sync: streams, what waits for a commit, and the state that covers it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use fail::fail_point;
use serde_json::Value;
use weir_core::SourceName;

use super::column::Column;
use super::destination::{Commit, CurrentRows, Destination, StandingTable, TableCommit};
use super::entry::{Entries, Entry};
use super::rules::LoadRules;
use super::table::{Changed, Row, StreamTable};
use crate::error::{ExtractError, ExtractErrorKind};
use crate::progress::Progress;

/// Rows that wait are committed at the next state from this size on.
const SOFT_BYTES: usize = 16 << 20;
/// Rows that wait are committed at this size, state or not.
const HARD_BYTES: usize = 64 << 20;
/// Rows do not wait longer than this for a commit, once there is a state that covers them.
const AGE: Duration = Duration::from_secs(10);

/// A sync on its way into the lake.
pub(crate) struct Session {
    destination: Arc<dyn Destination>,
    source: SourceName,
    run: String,
    rules: LoadRules,
    standing: BTreeMap<String, StandingTable>,
    entries: Entries,
    tables: BTreeMap<String, StreamTable>,
    /// The state that covers what the lake has, and the commit it is of.
    state: Value,
    covered: u64,
    commit: u64,
    /// The newest state that covers all rows so far; not committed yet.
    pending: Option<Value>,
    /// Whether rows came after `pending`.
    beyond: bool,
    /// What waited when `pending` came: rows and the next position, by stream.
    marks: BTreeMap<String, (u64, i64)>,
    /// Whether states only count at the end: rows of a refresh replace others only when complete.
    held: bool,
    waiting_since: Option<Instant>,
    progress: Progress,
}

impl Session {
    /// Begins a sync, after taking back what an earlier one left without a state.
    pub(crate) async fn begin(
        destination: Arc<dyn Destination>,
        source: SourceName,
        run: String,
        rules: LoadRules,
        progress: Progress,
    ) -> Result<Self, ExtractError> {
        let mut tables = destination.standing(&source).await?;
        let uncovered = Entries::read(&tables)?.uncovered();
        if !uncovered.is_empty() {
            tracing::info!(%source, tables = uncovered.len(), "taking back rows of a sync that did not end");
            let undo = format!("{run}-resume");
            destination.restore(&source, &undo, uncovered).await?;
            tables = destination.standing(&source).await?;
        }
        let entries = Entries::read(&tables)?;
        let (covered, state) = entries.covered();
        Ok(Self {
            destination,
            source,
            run,
            rules,
            standing: tables.into_iter().map(|t| (t.name.clone(), t)).collect(),
            commit: entries.last(),
            entries,
            tables: BTreeMap::new(),
            state,
            covered,
            pending: None,
            beyond: false,
            marks: BTreeMap::new(),
            held: false,
            waiting_since: None,
            progress,
        })
    }

    /// Returns where the source is to be read on from; null for the beginning.
    pub(crate) fn state(&self) -> &Value {
        &self.state
    }

    /// Returns the newest state, which is not committed yet.
    pub(crate) fn pending(&self) -> Option<&Value> {
        self.pending.as_ref()
    }

    /// Lets states count only when the sync is complete.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Commits all that waits, covered by the last state, and lets states count from here on.
    pub(crate) async fn release(&mut self) -> Result<(), ExtractError> {
        self.held = false;
        self.commit_if(true).await
    }

    /// Declares the fields of a stream, once or whenever they change.
    /// Returns what that changed of a table that was there.
    pub(crate) fn declare(
        &mut self,
        stream: &str,
        fields: &[Column],
    ) -> Result<Changed, ExtractError> {
        let name = table_name(stream);
        if !self.tables.contains_key(stream) {
            if let Some(other) = self.tables.iter().find(|(_, table)| table.name == name) {
                let message = format!(
                    "streams `{}` and `{stream}` have one table: `{name}`",
                    other.0
                );
                return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("leave one of them out with `skip: true`"));
            }
            let standing = self.standing.get(&name).map(|table| &table.columns);
            let mut table = StreamTable::new(&name, standing, self.rules.hash_key);
            table.next_position = self
                .entries
                .0
                .get(&name)
                .map_or(0, |entry| entry.next_position);
            self.tables.insert(stream.to_owned(), table);
        }
        let (rules, policy) = (self.rules.rules(stream), self.rules.policy(stream));
        let Some(table) = self.tables.get_mut(stream) else {
            return Ok(Changed::default());
        };
        let changed = table.declare(fields, &rules, policy)?;
        for words in &changed.words {
            self.progress.note(format!("{stream}: {words}"));
        }
        Ok(changed)
    }

    /// Returns the highest position a change of the source has.
    pub(crate) fn last_position(&self) -> i64 {
        let standing = self.entries.0.values().map(|entry| entry.next_position);
        let waiting = self.tables.values().map(|table| table.next_position);
        standing.chain(waiting).max().unwrap_or(0)
    }

    /// Reads the rows a stream has now in the lake, with these columns of its table.
    pub(crate) async fn current(
        &self,
        stream: &str,
        columns: &[String],
    ) -> Result<CurrentRows, ExtractError> {
        let table = table_name(stream);
        self.destination
            .current(&self.source, &table, columns)
            .await
    }

    /// Returns the key that the rules give a stream; empty where they give none.
    pub(crate) fn key_of(&self, stream: &str) -> Vec<String> {
        self.rules.rules(stream).key
    }

    /// Returns as many levels of a stream's objects become columns.
    pub(crate) fn levels_of(&self, stream: &str) -> u8 {
        self.rules.rules(stream).flatten
    }

    /// Returns a stream that was declared.
    pub(crate) fn stream(&mut self, stream: &str) -> Option<&mut StreamTable> {
        self.tables.get_mut(stream)
    }

    /// Adds a change to a stream that was declared.
    pub(crate) fn push(&mut self, stream: &str, row: &Row<'_>) -> Result<(), ExtractError> {
        let Some(table) = self.tables.get_mut(stream) else {
            let message = format!("stream `{stream}` sends rows before its columns");
            return Err(ExtractError::new(ExtractErrorKind::Protocol, message));
        };
        table.push(row)?;
        self.beyond = true;
        self.waiting_since.get_or_insert_with(Instant::now);
        self.progress.row(stream);
        Ok(())
    }

    /// Takes a state that covers every row so far.
    pub(crate) fn cover(&mut self, state: Value) {
        self.pending = Some(state);
        self.beyond = false;
        self.marks.clear();
        for (name, table) in self.tables.iter().filter(|(_, table)| table.rows > 0) {
            self.marks
                .insert(name.clone(), (table.rows, table.next_position));
        }
    }

    /// Ends a sync that was not complete: rows that a state covers are kept, later ones are not.
    pub(crate) async fn stop(mut self) -> Result<(), ExtractError> {
        if self.held || self.pending.is_none() {
            return Ok(());
        }
        for (name, table) in &mut self.tables {
            let (rows, next_position) = self.marks.get(name).copied().unwrap_or_default();
            table.truncate(rows, next_position)?;
        }
        self.beyond = false;
        self.commit().await
    }

    /// Commits if enough waits, or has waited long enough. Right after [`Session::cover`] the commit and
    /// its state agree.
    pub(crate) async fn settle(&mut self) -> Result<bool, ExtractError> {
        let bytes: usize = self.tables.values().map(|table| table.bytes).sum();
        let old = self
            .waiting_since
            .is_some_and(|since| since.elapsed() >= AGE);
        let covers = self.pending.is_some() && !self.beyond && !self.held;
        let due = bytes >= HARD_BYTES || (covers && (bytes >= SOFT_BYTES || old));
        if due {
            self.commit().await?;
        }
        Ok(due)
    }

    /// Commits what waits, with the state if that covers it.
    pub(crate) async fn commit(&mut self) -> Result<(), ExtractError> {
        self.commit_if(false).await
    }

    /// Commits; `anyway` also a state that is the same, since it covers more than it did.
    async fn commit_if(&mut self, anyway: bool) -> Result<(), ExtractError> {
        let covers = self.pending.is_some() && !self.beyond && !self.held;
        let state = match (covers, &self.pending) {
            (true, Some(state)) => state.clone(),
            _ => self.state.clone(),
        };
        let moves = covers && (anyway || state != self.state);
        let mut dirty: Vec<String> = self
            .tables
            .iter()
            .filter(|(_, t)| t.is_dirty())
            .map(|(name, _)| name.clone())
            .collect();
        let has_rows = !dirty.is_empty();
        if dirty.is_empty() && !moves {
            self.waiting_since = None;
            return Ok(());
        }
        if dirty.is_empty() {
            // A state alone lies with any of the tables.
            dirty.extend(self.tables.keys().next().cloned());
        }
        if dirty.is_empty() {
            return self.remember(state).await;
        }
        let number = self.commit + 1;
        let covered = if covers { number } else { self.covered };
        let loaded_at = Utc::now().timestamp_micros();
        let mut tables = Vec::with_capacity(dirty.len());
        let mut rows = 0;
        for stream in &dirty {
            let Some(table) = self.tables.get_mut(stream) else {
                continue;
            };
            rows += table.rows;
            let earlier = self.entries.0.get(&table.name);
            let before = match earlier.filter(|entry| entry.commit > self.covered) {
                Some(entry) => entry.before,
                None => self.standing.get(&table.name).map(|table| table.version),
            };
            let entry = Entry {
                commit: number,
                run: self.run.clone(),
                covered,
                state: state.clone(),
                before,
                next_position: table.next_position,
            };
            let (columns, batches) = table.take(&self.run, loaded_at)?;
            tables.push(TableCommit {
                name: table.name.clone(),
                columns,
                rows: batches,
                entry: serde_json::to_string(&entry).unwrap_or_default(),
                position: Some(table.next_position - 1),
            });
            self.entries.0.insert(table.name.clone(), entry);
        }
        self.hand_over(number, tables).await?;
        self.commit = number;
        if covers {
            self.covered = number;
            self.state = state;
            self.pending = None;
        }
        self.marks.clear();
        self.waiting_since = None;
        if has_rows {
            self.progress.committed(rows);
        }
        Ok(())
    }

    async fn hand_over(
        &mut self,
        number: u64,
        tables: Vec<TableCommit>,
    ) -> Result<(), ExtractError> {
        fail_point!("extract-commit");
        let columns: BTreeMap<String, _> = tables
            .iter()
            .map(|t| (t.name.clone(), t.columns.clone()))
            .collect();
        let commit = Commit {
            run: self.run.clone(),
            number,
            tables,
        };
        let versions = self.destination.commit(&self.source, commit).await?;
        fail_point!("extract-committed");
        for (name, version) in versions {
            let Some(columns) = columns.get(&name).cloned() else {
                continue;
            };
            let entry = String::new();
            let table = StandingTable {
                name: name.clone(),
                columns,
                version,
                entry,
            };
            self.standing.insert(name, table);
        }
        Ok(())
    }

    /// Keeps a state where no stream was declared, with a table the source has.
    async fn remember(&mut self, state: Value) -> Result<(), ExtractError> {
        let Some(table) = self.standing.values().next().cloned() else {
            return Ok(());
        };
        let number = self.commit + 1;
        let earlier = self.entries.0.get(&table.name).cloned().unwrap_or_default();
        let entry = Entry {
            commit: number,
            run: self.run.clone(),
            covered: number,
            state: state.clone(),
            before: Some(table.version),
            ..earlier
        };
        let commit = TableCommit {
            name: table.name.clone(),
            columns: table.columns.clone(),
            rows: Vec::new(),
            entry: serde_json::to_string(&entry).unwrap_or_default(),
            position: None,
        };
        self.entries.0.insert(table.name, entry);
        self.hand_over(number, vec![commit]).await?;
        (self.commit, self.covered, self.state) = (number, number, state);
        self.pending = None;
        Ok(())
    }

    /// Whether the lake has all that came, and its state covers all it has.
    pub(crate) fn is_settled(&self) -> bool {
        let waits = self.tables.values().any(StreamTable::is_dirty);
        let ahead = self.entries.0.values();
        !waits
            && ahead
                .map(|entry| entry.commit)
                .all(|commit| commit <= self.covered)
    }

    /// Ends a sync that was complete: commits all that waits, covered by the last state.
    pub(crate) async fn finish(mut self) -> Result<Value, ExtractError> {
        self.held = false;
        let state = self.pending.take().unwrap_or_else(|| self.state.clone());
        self.cover(state);
        // Rows that earlier commits left uncovered are covered by the end, even if nothing came since.
        let ahead = self
            .entries
            .0
            .values()
            .any(|entry| entry.commit > self.covered);
        self.commit_if(ahead).await?;
        Ok(self.state)
    }

    /// Sets where the source is read on from, and nothing else.
    pub(crate) async fn set_state(mut self, state: Value) -> Result<(), ExtractError> {
        if self.standing.is_empty() {
            let message = format!(
                "source `{}` has no tables yet, so it has no state",
                self.source
            );
            return Err(ExtractError::new(ExtractErrorKind::NotFound, message)
                .hint("run `weir sync` first"));
        }
        self.remember(state).await
    }
}

/// Returns the table of a stream.
pub fn table_name(stream: &str) -> String {
    let fits = |c: char| {
        if c.is_control() || "/\\%. \"".contains(c) {
            '_'
        } else {
            c
        }
    };
    let name: String = stream.chars().map(fits).take(150).collect();
    let leading = name.trim_start_matches(['_', '.']);
    match leading.is_empty() {
        true => format!("stream{name}"),
        false => name,
    }
}
