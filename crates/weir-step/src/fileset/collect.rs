//! Collecting what nobody needs: what ended processes left, and what old versions held.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::FilesetStore;
use crate::error::StepError;
use crate::manifest::ContentHash;

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Old commits.
    pub commits: u64,
    /// Blobs, manifests and staged files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl FilesetStore {
    /// Removes what no kept commit has and `also_kept` does not name, and which is older than `grace`.
    /// The newest `keep_commits` are kept, all when none.
    ///
    /// `grace` must be longer than any job runs: what a job has staged is known to nobody else.
    ///
    /// # Errors
    /// When the folder cannot be read; what was removed until then stays removed.
    pub fn collect(
        &self,
        grace: Duration,
        keep_commits: Option<usize>,
        also_kept: &HashSet<ContentHash>,
    ) -> Result<Collected, StepError> {
        let _lock = self.lock()?;
        let mut collected = Collected::default();
        let numbers = self.numbers()?;
        let old = keep_commits.map_or(0, |keep| numbers.len().saturating_sub(keep.max(1)));
        for number in &numbers[..old] {
            let path = self.root.join("log").join(format!("{number:020}.json"));
            remove(&path, &mut collected)?;
            collected.commits += 1;
        }
        let mut manifests = HashSet::new();
        for &number in &numbers[old..] {
            let record = self.record(number)?;
            manifests.extend(record.filesets.values().map(|found| found.manifest));
        }
        let mut blobs: HashSet<ContentHash> = also_kept.clone();
        for &manifest in &manifests {
            blobs.extend(
                self.manifest(manifest)?
                    .files()
                    .iter()
                    .map(|file| file.hash),
            );
        }
        let before = SystemTime::now().checked_sub(grace);
        let mut sweep = |folder: &Path, prefix: &str, kept: &HashSet<ContentHash>| {
            let failed = |error| StepError::io("list", folder, error);
            for entry in std::fs::read_dir(folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if ContentHash::parse(&name).is_some_and(|hash| kept.contains(&hash)) {
                    continue;
                }
                let modified = entry.metadata().and_then(|meta| meta.modified()).ok();
                if modified
                    .zip(before)
                    .is_some_and(|(modified, before)| modified <= before)
                {
                    remove(&entry.path(), &mut collected)?;
                }
            }
            Ok::<(), StepError>(())
        };
        sweep(&self.root.join("staging"), "", &HashSet::new())?;
        sweep(&self.root.join("manifests"), "", &manifests)?;
        let folder = self.root.join("blobs");
        let failed = |error| StepError::io("list", &folder, error);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            sweep(&entry.path(), &entry.file_name().to_string_lossy(), &blobs)?;
        }
        Ok(collected)
    }
}

fn remove(path: &Path, collected: &mut Collected) -> Result<(), StepError> {
    let size = std::fs::symlink_metadata(path).map_or(0, |meta| meta.len());
    std::fs::remove_file(path).map_err(|error| StepError::io("remove", path, error))?;
    collected.files += 1;
    collected.bytes += size;
    Ok(())
}
