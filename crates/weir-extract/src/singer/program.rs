//! The program of a tap: its environment, its files, its life.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::metric::{Asked, rest};
use crate::budget::Account;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::progress::Progress;
use crate::spec::{Secret, SingerSpec};

/// The longest line a tap may write.
pub(super) const LINE_BYTES: usize = 256 << 20;
/// As much of what a tap says on stderr is kept for a failure.
const SAID_LINES: usize = 30;

/// Where a source's own files lie: its environment, and what a tap is given for one run.
#[derive(Clone, Debug)]
pub struct SourceFolder(PathBuf);

impl SourceFolder {
    /// Takes a folder, which need not exist, as the source's own.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(super) fn kept_path(&self) -> PathBuf {
        self.0.join("rotated.json")
    }

    /// Returns where the key lies that seals what sources keep: beside their folders, where none can have
    /// its name.
    pub(super) fn key_path(&self) -> PathBuf {
        self.0.parent().unwrap_or(&self.0).join(".key")
    }

    pub(super) fn name(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Removes the files of runs, which have secrets; none is under way.
    pub(super) fn remove_runs(&self) -> std::io::Result<()> {
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("run-") {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn venv(&self) -> PathBuf {
        self.0.join("venv")
    }

    /// Makes a folder for one run that nobody else can look into, removed when it is dropped.
    fn run(&self, name: &str) -> Result<RunFolder, ExtractError> {
        let path = self.0.join(format!("run-{name}"));
        let fail = |error: std::io::Error| {
            let message = format!("cannot make the folder `{}`", path.display());
            ExtractError::new(ExtractErrorKind::Program, message).because(error)
        };
        private_folder(&self.0).map_err(fail)?;
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(fail)?;
        }
        private_folder(&path).map_err(fail)?;
        Ok(RunFolder(path))
    }
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Files of one run: the configuration among them, secrets and all.
pub(super) struct RunFolder(PathBuf);

impl RunFolder {
    pub(super) fn write(&self, name: &str, value: &Value) -> Result<PathBuf, ExtractError> {
        use std::io::Write;
        let path = self.0.join(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        let written = file.and_then(|mut file| file.write_all(value.to_string().as_bytes()));
        written.map_err(|error| {
            let message = format!("cannot write `{}`", path.display());
            ExtractError::new(ExtractErrorKind::Program, message).because(error)
        })?;
        Ok(path)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A tap that can be started.
pub(super) struct Program {
    path: PathBuf,
    environment: BTreeMap<String, Secret>,
    folder: PathBuf,
    secrets: Vec<String>,
    own: SourceFolder,
    name: String,
}

impl Program {
    /// Finds the tap, and makes its environment first where that is not there or is of other packages.
    /// `config` is what it is going to be given.
    pub(super) async fn ready(
        spec: &SingerSpec,
        config: &Map<String, Value>,
        own: &SourceFolder,
        progress: &Progress,
    ) -> Result<Self, ExtractError> {
        let path = match spec.pip.is_empty() {
            true => PathBuf::from(&spec.tap),
            false => {
                install(own, &spec.pip, progress).await?;
                own.venv().join("bin").join(&spec.tap)
            }
        };
        if !spec.pip.is_empty() && !path.exists() {
            let mut programs: Vec<String> = std::fs::read_dir(own.venv().join("bin"))
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| name.starts_with("tap") || name.starts_with("singer"))
                .collect();
            programs.sort();
            let message = format!("the packages bring no program `{}`", spec.tap);
            let hint = match programs.is_empty() {
                true => "set `tap:` to the program's name".to_owned(),
                false => format!("set `tap:` to one of: {}", programs.join(", ")),
            };
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message).hint(hint));
        }
        let mut secrets = Vec::new();
        texts(config, &mut secrets);
        secrets.extend(
            spec.environment
                .values()
                .map(|secret| secret.reveal().to_owned()),
        );
        secrets.retain(|text| text.len() >= 6);
        Ok(Self {
            path,
            environment: spec.environment.clone(),
            folder: spec.folder.clone(),
            secrets,
            own: own.clone(),
            name: spec.tap.clone(),
        })
    }

    pub(super) fn run_folder(&self, name: &str) -> Result<RunFolder, ExtractError> {
        self.own.run(name)
    }

    /// Starts the tap with `arguments`; it is killed when the child is dropped.
    pub(super) fn start(&self, arguments: &[&std::ffi::OsStr]) -> Result<Child, ExtractError> {
        let mut command = clean(&self.path);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(
                self.environment
                    .iter()
                    .map(|(name, value)| (name, value.reveal())),
            )
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().map_err(|error| {
            let message = format!("cannot start the tap `{}`", self.path.display());
            ExtractError::new(ExtractErrorKind::Program, message)
                .because(error)
                .hint("add `pip:` with the tap's package, or set `tap:` to the program's path")
        })
    }

    /// Collects what a tap says on stderr until it ends: the last lines, without secrets.
    ///
    /// Requests that it reports are counted for the account.
    pub(super) async fn listen(
        &self,
        stderr: tokio::process::ChildStderr,
        account: &Account,
    ) -> Vec<String> {
        let mut asked = Asked::default();
        let mut lines = BufReader::new(stderr);
        let mut said = std::collections::VecDeque::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut part = (&mut lines).take(64 << 10);
            match part.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            account.count(asked.more(&text));
            if let Some(wait) = rest(&text) {
                account.rest(wait);
            }
            let text = self.redacted(text.trim_end());
            tracing::debug!(tap = self.name, text, "tap");
            said.push_back(text);
            if said.len() > SAID_LINES {
                said.pop_front();
            }
        }
        said.into()
    }

    fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        text
    }

    /// Says that the tap failed, with its own last words.
    pub(super) fn failed(&self, status: std::process::ExitStatus, said: &[String]) -> ExtractError {
        let message = format!("the tap `{}` failed: {status}", self.name);
        let error = ExtractError::new(ExtractErrorKind::Program, message);
        let words: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|l| !l.trim().is_empty())
            .collect();
        match words.is_empty() {
            true => error,
            false => error.because(words[words.len().saturating_sub(12)..].join("\n")),
        }
    }
}

/// Returns texts of a configuration that a tap must not repeat in its messages: all of those that came
/// from secrets are among them.
fn texts(map: &Map<String, Value>, out: &mut Vec<String>) {
    const SECRET: [&str; 7] = [
        "password",
        "secret",
        "token",
        "key",
        "credential",
        "auth",
        "url",
    ];
    for (name, value) in map {
        match value {
            Value::String(text) if SECRET.iter().any(|word| name.to_lowercase().contains(word)) => {
                out.push(text.clone());
            }
            Value::Object(inner) => texts(inner, out),
            _ => {}
        }
    }
}

/// Returns a command with little of our environment: ours has secrets that are not the tap's.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().kill_on_drop(true);
    for name in [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Makes the source's private Python environment, unless it is there with the same packages.
async fn install(
    own: &SourceFolder,
    packages: &[String],
    progress: &Progress,
) -> Result<(), ExtractError> {
    let venv = own.venv();
    let stamp = venv.join("weir-packages");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    progress.doing(format!("installing {}", packages.join(" ")));
    let fail = |error: std::io::Error| {
        let message = format!("cannot make the folder `{}`", venv.display());
        ExtractError::new(ExtractErrorKind::Program, message).because(error)
    };
    private_folder(&own.0).map_err(fail)?;
    if venv.exists() {
        std::fs::remove_dir_all(&venv).map_err(fail)?;
    }
    let python = venv.join("bin/python");
    let has_uv = step("uv", &["--version".as_ref()]).await.is_ok();
    if has_uv {
        step("uv", &["venv".as_ref(), "--quiet".as_ref(), venv.as_ref()]).await?;
        let mut arguments: Vec<&std::ffi::OsStr> = vec![
            "pip".as_ref(),
            "install".as_ref(),
            "--quiet".as_ref(),
            "--python".as_ref(),
            python.as_ref(),
        ];
        arguments.extend(packages.iter().map(std::ffi::OsStr::new));
        step("uv", &arguments).await?;
    } else {
        step("python3", &["-m".as_ref(), "venv".as_ref(), venv.as_ref()]).await?;
        let mut arguments: Vec<&std::ffi::OsStr> = vec![
            "-m".as_ref(),
            "pip".as_ref(),
            "install".as_ref(),
            "--quiet".as_ref(),
            "--disable-pip-version-check".as_ref(),
        ];
        arguments.extend(packages.iter().map(std::ffi::OsStr::new));
        step(&python.to_string_lossy(), &arguments).await?;
    }
    std::fs::write(&stamp, wanted).map_err(fail)
}

async fn step(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<(), ExtractError> {
    let mut command = clean(Path::new(program));
    // Mirrors and caches of packages.
    for (name, value) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PIP_") || text.starts_with("UV_") {
            command.env(name, value);
        }
    }
    let output = command.args(arguments).stdin(Stdio::null()).output().await;
    let said = arguments
        .iter()
        .map(|a| a.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let output = output.map_err(|error| {
        ExtractError::new(
            ExtractErrorKind::Program,
            format!("cannot run `{program} {said}`"),
        )
        .because(error)
        .hint("Python 3 with `venv` is needed: on Debian, `apt install python3-venv`")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n");
    Err(ExtractError::new(
        ExtractErrorKind::Program,
        format!("`{program} {said}` failed"),
    )
    .because(last)
    .hint("check the names and versions of the packages in `pip:`"))
}

/// Returns what a tap changed in its configuration, such as a token that it was given anew.
pub(super) fn rotated(before: &Map<String, Value>, path: &Path) -> Map<String, Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let Ok(Value::Object(after)) = serde_json::from_str(&text) else {
        return Map::new();
    };
    after
        .into_iter()
        .filter(|(key, value)| before.get(key) != Some(value))
        .collect()
}
