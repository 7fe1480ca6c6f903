//! Reading inputs: which files there are, at which versions.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{Inner, JobRequest, blocking};
use crate::datum::{Datum, Loaded};
use crate::declare::{Origin, Source};
use crate::error::{StepError, StepErrorKind};
use crate::fileset::FilesetStore;
use crate::manifest::{ContentHash, FileEntry, Manifest};
use crate::scratch::Exports;
use crate::warehouse::Warehouse;

/// Loads all sources of the step. Filesets are read at one commit, unless versions are told.
pub(super) async fn load(inner: &Inner, request: &JobRequest) -> Result<Vec<Loaded>, StepError> {
    let owner = request.step.owner.as_deref();
    let sources: Vec<Source> = request.step.input.sources().into_iter().cloned().collect();
    let mut by_origin: HashMap<Origin, (i64, Arc<Manifest>)> = HashMap::new();
    let origins: Vec<Origin> = sources.iter().map(|source| source.origin.clone()).collect();
    let (store, versions) = (inner.store.clone(), request.versions.clone());
    let project = inner.options.project.clone();
    let files = origins.clone();
    let read = blocking(move || read_files(&store, &project, &files, &versions)).await?;
    by_origin.extend(read);
    for origin in &origins {
        if let Origin::Table { name, format } = origin
            && !by_origin.contains_key(origin)
        {
            let warehouse = warehouse(inner)?;
            let version = match request.versions.get(name) {
                Some(&version) => version,
                None => warehouse.version(name, owner).await?.ok_or_else(|| {
                    StepError::new(
                        StepErrorKind::NotFound,
                        format!(
                            "there is no table `{name}`, which step `{}` reads",
                            request.step.name
                        ),
                    )
                    .with_hint("create it, or name another one as input")
                })?,
            };
            let files = warehouse.files(name, version, *format).await?;
            let files = files.into_iter().map(|file| FileEntry {
                hash: ContentHash::of(
                    format!("{name}\0{}\0{}", file.name, file.fingerprint).as_bytes(),
                ),
                path: file.name,
                size: file.size,
                modified_ns: None,
                datum: None,
            });
            let manifest = Manifest::new(files.collect())?;
            by_origin.insert(origin.clone(), (version, Arc::new(manifest)));
        }
    }
    let mut loaded = Vec::new();
    for source in sources {
        if let Some((version, manifest)) = by_origin.get(&source.origin).cloned() {
            loaded.push(Loaded {
                source,
                version,
                manifest,
            });
        }
    }
    Ok(loaded)
}

pub(super) fn warehouse(inner: &Inner) -> Result<&Arc<dyn Warehouse>, StepError> {
    inner.warehouse.as_ref().ok_or_else(|| {
        StepError::new(StepErrorKind::Unsupported, "there are no tables here")
            .with_hint("use filesets or folders as inputs and outputs")
    })
}

type Read = Vec<(Origin, (i64, Arc<Manifest>))>;

fn read_files(
    store: &FilesetStore,
    project: &Path,
    origins: &[Origin],
    versions: &HashMap<String, i64>,
) -> Result<Read, StepError> {
    // Folders first: what is seen in them makes commits.
    for origin in origins {
        if let Origin::Folder(path) = origin {
            store.import(&folder_name(path), FOLDER_BRANCH, &project.join(path))?;
        }
    }
    let newest = store.newest()?;
    let mut read: Read = Vec::new();
    for origin in origins {
        let (name, branch) = match origin {
            Origin::Fileset { name, branch } => (name.clone(), branch.clone()),
            Origin::Folder(path) => (folder_name(path), FOLDER_BRANCH.to_owned()),
            Origin::Table { .. } => continue,
        };
        if read.iter().any(|(known, _)| known == origin) {
            continue;
        }
        let told = versions.get(&origin.to_string()).copied();
        let found = newest.find(&name, &branch).map(|found| found.version);
        let version = match (told, found) {
            (Some(told), _) => told,
            (None, Some(found)) => found,
            // Nobody has put anything into it yet.
            (None, None) => {
                read.push((origin.clone(), (0, Arc::default())));
                continue;
            }
        };
        let manifest = store.read(&name, &branch, Some(version))?;
        read.push((origin.clone(), (version, Arc::new(manifest))));
    }
    Ok(read)
}

const FOLDER_BRANCH: &str = "seen";

/// Names the fileset in which a folder's files are kept.
fn folder_name(path: &Path) -> String {
    let hash = ContentHash::of(path.as_os_str().as_encoded_bytes()).to_string();
    format!("_folder.{}", &hash[..16])
}

/// Writes the files of tables that datums need.
pub(super) async fn export(
    inner: &Inner,
    loaded: &[Loaded],
    datums: &[Datum],
    folder: &Path,
    owner: Option<&str>,
) -> Result<Exports, StepError> {
    let mut exports = Exports::new();
    for (number, input) in loaded.iter().enumerate() {
        let Origin::Table { name, format } = &input.source.origin else {
            continue;
        };
        if input.source.empty_files {
            // Only the names are seen.
            continue;
        }
        let mut names: Vec<String> = datums
            .iter()
            .flat_map(|datum| &datum.places)
            .filter(|place| place.source == number)
            .flat_map(|place| place.files_in(loaded))
            .map(|file| file.path.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            continue;
        }
        let folder = folder.join(number.to_string());
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|error| StepError::io("create the folder", &folder, error))?;
        warehouse(inner)?
            .export(name, input.version, *format, &names, &folder, owner)
            .await?;
        exports.insert(number, folder);
    }
    Ok(exports)
}
