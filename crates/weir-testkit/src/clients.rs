use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

/// The longest a driver may take: a browser that goes through the whole application on a machine that
/// builds at the same time, an SDK that waits between its retries.
const PATIENCE: Duration = Duration::from_secs(400);

/// The programs in other languages that tests drive, and the scripts that drive them.
pub struct Clients {
    installed: PathBuf,
    scripts: PathBuf,
}

impl Clients {
    /// Finds what `tests/clients/setup` installed; says to run it when it is not there or is old.
    pub fn find() -> Result<Self> {
        // Asked as the test runs: a build may be used from more than one copy of the sources.
        let tested = std::env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR")?;
        let scripts = Path::new(&tested).join("../../tests/clients");
        let scripts = scripts.canonicalize().context("tests/clients")?;
        let installed = match std::env::var_os("TESTKIT_CLIENTS") {
            Some(folder) => PathBuf::from(folder),
            None => cache()?.join("weir/clients"),
        };
        for (wanted, stamp) in [
            ("package-lock.json", "node/.installed"),
            ("requirements.txt", "python/.installed"),
        ] {
            let wanted = std::fs::read(scripts.join(wanted))?;
            let found = std::fs::read(installed.join(stamp)).unwrap_or_default();
            ensure!(
                wanted == found,
                "the SDKs and engines in {} are missing or of other versions: run tests/clients/setup",
                installed.display()
            );
        }
        Ok(Self { installed, scripts })
    }

    /// Runs a script of `tests/clients` by Node or Python; returns the JSON it prints last.
    pub async fn run(&self, script: &str, variables: &[(&str, &str)]) -> Result<Value> {
        let path = self.scripts.join(script);
        let mut command = match path.extension().and_then(OsStr::to_str) {
            Some("mjs") => Command::new("node"),
            Some("py") => Command::new(self.python("python")),
            _ => bail!("{script} is neither of Node nor of Python"),
        };
        command
            .arg(path)
            .env("TESTKIT_CLIENTS", &self.installed)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output());
        let output = output
            .await
            .with_context(|| format!("{script} does not end"))??;
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        ensure!(
            output.status.success(),
            "{script} failed: {said}{complained}"
        );
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("{script} said {said}{complained}"))
    }

    /// Runs a driver of PostgreSQL in `tests/clients/drivers` by Node, Python or Java; returns the
    /// lines it prints.
    pub async fn lines(
        &self,
        script: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Vec<String>> {
        let path = self.scripts.join("drivers").join(script);
        let mut command = match path.extension().and_then(OsStr::to_str) {
            Some("mjs") => Command::new("node"),
            Some("py") => Command::new(self.python("python")),
            Some("java") => {
                let mut java = Command::new("java");
                java.args(["-cp", "/usr/share/java/postgresql.jar"]);
                java
            }
            _ => bail!("{script} is of no language known here"),
        };
        command
            .arg(path)
            .args(arguments)
            .env("TESTKIT_CLIENTS", &self.installed)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output());
        let output = output
            .await
            .with_context(|| format!("{script} does not end"))??;
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        ensure!(
            output.status.success(),
            "{script} failed: {said}{complained}"
        );
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Starts a server that came from PyPI; it ends with the answer.
    pub fn serve(&self, program: &str, arguments: &[&OsStr], log: &Path) -> Result<Child> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)?;
        let mut command = Command::new(self.python(program));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        command
            .spawn()
            .with_context(|| format!("cannot start {program}"))
    }

    fn python(&self, program: &str) -> PathBuf {
        self.installed.join("python/bin").join(program)
    }
}

fn cache() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache
        .or_else(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
