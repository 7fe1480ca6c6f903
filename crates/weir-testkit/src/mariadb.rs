use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::postgres::{Answer, Failure};
use crate::user::instead_of_root;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A real MariaDB with a folder and a port of its own.
///
/// It is stopped when this is dropped. As root it runs as another user. Everybody on 127.0.0.1 may be `root`,
/// without a password.
pub struct Mariadb {
    folder: TempDir,
    user: Option<String>,
    port: u16,
    settings: Vec<String>,
    server: Child,
}

impl Mariadb {
    /// Starts a server with settings such as `log-bin=bin`.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        let user = instead_of_root(&["mysql", "nobody"])?;
        let folder = tempfile::Builder::new().prefix("weir-my-").tempdir()?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        let user = user.map(|user| user.name);
        let mut install = Command::new(program("mariadb-install-db")?);
        install
            .arg("--no-defaults")
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--innodb-flush-method=nosync", "--innodb-log-file-size=16M"])
            .arg(format!(
                "--datadir={}",
                folder.path().join("data").display()
            ))
            .args(user.iter().map(|user| format!("--user={user}")));
        let made = install
            .env("TMPDIR", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .context("run mariadb-install-db")?;
        ensure!(
            made.status.success(),
            "mariadb-install-db failed: {}{}",
            String::from_utf8_lossy(&made.stdout),
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let settings: Vec<String> = settings.iter().map(|text| format!("--{text}")).collect();
        let server = launch(folder.path(), user.as_deref(), port, &settings)?;
        let mut started = Self {
            folder,
            user,
            port,
            settings,
            server,
        };
        started.answers().await?;
        Ok(started)
    }

    /// Ends the server as a crash of its machine would, and starts it again, which reads its logs.
    pub async fn crash(&mut self) -> Result<()> {
        self.server.kill().await.context("kill mariadbd")?;
        let (folder, user) = (self.folder.path(), self.user.as_deref());
        self.server = launch(folder, user, self.port, &self.settings)?;
        self.answers().await
    }

    /// Waits until the server takes statements.
    async fn answers(&mut self) -> Result<()> {
        let began = Instant::now();
        while let Err(error) = self.ask("", "SELECT 1").await? {
            let ended = self.server.try_wait()?;
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            ensure!(
                ended.is_none() && began.elapsed() < START,
                "mariadbd does not answer: {}; its log: {}",
                error.message,
                log.unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Returns the port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns where `root` connects.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    /// Sends statements, in a connection of its own; the rows of all of them come together. Values must have no
    /// line ends and tabs.
    pub async fn ask(
        &self,
        database: &str,
        sql: &str,
    ) -> Result<std::result::Result<Answer, Failure>> {
        let mut client = Command::new(program("mariadb")?);
        client
            .args(["--no-defaults", "--batch", "--raw", "--skip-column-names"])
            .args(["-h", "127.0.0.1", "-u", "root", "--connect-timeout=10"])
            .args([
                "--default-character-set=utf8mb4",
                "--init-command=SET time_zone = '+00:00'",
            ])
            .args(["-P", &self.port.to_string(), "-e", sql]);
        if !database.is_empty() {
            client.args(["-D", database]);
        }
        let output = client
            .stdin(Stdio::null())
            .output()
            .await
            .context("run mariadb")?;
        if !output.status.success() {
            // `ERROR 1146 (42S02) at line 1: ...`
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let sqlstate = text.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
            let message = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, rest)| rest);
            return Ok(Err(Failure {
                sqlstate,
                message: message.trim_end().to_owned(),
            }));
        }
        let text = String::from_utf8(output.stdout).context("the client writes UTF-8")?;
        let rows = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect();
        Ok(Ok(Answer {
            rows,
            tag: String::new(),
        }))
    }
}

fn launch(folder: &Path, user: Option<&str>, port: u16, settings: &[String]) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    Command::new(program("mariadbd")?)
        .arg("--no-defaults")
        .args(user.map(|user| format!("--user={user}")))
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--pid-file={}", folder.join("pid").display()))
        // Servers that share a folder for temporary tables take each other's away.
        .arg(format!("--tmpdir={}", folder.display()))
        .args([
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
        ])
        .args(["--innodb-flush-method=nosync", "--innodb-log-file-size=16M"])
        .args([
            "--innodb-buffer-pool-size=64M",
            "--key-buffer-size=1M",
            "--server-id=7",
        ])
        .args(settings)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("start mariadbd")
}

/// Finds a program of the server, which Debian keeps out of the way of users.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/libexec".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .with_context(|| format!("there is no `{name}`; `ci/prepare.sh test` installs it"))
}
