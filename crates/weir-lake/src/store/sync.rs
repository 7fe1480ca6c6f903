use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
        std::fs::create_dir_all(folder)?;
        // A `#` and digits mark what a listing passes over.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!("#{}{number:06}", std::process::id()));
        let staged = folder.join(name);
        let put = (|| {
            let mut file = File::create(&staged)?;
            payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
            file.sync_all()?;
            match create {
                true => std::fs::hard_link(&staged, &path),
                false => std::fs::rename(&staged, &path),
            }
        })();
        if create || put.is_err() {
            let _ = std::fs::remove_file(&staged);
        }
        put?;
        self.sync_path(path)
    }

    fn sync_path(&self, path: PathBuf) -> std::io::Result<()> {
        File::open(&path)?.sync_all()?;
        let mut path = path;
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
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(to, opts).await?;
        Ok(Box::new(SyncedUpload {
            inner,
            sync: self.sync.clone(),
            to: to.clone(),
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

#[derive(Debug)]
struct SyncedUpload {
    inner: Box<dyn MultipartUpload>,
    sync: Arc<Sync>,
    to: Path,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        self.sync.sync(&self.to).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
