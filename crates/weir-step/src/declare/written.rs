//! A step as it is written, before anything is checked.

use std::path::PathBuf;

use serde::Deserialize;
use std::collections::BTreeMap;

use super::{Collision, Compat, DatabaseUse, Reprocess, TableFormat};

/// A file of `steps/`: one step, or a list under `steps`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenList {
    pub(super) steps: Vec<WrittenStep>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenStep {
    pub(super) name: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    pub(super) command: Option<Vec<Plain>>,
    pub(super) shell: Option<String>,
    pub(super) stdin: Option<Lines>,
    #[serde(alias = "err_cmd")]
    pub(super) err_command: Option<Vec<Plain>>,
    pub(super) err_shell: Option<String>,
    pub(super) err_stdin: Option<Lines>,
    pub(super) cwd: Option<PathBuf>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Plain>,
    #[serde(default)]
    pub(super) code: Vec<String>,
    pub(super) input: Option<WrittenInput>,
    pub(super) inputs: Option<Vec<WrittenInput>>,
    pub(super) output: Option<WrittenOutput>,
    pub(super) outputs: Option<Vec<WrittenOutput>>,
    #[serde(alias = "retries")]
    pub(super) tries: Option<u32>,
    pub(super) timeout: Option<String>,
    pub(super) silence: Option<String>,
    pub(super) grace: Option<String>,
    pub(super) parallel: Option<u32>,
    #[serde(default)]
    pub(super) limits: WrittenLimits,
    #[serde(default)]
    pub(super) collision: Collision,
    #[serde(default)]
    pub(super) reprocess: Reprocess,
    pub(super) runner: Option<String>,
    pub(super) image: Option<String>,
    pub(super) network: Option<bool>,
    pub(super) compat: Option<Compat>,
    pub(super) owner: Option<Plain>,
    pub(super) database: Option<DatabaseUse>,
}

/// Text, or a number or truth value that stands for its text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Plain {
    Text(String),
    Whole(i64),
    Point(f64),
    Truth(bool),
}

impl Plain {
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Point(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

/// Text, or its lines.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Lines {
    Text(String),
    Lines(Vec<String>),
}

impl Lines {
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Lines(lines) => lines.into_iter().map(|line| line + "\n").collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenInput {
    pub(super) cross: Option<Vec<WrittenInput>>,
    pub(super) union: Option<Vec<WrittenInput>>,
    pub(super) join: Option<Vec<WrittenInput>>,
    pub(super) group: Option<Vec<WrittenInput>>,
    pub(super) name: Option<String>,
    pub(super) fileset: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) folder: Option<PathBuf>,
    pub(super) table: Option<String>,
    #[serde(rename = "as")]
    pub(super) format: Option<TableFormat>,
    pub(super) glob: Option<String>,
    pub(super) join_on: Option<String>,
    #[serde(default)]
    pub(super) outer_join: bool,
    pub(super) group_by: Option<String>,
    #[serde(default)]
    pub(super) empty_files: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenOutput {
    pub(super) from: Option<String>,
    pub(super) fileset: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) table: Option<String>,
    pub(super) format: Option<TableFormat>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenLimits {
    pub(super) memory: Option<String>,
    pub(super) cpu: Option<String>,
    pub(super) file_size: Option<String>,
    pub(super) processes: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) output: Option<String>,
    pub(super) scratch: Option<String>,
    pub(super) free_disk: Option<String>,
    pub(super) log: Option<String>,
}
