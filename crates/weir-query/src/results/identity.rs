use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::stream::PinnedVersion;

/// What an answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct AnswerFacts<'a> {
    /// The statement as it is run.
    pub sql: &'a str,
    /// The parameters' values, as JSON.
    pub params: &'a str,
    /// The tables that are read, and the version of each.
    pub versions: &'a BTreeMap<String, PinnedVersion>,
    /// Of the catalog: it moves with every view, right, role and source.
    pub generation: i64,
    /// The zone in which instants are shown.
    pub time_zone: &'a str,
}

/// Returns what two answers have in common exactly when the second need not be computed.
///
/// It says nothing of who asks: answers are looked up among those of one user only.
pub fn answer_identity(facts: &AnswerFacts<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // With its length, so that no two lists of parts look the same.
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(facts.sql.trim().as_bytes());
    part(facts.params.as_bytes());
    part(&facts.generation.to_le_bytes());
    part(facts.time_zone.as_bytes());
    for (table, pinned) in facts.versions {
        part(table.as_bytes());
        part(
            &pinned
                .version
                .map_or(-1, |version| version as i64)
                .to_le_bytes(),
        );
        part(&pinned.rows_in_memory.to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_an_answer_depends_on_changes_it() {
        let versions = |version, rows_in_memory| {
            let pinned = PinnedVersion {
                version,
                rows_in_memory,
            };
            BTreeMap::from([("app.tracks".to_owned(), pinned)])
        };
        let of = |sql, params, versions: &BTreeMap<String, PinnedVersion>, generation| {
            answer_identity(&AnswerFacts {
                sql,
                params,
                versions,
                generation,
                time_zone: "UTC",
            })
        };
        let first = of("select 1", "[]", &versions(Some(1), 0), 7);
        assert_eq!(first, of(" select 1\n", "[]", &versions(Some(1), 0), 7));
        for other in [
            of("select 2", "[]", &versions(Some(1), 0), 7),
            of("select 1", "[1]", &versions(Some(1), 0), 7),
            of("select 1", "[]", &versions(Some(2), 0), 7),
            of("select 1", "[]", &versions(Some(1), 1), 7),
            of("select 1", "[]", &versions(None, 0), 7),
            of("select 1", "[]", &versions(Some(1), 0), 8),
            of("select 1", "[]", &BTreeMap::new(), 7),
            // Text cannot move from one part to the next.
            of("select 1[]", "", &versions(Some(1), 0), 7),
        ] {
            assert_ne!(first, other);
        }
    }
}
