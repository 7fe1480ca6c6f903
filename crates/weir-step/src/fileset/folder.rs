//! Folders outside that Weir reads: what was seen in them is kept as a fileset.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Committed, FilesetChange, FilesetStore};
use crate::error::{StepError, StepErrorKind};
use crate::manifest::{ContentHash, FileEntry, Manifest, check_path};

/// A file changed less than this before it was read may change again without its time telling.
const SETTLED: Duration = Duration::from_secs(2);

impl FilesetStore {
    /// Makes the branch hold what the folder holds now. Files whose time and size did not change are
    /// not read again.
    ///
    /// # Errors
    /// Of kind `NotFound` when there is no such folder.
    pub fn import(&self, name: &str, branch: &str, folder: &Path) -> Result<Committed, StepError> {
        if !folder.is_dir() {
            return Err(StepError::new(
                StepErrorKind::NotFound,
                format!("there is no folder `{}`", folder.display()),
            )
            .with_hint("create it, or name another one in the step"));
        }
        let before = match self.read(name, branch, None) {
            Err(error) if error.kind() == StepErrorKind::NotFound => Manifest::default(),
            read => read?,
        };
        let mut seen = Seen {
            store: self,
            before: &before,
            root: folder,
            files: Vec::new(),
            new: Vec::new(),
        };
        seen.walk(folder, "")?;
        let (files, new) = (seen.files, seen.new);
        self.sync_blobs(&new)?;
        self.commit(
            None,
            &[FilesetChange {
                name: name.to_owned(),
                branch: branch.to_owned(),
                manifest: Manifest::new(files)?,
            }],
        )
    }
}

struct Seen<'a> {
    store: &'a FilesetStore,
    before: &'a Manifest,
    root: &'a Path,
    files: Vec<FileEntry>,
    new: Vec<ContentHash>,
}

impl Seen<'_> {
    fn walk(&mut self, folder: &Path, prefix: &str) -> Result<(), StepError> {
        let failed = |error| StepError::io("list", folder, error);
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(StepError::invalid(format!(
                    "`{}` has a name that is no UTF-8",
                    entry.path().display()
                ))
                .with_hint("rename the file"));
            };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() || (kind.is_symlink() && self.leads_to_file(&entry.path())?) {
                self.file(&entry.path(), path)?;
            }
            // Sockets, pipes and devices are no data.
        }
        Ok(())
    }

    /// A link counts as a file if it leads to one below the folder.
    fn leads_to_file(&self, link: &Path) -> Result<bool, StepError> {
        let root = std::fs::canonicalize(self.root)
            .map_err(|error| StepError::io("open", self.root, error))?;
        Ok(std::fs::canonicalize(link)
            .is_ok_and(|target| target.starts_with(&root) && target.is_file()))
    }

    fn file(&mut self, from: &Path, path: String) -> Result<(), StepError> {
        check_path(&path)?;
        let failed = |error| StepError::io("read", from, error);
        let mut file = match File::open(from) {
            // It went away between the listing and now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        let meta = file.metadata().map_err(failed)?;
        let modified = meta.mtime().saturating_mul(1_000_000_000) + meta.mtime_nsec();
        let settled = meta
            .modified()
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok())
            .is_some_and(|age| age > SETTLED);
        let modified_ns = settled.then_some(modified);
        if let Some(known) = self.before.get(&path)
            && known.modified_ns == Some(modified)
            && known.size == meta.len()
        {
            self.files.push(known.clone());
            return Ok(());
        }
        let blob = self.store.put_reader(&mut file, from)?;
        self.new.push(blob.hash);
        self.files.push(FileEntry {
            path,
            hash: blob.hash,
            size: blob.size,
            modified_ns,
            datum: None,
        });
        Ok(())
    }
}
