//! The log of commits: each record says all there is, so that the newest is enough.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use weir_flow::PublishToken;

use super::{FilesetChange, FilesetStore, sync_folder};
use crate::error::{StepError, StepErrorKind};
use crate::manifest::{ContentHash, Manifest};

const FORMAT: u32 = 1;

/// One commit, and what all filesets are after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Of this record; a newer Weir may write another.
    format: u32,
    /// Its number.
    pub version: i64,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Which attempt made it, if one did.
    pub attempt: Option<i64>,
    /// Which branches it changed, as `name@branch`.
    pub changed: Vec<String>,
    /// Every branch by `name@branch`.
    pub filesets: BTreeMap<String, FilesetRef>,
    /// The sequence of the latest publication of each app.
    pub published: BTreeMap<String, u64>,
}

/// A branch of a fileset after a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesetRef {
    /// The commit that changed it last.
    pub version: i64,
    /// The hash of its manifest.
    pub manifest: ContentHash,
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Default for CommitRecord {
    fn default() -> Self {
        Self {
            format: FORMAT,
            version: 0,
            at: DateTime::UNIX_EPOCH,
            attempt: None,
            changed: Vec::new(),
            filesets: BTreeMap::new(),
            published: BTreeMap::new(),
        }
    }
}

pub(super) fn key(name: &str, branch: &str) -> String {
    format!("{name}@{branch}")
}

impl CommitRecord {
    /// Returns the number of the latest publication of an app, if it has made one.
    pub fn published(&self, app: &str) -> Option<u64> {
        self.published.get(app).copied()
    }

    /// Returns a branch.
    pub fn find(&self, name: &str, branch: &str) -> Option<&FilesetRef> {
        self.filesets.get(&key(name, branch))
    }

    /// Returns the next record before anything has changed.
    pub(super) fn after(&self, version: i64, token: Option<&PublishToken>) -> Self {
        let mut next = Self {
            format: FORMAT,
            version,
            at: Utc::now(),
            attempt: token.map(|token| token.fence.0),
            changed: Vec::new(),
            ..self.clone()
        };
        if let Some(token) = token {
            next.published.insert(token.app.clone(), token.sequence);
        }
        next
    }
}

impl FilesetStore {
    /// Returns the numbers of all records, the newest last.
    pub(super) fn numbers(&self) -> Result<Vec<i64>, StepError> {
        let folder = self.root.join("log");
        let failed = |error| StepError::io("list", &folder, error);
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json"));
            numbers.extend(number.and_then(|number| number.parse::<i64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn record(&self, number: i64) -> Result<CommitRecord, StepError> {
        let path = self.root.join("log").join(format!("{number:020}.json"));
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StepError::new(
                    StepErrorKind::NotFound,
                    format!("there is no version {number} of filesets"),
                )
                .with_hint("it was never there, or is older than what is kept"));
            }
            read => read.map_err(|error| StepError::io("read the commit", &path, error))?,
        };
        let damaged = || StepError::corrupt(format!("the commit `{}` is damaged", path.display()));
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| damaged().because(error))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format.is_some_and(|format| format > u64::from(FORMAT)) {
            return Err(StepError::new(
                StepErrorKind::Newer,
                format!(
                    "the commit `{}` was written by a newer Weir",
                    path.display()
                ),
            )
            .with_hint("use the newer Weir"));
        }
        serde_json::from_value(value).map_err(|error| damaged().because(error))
    }

    /// Writes the manifest of `change`, and its place into `record`, if it changes anything.
    pub(super) fn put_manifest(
        &self,
        record: &mut CommitRecord,
        change: &FilesetChange,
    ) -> Result<(), StepError> {
        let bytes = change.manifest.encode();
        let hash = ContentHash::of(&bytes);
        let key = key(&change.name, &change.branch);
        let before = record.filesets.get(&key);
        if before.is_some_and(|before| before.manifest == hash) {
            return Ok(());
        }
        // The lock is held: what is collected from now on does not include these.
        let known = before
            .map(|before| self.manifest(before.manifest))
            .transpose()?;
        for file in change.manifest.files() {
            let old = known.as_ref().and_then(|known| known.get(&file.path));
            if old.is_none_or(|old| old.hash != file.hash) && !self.has_blob(file.hash) {
                return Err(StepError::new(
                    StepErrorKind::Unavailable,
                    format!(
                        "the content of `{}` was collected before it was committed",
                        file.path
                    ),
                )
                .with_hint("run the step again; let collection wait longer"));
            }
        }
        let folder = self.root.join("manifests");
        let path = folder.join(hash.to_string());
        if !path.exists() {
            self.write_synced(&path, &bytes)?;
            sync_folder(&folder)?;
        }
        // New times of the same contents are kept, so that they need not be read again, and are no
        // new version.
        let same = known.is_some_and(|known| {
            let what = |manifest: &Manifest| {
                let files = manifest.files().iter();
                files
                    .map(|file| (file.path.clone(), file.hash, file.datum))
                    .collect::<Vec<_>>()
            };
            what(&known) == what(&change.manifest)
        });
        let version = match before {
            Some(before) if same => before.version,
            _ => record.version,
        };
        record.filesets.insert(
            key.clone(),
            FilesetRef {
                version,
                manifest: hash,
                files: change.manifest.files().len() as u64,
                bytes: change.manifest.bytes(),
            },
        );
        if !same {
            record.changed.push(key);
        }
        Ok(())
    }

    /// Makes the commit: from here on it is there.
    pub(super) fn put_record(&self, record: &CommitRecord) -> Result<(), StepError> {
        let folder = self.root.join("log");
        let path = folder.join(format!("{:020}.json", record.version));
        let text = serde_json::to_vec(record)
            .map_err(|error| StepError::corrupt("write a commit").because(error))?;
        self.write_synced(&path, &text)?;
        sync_folder(&folder)
    }

    /// Writes a file so that it is there with all its bytes, or not at all.
    fn write_synced(&self, path: &std::path::Path, bytes: &[u8]) -> Result<(), StepError> {
        let staged = self.staged_path();
        let failed = |error| StepError::io("write", path, error);
        let mut file = File::create_new(&staged).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&staged, path).map_err(failed)
    }
}
