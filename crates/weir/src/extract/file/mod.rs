//! `sources/*.yml` with a `kind`: what is fetched, read with the place of every mistake.

mod kinds;
mod streams;
#[cfg(test)]
mod tests;
mod timing;
mod words;

use std::path::Path;
use std::time::Duration;

use weir_core::{SourceName, did_you_mean};
use weir_extract::{Secret, SourceKind, SourceSpec};
use weir_model::ModelError;
use weir_model::yaml::{Yaml, read};

use self::kinds::{FILES, MYSQL, POSTGRES, SINGER, files, mysql, postgres, singer};
use self::streams::{CHANGES, Kind, streams};
use self::timing::{alerts, budget, schedule};
use self::words::word;
use crate::flow::file::section::Reader;

/// Keys of every kind.
const COMMON: [&str; 12] = [
    "name",
    "kind",
    "description",
    "every",
    "schedule",
    "zone",
    "freshness",
    "alerts",
    "budget",
    "streams",
    "schema_changes",
    "hash_key",
];

/// Syncs do not begin more often than this.
const LEAST: Duration = Duration::from_secs(1);
/// A folder is looked at so often, unless it is told otherwise.
const WATCHED: Duration = Duration::from_secs(2);

/// Tells whether a file of `sources/` describes something to fetch, and not where events come from.
pub(crate) fn is_fetched(file: &str, text: &str) -> bool {
    read(file, text).is_ok_and(|document| {
        let map = document.root.as_map();
        let kind = map.and_then(|map| map.get("kind"));
        kind.is_some_and(|kind| kind.as_str() != Some("webhook"))
    })
}

/// Reads the text of `file`, a path for messages; `stem` is its name without `.yml`, and paths begin in
/// `folder`.
///
/// # Errors
/// All mistakes, each with its place and what to write instead.
pub(crate) fn parse(
    (file, stem, text): (&str, &str, &str),
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<SourceSpec, Vec<ModelError>> {
    let document = read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader {
        file,
        text,
        variable,
        errors: document.warnings,
    };
    let spec = source(&mut reader, &document.root, stem, folder);
    match spec {
        Some(spec) if reader.errors.is_empty() => Ok(spec),
        _ => Err(reader.errors),
    }
}

fn source(reader: &mut Reader<'_>, root: &Yaml, stem: &str, folder: &Path) -> Option<SourceSpec> {
    let kind = root.as_map().and_then(|map| map.get("kind"));
    let own: &[&str] = match kind.and_then(Yaml::as_str) {
        Some("singer") => &SINGER,
        Some("postgres") => &POSTGRES,
        Some("mysql" | "mariadb") => &MYSQL,
        Some("files") => &FILES,
        other => {
            let at = kind.map_or((1, 1), |kind| (kind.line, kind.column));
            let word = other.unwrap_or_default();
            let hint = match did_you_mean(word, &["singer", "postgres", "mysql", "files"]) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if word == "events" => "leave `kind` out for a source of events".to_owned(),
                None => "it is `singer`, `postgres`, `mysql`, `files` or `webhook`; docs/sources.md says what is not there yet"
                    .to_owned(),
            };
            reader.wrong(
                at,
                format!("there is no kind of source `{word}`"),
                Some(hint),
            );
            return None;
        }
    };
    let keys = [&COMMON[..], own].concat();
    let map = reader.map(root, "a source", &keys)?;
    let name = reader.text(map, "name").unwrap_or(stem);
    let at = map
        .entry("name")
        .map_or((1, 1), |e| (e.value.line, e.value.column));
    let name = match SourceName::new(name) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.wrong(
                at,
                format!("{error}"),
                Some("rename the file, or add `name:`".to_owned()),
            );
            None
        }
    };
    let is_files = own.contains(&"path");
    let of = match (own.contains(&"tap"), is_files, own.contains(&"slot")) {
        (true, ..) => Kind::Singer,
        (_, true, _) => Kind::Files,
        (_, _, true) => Kind::Postgres,
        _ => Kind::Mysql,
    };
    let streams = streams(reader, map, of);
    let schema_changes = word(reader, map, "schema_changes", &CHANGES).unwrap_or_default();
    let every = reader.duration(map, "every").map(|every| every.max(LEAST));
    let schedule = schedule(reader, map);
    // A folder is looked at by itself; a server is asked when somebody says how often.
    let is_web = reader
        .text(map, "path")
        .is_some_and(|path| path.starts_with("http") || path.starts_with("sftp:"));
    let by_itself = is_files && !is_web && schedule.is_none();
    let every = every.or(by_itself.then_some(WATCHED));
    let freshness = reader.duration(map, "freshness");
    let alerts = alerts(reader, map);
    let hash_key = reader.value(map, "hash_key", true).map(Secret::new);
    let kind = match of {
        Kind::Singer => SourceKind::Singer(singer(reader, map, folder)?),
        Kind::Files => SourceKind::Files(files(reader, map, folder)?),
        Kind::Postgres => SourceKind::Postgres(postgres(reader, map, name.as_ref()?)?),
        Kind::Mysql => SourceKind::Mysql(mysql(reader, map)?),
    };
    Some(SourceSpec {
        name: name?,
        kind,
        streams,
        schema_changes,
        every,
        schedule,
        freshness,
        alerts,
        budget: budget(reader, map),
        hash_key,
    })
}
