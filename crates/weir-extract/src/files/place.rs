//! Where files are: a folder of this machine, an object store, or a server that is asked for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::NamedTempFile;
use url::Url;

use super::copy::copy;
use super::google::Google;
use super::sftp::Sftp;
use super::web::Web;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::progress::Progress;
use crate::spec::FilesSpec;
use crate::sync::Service;

/// A file that changed less long ago may still be written.
const FRESH_MS: i64 = 500;

/// A folder with files.
pub(super) enum Place {
    Folder(PathBuf),
    Store {
        store: Arc<dyn ObjectStore>,
        prefix: object_store::path::Path,
        url: String,
    },
    Web(Web),
    Google(Box<Google>),
    Sftp(Box<Sftp>),
}

/// A file that is there.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Its path below the place.
    pub(super) path: String,
    pub(super) size: u64,
    /// Milliseconds since the epoch; none where nobody tells, and it is known by its content.
    pub(super) modified: Option<i64>,
    pub(super) is_local: bool,
}

impl Listed {
    /// Whether it may still be written; objects of a store come whole.
    pub(super) fn is_fresh(&self) -> bool {
        let now = Utc::now().timestamp_millis();
        let is_new = |at| (0..FRESH_MS).contains(&(now - at));
        self.is_local && self.modified.is_some_and(is_new)
    }
}

/// A file as it can be read here; a copy goes with it.
pub(super) enum Local {
    Own(PathBuf),
    Copy(NamedTempFile),
}

impl Local {
    pub(super) fn path(&self) -> &Path {
        match self {
            Local::Own(path) => path,
            Local::Copy(file) => file.path(),
        }
    }
}

impl Place {
    pub(super) fn open(
        files: &FilesSpec,
        service: &Service,
        progress: &Progress,
    ) -> Result<Self, ExtractError> {
        if !files.place.contains("://") {
            return Ok(Place::Folder(files.folder.join(&files.place)));
        }
        let wrong = |error: String| {
            // Before the host may be a password.
            let place = files.place.rsplit('@').next().unwrap_or_default();
            let message = format!("`{place}` is no place that files can be read from");
            ExtractError::new(ExtractErrorKind::Invalid, message)
                .because(error)
                .hint("write a folder, https://, sftp://, or s3://, gs:// or az:// with bucket and folder")
        };
        let url = Url::parse(&files.place).map_err(|error| wrong(error.to_string()))?;
        if url.scheme() == "file" {
            let path = url
                .to_file_path()
                .map_err(|()| wrong("it is no path".into()))?;
            return Ok(Place::Folder(path));
        }
        if url.scheme() == "sftp" {
            return Ok(Place::Sftp(Box::new(Sftp::open(&url, files)?)));
        }
        if ["http", "https"].contains(&url.scheme()) {
            let Some(http) = service.http.clone() else {
                return Err(wrong("there is no client of HTTP".to_owned()));
            };
            let account = service.account.clone();
            if Google::is_one(&url, files) {
                let google = Google::open(&url, files, http, account, progress.clone())?;
                return Ok(Place::Google(Box::new(google)));
            }
            return Ok(Place::Web(Web::open(
                &url,
                files,
                http,
                account,
                progress.clone(),
            )?));
        }
        // What their own tools read: AWS_ACCESS_KEY_ID, GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_KEY, ...
        let variables = std::env::vars().filter(|(name, _)| {
            ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        });
        let variables = variables.map(|(name, value)| (name.to_lowercase(), value));
        let own = files.options.iter();
        let own = own.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        let options: Vec<(String, String)> = variables.chain(own).collect();
        let (store, prefix) = object_store::parse_url_opts(&url, options)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Place::Store {
            store: Arc::from(store),
            prefix,
            url: files.place.clone(),
        })
    }

    /// Lists all files below the place.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, ExtractError> {
        match self {
            Place::Folder(folder) => {
                let folder = folder.clone();
                let listing = tokio::task::spawn_blocking(move || {
                    let mut found = Vec::new();
                    walk(&folder, "", &mut found)
                        .map(|()| found)
                        .map_err(|error| {
                            let message =
                                format!("the folder `{}` cannot be listed", folder.display());
                            ExtractError::new(ExtractErrorKind::Unreachable, message)
                                .because(error)
                                .hint("check `path` in the source's file, and who may read it")
                        })
                });
                listing.await.map_err(super::interrupted)?
            }
            Place::Web(web) => web.list().await,
            Place::Google(google) => {
                let sheets = google.sheets().await?.into_iter();
                Ok(sheets.map(|(listed, _)| listed).collect())
            }
            Place::Sftp(sftp) => sftp.list().await,
            Place::Store { store, prefix, url } => {
                let listed = store.list(Some(prefix)).map_ok(|meta| Listed {
                    path: below(prefix, &meta.location),
                    size: meta.size,
                    modified: Some(meta.last_modified.timestamp_millis()),
                    is_local: false,
                });
                let listed: Result<Vec<Listed>, _> = listed.try_collect().await;
                listed.map_err(|error| unreachable(url, error))
            }
        }
    }

    /// Brings a file here; none where it is gone since it was listed.
    pub(super) async fn fetch(&self, listed: &Listed) -> Result<Option<Local>, ExtractError> {
        match self {
            Place::Folder(folder) => Ok(Some(Local::Own(folder.join(&listed.path)))),
            Place::Web(web) => Ok(Some(Local::Copy(web.fetch(&listed.path).await?))),
            Place::Google(google) => Ok(Some(Local::Copy(google.fetch(&listed.path).await?))),
            Place::Sftp(sftp) => Ok(sftp.fetch(listed).await?.map(Local::Copy)),
            Place::Store { store, prefix, url } => {
                let written = match prefix.as_ref() {
                    "" => listed.path.clone(),
                    prefix => format!("{prefix}/{}", listed.path),
                };
                let location = object_store::path::Path::parse(&written)
                    .map_err(|error| unreachable(url, error.into()))?;
                let got = store.get(&location).await;
                let bytes = got.map_err(|error| unreachable(url, error))?.into_stream();
                let copied = copy(bytes.map_err(|error| unreachable(url, error))).await?;
                Ok(Some(Local::Copy(copied)))
            }
        }
    }
}

fn below(prefix: &object_store::path::Path, location: &object_store::path::Path) -> String {
    let whole = location.as_ref();
    let rest = whole.strip_prefix(prefix.as_ref()).unwrap_or(whole);
    rest.trim_start_matches('/').to_owned()
}

fn unreachable(url: &str, error: object_store::Error) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Unreachable,
        format!("`{url}` cannot be read"),
    )
    .because(error)
    .hint("check `path`, and the keys in `options` or in the environment of the server")
}

fn walk(folder: &Path, below: &str, found: &mut Vec<Listed>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Names of any letters, but text: they are values.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let path = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        // A file may go while the folder is listed; links are followed to files, not to folders.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            walk(&entry.path(), &path, found)?;
            continue;
        }
        let Ok(metadata) = std::fs::metadata(entry.path()) else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        let modified = metadata.modified().ok();
        let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        found.push(Listed {
            path,
            size: metadata.len(),
            modified: since.and_then(|since| i64::try_from(since.as_millis()).ok()),
            is_local: true,
        });
    }
    Ok(())
}
