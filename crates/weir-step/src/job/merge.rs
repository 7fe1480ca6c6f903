//! From what datums wrote to what is published.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use weir_flow::PublishToken;

use super::check::{format_of, output_of};
use super::{Inner, blocking};
use crate::declare::{Collision, OutputTarget, Step};
use crate::error::{StepError, StepErrorKind};
use crate::fileset::{FilesetChange, FilesetStore};
use crate::ledger::{KnownDatum, WrittenDatum};
use crate::manifest::{DatumKey, FileEntry, Manifest};
use crate::scratch::DatumOutput;
use crate::warehouse::{LoadFile, Made, TableLoad};

/// What a job publishes.
#[derive(Debug)]
pub(super) struct Staged {
    loads: Vec<TableLoad>,
    changes: Vec<FilesetChange>,
    gone: Vec<DatumKey>,
    /// What it is made of.
    hash: [u8; 32],
}

/// Puts together what the datums in `live` wrote; none when that is published already.
pub(super) async fn stage(
    inner: &Arc<Inner>,
    step: &Arc<Step>,
    known: &[KnownDatum],
    live: HashSet<DatumKey>,
    gone: Vec<DatumKey>,
) -> Result<Option<Staged>, StepError> {
    let hash = made_of(step, known, &live);
    let published = inner.ledger.published(&step.name).await?;
    if published.is_some_and(|(published, _)| published == hash) {
        return Ok(None);
    }
    let written = inner.ledger.outputs(&step.name).await?;
    let (store, step) = (inner.store.clone(), step.clone());
    let (loads, changes) = blocking(move || merge(&store, &step, written, &live)).await?;
    Ok(Some(Staged {
        loads,
        changes,
        gone,
        hash,
    }))
}

/// Names what a publication is made of: the tries of its datums, and where their files go.
fn made_of(step: &Step, known: &[KnownDatum], live: &HashSet<DatumKey>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for output in &step.outputs {
        hasher.update(format!("{} {:?}\0", output.from, output.target).as_bytes());
    }
    hasher.update(format!("{:?}\0", step.collision).as_bytes());
    for datum in known.iter().filter(|datum| live.contains(&datum.key)) {
        hasher.update(&datum.key.0);
        hasher.update(&datum.revision.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// A file with the datum that wrote it.
type Written<'a> = (&'a WrittenDatum, &'a DatumOutput);

fn merge(
    store: &FilesetStore,
    step: &Step,
    written: Vec<WrittenDatum>,
    live: &HashSet<DatumKey>,
) -> Result<(Vec<TableLoad>, Vec<FilesetChange>), StepError> {
    let mut by_output: HashMap<&OutputTarget, Vec<(&str, Written<'_>)>> = HashMap::new();
    for datum in written.iter().filter(|datum| live.contains(&datum.key)) {
        for file in &datum.outputs {
            // What was written when the step had other outputs belongs to none now.
            let Some((output, path)) = output_of(&step.outputs, &file.path) else {
                continue;
            };
            by_output
                .entry(&output.target)
                .or_default()
                .push((path, (datum, file)));
        }
    }
    let (mut loads, mut changes) = (Vec::new(), Vec::new());
    for output in &step.outputs {
        let files = by_output.remove(&output.target).unwrap_or_default();
        match &output.target {
            OutputTarget::Table { name, format } => {
                let mut rows = Vec::with_capacity(files.len());
                for (path, (datum, file)) in files {
                    rows.push(LoadFile {
                        path: store.blob_path(file.hash),
                        name: path.to_owned(),
                        format: format_of(*format, path)?,
                        hash: file.hash,
                        size: file.size,
                        datum: datum.key,
                    });
                }
                loads.push(TableLoad {
                    table: name.clone(),
                    files: rows,
                });
            }
            OutputTarget::Fileset { name, branch } => changes.push(FilesetChange {
                name: name.clone(),
                branch: branch.clone(),
                manifest: merge_files(store, step, files)?,
            }),
        }
    }
    Ok((loads, changes))
}

fn merge_files(
    store: &FilesetStore,
    step: &Step,
    files: Vec<(&str, Written<'_>)>,
) -> Result<Manifest, StepError> {
    // Datums come by label, and so do files that meet at one path.
    let mut by_path: BTreeMap<&str, Vec<Written<'_>>> = BTreeMap::new();
    for (path, file) in files {
        by_path.entry(path).or_default().push(file);
    }
    let mut entries = Vec::with_capacity(by_path.len());
    let mut joined = Vec::new();
    for (path, files) in by_path {
        let (datum, file) = files[0];
        let mut entry = FileEntry {
            path: path.to_owned(),
            hash: file.hash,
            size: file.size,
            modified_ns: None,
            datum: Some(datum.key),
        };
        if files.len() > 1 {
            if step.collision == Collision::Error {
                return Err(StepError::new(
                    StepErrorKind::Output,
                    format!(
                        "two datums of step `{}` wrote `{path}`: `{}` and `{}`",
                        step.name, datum.label, files[1].0.label
                    ),
                )
                .with_hint("let each write a path of its own, or say `collision: concat`"));
            }
            let blob = concat(store, &files)?;
            joined.push(blob.hash);
            (entry.hash, entry.size, entry.datum) = (blob.hash, blob.size, None);
        }
        entries.push(entry);
    }
    store.sync_blobs(&joined)?;
    Manifest::new(entries)
}

fn concat(store: &FilesetStore, files: &[Written<'_>]) -> Result<crate::fileset::Blob, StepError> {
    let small = files.iter().map(|(_, file)| file.size).sum::<u64>() < 1 << 20;
    if small {
        let mut bytes = Vec::new();
        for (_, file) in files {
            bytes.extend(store.read_blob(file.hash)?);
        }
        return store.put_bytes(&bytes);
    }
    let mut chain: Box<dyn Read> = Box::new(std::io::empty());
    for (_, file) in files {
        // Opened when its turn comes: there may be many.
        chain = Box::new(chain.chain(Later::Path(store.blob_path(file.hash))));
    }
    store.put_reader(&mut chain, store.root())
}

enum Later {
    Path(std::path::PathBuf),
    File(File),
}

impl Read for Later {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Self::Path(path) = self {
            *self = Self::File(File::open(path)?);
        }
        match self {
            Self::File(file) => file.read(buffer),
            Self::Path(_) => Ok(0),
        }
    }
}

/// Publishes: tables in one commit, then filesets in one commit, then the ledger. Whoever ends between
/// is followed by one that finds what is done by the token.
pub(super) async fn publish(
    inner: &Arc<Inner>,
    made: &Made,
    staged: &Staged,
    token: &PublishToken,
) -> Result<String, StepError> {
    let mut names = Vec::new();
    if !staged.loads.is_empty() {
        let warehouse = inner.warehouse.as_ref().ok_or_else(|| {
            StepError::new(StepErrorKind::Unsupported, "there are no tables here")
                .with_hint("use filesets as outputs")
        })?;
        names.push(warehouse.load(&staged.loads, made, token).await?);
        fail::fail_point!("publish-loaded");
    }
    if !staged.changes.is_empty() {
        let (store, changes, token) = (inner.store.clone(), staged.changes.clone(), token.clone());
        let committed = blocking(move || store.commit(Some(&token), &changes)).await?;
        for change in &staged.changes {
            names.push(format!("fileset:{}@{}", change.name, committed.version));
        }
        fail::fail_point!("publish-committed");
    }
    let published = names.join(", ");
    inner
        .ledger
        .finish(&made.step, &staged.gone, staged.hash, &published)
        .await?;
    fail::fail_point!("publish-finished");
    Ok(published)
}
