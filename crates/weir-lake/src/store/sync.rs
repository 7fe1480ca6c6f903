use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
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
            .map_err(|source| object_store::Error::Generic {
                store: "SyncedStore",
                source: Box::new(source),
            })
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

impl fmt::Display for SyncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncedStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for SyncedStore {
    async fn put_opts(
        &self,
        to: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let result = self.inner.put_opts(to, payload, opts).await?;
        self.sync.sync(to).await?;
        Ok(result)
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
