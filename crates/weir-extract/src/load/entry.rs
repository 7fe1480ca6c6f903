//! What a table remembers of the source it is loaded from, in each of its versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::destination::StandingTable;
use crate::error::{ExtractError, ExtractErrorKind};

/// What lies in a commit beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The number of the commit, over all tables of the source.
    pub(super) commit: u64,
    pub(super) run: String,
    /// The last commit whose rows `state` covers: with it, all before it are covered.
    pub(super) covered: u64,
    /// Where the source is to be read on from, as of commit `covered`.
    pub(super) state: Value,
    /// The version the table had before rows that `state` does not cover; none when there was no table.
    #[serde(default)]
    pub(super) before: Option<u64>,
    /// The number the table's next change has, where the source does not number them.
    #[serde(default)]
    pub(super) next_position: i64,
}

/// All of a source's tables, as far as what they remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, Entry>);

impl Entries {
    pub(super) fn read(tables: &[StandingTable]) -> Result<Self, ExtractError> {
        let mut entries = BTreeMap::new();
        for table in tables {
            let entry = serde_json::from_str(&table.entry).map_err(|error| {
                let message = format!(
                    "what `{}` remembers of its source cannot be read",
                    table.name
                );
                ExtractError::new(ExtractErrorKind::Destination, message).because(error)
            })?;
            entries.insert(table.name.clone(), entry);
        }
        Ok(Self(entries))
    }

    /// Returns the number of the last commit.
    pub(super) fn last(&self) -> u64 {
        self.0.values().map(|entry| entry.commit).max().unwrap_or(0)
    }

    /// Returns the last commit whose rows are covered, and the state that covers them.
    pub(super) fn covered(&self) -> (u64, Value) {
        let newest = self.0.values().max_by_key(|entry| entry.covered);
        newest.map_or((0, Value::Null), |entry| {
            (entry.covered, entry.state.clone())
        })
    }

    /// Returns the tables with rows that no state covers, and the versions before these.
    pub(super) fn uncovered(&self) -> Vec<(String, Option<u64>)> {
        let (covered, _) = self.covered();
        let ahead = self.0.iter().filter(|(_, entry)| entry.commit > covered);
        ahead
            .map(|(name, entry)| (name.clone(), entry.before))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(commit: u64, covered: u64, before: Option<u64>) -> Entry {
        Entry {
            commit,
            covered,
            state: Value::from(covered),
            before,
            ..Entry::default()
        }
    }

    #[test]
    fn rows_after_the_newest_covered_commit_are_uncovered_and_no_others() {
        let mut entries = Entries::default();
        assert_eq!(entries.covered(), (0, Value::Null));
        // Commit 5 left rows of `b` uncovered, commit 6 covered them and touched `a` only, commit 7 did
        // not cover its rows of `a`.
        entries.0.insert("a".into(), entry(7, 6, Some(11)));
        entries.0.insert("b".into(), entry(5, 4, Some(3)));
        assert_eq!(entries.covered(), (6, Value::from(6)));
        assert_eq!(entries.uncovered(), [("a".to_owned(), Some(11))]);
        assert_eq!(entries.last(), 7);
    }
}
