//! What a source's file says, checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use weir_core::SourceName;

use crate::error::{ExtractError, ExtractErrorKind};

/// A source that Weir fetches from.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    pub name: SourceName,
    pub kind: SourceKind,
    /// Rules by the name of a stream; `*` holds for those without rules of their own.
    pub streams: BTreeMap<String, StreamRules>,
    /// What happens when the source's columns change, where a stream has no rule of its own.
    pub schema_changes: SchemaChanges,
    /// How long after the beginning of one sync the next begins; none for syncs only when asked for.
    pub every: Option<Duration>,
    /// The instants at which syncs begin, instead of that.
    pub schedule: Option<Cron>,
    /// How long ago the last sync that went well may be before people are told.
    pub freshness: Option<Duration>,
    /// Who is told when syncs fail or the source is stale; everybody when it is none.
    pub alerts: Option<Vec<String>>,
    /// How often its service may be asked.
    pub budget: Option<Budget>,
    /// What values are hashed with.
    pub hash_key: Option<Secret>,
}

/// How often an account of a service may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Sources of one account share it; each its own when there is none.
    pub account: Option<String>,
    /// So many requests
    pub requests: u64,
    /// in so long.
    pub window: Duration,
}

/// Instants by the clock on a wall: whoever begins syncs reads what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    pub cron: String,
    pub zone: String,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum SourceKind {
    Singer(SingerSpec),
    Postgres(PostgresSpec),
    Mysql(MysqlSpec),
    Files(FilesSpec),
}

/// A Singer tap.
#[derive(Clone)]
pub struct SingerSpec {
    /// The program: a name in the source's own environment, or a path.
    pub tap: String,
    /// Whether it takes its catalog by `--properties`, as older taps do.
    pub properties: bool,
    /// What `pip install` makes the environment of; none for a program that is there already.
    pub pip: Vec<String>,
    /// The tap's configuration, with references to secrets resolved.
    pub config: Map<String, Value>,
    /// Variables the tap gets besides `PATH`, `HOME`, `LANG` and `TZ`.
    pub environment: BTreeMap<String, Secret>,
    /// Where paths in the configuration begin: the project's folder.
    pub folder: PathBuf,
}

/// Leaves the configuration out, which has secrets.
impl fmt::Debug for SingerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SingerSpec({} of {:?})", self.tap, self.pip)
    }
}

/// A PostgreSQL database whose tables are kept the same in the lake.
#[derive(Clone, Debug)]
pub struct PostgresSpec {
    /// `postgresql://user:password@host:port/database?sslmode=...`
    pub url: Secret,
    /// How changes are found, where a table has no rule of its own; by the log when it is none.
    pub replication: Option<Replication>,
    /// The column by which new rows are known, where a table names none.
    pub replication_key: Option<String>,
    /// How often deletes are looked for, where a table has no rule of its own.
    pub deletes: Option<Deletes>,
    /// The replication slot and the publication, both of this name.
    pub slot: String,
    /// Whether Weir may make and drop them.
    pub manage: bool,
    /// Bytes of its log that the server may keep for us before the slot is let go; none for any.
    pub retain: Option<u64>,
}

/// A MySQL or MariaDB database whose tables are kept the same in the lake.
#[derive(Clone, Debug)]
pub struct MysqlSpec {
    /// `mysql://user:password@host:port/database?sslmode=...`
    pub url: Secret,
}

/// Files of a folder, an object store, a web server or a server of SFTP, or sheets of Google.
#[derive(Clone, Debug)]
pub struct FilesSpec {
    /// A folder, or the URL of one: `s3://bucket/folder`, `sftp://user@host/folder`.
    pub place: String,
    /// Settings of the place: of an object store, such as `region` and `access_key_id`, besides those of the
    /// environment; how to log in by SFTP and which key the host has; the `api_key` for Google.
    pub options: BTreeMap<String, Secret>,
    /// What a web server is told with each request.
    pub headers: BTreeMap<String, Secret>,
    /// Which files make which stream; by their names and folders when empty.
    pub streams: Vec<FileStream>,
    /// Where a relative folder begins.
    pub folder: PathBuf,
}

/// The files of a stream, and how they are read where they do not tell.
#[derive(Clone, Debug, Default)]
pub struct FileStream {
    pub name: String,
    /// A pattern of paths below the place: `2024/*/orders-*.csv`; none for a sheet of Google.
    pub files: String,
    pub format: Option<FileFormat>,
    pub delimiter: Option<u8>,
    /// Whether the first row names the columns.
    pub header: Option<bool>,
    /// The sheet of a spreadsheet; the first when there is none.
    pub sheet: Option<String>,
}

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Values with separators, of any dialect.
    Csv,
    /// One document.
    Json,
    /// An object a line.
    JsonLines,
    Parquet,
    Avro,
    /// One sheet of a workbook, of Excel or LibreOffice.
    Excel,
    /// What Google's API answers for a sheet.
    GoogleSheet,
    /// An archive of files that are text.
    Zip,
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What of a stream is taken, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRules {
    /// Only these columns; all of them when empty. Keys always come along.
    pub columns: Vec<String>,
    /// Columns that are left out.
    pub drop: Vec<String>,
    /// Columns of which only a keyed hash is kept.
    pub hash: Vec<String>,
    /// New names by old ones.
    pub rename: BTreeMap<String, String>,
    /// The columns by which rows are told apart, where the source does not say or says it wrongly.
    pub key: Vec<String>,
    pub replication: Option<Replication>,
    /// The column by which new rows are known.
    pub replication_key: Option<String>,
    /// How often deletes are looked for, where the source does not tell them.
    pub deletes: Option<Deletes>,
    pub schema_changes: Option<SchemaChanges>,
    /// How long ago its last rows may have come before people are told.
    pub freshness: Option<Duration>,
    /// As many levels of objects in its records become columns of their own, up to
    /// [`MOST_LEVELS`](crate::MOST_LEVELS); the rest stays JSON.
    pub flatten: u8,
    /// Whether it is left out.
    pub skip: bool,
}

/// How a stream is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    FullTable,
    /// By a column that grows with every change.
    Incremental,
    LogBased,
    /// By the transaction that wrote a row, which PostgreSQL keeps with it.
    Xmin,
}

impl Replication {
    /// Returns the word that Singer catalogs have for it.
    pub fn as_singer(self) -> &'static str {
        match self {
            Replication::FullTable => "FULL_TABLE",
            Replication::Incremental => "INCREMENTAL",
            Replication::LogBased | Replication::Xmin => "LOG_BASED",
        }
    }
}

/// How often the keys of a source are compared with those of the lake, where that is how deletes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// With each sync.
    Always,
    Daily,
    Never,
}

/// What happens when the source's columns change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaChanges {
    /// The table changes with them.
    #[default]
    Evolve,
    /// The sync fails, and says what changed.
    Freeze,
    /// The table stays; values that have no column are kept in `weir_unfit`.
    Quarantine,
}

impl SourceSpec {
    /// Returns what holds for a stream.
    pub fn rules(&self, stream: &str) -> StreamRules {
        let own = self.streams.get(stream).or_else(|| self.streams.get("*"));
        own.cloned().unwrap_or_default()
    }

    /// Whether a stream is taken: all are, unless some are named.
    pub fn takes(&self, stream: &str) -> bool {
        match self.streams.get(stream) {
            Some(rules) => !rules.skip,
            None => self.streams.get("*").map_or_else(
                || self.streams.values().all(|rules| rules.skip),
                |rules| !rules.skip,
            ),
        }
    }

    /// Returns what happens when the columns of a stream change.
    pub fn schema_changes(&self, stream: &str) -> SchemaChanges {
        let rule = self.rules(stream).schema_changes;
        rule.unwrap_or(self.schema_changes)
    }

    /// Reads a state that a commit kept; `of` says what it is of, as `PostgreSQL`.
    pub(crate) fn state<T: DeserializeOwned>(
        &self,
        state: &Value,
        of: &str,
    ) -> Result<T, ExtractError> {
        T::deserialize(state).map_err(|error| {
            let message = format!("the state of the source is not one of {of}");
            ExtractError::new(ExtractErrorKind::Invalid, message)
                .because(error)
                .hint(format!(
                    "forget it, so that everything is read again: weir state reset {}",
                    self.name
                ))
        })
    }

    /// Returns the kind as the file calls it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            SourceKind::Singer(_) => "singer",
            SourceKind::Postgres(_) => "postgres",
            SourceKind::Mysql(_) => "mysql",
            SourceKind::Files(_) => "files",
        }
    }
}
