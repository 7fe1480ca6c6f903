//! Where tables are read on from that are asked for what changed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::method::Mark;
use crate::postgres::table::Table;

/// As many rows are remembered; where more may come again, the lake is asked which it has.
const REMEMBERED: usize = 2_000;

/// What the lake has of a database that is read without its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Polled {
    /// The cluster whose transactions are counted; empty where it does not say.
    pub(super) system: String,
    /// The tables whose rows are all in the lake, by stream.
    pub(super) polled: BTreeMap<String, Read>,
    /// The tables whose copy is under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) copying: BTreeMap<String, Copying>,
}

/// How far a table was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Read {
    #[serde(flatten)]
    pub(super) of: TableMark,
    /// The rows that will come again.
    pub(super) seen: Seen,
    /// About how many rows the table has.
    pub(super) rows: u64,
    /// When its keys were last compared: seconds since 1970.
    pub(super) compared_at: i64,
}

/// How far a copy has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copying {
    #[serde(flatten)]
    pub(super) of: TableMark,
    /// The version of its rows.
    pub(super) version: i64,
    pub(super) rows: u64,
    /// The key of the last row that was read; empty at the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<String>,
}

/// A table, and where it is read on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableMark {
    /// The server's number of the table; a table of that name that came later has another.
    pub(super) id: u32,
    /// The number of its youngest column.
    pub(super) attributes: u32,
    pub(super) mark: Mark,
}

impl TableMark {
    pub(super) fn new(table: &Table, mark: Mark) -> Self {
        Self {
            id: table.id,
            attributes: table.attributes,
            mark,
        }
    }
}

impl Polled {
    pub(super) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Returns what a state says; none where it is of something else.
    pub(super) fn read(state: &Value) -> Option<Self> {
        serde_json::from_value(state.clone()).ok()
    }
}

/// Rows that are in the lake and will be read again, by short hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Option<String>", try_from = "Option<String>")]
pub(super) struct Seen(Option<std::collections::BTreeSet<u64>>);

impl Seen {
    pub(super) fn new() -> Self {
        Self(Some(Default::default()))
    }

    /// Returns what is known of rows that nobody counted.
    pub(super) fn unknown() -> Self {
        Self(None)
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn add(&mut self, hash: u64) {
        if let Some(hashes) = &mut self.0 {
            hashes.insert(hash);
            if hashes.len() > REMEMBERED {
                self.0 = None;
            }
        }
    }

    pub(super) fn has(&self, hash: u64) -> bool {
        self.0.as_ref().is_some_and(|hashes| hashes.contains(&hash))
    }
}

/// Returns the hash of a row as it was copied.
pub(super) fn hash(line: &[u8]) -> u64 {
    let hash = blake3::hash(line);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

impl From<Seen> for Option<String> {
    fn from(seen: Seen) -> Self {
        let bytes: Vec<u8> = seen.0?.into_iter().flat_map(u64::to_le_bytes).collect();
        Some(STANDARD.encode(bytes))
    }
}

impl TryFrom<Option<String>> for Seen {
    type Error = String;

    fn try_from(text: Option<String>) -> Result<Self, String> {
        let Some(text) = text else {
            return Ok(Self(None));
        };
        let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
        let hashes = bytes.as_chunks::<8>().0.iter();
        Ok(Self(Some(
            hashes.map(|hash| u64::from_le_bytes(*hash)).collect(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_comes_back_until_it_is_too_much() {
        let mut seen = Seen::new();
        for row in 0..REMEMBERED as u64 {
            seen.add(row);
        }
        let text = serde_json::to_string(&seen).unwrap();
        let again: Seen = serde_json::from_str(&text).unwrap();
        assert!(again == seen && again.has(7) && !again.has(2_000));
        seen.add(2_000);
        assert!(seen.is_unknown() && !seen.has(7));
        let none: Seen = serde_json::from_str("null").unwrap();
        assert!(none.is_unknown());
        assert_ne!(none, Seen::new());
    }

    #[test]
    fn states_come_back_and_those_of_a_log_are_others() {
        let mark = Mark::Xmin { horizon: 1 << 40 };
        let of = TableMark {
            id: 1,
            attributes: 2,
            mark,
        };
        let mut state = Polled::default();
        let read = Read {
            of,
            seen: Seen::new(),
            rows: 3,
            compared_at: 4,
        };
        state.polled.insert("t".into(), read);
        assert_eq!(Polled::read(&state.json()), Some(state));
        let log = serde_json::json!({"slot": "s", "lsn": "0/10", "system": "7", "tables": {}});
        assert_eq!(Polled::read(&log), None);
    }
}
