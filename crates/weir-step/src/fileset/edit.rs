//! Changing some files of a fileset.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Committed, FilesetChange, FilesetStore};
use crate::error::{StepError, StepErrorKind};
use crate::manifest::{ContentHash, FileEntry, Manifest, check_path};

/// Changes of one branch of a fileset that become one commit.
#[derive(Debug)]
pub struct FilesetEdit {
    store: FilesetStore,
    name: String,
    branch: String,
    files: BTreeMap<String, FileEntry>,
    new: Vec<ContentHash>,
}

impl FilesetStore {
    /// Begins to change a branch from its newest version; an empty one when there is none.
    ///
    /// # Errors
    /// When the name is none, or the log cannot be read.
    pub fn edit(&self, name: &str, branch: &str) -> Result<FilesetEdit, StepError> {
        crate::declare::check_name("a fileset", name)?;
        crate::declare::check_name("a branch", branch)?;
        let manifest = match self.read(name, branch, None) {
            Err(error) if error.kind() == StepErrorKind::NotFound => Manifest::default(),
            read => read?,
        };
        let files = manifest.into_files().into_iter();
        Ok(FilesetEdit {
            store: self.clone(),
            name: name.to_owned(),
            branch: branch.to_owned(),
            files: files.map(|file| (file.path.clone(), file)).collect(),
            new: Vec::new(),
        })
    }

    /// Makes one commit of several edits.
    ///
    /// # Errors
    /// When a path is a file and a folder at once, or the disk does not take it.
    pub fn commit_edits(
        &self,
        edits: impl IntoIterator<Item = FilesetEdit>,
    ) -> Result<Committed, StepError> {
        let mut changes = Vec::new();
        for edit in edits {
            self.sync_blobs(&edit.new)?;
            changes.push(FilesetChange {
                name: edit.name,
                branch: edit.branch,
                manifest: Manifest::new(edit.files.into_values().collect())?,
            });
        }
        self.commit(None, &changes)
    }
}

impl FilesetEdit {
    /// Puts a file with these bytes.
    ///
    /// # Errors
    /// When the path is none, or the disk does not take it.
    pub fn put(&mut self, path: &str, bytes: &[u8]) -> Result<&mut Self, StepError> {
        let path = checked(path)?;
        let blob = self.store.put_bytes(bytes)?;
        self.insert(path, blob);
        Ok(self)
    }

    /// Puts a copy of the file `from`.
    ///
    /// # Errors
    /// When the path is none, or the file cannot be read.
    pub fn put_file(&mut self, path: &str, from: &Path) -> Result<&mut Self, StepError> {
        let path = checked(path)?;
        let opened = std::fs::File::open(from);
        let mut file = opened.map_err(|error| StepError::io("read", from, error))?;
        let blob = self.store.put_reader(&mut file, from)?;
        self.insert(path, blob);
        Ok(self)
    }

    /// Removes a file, or all files of a folder; says how many.
    pub fn remove(&mut self, path: &str) -> usize {
        let path = path.trim_matches('/');
        let folder = format!("{path}/");
        let before = self.files.len();
        self.files
            .retain(|known, _| known != path && !known.starts_with(&folder));
        before - self.files.len()
    }

    fn insert(&mut self, path: &str, blob: super::Blob) {
        self.new.push(blob.hash);
        self.files.insert(
            path.to_owned(),
            FileEntry {
                path: path.to_owned(),
                hash: blob.hash,
                size: blob.size,
                modified_ns: None,
                datum: None,
            },
        );
    }

    /// Commits the changes.
    ///
    /// # Errors
    /// As [`FilesetStore::commit_edits`].
    pub fn commit(self) -> Result<Committed, StepError> {
        let store = self.store.clone();
        store.commit_edits([self])
    }
}

fn checked(path: &str) -> Result<&str, StepError> {
    let path = path.trim_start_matches('/');
    check_path(path)?;
    Ok(path)
}
