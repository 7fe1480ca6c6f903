//! Files of a web server, asked within the budget of its account.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use tempfile::NamedTempFile;
use url::Url;

use super::copy::copy;
use super::place::Listed;
use crate::budget::Account;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::http::{Http, HttpAnswer, HttpError, HttpRequest};
use crate::progress::Progress;
use crate::spec::{FilesSpec, Secret};

/// As often a request is made whose server is busy.
const TRIES: u32 = 5;

/// Files of a server, by name: nobody lists them.
pub(super) struct Web {
    base: Url,
    /// Paths below the base.
    names: Vec<String>,
    headers: Vec<(String, Secret)>,
    http: Arc<dyn Http>,
    account: Arc<Account>,
    progress: Progress,
}

impl Web {
    pub(super) fn open(
        url: &Url,
        files: &FilesSpec,
        http: Arc<dyn Http>,
        account: Arc<Account>,
        progress: Progress,
    ) -> Result<Self, ExtractError> {
        let headers = files.headers.iter();
        let names = match url.path().ends_with('/') {
            true => files.streams.iter().map(|s| s.files.clone()).collect(),
            false => {
                let mut parts = url.path_segments().into_iter().flatten();
                vec![parts.next_back().unwrap_or_default().to_owned()]
            }
        };
        let unnamed = names.iter().find(|name| name.contains(['*', '?', '{']));
        if let Some(pattern) = unnamed {
            let message = format!("`{pattern}` is a pattern, and a web server lists no files");
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                .hint("name one file for each stream: `files: orders.csv`"));
        }
        if names.is_empty() {
            let message = "no file of the web server is named";
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                .hint("let `path` be a file's URL, or name files under `streams`"));
        }
        Ok(Self {
            base: url.clone(),
            names,
            headers: headers.map(|(n, v)| (n.clone(), v.clone())).collect(),
            http,
            account,
            progress,
        })
    }

    /// Asks for what is known of each file without its content.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, ExtractError> {
        let mut listed = Vec::with_capacity(self.names.len());
        for name in &self.names {
            let answer = self.ask(name, true).await?;
            // A server that does not say when a file changed is asked for the file, which tells by its content.
            let told = answer
                .modified
                .filter(|_| (200..300).contains(&answer.status));
            listed.push(Listed {
                path: name.clone(),
                size: answer.length.unwrap_or_default(),
                modified: told.map(|at| at.timestamp_millis()),
                is_local: false,
            });
        }
        Ok(listed)
    }

    /// Brings a file here.
    pub(super) async fn fetch(&self, name: &str) -> Result<NamedTempFile, ExtractError> {
        let body = self.ask(name, false).await?.body;
        copy(body.map_err(|error| self.unreachable(name, error))).await
    }

    /// Asks until the server has time, as long and as often as it wants.
    async fn ask(&self, name: &str, head: bool) -> Result<HttpAnswer, ExtractError> {
        let url = match self.base.path().ends_with('/') {
            true => self
                .base
                .join(name)
                .map_err(|e| self.unreachable(name, e.into()))?,
            false => self.base.clone(),
        };
        for tried in 0..TRIES {
            self.account.ask(&self.progress).await?;
            let request = HttpRequest {
                url: url.clone(),
                head,
                headers: self.headers.clone(),
            };
            let answer = self.http.ask(request).await;
            let answer = answer.map_err(|error| self.unreachable(name, error))?;
            let (kind, hint) = match answer.status {
                200..=299 => return Ok(answer),
                // It answers no questions without content.
                405 | 501 if head => return Ok(answer),
                429 | 503 => {
                    let wait = answer
                        .retry_after
                        .unwrap_or(Duration::from_secs(1 << tried));
                    self.account.rest(wait);
                    continue;
                }
                401 | 403 => (
                    ExtractErrorKind::Denied,
                    "check `headers` in the source's file",
                ),
                404 | 410 => (
                    ExtractErrorKind::NotFound,
                    "check `path` in the source's file",
                ),
                500.. => (ExtractErrorKind::Unreachable, "try again later"),
                _ => (
                    ExtractErrorKind::Protocol,
                    "check `path` and `headers` in the source's file",
                ),
            };
            let message = format!("the server answers {} for `{name}`", answer.status);
            return Err(ExtractError::new(kind, message).hint(hint));
        }
        let message = format!("the server was too busy for `{name}`, {TRIES} times");
        Err(ExtractError::new(ExtractErrorKind::RateLimited, message)
            .hint("ask it less often: `budget: 60/h` in the source's file"))
    }

    /// The URL may have a secret in its query, so it is not told.
    fn unreachable(&self, name: &str, error: HttpError) -> ExtractError {
        let host = self.base.host_str().unwrap_or_default();
        let message = format!("`{name}` cannot be fetched from `{host}`");
        ExtractError::new(ExtractErrorKind::Unreachable, message).because(error)
    }
}
