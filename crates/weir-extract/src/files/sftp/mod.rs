//! Files of a server that is asked by SFTP. Who it is is looked at before anything is sent to it.

mod host;
mod login;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use russh::client;
use russh::{ChannelMsg, Preferred};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use url::Url;

use self::host::{Check, Known, known};
use self::login::{Login, login};
use super::copy::copy;
use super::place::Listed;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::spec::FilesSpec;

/// How long a server may say nothing, unless `timeout` says otherwise.
const PATIENCE: u64 = 60;
/// How often a server is asked whether it is there while nothing is asked of it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// As much is asked for at once, and so many times before the first answer is there.
const PIECE: u32 = 32 << 10;
const AHEAD: usize = 16;
/// The most that is listed, so that no server fills the memory.
const MOST: usize = if cfg!(test) { 10_000 } else { 1_000_000 };
const DEEPEST: usize = 64;
/// As much is told of what a server says.
const SAID: usize = 200;
const OPTIONS: [&str; 7] = [
    "password",
    "private_key",
    "key_file",
    "passphrase",
    "host_key",
    "known_hosts",
    "timeout",
];

/// A folder of a server.
pub(super) struct Sftp {
    host: String,
    port: u16,
    user: String,
    folder: String,
    login: Login,
    known: Known,
    patience: Duration,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

struct Session {
    sftp: RawSftpSession,
    ssh: client::Handle<Check>,
}

fn invalid(message: impl Into<String>, hint: &str) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Invalid, message).hint(hint)
}

/// What a server says, as far as it is told.
fn said(text: impl Display) -> String {
    let text = text.to_string();
    // Nothing that a terminal would obey.
    let letters = text.chars().take(SAID);
    letters
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

impl Sftp {
    pub(super) fn open(url: &Url, files: &FilesSpec) -> Result<Self, ExtractError> {
        const FORM: &str = "write `path: sftp://user@host:22/folder`";
        if url.password().is_some() {
            let hint = "write `password: ${env:NAME}` under `options` instead";
            return Err(invalid("the password is in `path`", hint));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid(
                "`path` has a `?` or `#`",
                "write %3F or %23 where they are of a folder's name",
            ));
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            let text = text.map_err(|_| invalid("`path` is no text", FORM))?;
            match text.contains('\0') {
                true => Err(invalid("`path` is no text", FORM)),
                false => Ok(text.into_owned()),
            }
        };
        let user = decoded(url.username())?;
        let host = url.host_str().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if user.is_empty() || host.is_empty() {
            return Err(invalid("`path` names no user or no host", FORM));
        }
        let path = decoded(url.path())?;
        let path = path.trim_end_matches('/');
        // Below the folder where the user begins, as other tools write it.
        let folder = match path.strip_prefix("/~") {
            Some("") => ".",
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
            _ if path.is_empty() => "/",
            _ => path,
        };
        let options = &files.options;
        if let Some(unknown) = options.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
            let hint = format!("there are {}", OPTIONS.join(", "));
            let message = format!("unknown key `{unknown}` in the `options` of SFTP");
            return Err(invalid(message, &hint));
        }
        let patience = match options.get("timeout") {
            None => PATIENCE,
            Some(seconds) => match seconds.reveal().parse() {
                Ok(seconds @ 1..=3600) => seconds,
                _ => {
                    let hint = "write a number of seconds, from 1 to 3600";
                    return Err(invalid("`timeout` is no length of time", hint));
                }
            },
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(22),
            user,
            folder: folder.to_owned(),
            login: login(options, files)?,
            known: known(options, files)?,
            patience: Duration::from_secs(patience),
            session: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the session, which begins when it is first asked for and again after it ended.
    async fn session(&self) -> Result<Arc<Session>, ExtractError> {
        let mut session = self.session.lock().await;
        if let Some(open) = session.as_ref().filter(|open| !open.ssh.is_closed()) {
            return Ok(open.clone());
        }
        let began = tokio::time::timeout(self.patience, Box::pin(self.begin())).await;
        let began = began.map_err(|_| self.silent())??;
        Ok(session.insert(Arc::new(began)).clone())
    }

    async fn begin(&self) -> Result<Session, ExtractError> {
        let trouble = Arc::new(Mutex::new(None));
        let check = Check {
            host: self.host.clone(),
            port: self.port,
            known: self.known.clone(),
            trouble: trouble.clone(),
        };
        let config = client::Config {
            preferred: Preferred {
                key: check.preferred().into(),
                ..Preferred::DEFAULT
            },
            keepalive_interval: Some(HEARTBEAT),
            nodelay: true,
            ..client::Config::default()
        };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| self.unreachable(error))?;
        let connected = client::connect_stream(Arc::new(config), stream, check).await;
        let mut ssh = connected.map_err(|error| {
            let trouble = trouble.lock().take();
            trouble.unwrap_or_else(|| self.unreachable(error))
        })?;
        self.log_in(&mut ssh).await?;
        let channel = ssh.channel_open_session().await;
        let mut channel = channel.map_err(|error| self.unreachable(error))?;
        let asked = channel.request_subsystem(true, "sftp").await;
        asked.map_err(|error| self.unreachable(error))?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure | ChannelMsg::Close) | None => {
                    return Err(self.speaks_none("it refuses"));
                }
                Some(_) => {}
            }
        }
        let config = Config {
            request_timeout_secs: self.patience.as_secs(),
            ..Config::default()
        };
        let sftp = RawSftpSession::new_with_config(channel.into_stream(), config);
        let begun = sftp.init().await;
        begun.map_err(|error| self.speaks_none(error))?;
        Ok(Session { sftp, ssh })
    }

    /// Lists all files below the folder. Links are followed to files, not to folders.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, ExtractError> {
        let session = self.session().await?;
        let sftp = &session.sftp;
        let mut listed = Vec::new();
        let mut seen = 0;
        let mut folders = vec![String::new()];
        while let Some(below) = folders.pop() {
            let path = self.path(&below);
            let told = |error| self.failed("the folder", &path, error);
            let folder = match sftp.opendir(&path).await {
                Ok(folder) => self.handle(folder.handle)?,
                // It may go while the others are listed.
                Err(error) if is_gone(&error) && !below.is_empty() => continue,
                Err(error) => return Err(told(error)),
            };
            loop {
                let entries = match sftp.readdir(&folder).await {
                    Ok(name) if name.files.is_empty() => break,
                    Ok(name) => name.files,
                    Err(SftpError::Status(s)) if s.status_code == StatusCode::Eof => break,
                    Err(error) => return Err(told(error)),
                };
                seen += entries.len();
                if seen > MOST {
                    let message = format!("`{}` has more than {MOST} files", self.folder);
                    return Err(invalid(message, "let `path` be a folder with fewer"));
                }
                for entry in entries {
                    let name = entry.filename;
                    // What is no UTF-8 comes with this in its place.
                    if name.starts_with('.')
                        || name.is_empty()
                        || name.contains(['/', '\0', '\u{fffd}'])
                    {
                        continue;
                    }
                    let file = match below.as_str() {
                        "" => name,
                        below => format!("{below}/{name}"),
                    };
                    let mut known = entry.attrs;
                    if kind(&known).is_none_or(|kind| kind == Kind::Link) {
                        let was_link = kind(&known).is_some();
                        match sftp.stat(self.path(&file)).await {
                            Ok(found) => known = found.attrs,
                            Err(SftpError::Status(_)) => continue,
                            Err(error) => return Err(told(error)),
                        }
                        if was_link && kind(&known) != Some(Kind::File) {
                            continue;
                        }
                    }
                    match kind(&known) {
                        Some(Kind::Folder) if file.split('/').count() < DEEPEST => {
                            folders.push(file);
                        }
                        Some(Kind::File) => listed.push(Listed {
                            path: file,
                            size: known.size.unwrap_or_default(),
                            modified: known.mtime.map(|seconds| i64::from(seconds) * 1000),
                            is_local: false,
                        }),
                        _ => {}
                    }
                }
            }
            let _ = sftp.close(folder).await;
        }
        Ok(listed)
    }

    /// Brings a file here; none where it is gone.
    pub(super) async fn fetch(
        &self,
        listed: &Listed,
    ) -> Result<Option<NamedTempFile>, ExtractError> {
        let session = self.session().await?;
        let sftp = &session.sftp;
        let told = |error| self.failed("the file", &listed.path, error);
        let path = self.path(&listed.path);
        let opened = sftp
            .open(path, OpenFlags::READ, FileAttributes::empty())
            .await;
        let handle = match opened {
            Ok(opened) => self.handle(opened.handle)?,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(told(error)),
        };
        let size = match sftp.fstat(&handle).await {
            Ok(found) => found.attrs.size,
            Err(SftpError::Status(_)) => Some(listed.size),
            Err(error) => return Err(told(error)),
        };
        let size = size.unwrap_or(listed.size);
        let pieces = (0..size).step_by(PIECE as usize).map(|offset| {
            let length = u32::try_from(size - offset).map_or(PIECE, |left| left.min(PIECE));
            piece(sftp, &handle, offset, length)
        });
        let pieces = futures::stream::iter(pieces).buffered(AHEAD);
        let copied = copy(pieces.map_err(told)).await?;
        let _ = sftp.close(handle).await;
        Ok(Some(copied))
    }

    fn path(&self, below: &str) -> String {
        match (below, self.folder.as_str()) {
            ("", folder) => folder.to_owned(),
            (below, "/") => format!("/{below}"),
            (below, folder) => format!("{folder}/{below}"),
        }
    }

    /// Returns the name by which the server knows an open file or folder.
    fn handle(&self, handle: String) -> Result<String, ExtractError> {
        match handle.contains('\u{fffd}') {
            false => Ok(handle),
            true => {
                let message = format!("`{}` names open files by bytes that are no text", self.host);
                Err(ExtractError::new(ExtractErrorKind::Unsupported, message))
            }
        }
    }

    fn failed(&self, what: &str, path: &str, error: SftpError) -> ExtractError {
        let message = format!("{what} `{path}` cannot be read from `{}`", self.host);
        let (kind, hint) = match &error {
            SftpError::Timeout => return self.silent(),
            SftpError::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => (
                    ExtractErrorKind::NotFound,
                    "check `path` in the source's file; `/~/folder` is below where the user begins",
                ),
                StatusCode::PermissionDenied => (
                    ExtractErrorKind::Denied,
                    "ask whoever runs the server to let the user read it",
                ),
                _ => (ExtractErrorKind::Unreachable, "the next sync tries again"),
            },
            _ => (ExtractErrorKind::Unreachable, "the next sync tries again"),
        };
        ExtractError::new(kind, message)
            .because(said(error))
            .hint(hint)
    }

    fn speaks_none(&self, error: impl Display) -> ExtractError {
        let message = format!("`{}` speaks no SFTP", self.host);
        ExtractError::new(ExtractErrorKind::Protocol, message)
            .because(said(error))
            .hint("ask whoever runs the server whether the user may use SFTP")
    }

    fn silent(&self) -> ExtractError {
        let (host, seconds) = (&self.host, self.patience.as_secs());
        let message = format!("`{host}` did not answer within {seconds} s");
        ExtractError::new(ExtractErrorKind::Unreachable, message)
            .hint("check that the server runs; `timeout` under `options` says how long it may take")
    }

    fn unreachable(&self, error: impl Display) -> ExtractError {
        let message = format!("`{}` cannot be reached on port {}", self.host, self.port);
        ExtractError::new(ExtractErrorKind::Unreachable, message)
            .because(said(error))
            .hint("check `path` in the source's file, and that the server runs")
    }
}

/// Reads a piece of a file; what a server sends may be less than was asked for.
async fn piece(
    sftp: &RawSftpSession,
    handle: &str,
    offset: u64,
    length: u32,
) -> Result<Vec<u8>, SftpError> {
    let mut bytes: Vec<u8> = Vec::new();
    while let Some(left) = length
        .checked_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
        .filter(|left| *left > 0)
    {
        let more = sftp.read(handle, offset + bytes.len() as u64, left).await;
        match more {
            Ok(more) if more.data.len() > left as usize => return Err(SftpError::UnexpectedPacket),
            Ok(more) if !more.data.is_empty() => bytes.extend(more.data),
            Ok(_) => return Err(shrunk()),
            Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => {
                return Err(shrunk());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn shrunk() -> SftpError {
    SftpError::UnexpectedBehavior("it became shorter while it was read".to_owned())
}

fn is_gone(error: &SftpError) -> bool {
    matches!(error, SftpError::Status(status) if status.status_code == StatusCode::NoSuchFile)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    Link,
    Other,
}

/// Returns what an entry is, where the server tells.
fn kind(known: &FileAttributes) -> Option<Kind> {
    known.permissions.map(|mode| match mode & 0o170_000 {
        0o040_000 => Kind::Folder,
        0o100_000 => Kind::File,
        0o120_000 => Kind::Link,
        _ => Kind::Other,
    })
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
