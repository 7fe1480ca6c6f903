//! Where the lake's files are: any object store, with local files made durable by us.

mod sync;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use url::Url;
use weir_core::TableName;

use crate::error::{LakeError, LakeErrorKind};
use sync::SyncedStore;

/// The root of the lake in its object store.
#[derive(Clone, Debug)]
pub(crate) struct LakeRoot {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) url: Url,
    pub(crate) prefix: Path,
}

impl LakeRoot {
    /// Opens the store of `url`: a path or `file://`, `s3://`, `gs://`, `az://`, `memory://`.
    ///
    /// `options` are the store's own (`region`, `endpoint`, `access_key_id`, ...).
    pub(crate) fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Self, LakeError> {
        let fail = || LakeError::new(LakeErrorKind::Config, "open the lake at", redact(url));
        let mut url = match Url::parse(url) {
            // A single letter would be a drive; anything without `://` is a path.
            Ok(parsed) if url.contains("://") => parsed,
            _ => {
                let path =
                    std::path::absolute(PathBuf::from(url)).map_err(|e| fail().because(e))?;
                std::fs::create_dir_all(&path).map_err(|e| fail().because(e))?;
                Url::from_directory_path(&path).map_err(|()| fail())?
            }
        };
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| fail())?;
            std::fs::create_dir_all(&path).map_err(|e| fail().because(e))?;
            let prefix = Path::from_absolute_path(&path).map_err(|e| fail().because(e))?;
            let store = Arc::new(SyncedStore::new(LocalFileSystem::new(), path));
            return Ok(Self { store, url, prefix });
        }
        let (store, prefix) =
            object_store::parse_url_opts(&url, options.clone()).map_err(|e| fail().because(e))?;
        Ok(Self {
            store: Arc::from(store),
            url,
            prefix,
        })
    }

    /// Returns the place of a table: its path in the store and its URL.
    pub(crate) fn table(&self, name: &TableName) -> (Path, Url) {
        // As written, and not percent-encoded: readers decode the URL, and must come to the same path.
        let written = format!("{}/{}/{}", self.prefix, name.schema(), name.table());
        let path = Path::parse(&written)
            .unwrap_or_else(|_| self.prefix.clone().join(name.schema()).join(name.table()));
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .push(name.schema())
                .push(name.table())
                .push("");
        }
        (path, url)
    }

    /// Removes what a crash left half written in a table's folders on a local disk.
    pub(crate) fn sweep(&self, table: &Path, older_than: std::time::Duration) {
        if self.url.scheme() == "file" {
            for folder in [table.clone(), table.clone().join("_delta_log")] {
                sync::sweep(&PathBuf::from(format!("/{folder}")), older_than);
            }
        }
    }

    /// Returns the error of a store that does not answer.
    pub(crate) fn unreachable(&self, why: &str) -> LakeError {
        let url = redact(self.url.as_str());
        LakeError::new(LakeErrorKind::Unreachable, "reach the object store at", url)
            .because(why.to_owned())
    }

    /// Returns every table whose log exists.
    pub(crate) async fn list(&self) -> Result<Vec<TableName>, LakeError> {
        let fail = |e: object_store::Error| {
            let remote = !matches!(self.url.scheme(), "file" | "memory");
            LakeError::new(
                if remote {
                    LakeErrorKind::Unreachable
                } else {
                    LakeErrorKind::Storage
                },
                "list the lake at",
                redact(self.url.as_str()),
            )
            .because(e)
        };
        let mut tables = Vec::new();
        let schemas = self
            .store
            .list_with_delimiter(Some(&self.prefix))
            .await
            .map_err(fail)?;
        for schema in schemas.common_prefixes {
            let found = self
                .store
                .list_with_delimiter(Some(&schema))
                .await
                .map_err(fail)?;
            for table in found.common_prefixes {
                let (Some(schema), Some(name)) = (schema.filename(), table.filename()) else {
                    continue;
                };
                if let Ok(name) = TableName::new(schema, name) {
                    tables.push(name);
                }
            }
        }
        Ok(tables)
    }
}

/// Returns a URL without what may be secret in it.
pub(crate) fn redact(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if url.contains("://") => {
            let _ = parsed.set_password(None);
            let _ = parsed.set_username("");
            parsed.set_query(None);
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}
