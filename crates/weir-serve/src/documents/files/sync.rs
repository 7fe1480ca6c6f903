use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_access::Identity;
use weir_catalog::{
    Actor, Catalog, CatalogError, DocumentFile, DocumentKind, SavedDocument, Sharing,
};

use super::decide::{Act, Agreed, Document, File, decide};
use super::folder::{self, OnDisk};
use super::{Conflict, Files, Found};
use crate::documents::yaml::{self, Read};
use crate::error::chain;

/// How often it is looked for changes.
const EVERY: Duration = Duration::from_secs(1);

/// Returns the project itself, whose folder it is.
pub(super) fn project() -> Actor {
    Actor::new(Identity::local(), "files")
}

pub(super) async fn follow_until(files: &Files, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let project = files.project.clone();
        let Ok(looks) = tokio::task::spawn_blocking(move || folder::looks(&project)).await else {
            continue;
        };
        // Of before anything is read: what changes meanwhile is looked at next time.
        let now = (looks, files.catalog.document_changes());
        if seen.as_ref() == Some(&now) {
            continue;
        }
        match files.sync().await {
            Ok(()) => seen = Some(now),
            Err(error) => tracing::error!(
                error = chain(&error),
                "files of dashboards and questions are not looked at; trying again"
            ),
        }
    }
}

impl Files {
    /// Makes files and documents alike, as far as nobody has to be asked.
    pub(super) async fn sync(&self) -> Result<(), CatalogError> {
        let _turn = self.turn.lock().await;
        let project = self.project.clone();
        let read = move || (folder::kinds(&project), folder::read(&project));
        let Ok((kinds, disk)) = tokio::task::spawn_blocking(read).await else {
            return Ok(());
        };
        let mut pass = Pass {
            files: self,
            agreed: self.catalog.document_files().await?,
            disk,
            found: Found::default(),
        };
        for kind in kinds {
            pass.kind(kind).await?;
        }
        let found = pass.found;
        let mut before = self.found.lock();
        for (file, problem) in &found.problems {
            if before.problems.get(file) != Some(problem) {
                tracing::error!(file, problem, "a file is not applied; what was there stays");
            }
        }
        for conflict in found.conflicts.values() {
            if !before.conflicts.contains_key(&conflict.document) {
                tracing::warn!(
                    file = conflict.path,
                    document = conflict.document,
                    "changed on the disk and in the application; neither is touched until somebody says which counts"
                );
            }
        }
        *before = found;
        Ok(())
    }
}

/// One look at everything.
struct Pass<'a> {
    files: &'a Files,
    agreed: Vec<DocumentFile>,
    disk: BTreeMap<String, OnDisk>,
    found: Found,
}

/// A file that says something, or nothing that can be read.
struct Said {
    path: String,
    hash: Vec<u8>,
    read: Option<Read>,
}

impl Pass<'_> {
    fn catalog(&self) -> &Catalog {
        &self.files.catalog
    }

    async fn kind(&mut self, kind: DocumentKind) -> Result<(), CatalogError> {
        let by = project();
        let there = self.catalog().documents(&by, kind).await?;
        let removed: HashSet<String> = self
            .catalog()
            .removed_documents(kind)
            .await?
            .into_iter()
            .collect();
        let mut said = self.said(kind);
        let mut ids: BTreeSet<String> = there.iter().map(|one| one.id.clone()).collect();
        ids.extend(said.keys().filter_map(|key| key.clone().ok()));
        let prefix = format!("{}/", folder::folder_of(kind));
        let own = self
            .agreed
            .iter()
            .filter(|one| one.path.starts_with(&prefix));
        ids.extend(own.map(|one| one.document.clone()));
        for id in ids {
            let file = said.remove(&Ok(id.clone()));
            let saved = match there.iter().any(|one| one.id == id) {
                true => Some(self.catalog().document(&by, kind, &id, None).await?),
                false => None,
            };
            let document = match &saved {
                Some(saved) => Document::There {
                    version: saved.document.version,
                    shared: saved.document.sharing != Sharing::Private,
                },
                None if removed.contains(&id) => Document::Removed,
                None => Document::None,
            };
            self.one(kind, &id, (document, saved), file).await?;
        }
        // What names no document, and none was made of before.
        for (_, file) in said {
            self.one(kind, "", (Document::None, None), Some(file))
                .await?;
        }
        Ok(())
    }

    /// Reads the files of a kind, by the document they are, or by their path where that is none yet.
    fn said(&mut self, kind: DocumentKind) -> BTreeMap<Result<String, String>, Said> {
        let mut all: BTreeMap<Result<String, String>, Said> = BTreeMap::new();
        for (path, file) in self.disk.iter().filter(|(_, file)| file.kind == kind) {
            let known = self.agreed.iter().find(|one| one.path == *path);
            let read = match &file.text {
                Ok(text) => yaml::read(kind, text).map_err(|error| error.told()),
                Err(why) => Err(why.clone()),
            };
            let read = match read {
                Ok(read) => Some(read),
                // One that was written by us, or was taken over, is as good as it was.
                Err(_) if known.is_some_and(|known| known.hash == file.hash) => None,
                Err(why) => {
                    self.found.problems.insert(path.clone(), why);
                    None
                }
            };
            let named = read.as_ref().and_then(|read| read.id.clone());
            let document = named.or_else(|| known.map(|known| known.document.clone()));
            let key = document.ok_or_else(|| path.clone());
            if let Some(other) = all.get(&key) {
                let why = format!("`{}` says that it is the same document", other.path);
                self.found.problems.insert(path.clone(), why);
                continue;
            }
            let (path, hash) = (path.clone(), file.hash.clone());
            all.insert(key, Said { path, hash, read });
        }
        all
    }

    async fn one(
        &mut self,
        kind: DocumentKind,
        id: &str,
        (document, saved): (Document, Option<SavedDocument>),
        file: Option<Said>,
    ) -> Result<(), CatalogError> {
        if let Some(file) = &file
            && self.found.problems.contains_key(&file.path)
        {
            // Neither applied nor written over.
            return Ok(());
        }
        let known = self.agreed.iter().find(|one| one.document == id).cloned();
        let is_same = |read: &Read| saved.as_ref().is_some_and(|saved| says(read, saved));
        let act = decide(
            known.as_ref().map(|known| Agreed {
                version: known.version,
                hash: &known.hash,
            }),
            file.as_ref().map(|file| File {
                hash: &file.hash,
                same: file.read.as_ref().is_some_and(is_same),
            }),
            document,
        );
        let path = file.as_ref().map(|file| file.path.clone());
        let path = path.or_else(|| known.map(|known| known.path));
        match self.act(act, kind, id, saved, file).await {
            Ok(()) => Ok(()),
            Err(Undone::Catalog(error)) if is_passing(&error) => Err(error),
            Err(undone) => {
                let why = undone.told();
                self.found
                    .problems
                    .insert(path.unwrap_or_else(|| id.to_owned()), why);
                Ok(())
            }
        }
    }

    async fn act(
        &mut self,
        act: Act,
        kind: DocumentKind,
        id: &str,
        saved: Option<SavedDocument>,
        file: Option<Said>,
    ) -> Result<(), Undone> {
        let (catalog, by) = (self.catalog().clone(), project());
        match (act, saved, file) {
            (Act::Agree, Some(saved), Some(file)) => {
                agree(&catalog, id, file.path, saved.document.version, file.hash).await?;
            }
            (
                Act::Apply,
                Some(saved),
                Some(Said {
                    path,
                    hash,
                    read: Some(read),
                }),
            ) => {
                let version = saved.document.version;
                let done = catalog.update_document(&by, kind, id, version, read.new);
                let done = done.await?;
                tracing::info!(file = path, document = id, "took over a file");
                agree(&catalog, id, path, done.document.version, hash).await?;
            }
            (
                Act::Create,
                _,
                Some(Said {
                    path,
                    hash,
                    read: Some(read),
                }),
            ) => {
                let made = match read.id {
                    Some(id) => {
                        catalog
                            .create_named_document(&by, kind, &id, read.new)
                            .await?
                    }
                    None => catalog.create_document(&by, kind, read.new).await?,
                };
                tracing::info!(
                    file = path,
                    document = made.document.id,
                    "took over a new file"
                );
                agree(
                    &catalog,
                    &made.document.id,
                    path,
                    made.document.version,
                    hash,
                )
                .await?;
            }
            (
                Act::Revive,
                _,
                Some(Said {
                    path,
                    hash,
                    read: Some(read),
                }),
            ) => {
                catalog.restore_document(&by, kind, id).await?;
                let back = catalog.document(&by, kind, id, None).await?;
                let version = back.document.version;
                let version = match says(&read, &back) {
                    true => version,
                    false => {
                        let done = catalog.update_document(&by, kind, id, version, read.new);
                        done.await?.document.version
                    }
                };
                tracing::info!(
                    file = path,
                    document = id,
                    "brought back, as its file came back"
                );
                agree(&catalog, id, path, version, hash).await?;
            }
            (Act::Write, Some(saved), file) => {
                let known = self.agreed.iter().find(|one| one.document == id);
                let path = file
                    .map(|file| file.path)
                    .or(known.map(|known| known.path.clone()));
                let taken = |path: &str| {
                    self.disk.contains_key(path) || self.agreed.iter().any(|one| one.path == path)
                };
                let name = &saved.document.name;
                let path = path.unwrap_or_else(|| folder::path_for(kind, name, id, taken));
                let text = yaml::write(&saved).map_err(|error| Undone::File(error.told()))?;
                let hash = folder::hash(&text);
                let (project, to, bytes) = (self.files.project.clone(), path.clone(), text.clone());
                let written =
                    tokio::task::spawn_blocking(move || folder::write(&project, &to, &bytes)).await;
                let unwritten = |error: &dyn std::fmt::Display| {
                    Undone::File(format!("the file cannot be written: {error}"))
                };
                written
                    .map_err(|error| unwritten(&error))?
                    .map_err(|error| unwritten(&error))?;
                tracing::info!(file = path, document = id, "wrote a file");
                let text = Ok(text);
                let on_disk = OnDisk {
                    kind,
                    hash: hash.clone(),
                    text,
                };
                self.disk.insert(path.clone(), on_disk);
                agree(&catalog, id, path, saved.document.version, hash).await?;
            }
            (Act::Remove, ..) => {
                catalog.delete_document(&by, kind, id).await?;
                catalog.forget_document_file(id).await?;
                tracing::info!(document = id, "removed, as its file went");
            }
            (Act::Delete, _, Some(file)) => {
                let path = self.files.project.join(&file.path);
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        let why = format!("the file cannot be removed: {error}");
                        return Err(Undone::File(why));
                    }
                    _ => {}
                }
                catalog.forget_document_file(id).await?;
                tracing::info!(
                    file = file.path,
                    document = id,
                    "removed the file of what was removed"
                );
            }
            (Act::Forget, ..) => catalog.forget_document_file(id).await?,
            (Act::Conflict, Some(saved), Some(file)) => {
                let conflict = Conflict {
                    document: id.to_owned(),
                    kind,
                    name: saved.document.name,
                    path: file.path,
                };
                self.found.conflicts.insert(id.to_owned(), conflict);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Writes down that a document and its file say the same.
async fn agree(
    catalog: &Catalog,
    document: &str,
    path: String,
    version: i64,
    hash: Vec<u8>,
) -> Result<(), CatalogError> {
    let file = DocumentFile {
        document: document.to_owned(),
        path,
        version,
        hash,
    };
    catalog.put_document_file(&file).await
}

/// Whether a text says what a document is.
fn says(read: &Read, saved: &SavedDocument) -> bool {
    let document = &saved.document;
    read.new.name.trim() == document.name
        && read.new.description == document.description
        && read.new.sharing == document.sharing
        && yaml::settled(&read.new.body) == yaml::settled(&saved.body)
}

/// Why something was not done.
enum Undone {
    Catalog(CatalogError),
    File(String),
}

impl From<CatalogError> for Undone {
    fn from(error: CatalogError) -> Self {
        Undone::Catalog(error)
    }
}

impl Undone {
    fn told(self) -> String {
        match self {
            Undone::File(why) => why,
            Undone::Catalog(error) => match error.hint() {
                Some(hint) => format!("{error} ({hint})"),
                None => error.to_string(),
            },
        }
    }
}

/// Whether it is the store's fault and goes by itself.
fn is_passing(error: &CatalogError) -> bool {
    use weir_catalog::CatalogErrorKind as Kind;
    matches!(error.kind(), Kind::Busy | Kind::Unavailable | Kind::Corrupt)
}
