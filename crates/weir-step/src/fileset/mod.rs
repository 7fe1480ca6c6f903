//! Filesets in a folder: blobs by content, manifests of versions, and one log of commits.
//!
//! A commit is one record of the log, made by renaming a synced file to its number; it can change
//! several filesets. What a process leaves behind that ends before that is collected later.

mod blob;
mod collect;
mod edit;
mod folder;
mod record;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_flow::PublishToken;

pub use self::blob::Blob;
pub use self::collect::Collected;
pub use self::edit::FilesetEdit;
pub use self::record::{CommitRecord, FilesetRef};
use crate::error::{StepError, StepErrorKind};
use crate::manifest::{ContentHash, Manifest};

/// Filesets in a folder; cheap to clone. Calls block; several processes may use one folder.
#[derive(Clone, Debug)]
pub struct FilesetStore {
    root: Arc<PathBuf>,
}

/// One fileset as it is to be after a commit.
#[derive(Clone, Debug)]
pub struct FilesetChange {
    /// Its name.
    pub name: String,
    /// The branch that moves.
    pub branch: String,
    /// Its files.
    pub manifest: Manifest,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The number of the commit, which is the version of all filesets it changed.
    pub version: i64,
    /// Whether an earlier attempt had made it.
    pub adopted: bool,
}

impl FilesetStore {
    /// Opens the folder, creating it as needed.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(root: &Path) -> Result<Self, StepError> {
        for folder in ["blobs", "manifests", "log", "staging"] {
            let path = root.join(folder);
            std::fs::create_dir_all(&path)
                .map_err(|error| StepError::io("create the folder", &path, error))?;
        }
        let root = std::fs::canonicalize(root)
            .map_err(|error| StepError::io("open the folder", root, error))?;
        private(&root)?;
        Ok(Self {
            root: Arc::new(root),
        })
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the newest commit; one without filesets when there is none yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn newest(&self) -> Result<CommitRecord, StepError> {
        match self.numbers()?.last() {
            Some(&number) => self.record(number),
            None => Ok(CommitRecord::default()),
        }
    }

    /// Returns the newest version of a branch, if it has one.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn version(&self, name: &str, branch: &str) -> Result<Option<i64>, StepError> {
        Ok(self.newest()?.find(name, branch).map(|found| found.version))
    }

    /// Returns the files of a branch at `version`, or of its newest one.
    ///
    /// # Errors
    /// Of kind `NotFound` when there is no such fileset or version.
    pub fn read(
        &self,
        name: &str,
        branch: &str,
        version: Option<i64>,
    ) -> Result<Manifest, StepError> {
        let record = match version {
            Some(version) => self.record(version)?,
            None => self.newest()?,
        };
        let Some(found) = record.find(name, branch) else {
            let known: Vec<String> = record.filesets.keys().cloned().collect();
            let wanted = record::key(name, branch);
            let error = StepError::new(
                StepErrorKind::NotFound,
                format!("there is no fileset `{wanted}`"),
            );
            return Err(match weir_core::did_you_mean(&wanted, &known) {
                Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
                None => error.with_hint("put files into it, or let a step write it"),
            });
        };
        self.manifest(found.manifest)
    }

    /// Makes one commit of all `changes`, by the contract of [`PublishToken`]. A change that changes
    /// nothing makes no version.
    ///
    /// # Errors
    /// Of kind `Stale` when a later publication of the same app is there. Commits wait for each other.
    pub fn commit(
        &self,
        token: Option<&PublishToken>,
        changes: &[FilesetChange],
    ) -> Result<Committed, StepError> {
        let _lock = self.lock()?;
        let newest = self.newest()?;
        if let Some(token) = token {
            let kept = newest.published.get(&token.app).copied();
            match kept.map(|kept| kept.cmp(&token.sequence)) {
                Some(std::cmp::Ordering::Equal) => {
                    return Ok(Committed {
                        version: newest.version,
                        adopted: true,
                    });
                }
                Some(std::cmp::Ordering::Greater) => {
                    return Err(StepError::new(
                        StepErrorKind::Stale,
                        format!("a later run of `{}` has published", token.app),
                    ));
                }
                _ => {}
            }
        }
        let version = newest.version + 1;
        let mut record = newest.after(version, token);
        for change in changes {
            self.put_manifest(&mut record, change)?;
        }
        if record.filesets == newest.filesets && token.is_none() {
            return Ok(Committed {
                version: newest.version,
                adopted: false,
            });
        }
        fail::fail_point!("fileset-manifests");
        self.put_record(&record)?;
        fail::fail_point!("fileset-committed");
        Ok(Committed {
            version,
            adopted: false,
        })
    }

    /// Moves a branch to a version of another (or creates it), without copying anything.
    ///
    /// # Errors
    /// Of kind `NotFound` when there is no such version.
    pub fn move_branch(
        &self,
        name: &str,
        branch: &str,
        from: &str,
        version: Option<i64>,
    ) -> Result<Committed, StepError> {
        let manifest = self.read(name, from, version)?;
        self.commit(
            None,
            &[FilesetChange {
                name: name.to_owned(),
                branch: branch.to_owned(),
                manifest,
            }],
        )
    }

    /// Lists commits that changed a branch, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn versions(&self, name: &str, branch: &str) -> Result<Vec<i64>, StepError> {
        let key = record::key(name, branch);
        let mut versions = Vec::new();
        for number in self.numbers()? {
            if self.record(number)?.changed.contains(&key) {
                versions.push(number);
            }
        }
        Ok(versions)
    }

    /// Returns when the last commit was made or collected, as far as anybody can tell: what is the same
    /// as before means that nothing has changed.
    pub fn changed_at(&self) -> Option<std::time::SystemTime> {
        let data = std::fs::metadata(self.root.join("log")).ok()?;
        data.modified().ok()
    }

    /// Lists filesets with their branches at the newest commit.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn list(&self) -> Result<BTreeMap<String, FilesetRef>, StepError> {
        Ok(self.newest()?.filesets)
    }

    /// Keeps others from committing and collecting until dropped.
    fn lock(&self) -> Result<File, StepError> {
        let path = self.root.join("lock");
        let failed = |error| StepError::io("lock", &path, error);
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        Ok(file)
    }

    fn manifest(&self, hash: ContentHash) -> Result<Manifest, StepError> {
        let path = self.root.join("manifests").join(hash.to_string());
        let bytes = std::fs::read(&path)
            .map_err(|error| StepError::io("read the manifest", &path, error))?;
        let manifest = (ContentHash::of(&bytes) == hash)
            .then(|| Manifest::decode(&bytes))
            .flatten();
        manifest.ok_or_else(|| {
            StepError::corrupt(format!("the manifest `{}` is damaged", path.display()))
        })
    }
}

/// Nobody but the owner looks into it: what steps read may be anything.
fn private(folder: &Path) -> Result<(), StepError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| StepError::io("protect the folder", folder, error))
}

/// Makes names in `folder` outlive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StepError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StepError::io("sync the folder", folder, error))
}
