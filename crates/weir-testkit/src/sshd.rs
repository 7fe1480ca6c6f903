use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A real OpenSSH server with a folder, keys and a port of its own, that speaks SFTP only.
///
/// It is stopped when this is dropped. Whoever runs the tests may log in, with the keys `user` (without a
/// passphrase), `locked` (whose passphrase is `open sesame`) and `rsa`; passwords are asked for and none is right.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    server: Child,
}

impl Sshd {
    /// Starts a server.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("weir-ssh-").tempdir()?;
        let path = folder.path();
        std::fs::create_dir(path.join("files"))?;
        for (name, kind, passphrase) in [
            ("host", "ed25519", ""),
            ("host_ecdsa", "ecdsa", ""),
            ("user", "ed25519", ""),
            ("locked", "ed25519", "open sesame"),
            ("rsa", "rsa", ""),
        ] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", passphrase, "-C", "", "-f"])
                .arg(path.join(name))
                .output()
                .await
                .context("run ssh-keygen; `ci/prepare.sh test` installs it")?;
            ensure!(made.status.success(), "ssh-keygen failed");
        }
        let mut keys = String::new();
        for name in ["user.pub", "locked.pub", "rsa.pub"] {
            keys.push_str(&std::fs::read_to_string(path.join(name))?);
        }
        std::fs::write(path.join("authorized"), keys)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let shown = path.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nHostKey {shown}/host_ecdsa\n\
             PidFile none\nAuthorizedKeysFile {shown}/authorized\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n\
             MaxStartups 100\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n"
        );
        std::fs::write(path.join("config"), config)?;
        if owner("/proc/self")? == 0 {
            // Where a server of root goes before it knows who asks; the package's service makes it.
            let empty = Path::new("/run/sshd");
            std::fs::create_dir_all(empty)?;
            std::fs::set_permissions(empty, Permissions::from_mode(0o755))?;
        }
        let log = std::fs::File::create(path.join("log"))?;
        let server = Command::new(program()?)
            .args(["-D", "-e", "-f"])
            .arg(path.join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start sshd")?;
        let mut started = Self {
            folder,
            port,
            server,
        };
        started.answers().await?;
        Ok(started)
    }

    /// Waits until the server takes connections.
    async fn answers(&mut self) -> Result<()> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.server.try_wait()?;
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            ensure!(
                ended.is_none() && began.elapsed() < START,
                "sshd does not answer; its log: {}",
                log.unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Returns the port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder that tests put files into.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Returns the text of a key: `user`, `locked`, `rsa`, or public ones as `host.pub` and `host_ecdsa.pub`.
    pub fn key(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join(name))?)
    }

    /// Returns who may log in.
    pub fn user(&self) -> Result<String> {
        let uid = owner("/proc/self")?.to_string();
        let users = std::fs::read_to_string("/etc/passwd")?;
        let mut users = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let user = users.find(|user| user.get(2) == Some(&uid.as_str()));
        Ok(user.context("we have no name")?[0].to_owned())
    }
}

fn owner(path: &str) -> Result<u32> {
    Ok(std::fs::metadata(path)?.uid())
}

/// Finds the server, which Debian keeps out of the way of users; it wants to be called by its whole path.
fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders
        .map(|folder| folder.join("sshd"))
        .find(|program| program.exists())
        .context("there is no `sshd`; `ci/prepare.sh test` installs it")
}
