//! Files of a folder or an object store as rows: each read once, and again when what is in it changes.
//!
//! Without a key of its own, a row is known by its file and its number there: a file that changes replaces
//! its rows. What is no row is kept in the stream `quarantine`, with its file and line.

mod archive;
mod batches;
mod blocks;
mod copy;
mod dialect;
mod google;
mod pattern;
mod place;
mod rows;
mod sftp;
mod sheet;
mod text;
mod web;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::pattern::Pattern;
use self::place::{Listed, Place};
use self::rows::{Found, Poison, read};
use crate::error::{ExtractError, ExtractErrorKind};
use crate::load::{Cell, Column, ColumnType, Operation, Row, Session, type_of_json, type_of_text};
use crate::progress::Progress;
use crate::singer::Offered;
use crate::spec::{FileFormat, FileStream, FilesSpec, SourceSpec};
use crate::sync::{Service, SyncRequest};

/// Where rows go that are none.
const QUARANTINE: &str = "quarantine";
/// The columns that say where a row was.
const FILE: &str = "_file";
const ROW: &str = "_row";
const LINE: &str = "_line";
/// Rows on their way from the reading thread.
const CHUNK: usize = 1000;
/// As much of what is no row is kept.
const POISON_CHARS: usize = 10_000;

/// A source of files.
pub(crate) struct Files<'a> {
    spec: &'a SourceSpec,
    place: Place,
    streams: Vec<(Pattern, FileStream)>,
    progress: Progress,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct FilesState {
    files: BTreeMap<String, Known>,
}

/// A file as it was when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    /// Milliseconds since the epoch; 0 where nobody tells.
    modified: i64,
    /// A fingerprint of its content.
    hash: String,
    /// The places it had for rows.
    rows: u64,
    /// How many of these had none.
    #[serde(default, skip_serializing_if = "is_none")]
    bad: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A file to read.
struct Todo {
    listed: Listed,
    stream: FileStream,
    format: FileFormat,
}

/// Values of a row, in the order of the columns.
enum Value {
    Null,
    Text(String),
    Json(String),
}

/// A row or what is in its place, on the way from the reading thread.
struct Read {
    line: u64,
    row: Result<Vec<Value>, Poison>,
}

impl<'a> Files<'a> {
    pub(crate) fn open(
        spec: &'a SourceSpec,
        files: &FilesSpec,
        service: &Service,
        progress: Progress,
    ) -> Result<Self, ExtractError> {
        let mut streams = Vec::with_capacity(files.streams.len());
        for stream in &files.streams {
            let pattern = Pattern::new(&stream.files).ok_or_else(|| {
                let message = format!("stream `{}`: `{}` is no pattern", stream.name, stream.files);
                ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("write one such as `2024/*/orders-*.csv` or `**/*.{csv,csv.gz}`")
            })?;
            streams.push((pattern, stream.clone()));
        }
        Ok(Self {
            spec,
            place: Place::open(files, service, &progress)?,
            streams,
            progress,
        })
    }

    /// Returns the streams that the files make.
    pub(crate) async fn discover(&self) -> Result<Vec<Offered>, ExtractError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for todo in self.listed().await? {
            *counts.entry(todo.stream.name).or_default() += 1;
        }
        let offered = counts.into_iter().map(|(stream, count)| Offered {
            taken: self.spec.takes(&stream),
            replication: format!("{count} files"),
            replication_key: None,
            key: self.key(&stream),
            columns: Vec::new(),
            stream,
        });
        Ok(offered.collect())
    }

    /// Returns the columns by which rows of a stream are told apart.
    fn key(&self, stream: &str) -> Vec<String> {
        match self.spec.rules(stream).key {
            own if own.is_empty() => vec![FILE.to_owned(), ROW.to_owned()],
            own => own,
        }
    }

    async fn listed(&self) -> Result<Vec<Todo>, ExtractError> {
        if let Place::Google(google) = &self.place {
            let sheets = google.sheets().await?.into_iter();
            let todo = sheets.map(|(listed, stream)| Todo {
                listed,
                stream,
                format: FileFormat::GoogleSheet,
            });
            return Ok(todo.collect());
        }
        let mut listed = self.place.list().await?;
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        let todo = listed.into_iter().filter_map(|listed| {
            let stream = self.stream_of(&listed.path)?;
            let format = stream.format.or_else(|| format_of(&listed.path))?;
            Some(Todo {
                listed,
                stream,
                format,
            })
        });
        Ok(todo.collect())
    }

    fn stream_of(&self, path: &str) -> Option<FileStream> {
        if !self.streams.is_empty() {
            let fits = self.streams.iter().find(|(pattern, _)| pattern.fits(path));
            return fits.map(|(_, stream)| stream.clone());
        }
        format_of(path)?;
        Some(FileStream {
            name: name_of(path)?,
            ..FileStream::default()
        })
    }

    /// Reads files that are new or have changed.
    pub(crate) async fn sync(
        &self,
        mut into: Session,
        request: &SyncRequest,
    ) -> Result<(), ExtractError> {
        let (streams, refresh) = (&request.streams, request.full_refresh);
        let from = request.from.map(|from| from.timestamp_millis());
        self.progress.doing("listing files");
        let mut todo = self.listed().await?;
        todo.retain(|file| match streams.is_empty() {
            true => self.spec.takes(&file.stream.name),
            false => streams.contains(&file.stream.name),
        });
        let mut state: FilesState = match into.state() {
            serde_json::Value::Null => FilesState::default(),
            state => self.spec.state(state, "files")?,
        };
        let version = refresh.then(|| Utc::now().timestamp_micros());
        if refresh {
            into.hold();
        }
        let mut seen = BTreeSet::new();
        for file in todo {
            let known = state.files.get(&file.listed.path);
            let (size, modified) = (file.listed.size, file.listed.modified);
            let is_same = known.is_some_and(|known| {
                modified.is_some_and(|at| (known.size, known.modified) == (size, at))
            });
            // A file that changed since then, or may have, is read again, whatever is known of it.
            let changed_since = |from| modified.is_none_or(|at| at >= from);
            let again = refresh || from.is_some_and(changed_since);
            if (is_same && !again) || file.listed.is_fresh() {
                continue;
            }
            self.progress.doing(format!("reading {}", file.listed.path));
            let Some(local) = self.place.fetch(&file.listed).await? else {
                let path = &file.listed.path;
                self.progress
                    .note(format!("{path} went while files were listed"));
                continue;
            };
            let hash = hash(local.path()).await?;
            let before = known.cloned().filter(|_| !refresh).unwrap_or_default();
            let mut now = Known {
                size,
                modified: modified.unwrap_or_default(),
                hash,
                ..before.clone()
            };
            if before.hash != now.hash || again {
                self.take(&file, local.path(), (&before, &mut now), version, &mut into)
                    .await?;
                seen.insert(file.stream.name.clone());
            }
            state.files.insert(file.listed.path, now);
            into.cover(serde_json::to_value(&state).unwrap_or_default());
            into.settle().await?;
        }
        if let Some(version) = version {
            for stream in seen.iter().map(String::as_str).chain([QUARANTINE]) {
                if let Some(table) = into.stream(stream) {
                    table.activate(version);
                }
            }
        }
        into.finish().await.map(drop)
    }

    /// Reads one file.
    async fn take(
        &self,
        file: &Todo,
        path: &Path,
        (before, now): (&Known, &mut Known),
        version: Option<i64>,
        into: &mut Session,
    ) -> Result<(), ExtractError> {
        let stream = &file.stream.name;
        let key = self.key(stream);
        let of_file = key.iter().any(|column| column == FILE);
        let columns = self.columns(file, path).await?;
        if let Some(missing) = key
            .iter()
            .find(|key| columns.iter().all(|(name, _)| name != *key) && !is_place(key))
        {
            let message = format!(
                "`{}` has no column `{missing}`, the key of `{stream}`",
                file.listed.path
            );
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message).hint(
                "name another `key`, or leave it out: rows are then known by file and number",
            ));
        }
        let places = [
            (FILE, ColumnType::Text),
            (ROW, ColumnType::Integer),
            (LINE, ColumnType::Integer),
        ];
        let own = columns.iter().map(|(name, of)| (name.as_str(), *of));
        let fields = places.into_iter().chain(own).map(|(name, of)| {
            let column = Column::new(name, of);
            match key.iter().any(|key| key == name) {
                true => column.key(),
                false => column,
            }
        });
        into.declare(stream, &fields.collect::<Vec<_>>())?;
        let names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
        let mut reading = reading(path, file, names);
        (now.rows, now.bad) = (0, 0);
        while let Some(chunk) = reading.recv().await {
            for found in chunk {
                now.rows += 1;
                let place = Spot {
                    file: &file.listed.path,
                    row: now.rows.to_string(),
                    line: found.line.to_string(),
                };
                match found.row {
                    Ok(values) => {
                        push(into, stream, &place, &values, Operation::Upsert, version)?;
                        if now.rows <= before.rows && before.bad > 0 {
                            self.pardon(into, &place, version)?;
                        }
                    }
                    Err(poison) => {
                        now.bad += 1;
                        if of_file && now.rows <= before.rows {
                            push(into, stream, &place, &[], Operation::Delete, version)?;
                        }
                        self.poisoned(into, stream, &place, poison, version)?;
                    }
                }
                into.settle().await?;
            }
        }
        // The file was longer.
        for row in now.rows + 1..=before.rows {
            let place = Spot {
                file: &file.listed.path,
                row: row.to_string(),
                line: String::new(),
            };
            if of_file {
                push(into, stream, &place, &[], Operation::Delete, version)?;
            }
            if before.bad > 0 {
                self.pardon(into, &place, version)?;
            }
        }
        if now.bad > 0 {
            self.progress.note(format!(
                "{}: {} of {} rows cannot be read; they are in `{QUARANTINE}` with their lines",
                file.listed.path, now.bad, now.rows
            ));
        }
        Ok(())
    }

    /// Looks through a file for its columns and the narrowest types that hold their values.
    async fn columns(
        &self,
        file: &Todo,
        path: &Path,
    ) -> Result<Vec<(String, ColumnType)>, ExtractError> {
        let (path, format, stream) = (path.to_owned(), file.format, file.stream.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let mut order: Vec<(String, Option<ColumnType>)> = Vec::new();
            let mut places: HashMap<String, usize> = HashMap::new();
            let declared = read(&path, format, &stream, &mut |found| {
                for (name, cell) in found.row.unwrap_or_default() {
                    let at = match places.get(*name) {
                        Some(at) => *at,
                        None => {
                            places.insert((*name).to_owned(), order.len());
                            order.push(((*name).to_owned(), None));
                            order.len() - 1
                        }
                    };
                    let known = &mut order[at].1;
                    if *known == Some(ColumnType::Text)
                        || matches!(format, FileFormat::Parquet | FileFormat::Avro)
                    {
                        continue;
                    }
                    let of = match cell {
                        Cell::Text(text) => type_of_text(text),
                        Cell::Json(raw) => type_of_json(raw),
                        _ => None,
                    };
                    if let Some(of) = of {
                        *known = Some(known.map_or(of, |known| known.join(of)));
                    }
                }
                true
            });
            match declared.is_empty() {
                // A column without values has no type yet, and nothing is lost without it.
                true => order
                    .into_iter()
                    .filter_map(|(name, of)| Some((name, of?)))
                    .collect(),
                false => declared,
            }
        });
        looked.await.map_err(interrupted)
    }

    fn poisoned(
        &self,
        into: &mut Session,
        stream: &str,
        place: &Spot<'_>,
        poison: Poison,
        version: Option<i64>,
    ) -> Result<(), ExtractError> {
        declare_quarantine(into)?;
        let text: String = poison.text.chars().take(POISON_CHARS).collect();
        let values = [stream.to_owned(), poison.reason, text].map(Value::Text);
        push(into, QUARANTINE, place, &values, Operation::Upsert, version)
    }

    /// Takes a place out of the quarantine that has a row now, or is gone.
    fn pardon(
        &self,
        into: &mut Session,
        place: &Spot<'_>,
        version: Option<i64>,
    ) -> Result<(), ExtractError> {
        declare_quarantine(into)?;
        push(into, QUARANTINE, place, &[], Operation::Delete, version)
    }
}

/// Where in a file a row is.
struct Spot<'a> {
    file: &'a str,
    row: String,
    line: String,
}

fn is_place(column: &str) -> bool {
    [FILE, ROW, LINE].contains(&column)
}

fn declare_quarantine(into: &mut Session) -> Result<(), ExtractError> {
    if into.stream(QUARANTINE).is_some() {
        return Ok(());
    }
    into.declare(
        QUARANTINE,
        &[
            Column::new(FILE, ColumnType::Text).key(),
            Column::new(ROW, ColumnType::Integer).key(),
            Column::new(LINE, ColumnType::Integer),
            Column::new("stream", ColumnType::Text),
            Column::new("reason", ColumnType::Text),
            Column::new("text", ColumnType::Text),
        ],
    )
    .map(drop)
}

/// Adds a row; without values, only its place.
fn push(
    into: &mut Session,
    stream: &str,
    place: &Spot<'_>,
    values: &[Value],
    operation: Operation,
    version: Option<i64>,
) -> Result<(), ExtractError> {
    let mut cells = vec![Cell::Text(place.file), Cell::Text(&place.row)];
    cells.push(match place.line.is_empty() {
        true => Cell::Null,
        false => Cell::Text(&place.line),
    });
    cells.extend(values.iter().map(|value| match value {
        Value::Null => Cell::Null,
        Value::Text(text) => Cell::Text(text),
        Value::Json(raw) => Cell::Json(raw),
    }));
    if let (Some(version), Some(table)) = (version, into.stream(stream))
        && table.active().is_none()
    {
        table.activate(version);
    }
    let row = Row {
        operation,
        position: None,
        version,
        cells: &cells,
        undeclared: &[],
        unchanged: &[],
    };
    into.push(stream, &row)
}

/// Reads a file on a thread of its own: what is found comes in chunks, values in the order of `names`.
fn reading(path: &Path, file: &Todo, names: Vec<String>) -> mpsc::Receiver<Vec<Read>> {
    let (sender, receiver) = mpsc::channel(4);
    let (path, format, stream) = (path.to_owned(), file.format, file.stream.clone());
    tokio::task::spawn_blocking(move || {
        let places: HashMap<&str, usize> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name.as_str(), at))
            .collect();
        let mut chunk = Vec::with_capacity(CHUNK);
        read(&path, format, &stream, &mut |found| {
            chunk.push(owned(found, &places));
            match chunk.len() < CHUNK {
                true => true,
                // Whoever stopped listening was interrupted.
                false => sender.blocking_send(std::mem::take(&mut chunk)).is_ok(),
            }
        });
        let _ = sender.blocking_send(chunk);
    });
    receiver
}

fn owned(found: Found<'_>, places: &HashMap<&str, usize>) -> Read {
    let row = found.row.map(|cells| {
        let mut values: Vec<Value> = places.iter().map(|_| Value::Null).collect();
        for (name, cell) in cells {
            if let Some(at) = places.get(*name) {
                values[*at] = match cell {
                    Cell::Text(text) => Value::Text((*text).to_owned()),
                    Cell::Json(raw) if *raw != "null" => Value::Json((*raw).to_owned()),
                    _ => Value::Null,
                };
            }
        }
        values
    });
    Read {
        line: found.line,
        row,
    }
}

/// Returns a fingerprint of a file's content.
async fn hash(path: &Path) -> Result<String, ExtractError> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(owned)?)?;
        std::io::Result::Ok(hasher.finalize().to_hex()[..32].to_owned())
    });
    hashed.await.map_err(interrupted)?.map_err(|error| {
        let message = format!("`{}` cannot be read", path.display());
        ExtractError::new(ExtractErrorKind::Unreachable, message).because(error)
    })
}

fn interrupted(error: tokio::task::JoinError) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Busy, "the reading was interrupted").because(error)
}

/// Returns the format that a file's name tells.
fn format_of(path: &str) -> Option<FileFormat> {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    if name.starts_with(['.', '_']) {
        return None;
    }
    let packed = [".gz", ".zst", ".zip"];
    let bare = packed.iter().find_map(|end| name.strip_suffix(end));
    match bare
        .unwrap_or(&name)
        .rsplit_once('.')
        .map_or("", |(_, end)| end)
    {
        "csv" | "tsv" | "txt" => Some(FileFormat::Csv),
        "json" => Some(FileFormat::Json),
        "ndjson" | "jsonl" => Some(FileFormat::JsonLines),
        "parquet" => Some(FileFormat::Parquet),
        "avro" => Some(FileFormat::Avro),
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => Some(FileFormat::Excel),
        _ if name.ends_with(".zip") => Some(FileFormat::Zip),
        _ => None,
    }
}

/// Returns the stream of a file that no pattern names: its folder, or its name without what numbers it.
fn name_of(path: &str) -> Option<String> {
    if let Some((folder, _)) = path.split_once('/') {
        return Some(folder.to_owned());
    }
    let stem = path.split('.').next()?;
    let plain = stem.trim_end_matches(|c: char| c.is_ascii_digit() || "-_ ".contains(c));
    Some(if plain.is_empty() { stem } else { plain }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_streams_and_formats() {
        assert_eq!(name_of("orders-2024-01.csv").as_deref(), Some("orders"));
        assert_eq!(name_of("orders/2024/a.csv").as_deref(), Some("orders"));
        assert_eq!(name_of("2024.csv").as_deref(), Some("2024"));
        assert_eq!(format_of("a/b.CSV.gz"), Some(FileFormat::Csv));
        assert_eq!(format_of("a.ndjson.zst"), Some(FileFormat::JsonLines));
        assert_eq!(format_of("a/b.csv.zip"), Some(FileFormat::Csv));
        assert_eq!(format_of("export.zip"), Some(FileFormat::Zip));
        for name in ["plan.XLSX", "plan.xlsb", "plan.xls", "plan.ods"] {
            assert_eq!(format_of(name), Some(FileFormat::Excel));
        }
        assert_eq!(format_of("a/.hidden.csv"), None);
        assert_eq!(format_of("a/README"), None);
    }
}
