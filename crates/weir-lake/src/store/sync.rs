use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};
use parking_lot::Mutex;

/// A local file system whose writes are on the disk when they return.
///
/// `object_store` 0.13 leaves that to the kernel, which may take half a minute. Here a file and
/// every directory entry that leads to it are synced before a write counts as done.
#[derive(Debug)]
pub(super) struct SyncedStore {
    inner: Arc<LocalFileSystem>,
    sync: Arc<Sync>,
}

#[derive(Debug)]
struct Sync {
    inner: Arc<LocalFileSystem>,
    /// Directories above this one are not ours.
    root: PathBuf,
    /// Directories whose own entry is on disk.
    known: Mutex<HashSet<PathBuf>>,
}

impl SyncedStore {
    pub(super) fn new(inner: LocalFileSystem, root: PathBuf) -> Self {
        let inner = Arc::new(inner);
        let sync = Sync {
            inner: inner.clone(),
            root,
            known: Mutex::default(),
        };
        Self {
            inner,
            sync: Arc::new(sync),
        }
    }
}

impl Sync {
    async fn sync(self: &Arc<Self>, location: &Path) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        let this = self.clone();
        let synced = tokio::task::spawn_blocking(move || this.sync_path(path)).await;
        synced
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(failed)
    }

    fn put(&self, path: PathBuf, payload: &PutPayload, create: bool) -> std::io::Result<()> {
        let mut staged = Staged::create(&path)?;
        let file = &mut staged.file;
        payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
        self.publish(&staged, path, create)
    }

    /// Gives a finished file its name: the bytes are synced before it, the directories after it.
    fn publish(&self, staged: &Staged, path: PathBuf, create: bool) -> std::io::Result<()> {
        staged.file.sync_all()?;
        match create {
            true => std::fs::hard_link(&staged.path, &path)?,
            false => std::fs::rename(&staged.path, &path)?,
        }
        self.sync_folders(path)
    }

    fn sync_path(&self, path: PathBuf) -> std::io::Result<()> {
        File::open(&path)?.sync_all()?;
        self.sync_folders(path)
    }

    fn sync_folders(&self, mut path: PathBuf) -> std::io::Result<()> {
        // The file's own directory always; further up only while an entry may be new.
        while path.pop() && path.starts_with(&self.root) {
            File::open(&path)?.sync_all()?;
            if !self.known.lock().insert(path.clone()) {
                break;
            }
        }
        Ok(())
    }
}

/// A file that does not have its name yet. What is left of it goes when this is dropped.
#[derive(Debug)]
struct Staged {
    file: File,
    path: PathBuf,
}

impl Staged {
    fn create(path: &std::path::Path) -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
        std::fs::create_dir_all(folder)?;
        // A `#` and digits mark what a listing passes over.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!("#{}{number:06}", std::process::id()));
        let path = folder.join(name);
        Ok(Self {
            file: File::create(&path)?,
            path,
        })
    }
}

/// Removes files that never got their name, and that nobody has written to for long.
pub(super) fn sweep(folder: &std::path::Path, older_than: std::time::Duration) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let staged = name
            .to_string_lossy()
            .rsplit_once('#')
            .is_some_and(|(_, number)| {
                number.len() > 6 && number.bytes().all(|byte| byte.is_ascii_digit())
            });
        let modified = entry.metadata().and_then(|data| data.modified());
        let old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= older_than));
        if staged && old {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename there is nothing under this name.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(source: std::io::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "SyncedStore",
        source: Box::new(source),
    }
}

impl fmt::Display for SyncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncedStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for SyncedStore {
    /// Writes and syncs under another name first: a name never leads to half a file, whatever
    /// moment the power goes.
    async fn put_opts(
        &self,
        to: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let path = self.inner.path_to_filesystem(to)?;
        let (sync, name) = (self.sync.clone(), to.to_string());
        let create = match opts.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            // Nobody here asks a local disk for it; the inner store says that it cannot.
            PutMode::Update(_) => return self.inner.put_opts(to, payload, opts).await,
        };
        let written = tokio::task::spawn_blocking(move || sync.put(path, &payload, create)).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(()) => Ok(PutResult {
                e_tag: None,
                version: None,
            }),
            Err(error) if create && error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(object_store::Error::AlreadyExists {
                    path: name,
                    source: Box::new(error),
                })
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(to)?;
        let staged = Arc::new(Staged::create(&path).map_err(failed)?);
        Ok(Box::new(SyncedUpload {
            sync: self.sync.clone(),
            path,
            staged: Some(staged),
            len: 0,
        }))
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(from, options).await
    }

    async fn get_ranges(&self, from: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(from, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.sync.sync(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync.sync(to).await
    }
}

/// A file written part by part, in the same order as a whole one: bytes, sync, name, directories.
#[derive(Debug)]
struct SyncedUpload {
    sync: Arc<Sync>,
    path: PathBuf,
    /// None once it has its name or was given up.
    staged: Option<Arc<Staged>>,
    len: u64,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let at = self.len;
        self.len += data.content_length() as u64;
        let staged = self.staged.clone();
        Box::pin(async move {
            let staged = staged.ok_or_else(|| failed(over()))?;
            let write = move || {
                let mut at = at;
                data.iter().try_for_each(|bytes| {
                    staged.file.write_all_at(bytes, at)?;
                    at += bytes.len() as u64;
                    Ok(())
                })
            };
            let written = tokio::task::spawn_blocking(write).await;
            written
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(failed)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().ok_or_else(|| failed(over()))?;
        let (sync, path) = (self.sync.clone(), self.path.clone());
        let named = tokio::task::spawn_blocking(move || sync.publish(&staged, path, false)).await;
        named
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(failed)?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged = None;
        Ok(())
    }
}

fn over() -> std::io::Error {
    std::io::Error::other("the upload has ended")
}
