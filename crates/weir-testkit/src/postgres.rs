use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::user::instead_of_root;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// Separates the columns of an answer: no value of a test contains it.
const SEPARATOR: char = '\u{1f}';

/// A real PostgreSQL 15 with a folder and a port of its own: the oracle for what SQL means.
///
/// It is stopped when this is dropped. As root it runs as another user, since it refuses to be root.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    settings: Vec<String>,
    server: Child,
}

/// What a statement answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The rows as text; `NULL` for none.
    pub rows: Vec<Vec<String>>,
    /// What a statement that is no question said it did, such as `INSERT 0 2`.
    pub tag: String,
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The five characters of the SQLSTATE.
    pub sqlstate: String,
    pub message: String,
}

impl Postgres {
    /// Starts a server with an empty cluster on a free port of 127.0.0.1.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with settings such as `wal_level=logical`.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        let programs = programs()?;
        let user = instead_of_root(&["postgres", "nobody"])?.map(|user| (user.uid, user.gid));
        let folder = tempfile::Builder::new().prefix("weir-pg-").tempdir()?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        let data = folder.path().join("data");
        let made = as_user(&programs.join("initdb"), user)
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .await
            .context("run initdb")?;
        ensure!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let server = launch(&programs, user, folder.path(), port, &settings)?;
        let started = Self {
            folder,
            programs,
            user,
            port,
            settings,
            server,
        };
        started.answers().await?;
        Ok(started)
    }

    /// Ends the server as a crash of its machine would, and starts it again, which reads its log.
    pub async fn crash(&mut self) -> Result<()> {
        self.server.kill().await.context("kill postgres")?;
        let began = Instant::now();
        loop {
            // It does not start before its children have seen that it is gone.
            let (programs, folder) = (&self.programs, self.folder.path());
            self.server = launch(programs, self.user, folder, self.port, &self.settings)?;
            while self.server.try_wait()?.is_none() {
                if self.ask("postgres", "SELECT 1").await?.is_ok() {
                    return Ok(());
                }
                ensure!(began.elapsed() < START, "postgres does not start again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until the server takes statements.
    async fn answers(&self) -> Result<()> {
        let began = Instant::now();
        while let Err(error) = self.ask("postgres", "SELECT 1").await? {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            ensure!(
                began.elapsed() < START,
                "postgres does not answer: {}; its log: {}",
                error.message,
                log.unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Returns the port it listens on, on 127.0.0.1. Everybody is let in without a password.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns where the superuser connects.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let made = self
            .ask(
                "postgres",
                &format!("CREATE DATABASE {name} TEMPLATE template0"),
            )
            .await?;
        match made {
            Ok(_) => Ok(()),
            Err(failure) => bail!("cannot make the database `{name}`: {}", failure.message),
        }
    }

    /// Sends one statement, in a connection of its own.
    pub async fn ask(
        &self,
        database: &str,
        sql: &str,
    ) -> Result<std::result::Result<Answer, Failure>> {
        let separator = SEPARATOR.to_string();
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-F", &separator, "-P", "null=NULL"])
            .args([
                "-v",
                "ON_ERROR_STOP=1",
                "-v",
                "VERBOSITY=verbose",
                "-c",
                sql,
            ])
            .arg(self.url(database))
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::null())
            .output()
            .await
            .context("run psql")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            // `ERROR:  42P01: relation ...`
            let message = text
                .split_once("ERROR:  ")
                .map_or(text.as_str(), |(_, rest)| rest);
            let (sqlstate, message) = message.split_once(": ").unwrap_or(("", message));
            return Ok(Err(Failure {
                sqlstate: sqlstate.to_owned(),
                message: message.lines().next().unwrap_or_default().to_owned(),
            }));
        }
        let text = String::from_utf8(output.stdout).context("psql writes UTF-8")?;
        let tag = text.lines().last().filter(|line| is_tag(line));
        let rows = match tag {
            Some(_) => Vec::new(),
            None => text
                .lines()
                .map(|line| line.split(SEPARATOR).map(str::to_owned).collect())
                .collect(),
        };
        Ok(Ok(Answer {
            rows,
            tag: tag.unwrap_or_default().to_owned(),
        }))
    }
}

/// Starts the server on its folder.
fn launch(
    programs: &Path,
    user: Option<(u32, u32)>,
    folder: &Path,
    port: u16,
    settings: &[String],
) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    let mut command = as_user(&programs.join("postgres"), user);
    command
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder)
        .args([
            "-c",
            "fsync=off",
            "-c",
            "timezone=UTC",
            "-c",
            "max_connections=200",
        ])
        .args(settings.iter().flat_map(|setting| ["-c", setting.as_str()]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().context("start postgres")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // In order, so that it leaves no shared memory behind.
        let mut stop = Blocking::new(self.programs.join("pg_ctl"));
        stop.args(["-m", "immediate", "stop", "-D"])
            .arg(self.folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            use std::os::unix::process::CommandExt;
            stop.uid(uid).gid(gid).current_dir("/");
        }
        let _ = stop.status();
    }
}

/// Whether a line says what a statement did.
fn is_tag(line: &str) -> bool {
    let mut words = line.split(' ');
    let first = words.next().unwrap_or_default();
    let verb = [
        "INSERT", "UPDATE", "DELETE", "MERGE", "SELECT", "CREATE", "DROP", "ALTER", "TRUNCATE",
        "COMMENT", "SET", "GRANT", "REVOKE",
    ];
    verb.contains(&first)
        && words.all(|word| {
            word.bytes().all(|b| b.is_ascii_digit()) || word.bytes().all(|b| b.is_ascii_uppercase())
        })
}

/// Finds the server's programs, which Debian keeps out of the way.
fn programs() -> Result<PathBuf> {
    let debian = Path::new("/usr/lib/postgresql/15/bin");
    if debian.join("postgres").exists() {
        return Ok(debian.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .context("there is no PostgreSQL; `ci/prepare.sh test` installs it")
}

fn as_user(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/").env("LC_ALL", "C");
    command
}
