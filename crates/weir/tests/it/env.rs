use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A project in a folder of its own.
pub(crate) struct Env {
    _dir: tempfile::TempDir,
    pub(crate) project: PathBuf,
    pub(crate) key: String,
}

impl Env {
    /// Makes a project with `weir init`, on a free port.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        let output = weir(&["--json", "init", project.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let key = answer["write_key"].as_str().unwrap().to_owned();
        Self {
            _dir: dir,
            project,
            key,
        }
    }

    /// Runs a command on the project.
    pub(crate) fn weir(&self, arguments: &[&str]) -> Output {
        self.weir_with(&[], arguments)
    }

    pub(crate) fn weir_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = command();
        command.arg("--project").arg(&self.project).args(arguments);
        command.envs(variables.iter().copied()).output().unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.project.join(name), text).unwrap();
    }

    /// Starts the server and waits until it says where it listens.
    pub(crate) fn up(&self) -> Server {
        self.up_with(&[])
    }

    pub(crate) fn up_with(&self, variables: &[(&str, &str)]) -> Server {
        let mut child = command()
            .args(["--json", "--project", self.project.to_str().unwrap(), "up"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let started: Value = serde_json::from_str(&line).expect("the server says where it listens");
        let token = std::fs::read_to_string(self.project.join(".weir/owner.token")).unwrap();
        Server {
            url: started["url"].as_str().unwrap().to_owned(),
            token: token.trim().to_owned(),
            child: Some(child),
        }
    }
}

/// A running `weir up`, killed when dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) token: String,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn http(&self) -> reqwest::Client {
        reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap()
    }

    /// Sends one track event and returns the status.
    pub(crate) async fn track(&self, key: &str, event: &str) -> u16 {
        let body = serde_json::json!({ "event": event, "userId": "ada" }).to_string();
        let post = self.http().post(format!("{}/v1/track", self.url));
        let answer = post
            .basic_auth(key, Some(""))
            .body(body)
            .send()
            .await
            .unwrap();
        answer.status().as_u16()
    }

    /// Asks a question over HTTP and returns the rows.
    pub(crate) async fn rows(&self, sql: &str) -> Value {
        let post = self.http().post(format!("{}/api/v1/query", self.url));
        let body = serde_json::json!({ "sql": sql });
        let answer = post
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        answer.json::<Value>().await.unwrap()["rows"].take()
    }

    /// Asks until the answer is `wanted`.
    pub(crate) async fn wait_for_rows(&self, sql: &str, wanted: &Value) {
        let start = Instant::now();
        loop {
            let post = self.http().post(format!("{}/api/v1/query", self.url));
            let body = serde_json::json!({ "sql": sql });
            let answer = post
                .bearer_auth(&self.token)
                .json(&body)
                .send()
                .await
                .unwrap();
            let answer: Value = answer.json().await.unwrap();
            if answer["rows"] == *wanted {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{sql}: {answer}, wanted {wanted}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self
            .http()
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn get_as_owner(&self, path: &str) -> (u16, String) {
        let get = self.http().get(format!("{}{path}", self.url));
        let answer = get.bearer_auth(&self.token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to end and returns its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("the server does not stop");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs `weir` with nothing of this process's environment that could matter.
pub(crate) fn weir(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    // Another program may have the usual ports.
    command
        .env("WEIR_SERVER_LISTEN", "127.0.0.1:0")
        .env("WEIR_POSTGRES_LISTEN", "127.0.0.1:0");
    command
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}
