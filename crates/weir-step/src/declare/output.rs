use std::fmt;

use serde::{Deserialize, Serialize};

/// What becomes of files a step writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The folder below the output folder whose files are meant; empty for all.
    pub from: String,
    /// What they become.
    pub target: OutputTarget,
}

/// What files of a step become.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutputTarget {
    /// Files of a fileset.
    Fileset {
        /// Its name.
        name: String,
        /// The branch that moves.
        branch: String,
    },
    /// Rows of a table, which then has these and no others.
    Table {
        /// Its name, with its schema.
        name: String,
        /// How the files are written; by their ending unless given.
        format: Option<TableFormat>,
    },
}

impl fmt::Display for OutputTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fileset { name, branch } => write!(f, "fileset:{name}@{branch}"),
            Self::Table { name, .. } => write!(f, "table:{name}"),
        }
    }
}

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Apache Parquet.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line.
    #[serde(alias = "ndjson", alias = "jsonl")]
    Json,
}

impl TableFormat {
    /// Returns the word for it, which is also the ending of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// Returns the format that files called `path` have.
    pub fn of_path(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "parquet" => Some(Self::Parquet),
            "arrow" | "feather" => Some(Self::Arrow),
            "csv" => Some(Self::Csv),
            "json" | "ndjson" | "jsonl" => Some(Self::Json),
            _ => None,
        }
    }
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
