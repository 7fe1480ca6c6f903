//! How a sync gets on, as whoever waits for it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::postgres::{Lag, TableScore};

/// How far a sync has come. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    inner: Arc<Mutex<Shown>>,
}

/// A sync at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Rows that came, by stream.
    pub rows: BTreeMap<String, u64>,
    /// Rows that are in the lake.
    pub committed: u64,
    pub commits: u64,
    /// What is being done.
    pub doing: String,
    /// What people should know, in order.
    pub notes: Vec<String>,
    /// How far behind its log a database is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
    /// How tables compare with their source's, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<TableScore>,
}

/// As many notes are kept.
const NOTES: usize = 200;

impl Progress {
    /// Returns how far it is.
    pub fn shown(&self) -> Shown {
        self.inner.lock().clone()
    }

    pub(crate) fn row(&self, stream: &str) {
        let mut shown = self.inner.lock();
        match shown.rows.get_mut(stream) {
            Some(rows) => *rows += 1,
            None => {
                shown.rows.insert(stream.to_owned(), 1);
            }
        }
    }

    pub(crate) fn committed(&self, rows: u64) {
        let mut shown = self.inner.lock();
        shown.committed += rows;
        shown.commits += 1;
    }

    pub(crate) fn doing(&self, what: impl Into<String>) {
        self.inner.lock().doing = what.into();
    }

    pub(crate) fn lag(&self, lag: Lag) {
        self.inner.lock().lag = Some(lag);
    }

    pub(crate) fn verified(&self, score: TableScore) {
        self.inner.lock().verified.push(score);
    }

    pub(crate) fn note(&self, note: impl Into<String>) {
        let mut shown = self.inner.lock();
        let note = note.into();
        if shown.notes.len() < NOTES && !shown.notes.contains(&note) {
            shown.notes.push(note);
        }
    }
}
