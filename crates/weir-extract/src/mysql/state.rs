//! What is remembered of a server: how far its log was read, and what its tables were like there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place::Place;
use super::table::{Table, TableColumn};

/// Where a database is read on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The server whose log it is.
    pub(super) server: String,
    /// The file of the log.
    pub(super) file: String,
    /// All that ends before here is in the lake.
    pub(super) offset: u64,
    /// When the file was begun, in seconds since 1970; zero where it was not read yet.
    #[serde(default)]
    pub(super) made: u32,
    /// The tables that were copied as a whole, by stream.
    #[serde(rename = "followed")]
    pub(super) tables: BTreeMap<String, Copied>,
    /// The tables whose copy is under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) copying: BTreeMap<String, Copying>,
    /// What places in this server's log are moved by, so that they come after those of the one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) shift: i64,
    /// Transactions of two phases that are between them.
    #[serde(default, skip_serializing_if = "Prepared::is_empty")]
    pub(super) prepared: Prepared,
}

/// How a table was copied, and what it was like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    /// As of where its first rows were read: changes from before are among them.
    pub(super) first: Place,
    /// As of where its last rows were read.
    pub(super) last: Place,
    /// Where the log ended when its columns were asked for: until there, they are those of now or of before.
    pub(super) known: Place,
    pub(super) columns: Vec<TableColumn>,
}

/// How far a copy has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copying {
    #[serde(flatten)]
    pub(super) so_far: Copied,
    /// The version of its rows.
    pub(super) version: i64,
    /// The key of the last row that was read.
    #[serde(default)]
    pub(super) after: Vec<String>,
}

/// Transactions that may be committed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    pub(super) count: u32,
    /// The streams that they change.
    pub(super) tables: BTreeSet<String>,
}

impl Prepared {
    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Position {
    pub(super) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Returns how far the log was read; the beginning of everything for a name that has no number.
    pub(super) fn place(&self) -> Place {
        Place::of(&self.file, self.offset).unwrap_or_default()
    }

    /// Whether a state says the same, but for how far a file of the log was read.
    pub(super) fn is_as(&self, state: &Value) -> bool {
        let other = serde_json::from_value::<Position>(state.clone());
        other.is_ok_and(|other| {
            let offset = self.offset;
            Position { offset, ..other } == *self
        })
    }
}

impl Copied {
    pub(super) fn of(table: &Table) -> Self {
        Self {
            columns: table.columns.clone(),
            ..Self::default()
        }
    }

    /// Notes a snapshot that rows were read in, and where the log ended when its columns were asked for.
    pub(super) fn read_at(&mut self, at: Place, known: Place) {
        if self.first == Place::default() {
            self.first = at;
        }
        (self.last, self.known) = (at, known);
    }
}

/// Whether the log has nothing that belongs before rows that were copied; a state that is not of MySQL has no
/// log.
pub(crate) fn is_settled(state: &Value) -> bool {
    serde_json::from_value::<Position>(state.clone()).map_or(true, |position| {
        let place = position.place();
        let mut tables = position.tables.values();
        position.copying.is_empty() && tables.all(|copied| copied.last <= place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was() {
        let mut copied = Copied::default();
        copied.read_at(Place { file: 1, offset: 4 }, Place { file: 1, offset: 9 });
        copied.read_at(Place { file: 1, offset: 8 }, Place { file: 1, offset: 9 });
        assert_eq!((copied.first.offset, copied.last.offset), (4, 8));
        let mut position = Position {
            server: "number 7".into(),
            file: "bin.000001".into(),
            offset: 6,
            made: 5,
            tables: BTreeMap::from([("t".to_owned(), copied)]),
            copying: BTreeMap::new(),
            shift: 0,
            prepared: Prepared::default(),
        };
        let state = position.json();
        assert_eq!(
            serde_json::from_value::<Position>(state.clone()).unwrap(),
            position
        );
        assert!(!is_settled(&state));
        position.offset = 8;
        assert!(position.is_as(&state) && is_settled(&position.json()));
        position.file = "bin.000002".into();
        assert!(!position.is_as(&state));
        assert!(is_settled(&Value::Null));
    }
}
