//! What each kind of source needs to know: a tap, a database, files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Map as JsonMap;
use weir_core::SourceName;
use weir_core::config::ByteSize;
use weir_extract::{
    FileFormat, FileStream, FilesSpec, MysqlSpec, PostgresSpec, Secret, SingerSpec,
};
use weir_model::yaml::{Map, Yaml, YamlValue};

use super::streams::{DELETES, METHODS};
use super::words::{flag, is_secret, settings, word};
use crate::flow::file::section::Reader;

pub(super) const SINGER: [&str; 5] = ["tap", "pip", "config", "env", "properties"];
pub(super) const POSTGRES: [&str; 7] = [
    "url",
    "slot",
    "manage",
    "retain",
    "replication",
    "replication_key",
    "deletes",
];
pub(super) const MYSQL: [&str; 1] = ["url"];
pub(super) const FILES: [&str; 3] = ["path", "options", "headers"];

pub(super) fn singer(reader: &mut Reader<'_>, map: &Map, folder: &Path) -> Option<SingerSpec> {
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
        properties: flag(reader, map, "properties"),
        pip,
        config,
        environment,
        folder: folder.to_owned(),
    })
}

pub(super) fn postgres(
    reader: &mut Reader<'_>,
    map: &Map,
    name: &SourceName,
) -> Option<PostgresSpec> {
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
        replication: word(reader, map, "replication", &METHODS),
        replication_key: reader.text(map, "replication_key").map(str::to_owned),
        deletes: word(reader, map, "deletes", &DELETES),
        slot,
        manage,
        retain: size(reader, map, "retain"),
    })
}

pub(super) fn mysql(reader: &mut Reader<'_>, map: &Map) -> Option<MysqlSpec> {
    if map.get("url").is_none() {
        let at = map.entry("kind").map_or((1, 1), |e| (e.line, e.column));
        let hint =
            "write `url: ${env:NAME}`; the variable is like mysql://user:password@host/database";
        reader.wrong(
            at,
            "a MySQL source needs a `url`".to_owned(),
            Some(hint.to_owned()),
        );
    }
    let url = reader.value(map, "url", true);
    Some(MysqlSpec {
        url: Secret::new(url?),
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

pub(super) fn files(reader: &mut Reader<'_>, map: &Map, folder: &Path) -> Option<FilesSpec> {
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
            let is_secret = is_secret(&entry.key);
            let value = match &entry.value.value {
                YamlValue::Int(_) | YamlValue::Bool(_) if !is_secret => {
                    Some(entry.value.to_json().to_string())
                }
                _ => reader.value(named, &entry.key, is_secret),
            };
            if let Some(value) = value {
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
        let pattern = match reader.text(own, "files") {
            Some(pattern) => pattern,
            // Streams of a spreadsheet are its sheets.
            None if place.starts_with(SPREADSHEET) => "",
            None => continue,
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
            sheet: reader.text(own, "sheet").map(str::to_owned),
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

/// How the URL of a spreadsheet of Google begins.
const SPREADSHEET: &str = "https://docs.google.com/spreadsheets/";

const FORMATS: [(&str, FileFormat); 9] = [
    ("csv", FileFormat::Csv),
    ("tsv", FileFormat::Csv),
    ("json", FileFormat::Json),
    ("ndjson", FileFormat::JsonLines),
    ("jsonl", FileFormat::JsonLines),
    ("parquet", FileFormat::Parquet),
    ("avro", FileFormat::Avro),
    ("excel", FileFormat::Excel),
    ("zip", FileFormat::Zip),
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
