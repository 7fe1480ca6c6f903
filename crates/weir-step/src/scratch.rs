//! The folder of one try at a datum: its inputs, its outputs, its temporary files.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::datum::{Datum, Loaded};
use crate::declare::Compat;
use crate::error::{StepError, StepErrorKind};
use crate::fileset::FilesetStore;
use crate::manifest::{ContentHash, FileEntry, check_path};

/// How many files one datum may write.
const MOST_FILES: usize = 1_000_000;
/// What a command sees its folders as when it thinks it runs in Pachyderm.
const PFS: &str = "/pfs";

/// The folder of one try.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    pub(crate) root: PathBuf,
    pub(crate) inputs: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) tmp: PathBuf,
    /// What is seen as `/pfs`.
    pub(crate) pfs: Option<PathBuf>,
}

/// A file that a datum wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatumOutput {
    /// Its path below the output folder.
    pub path: String,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// How many there are.
    pub size: u64,
}

/// What a datum wrote.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) outputs: Vec<DatumOutput>,
    /// Bytes that were written, as opposed to linked.
    pub(crate) written: u64,
}

/// How inputs get into the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// As another name of the blob: the command cannot write there.
    Link,
    /// As a copy, which shares its blocks where the filesystem knows how.
    Copy,
}

/// Where exported files of tables lie, by source.
pub(crate) type Exports = HashMap<usize, PathBuf>;

impl Scratch {
    /// Creates the folder.
    pub(crate) fn create(root: PathBuf, compat: Compat) -> Result<Self, StepError> {
        let pfs = (compat == Compat::Pachyderm).then(|| root.join("pfs"));
        let scratch = Self {
            inputs: pfs.clone().unwrap_or_else(|| root.join("in")),
            out: pfs
                .as_ref()
                .map_or_else(|| root.join("out"), |pfs| pfs.join("out")),
            tmp: root.join("tmp"),
            pfs,
            root,
        };
        let mut folders = vec![
            scratch.inputs.clone(),
            scratch.out.clone(),
            scratch.tmp.clone(),
        ];
        folders.extend(scratch.pfs.as_ref().map(|_| scratch.root.join("root")));
        for folder in &folders {
            std::fs::create_dir_all(folder)
                .map_err(|error| StepError::io("create the folder", folder, error))?;
        }
        Ok(scratch)
    }

    /// Returns how the command sees a path.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        let below = self
            .pfs
            .as_ref()
            .and_then(|pfs| path.strip_prefix(pfs).ok());
        below.map_or_else(|| path.to_owned(), |rest| Path::new(PFS).join(rest))
    }

    /// Puts the inputs of a datum into it.
    pub(crate) fn put_inputs(
        &self,
        datum: &Datum,
        loaded: &[Loaded],
        store: &FilesetStore,
        exports: &Exports,
        put: Put,
    ) -> Result<(), StepError> {
        let mut last_folder = PathBuf::new();
        for place in &datum.places {
            let source = &loaded[place.source].source;
            let base = self.inputs.join(&source.name);
            for file in place.files_in(loaded) {
                let path = base.join(&file.path);
                if let Some(folder) = path.parent()
                    && folder != last_folder
                {
                    std::fs::create_dir_all(folder)
                        .map_err(|error| StepError::io("create the folder", folder, error))?;
                    last_folder = folder.to_owned();
                }
                let from = match exports.get(&place.source) {
                    Some(folder) => folder.join(&file.path),
                    None => store.blob_path(file.hash),
                };
                let done = match (source.empty_files, put) {
                    (true, _) => File::create(&path).map(drop),
                    (_, Put::Link) => std::fs::hard_link(&from, &path)
                        // Too many names, or another filesystem.
                        .or_else(|_| std::fs::copy(&from, &path).map(drop)),
                    (_, Put::Copy) => std::fs::copy(&from, &path).map(drop),
                };
                match done {
                    // A place within another place of the same datum.
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    done => done.map_err(|error| StepError::io("give the step", &path, error))?,
                }
            }
        }
        Ok(())
    }

    /// Takes what the command wrote, when nothing of it runs any more.
    pub(crate) fn take_outputs(
        &self,
        datum: &Datum,
        loaded: &[Loaded],
        store: &FilesetStore,
        most: Option<u64>,
    ) -> Result<Collected, StepError> {
        let mut found = Vec::new();
        self.list(&self.out, "", &mut found)?;
        let mut sizes = 0u64;
        for (path, full) in &found {
            let meta = std::fs::symlink_metadata(full)
                .map_err(|error| StepError::io("read", full, error))?;
            sizes += if meta.is_file() { meta.len() } else { 0 };
            if most.is_some_and(|most| sizes > most) {
                return Err(StepError::new(
                    StepErrorKind::Limit,
                    format!(
                        "it wrote more than {} bytes (`{path}` is over)",
                        most.unwrap_or(0)
                    ),
                )
                .with_hint("raise `limits.output` if it needs more"));
            }
        }
        let mut collected = Collected::default();
        for (path, full) in found {
            self.take(path, &full, datum, loaded, store, &mut collected)?;
        }
        Ok(collected)
    }

    fn list(
        &self,
        folder: &Path,
        prefix: &str,
        found: &mut Vec<(String, PathBuf)>,
    ) -> Result<(), StepError> {
        let failed = |error| StepError::io("list", folder, error);
        let mut entries = std::fs::read_dir(folder)
            .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
            .map_err(failed)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(bad(format!(
                    "it wrote a file whose name is no UTF-8 in `{prefix}`"
                )));
            };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.list(&entry.path(), &format!("{path}/"), found)?;
            } else if kind.is_file() || kind.is_symlink() {
                check_path(&path)?;
                found.push((path, entry.path()));
                if found.len() > MOST_FILES {
                    return Err(bad(format!("it wrote more than {MOST_FILES} files")));
                }
            } else {
                return Err(bad(format!(
                    "it left `{path}`, which is neither a file nor a folder nor a link"
                )));
            }
        }
        Ok(())
    }

    fn take(
        &self,
        path: String,
        full: &Path,
        datum: &Datum,
        loaded: &[Loaded],
        store: &FilesetStore,
        collected: &mut Collected,
    ) -> Result<(), StepError> {
        let failed = |error| StepError::io("read", full, error);
        let meta = std::fs::symlink_metadata(full).map_err(failed)?;
        if !meta.is_symlink() {
            let blob = store.take_file(full)?;
            collected.written += blob.size;
            collected.outputs.push(DatumOutput {
                path,
                hash: blob.hash,
                size: blob.size,
            });
            return Ok(());
        }
        // A link to an input is that input: nothing is copied.
        let target = std::fs::read_link(full).map_err(failed)?;
        let target = self.resolve(full, &target);
        let Some(rest) = target
            .strip_prefix(&self.inputs)
            .ok()
            .filter(|_| !target.starts_with(&self.out))
        else {
            return Err(bad(format!(
                "it left the link `{path}`, which does not lead to one of its inputs"
            ))
            .with_hint("write the file itself, or link to a file of an input"));
        };
        let mut rest = rest.components();
        let name = rest
            .next()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default();
        let inner = rest.as_path().to_string_lossy().into_owned();
        let below = if inner.is_empty() {
            String::new()
        } else {
            format!("{inner}/")
        };
        let before = collected.outputs.len();
        for place in &datum.places {
            let loaded_source = &loaded[place.source];
            if loaded_source.source.name != name {
                continue;
            }
            for file in place.files_in(loaded) {
                let at = match file.path == inner {
                    true => path.clone(),
                    false => match file.path.strip_prefix(&below) {
                        Some(rest) => format!("{path}/{rest}"),
                        None => continue,
                    },
                };
                collected
                    .outputs
                    .push(self.linked(at, file, loaded_source, store)?);
            }
        }
        match collected.outputs.len() == before {
            true => Err(bad(format!(
                "it left the link `{path}`, which leads to nothing"
            ))),
            false => Ok(()),
        }
    }

    fn linked(
        &self,
        path: String,
        file: &FileEntry,
        loaded: &Loaded,
        store: &FilesetStore,
    ) -> Result<DatumOutput, StepError> {
        // What a table was written as has no blob yet.
        if !store.has_blob(file.hash) {
            let full = self.inputs.join(&loaded.source.name).join(&file.path);
            let mut read =
                File::open(&full).map_err(|error| StepError::io("read", &full, error))?;
            let blob = store.put_reader(&mut read, &full)?;
            return Ok(DatumOutput {
                path,
                hash: blob.hash,
                size: blob.size,
            });
        }
        Ok(DatumOutput {
            path,
            hash: file.hash,
            size: file.size,
        })
    }

    /// Follows a link by its text alone: what it leads to may be a place the command saw only.
    fn resolve(&self, link: &Path, target: &Path) -> PathBuf {
        let joined = match target.strip_prefix(PFS).ok().zip(self.pfs.as_ref()) {
            Some((rest, pfs)) => pfs.join(rest),
            None => link.parent().unwrap_or(&self.out).join(target),
        };
        let mut plain = PathBuf::new();
        for part in joined.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    plain.pop();
                }
                part => plain.push(part),
            }
        }
        plain
    }

    /// Removes the folder.
    pub(crate) fn remove(&self) -> Result<(), StepError> {
        remove_tree(&self.root)
    }
}

fn bad(what: String) -> StepError {
    StepError::new(StepErrorKind::Output, what)
}

/// Removes a folder with everything in it, even where a command took the right to away.
pub(crate) fn remove_tree(folder: &Path) -> Result<(), StepError> {
    let failed = |error| StepError::io("remove", folder, error);
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            open_up(folder);
            std::fs::remove_dir_all(folder).map_err(failed)
        }
        removed => removed.map_err(failed),
    }
}

fn open_up(folder: &Path) {
    // What cannot be opened shows when it is removed.
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
