//! The rules of each stream: columns, keys, names, what may change.

use std::collections::BTreeMap;

use weir_extract::{Deletes, MOST_LEVELS, Replication, SchemaChanges, StreamRules};
use weir_model::yaml::{Map, Yaml};

use super::words::{flag, word};
use crate::flow::file::section::Reader;

/// What streams of a tap know besides.
const SINGER_STREAM: [&str; 3] = ["replication", "replication_key", "flatten"];

/// What streams of a PostgreSQL database know besides.
const POSTGRES_STREAM: [&str; 3] = ["replication", "replication_key", "deletes"];

/// What streams of files know besides.
const FILE_STREAM: [&str; 5] = ["files", "format", "delimiter", "header", "sheet"];

const STREAM: [&str; 8] = [
    "columns",
    "key",
    "drop",
    "hash",
    "rename",
    "schema_changes",
    "freshness",
    "skip",
];

/// What streams are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Singer,
    Postgres,
    Mysql,
    Files,
}

pub(super) fn streams(
    reader: &mut Reader<'_>,
    map: &Map,
    kind: Kind,
) -> BTreeMap<String, StreamRules> {
    let own: &[&str] = match kind {
        Kind::Singer => &SINGER_STREAM,
        Kind::Mysql => &[],
        Kind::Postgres => &POSTGRES_STREAM,
        Kind::Files => &FILE_STREAM,
    };
    let keys = [&STREAM[..], own].concat();
    let replications: &[(&str, Replication)] = match kind {
        Kind::Postgres => &METHODS,
        _ => &REPLICATIONS,
    };
    let mut streams = BTreeMap::new();
    let Some(yaml) = map.get("streams").filter(|yaml| !yaml.is_null()) else {
        return streams;
    };
    if let Some(list) = yaml.as_list() {
        // Names alone.
        for item in list {
            match item.as_str() {
                Some(name) => {
                    streams.insert(name.to_owned(), StreamRules::default());
                }
                None => reader.wrong(
                    (item.line, item.column),
                    format!("a stream is {}, not a name", item.what()),
                    None,
                ),
            }
        }
        return streams;
    }
    let Some(named) = yaml.as_map() else {
        let message = format!(
            "`streams` is {}, not a list of names or a mapping of rules",
            yaml.what()
        );
        reader.wrong((yaml.line, yaml.column), message, None);
        return streams;
    };
    for entry in named {
        let mut rules = StreamRules::default();
        if !entry.value.is_null()
            && let Some(map) = reader.map(&entry.value, "a stream", &keys)
        {
            let words = |reader: &mut Reader<'_>, key: &str| -> Vec<String> {
                reader
                    .words(map, key)
                    .into_iter()
                    .map(|(word, _)| word)
                    .collect()
            };
            rules.columns = words(reader, "columns");
            rules.drop = words(reader, "drop");
            rules.hash = words(reader, "hash");
            rules.key = words(reader, "key");
            rules.replication = word(reader, map, "replication", replications);
            rules.replication_key = reader.text(map, "replication_key").map(str::to_owned);
            rules.deletes = word(reader, map, "deletes", &DELETES);
            rules.schema_changes = word(reader, map, "schema_changes", &CHANGES);
            rules.freshness = reader.duration(map, "freshness");
            rules.skip = flag(reader, map, "skip");
            let levels = reader.number(map, "flatten", (0, i64::from(MOST_LEVELS)));
            rules.flatten = levels.and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
            if let Some(renamed) = map.get("rename").and_then(Yaml::as_map) {
                for entry in renamed {
                    if let Some(name) = reader.text(renamed, &entry.key) {
                        rules.rename.insert(entry.key.clone(), name.to_owned());
                    }
                }
            }
        }
        streams.insert(entry.key.clone(), rules);
    }
    streams
}

pub(super) const CHANGES: [(&str, SchemaChanges); 3] = [
    ("evolve", SchemaChanges::Evolve),
    ("freeze", SchemaChanges::Freeze),
    ("quarantine", SchemaChanges::Quarantine),
];

const REPLICATIONS: [(&str, Replication); 3] = [
    ("full_table", Replication::FullTable),
    ("incremental", Replication::Incremental),
    ("log_based", Replication::LogBased),
];

/// How changes of a database's tables are found.
pub(super) const METHODS: [(&str, Replication); 4] = [
    ("log", Replication::LogBased),
    ("cursor", Replication::Incremental),
    ("xmin", Replication::Xmin),
    ("full_table", Replication::FullTable),
];

pub(super) const DELETES: [(&str, Deletes); 3] = [
    ("always", Deletes::Always),
    ("daily", Deletes::Daily),
    ("never", Deletes::Never),
];
