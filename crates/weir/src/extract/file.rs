//! `sources/*.yml` with a `kind`: what is fetched, read with the place of every mistake.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map as JsonMap, Value};
use weir_core::config::ByteSize;
use weir_core::{SourceName, did_you_mean};
use weir_extract::{
    Budget, Cron, FileFormat, FileStream, FilesSpec, PostgresSpec, Replication, SchemaChanges,
    Secret, SingerSpec, SourceKind, SourceSpec, StreamRules,
};
use weir_model::ModelError;
use weir_model::yaml::{Map, Yaml, YamlValue, read};

use crate::flow::file::section::{Reader, listed};

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
const SINGER: [&str; 4] = ["tap", "pip", "config", "env"];
const POSTGRES: [&str; 4] = ["url", "slot", "manage", "retain"];

const FILES: [&str; 3] = ["path", "options", "headers"];
/// A folder is looked at so often, unless it is told otherwise.
const WATCHED: Duration = Duration::from_secs(2);
/// What streams of files know besides.
const FILE_STREAM: [&str; 4] = ["files", "format", "delimiter", "header"];

const STREAM: [&str; 10] = [
    "columns",
    "key",
    "drop",
    "hash",
    "rename",
    "replication",
    "replication_key",
    "schema_changes",
    "freshness",
    "skip",
];

/// Words in the names of a tap's settings whose values are secrets.
const SECRETS: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "credential",
];

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
        Some("files") => &FILES,
        other => {
            let at = kind.map_or((1, 1), |kind| (kind.line, kind.column));
            let word = other.unwrap_or_default();
            let hint = match did_you_mean(word, &["singer", "postgres", "files"]) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if word == "events" => "leave `kind` out for a source of events".to_owned(),
                None => "it is `singer`, `postgres`, `files` or `webhook`; docs/sources.md says what is not there yet"
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
    let streams = streams(reader, map, is_files);
    let schema_changes = word(reader, map, "schema_changes", &CHANGES).unwrap_or_default();
    let every = reader.duration(map, "every").map(|every| every.max(LEAST));
    let schedule = schedule(reader, map);
    // A folder is looked at by itself; a web server is asked when somebody says how often.
    let is_web = reader
        .text(map, "path")
        .is_some_and(|path| path.starts_with("http"));
    let by_itself = is_files && !is_web && schedule.is_none();
    let every = every.or(by_itself.then_some(WATCHED));
    let freshness = reader.duration(map, "freshness");
    let alerts = alerts(reader, map);
    let hash_key = reader.value(map, "hash_key", true).map(Secret::new);
    let kind = match (own.contains(&"tap"), is_files) {
        (true, _) => SourceKind::Singer(singer(reader, map, folder)?),
        (_, true) => SourceKind::Files(files(reader, map, folder)?),
        _ => SourceKind::Postgres(postgres(reader, map, name.as_ref()?)?),
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

/// Returns how often the source's service may be asked: `100/min`, or that with the account.
fn budget(reader: &mut Reader<'_>, map: &Map) -> Option<Budget> {
    let yaml = map.get("budget").filter(|yaml| !yaml.is_null())?;
    let at = (yaml.line, yaml.column);
    let (text, account) = match yaml.as_map() {
        Some(_) => {
            let own = reader.map(yaml, "`budget`", &["requests", "account"])?;
            let account = reader.text(own, "account").map(str::to_owned);
            (reader.text(own, "requests")?.to_owned(), account)
        }
        None => (yaml.scalar_text().unwrap_or_default(), None),
    };
    let Some((requests, window)) = rate(&text) else {
        let hint = "write one such as `10/s`, `100/min`, `5000/h` or `100000/day`".to_owned();
        reader.wrong(at, format!("`{text}` is no budget of requests"), Some(hint));
        return None;
    };
    Some(Budget {
        account,
        requests,
        window,
    })
}

fn rate(text: &str) -> Option<(u64, Duration)> {
    let (requests, unit) = text.split_once('/')?;
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => 86_400,
        _ => return None,
    };
    let requests = requests.trim().parse().ok().filter(|count| *count > 0)?;
    Some((requests, Duration::from_secs(seconds)))
}

/// Returns the instants at which syncs begin, where the file names some.
fn schedule(reader: &mut Reader<'_>, map: &Map) -> Option<Cron> {
    let at = |key: &str| {
        map.entry(key)
            .map_or((1, 1), |e| (e.value.line, e.value.column))
    };
    let zone = reader.text(map, "zone").unwrap_or("UTC");
    let Some(cron) = reader.text(map, "schedule") else {
        if map.get("zone").is_some() {
            let hint = "it is the zone of a `schedule: \"0 6 * * *\"`".to_owned();
            reader.wrong(
                at("zone"),
                "`zone` means nothing here".to_owned(),
                Some(hint),
            );
        }
        return None;
    };
    if map.get("every").is_some() {
        let message = "a source says in two ways when it is synced: `every` and `schedule`";
        let hint = Some("take one of them away".to_owned());
        reader.wrong(at("schedule"), message.to_owned(), hint);
    }
    let wrong = match weir_flow::parse_zone(zone) {
        Err(error) => Some(("zone", error)),
        Ok(_) => weir_flow::Cron::parse(cron, zone)
            .err()
            .map(|error| ("schedule", error)),
    };
    if let Some((key, error)) = wrong {
        let hint = error.hint().map(str::to_owned);
        reader.wrong(at(key), error.to_string(), hint);
        return None;
    }
    Some(Cron {
        cron: cron.to_owned(),
        zone: zone.to_owned(),
    })
}

/// Returns who is told; none for everybody.
fn alerts(reader: &mut Reader<'_>, map: &Map) -> Option<Vec<String>> {
    let value = map.get("alerts").filter(|value| !value.is_null())?;
    match value.as_bool() {
        Some(true) => None,
        Some(false) => Some(Vec::new()),
        None => {
            let words = reader.words(map, "alerts").into_iter();
            Some(words.map(|(name, _)| name).collect())
        }
    }
}

fn singer(reader: &mut Reader<'_>, map: &Map, folder: &Path) -> Option<SingerSpec> {
    let pip: Vec<String> = reader
        .words(map, "pip")
        .into_iter()
        .map(|(word, _)| word)
        .collect();
    let tap = match reader.text(map, "tap") {
        Some(tap) => Some(tap.to_owned()),
        None => {
            let at = map.entry("kind").map_or((1, 1), |e| (e.line, e.column));
            let hint = "write `tap: tap-NAME`, the program that the package brings".to_owned();
            reader.wrong(at, "a Singer source needs a `tap`".to_owned(), Some(hint));
            None
        }
    };
    let mut config = JsonMap::new();
    if let Some(yaml) = map.get("config").filter(|yaml| !yaml.is_null()) {
        match yaml.as_map() {
            Some(map) => config = settings(reader, map),
            None => {
                let message = format!("`config` is {}, not a mapping of settings", yaml.what());
                reader.wrong((yaml.line, yaml.column), message, None);
            }
        }
    }
    let mut environment = BTreeMap::new();
    if let Some(map) = map.get("env").and_then(Yaml::as_map) {
        for entry in map {
            let is_secret = is_secret(&entry.key);
            if let Some(value) = reader.value(map, &entry.key, is_secret) {
                environment.insert(entry.key.clone(), Secret::new(value));
            }
        }
    }
    Some(SingerSpec {
        tap: tap?,
        pip,
        config,
        environment,
        folder: folder.to_owned(),
    })
}

fn postgres(reader: &mut Reader<'_>, map: &Map, name: &SourceName) -> Option<PostgresSpec> {
    if map.get("url").is_none() {
        let at = map.entry("kind").map_or((1, 1), |e| (e.line, e.column));
        let hint = "write `url: ${env:NAME}`; the variable is like postgresql://user:password@host/database";
        reader.wrong(
            at,
            "a Postgres source needs a `url`".to_owned(),
            Some(hint.to_owned()),
        );
    }
    let url = reader.value(map, "url", true);
    let slot = reader
        .text(map, "slot")
        .map_or_else(|| format!("weir_{name}"), str::to_owned);
    let fits = slot
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !fits || slot.is_empty() || slot.len() > 63 {
        let at = map
            .entry("slot")
            .map_or((1, 1), |e| (e.value.line, e.value.column));
        let message = format!("`{slot}` cannot name a replication slot");
        reader.wrong(
            at,
            message,
            Some("use lower-case letters, digits and `_`, at most 63".to_owned()),
        );
    }
    let manage = flag(reader, map, "manage");
    Some(PostgresSpec {
        url: Secret::new(url?),
        slot,
        manage,
        retain: size(reader, map, "retain"),
    })
}

/// Returns a number of bytes.
fn size(reader: &mut Reader<'_>, map: &Map, key: &str) -> Option<u64> {
    let text = reader.text(map, key)?.to_owned();
    match text.parse::<ByteSize>() {
        Ok(size) => Some(size.bytes()),
        Err(why) => {
            let at = map
                .entry(key)
                .map_or((1, 1), |e| (e.value.line, e.value.column));
            reader.wrong(at, format!("`{key}` {why}"), None);
            None
        }
    }
}

fn files(reader: &mut Reader<'_>, map: &Map, folder: &Path) -> Option<FilesSpec> {
    let Some(place) = reader.value(map, "path", false) else {
        let at = map.entry("kind").map_or((1, 1), |e| (e.line, e.column));
        let hint = "write `path: data/in`, or `path: s3://bucket/folder`".to_owned();
        reader.wrong(
            at,
            "a source of files needs a `path`".to_owned(),
            Some(hint),
        );
        return None;
    };
    let mut options = BTreeMap::new();
    if let Some(named) = map.get("options").and_then(Yaml::as_map) {
        for entry in named {
            if let Some(value) = reader.value(named, &entry.key, is_secret(&entry.key)) {
                options.insert(entry.key.clone(), Secret::new(value));
            }
        }
    }
    let mut headers = BTreeMap::new();
    if let Some(named) = map.get("headers").and_then(Yaml::as_map) {
        for entry in named {
            let secret = is_secret(&entry.key) || entry.key.eq_ignore_ascii_case("authorization");
            if let Some(value) = reader.value(named, &entry.key, secret) {
                headers.insert(entry.key.clone(), Secret::new(value));
            }
        }
    }
    let mut streams = Vec::new();
    let named = map.get("streams").and_then(Yaml::as_map);
    for entry in named.into_iter().flatten() {
        let Some(own) = entry.value.as_map() else {
            continue;
        };
        let Some(pattern) = reader.text(own, "files") else {
            continue;
        };
        streams.push(FileStream {
            name: entry.key.clone(),
            files: pattern.to_owned(),
            format: word(reader, own, "format", &FORMATS),
            delimiter: delimiter(reader, own),
            header: own
                .get("header")
                .is_some()
                .then(|| flag(reader, own, "header")),
        });
    }
    Some(FilesSpec {
        place,
        options,
        headers,
        streams,
        folder: folder.to_owned(),
    })
}

const FORMATS: [(&str, FileFormat); 6] = [
    ("csv", FileFormat::Csv),
    ("tsv", FileFormat::Csv),
    ("json", FileFormat::Json),
    ("ndjson", FileFormat::JsonLines),
    ("jsonl", FileFormat::JsonLines),
    ("parquet", FileFormat::Parquet),
];

/// Returns the separator of a CSV file: one byte.
fn delimiter(reader: &mut Reader<'_>, map: &Map) -> Option<u8> {
    let text = reader.text(map, "delimiter")?.to_owned();
    match text.as_bytes() {
        [byte] => Some(*byte),
        _ if text == "tab" || text == "\\t" => Some(b'\t'),
        _ => {
            let at = map
                .entry("delimiter")
                .map_or((1, 1), |e| (e.value.line, e.value.column));
            let hint = "write one character, such as `;`, or `tab`".to_owned();
            reader.wrong(at, format!("`{text}` separates no values"), Some(hint));
            None
        }
    }
}

fn streams(reader: &mut Reader<'_>, map: &Map, is_files: bool) -> BTreeMap<String, StreamRules> {
    let keys = match is_files {
        true => [&STREAM[..], &FILE_STREAM[..]].concat(),
        false => STREAM.to_vec(),
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
            rules.replication = word(reader, map, "replication", &REPLICATIONS);
            rules.replication_key = reader.text(map, "replication_key").map(str::to_owned);
            rules.schema_changes = word(reader, map, "schema_changes", &CHANGES);
            rules.freshness = reader.duration(map, "freshness");
            rules.skip = flag(reader, map, "skip");
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

const CHANGES: [(&str, SchemaChanges); 3] = [
    ("evolve", SchemaChanges::Evolve),
    ("freeze", SchemaChanges::Freeze),
    ("quarantine", SchemaChanges::Quarantine),
];

const REPLICATIONS: [(&str, Replication); 3] = [
    ("full_table", Replication::FullTable),
    ("incremental", Replication::Incremental),
    ("log_based", Replication::LogBased),
];

/// Returns what a word of a list stands for.
fn word<T: Copy>(reader: &mut Reader<'_>, map: &Map, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text = reader.text(map, key)?.to_owned();
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*meant);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let hint = match did_you_mean(&text, &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it is one of {}", listed(&known)),
    };
    let at = map
        .entry(key)
        .map_or((1, 1), |e| (e.value.line, e.value.column));
    reader.wrong(at, format!("`{key}` cannot be `{text}`"), Some(hint));
    None
}

fn flag(reader: &mut Reader<'_>, map: &Map, key: &str) -> bool {
    match map.get(key) {
        None => false,
        Some(yaml) => match yaml.value {
            YamlValue::Bool(value) => value,
            _ => {
                let message = format!("`{key}` is {}, not `true` or `false`", yaml.what());
                reader.wrong((yaml.line, yaml.column), message, None);
                false
            }
        },
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRETS.iter().any(|word| key.contains(word))
}

/// Returns a tap's settings with `${env:NAME}` replaced in all texts.
fn settings(reader: &mut Reader<'_>, map: &Map) -> JsonMap<String, Value> {
    let mut out = JsonMap::new();
    for entry in map {
        let value = match &entry.value.value {
            YamlValue::Text(_) => {
                let value = reader.value(map, &entry.key, is_secret(&entry.key));
                value.map(Value::String)
            }
            YamlValue::Map(inner) => Some(Value::Object(settings(reader, inner))),
            YamlValue::List(items) => Some(Value::Array(
                items
                    .iter()
                    .map(|item| match item.as_map() {
                        Some(inner) => Value::Object(settings(reader, inner)),
                        None => item.to_json(),
                    })
                    .collect(),
            )),
            _ => Some(entry.value.to_json()),
        };
        if let Some(value) = value {
            out.insert(entry.key.clone(), value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_source(text: &str) -> Result<SourceSpec, Vec<String>> {
        let variable = |name: &str| (name == "KEY").then(|| "s3cret-value".to_owned());
        parse(
            ("sources/shop.yml", "shop", text),
            Path::new("/p"),
            &variable,
        )
        .map_err(|errors| {
            let told = |error: &ModelError| {
                let place = error
                    .place()
                    .map_or(String::new(), |p| format!("{}:{}", p.line, p.column));
                format!(
                    "{place}: {error}; {}",
                    error.hint_text().unwrap_or_default()
                )
            };
            errors.iter().map(told).collect()
        })
    }

    #[test]
    fn a_tap_is_read_with_its_secrets() {
        let spec = read_source(
            "kind: singer\ntap: tap-x\npip: tap-x==1.0\nconfig:\n  api_key: ${env:KEY}\n  depth: 3\n\
             streams:\n  orders:\n    drop: [email]\n    replication: incremental\n  \"*\":\n    skip: true\n",
        )
        .unwrap();
        let SourceKind::Singer(singer) = &spec.kind else {
            panic!("no tap");
        };
        assert_eq!(singer.config["api_key"], "s3cret-value");
        assert_eq!(singer.config["depth"], 3);
        assert_eq!(singer.pip, ["tap-x==1.0"]);
        assert!(spec.takes("orders") && !spec.takes("others"));
        assert_eq!(spec.rules("orders").drop, ["email"]);
        assert!(
            !format!("{:?}", read_source("kind: postgres\nurl: ${env:KEY}\n")).contains("s3cret")
        );
    }

    #[test]
    fn files_are_read_with_their_patterns_and_looked_at_by_themselves() {
        let spec = read_source(
            "kind: files\npath: data/in\nstreams:\n  orders:\n    files: \"o-*.csv\"\n    delimiter: \";\"\n    key: [id]\n",
        )
        .unwrap();
        let SourceKind::Files(files) = &spec.kind else {
            panic!("no files");
        };
        assert_eq!(spec.every, Some(WATCHED));
        assert_eq!(
            (files.place.as_str(), files.streams[0].delimiter),
            ("data/in", Some(b';'))
        );
        assert_eq!(spec.rules("orders").key, ["id"]);
        let wrong =
            read_source("kind: files\nstreams:\n  a: {delimiter: xy, files: a}\n").unwrap_err();
        assert!(wrong[0].contains("needs a `path`"), "{wrong:?}");
        let wrong = read_source("kind: files\npath: s3://b\noptions: {secret_access_key: abc}\n")
            .unwrap_err();
        assert!(wrong[0].contains("is a secret"), "{wrong:?}");
    }

    #[test]
    fn mistakes_name_the_place_and_the_fix() {
        let wrong = |text: &str| read_source(text).unwrap_err().join("\n");
        assert_eq!(
            wrong("kind: singr\n"),
            "1:7: there is no kind of source `singr`; did you mean `singer`?"
        );
        assert!(wrong("kind: singer\n").contains("needs a `tap`"));
        assert_eq!(
            wrong("kind: singer\ntap: tap-x\nstreems: [a]\n"),
            "3:1: unknown key `streems` of a source; did you mean `streams`?"
        );
        assert!(
            wrong("kind: singer\ntap: t\nconfig:\n  password: hunter2\n")
                .starts_with("4:13: `password` is a secret")
        );
        assert!(wrong("kind: postgres\nurl: postgresql://me:pw@h/db\n").contains("is a secret"));
        assert!(
            wrong("kind: singer\ntap: t\nschema_changes: freez\n")
                .contains("did you mean `freeze`?")
        );
        assert_eq!(
            wrong("kind: singer\ntap: t\nevery: 1h\nschedule: 0 6 * * *\n"),
            "4:11: a source says in two ways when it is synced: `every` and `schedule`; take one of them away"
        );
        assert_eq!(
            wrong("kind: singer\ntap: t\nbudget: 100 a day\n"),
            "3:9: `100 a day` is no budget of requests; write one such as `10/s`, `100/min`, `5000/h` or `100000/day`"
        );
        assert!(
            wrong("kind: singer\ntap: t\nschedule: 0 6 * * *\nzone: Europe/Berlyn\n")
                .starts_with("4:7: ")
        );
        assert!(
            wrong("kind: singer\ntap: t\nconfig:\n  a: ${env:NONE}\n")
                .contains("there is no variable `NONE`")
        );
    }
}
