use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// The longest a test waits for a state that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Weir project with its server.
pub struct Weir {
    binary: PathBuf,
    dir: PathBuf,
    environment: Vec<(String, String)>,
    /// The write key of source `app`.
    pub key: String,
    url: String,
    setup: Option<String>,
    child: Option<Child>,
    http: reqwest::Client,
    // Removed last, and kept when the test fails.
    temporary: Option<tempfile::TempDir>,
}

impl Weir {
    /// Makes a project in a new folder; `binary` is the program under test.
    pub fn init(binary: impl Into<PathBuf>) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut weir = Self::init_at(binary, &temporary.path().join("project"))?;
        weir.temporary = Some(temporary);
        Ok(weir)
    }

    /// Makes a project in `dir`.
    pub fn init_at(binary: impl Into<PathBuf>, dir: &Path) -> Result<Self> {
        let binary = binary.into();
        let output = Command::new(&binary)
            .args(["init", "--json"])
            .arg(dir)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "weir init: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer: Value = serde_json::from_str(&text).context("the answer of weir init")?;
        let key = answer["write_key"]
            .as_str()
            .context("no write key")?
            .to_owned();
        Ok(Self {
            binary,
            dir: dir.to_owned(),
            environment: vec![
                ("WEIR_SERVER_LISTEN".into(), "127.0.0.1:0".into()),
                // The same on every machine.
                ("WEIR_QUERY_MEMORY".into(), "512MB".into()),
            ],
            key,
            url: String::new(),
            setup: None,
            child: None,
            http: reqwest::Client::builder().timeout(PATIENCE).build()?,
            temporary: None,
        })
    }

    /// Sets an environment variable for the processes started from now on.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.retain(|(n, _)| n != name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Takes an environment variable back.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.retain(|(n, _)| n != name);
        self
    }

    /// Returns the project's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the link by which the first owner sets a password; none when one can sign in.
    pub fn setup_link(&self) -> Option<String> {
        self.setup.clone()
    }

    /// Returns the server's process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the server and waits until it listens.
    #[expect(
        clippy::unused_async,
        reason = "the wait for the server may become one"
    )]
    pub async fn start(&mut self) -> Result<()> {
        let mut command = self.command(&["up", "--json"]);
        self.spawn(&mut command)
    }

    /// Starts the server through `program`, which gets the server's command line as arguments.
    #[expect(
        clippy::unused_async,
        reason = "the wait for the server may become one"
    )]
    pub async fn start_under(&mut self, program: &[&str]) -> Result<()> {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .arg(&self.binary)
            .args(["up", "--json"]);
        self.prepare(&mut command);
        self.spawn(&mut command)
    }

    fn spawn(&mut self, command: &mut Command) -> Result<()> {
        ensure!(self.child.is_none(), "the server runs already");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("server.log"))?;
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let status = child.wait()?;
            bail!("the server did not start ({status}): {}", self.log());
        };
        self.url = started["url"].as_str().context("no url")?.to_owned();
        self.setup = started["setup"].as_str().map(str::to_owned);
        self.child = Some(child);
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env("WEIR_PROJECT", &self.dir)
            .env("WEIR_POSTGRES_LISTEN", "127.0.0.1:0")
            .envs(self.environment.iter().cloned());
        command.stdin(Stdio::null());
    }

    /// Runs a command of the program on this project; returns its exit code and both streams.
    pub fn run(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let output = self.command(arguments).output()?;
        Ok((
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Returns whether the server ended by itself (at a crash point).
    pub fn ended_now(&mut self) -> Result<bool> {
        let Some(child) = &mut self.child else {
            return Ok(true);
        };
        if child.try_wait()?.is_some() {
            self.child = None;
            return Ok(true);
        }
        Ok(false)
    }

    /// Asks the server to stop and waits until it did.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let asked = Command::new("kill")
            .arg("-TERM")
            .arg(child.id().to_string())
            .status()?;
        ensure!(asked.success(), "cannot signal the server");
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        ensure!(
            status.success(),
            "the server ended with {status}: {}",
            self.log()
        );
        Ok(())
    }

    /// Returns what the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default()
    }

    /// Sends events through the public API; true when they were acknowledged.
    pub async fn send(&self, events: &[Value]) -> Result<bool> {
        Ok(self.post("/v1/batch", &json!({"batch": events})).await?.0 == 200)
    }

    /// Posts a body with the write key; returns status and body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, String)> {
        let request = self.http.post(format!("{}{path}", self.url));
        let answer = request
            .basic_auth(&self.key, Some(""))
            .json(body)
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Commits everything that was acknowledged to the lake's files.
    pub async fn flush(&self) -> Result<()> {
        let request = self
            .http
            .post(format!("{}/api/v1/lake/flush", self.url))
            .bearer_auth(self.token()?);
        let answer = request.send().await?;
        ensure!(
            answer.status().is_success(),
            "flush: {}",
            answer.text().await?
        );
        Ok(())
    }

    fn token(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.dir.join(".weir/owner.token"))?;
        Ok(token.trim().to_owned())
    }

    /// Answers a query: its rows.
    pub async fn query(&self, sql: &str) -> Result<Vec<Vec<Value>>> {
        let request = self
            .http
            .post(format!("{}/api/v1/query", self.url))
            .bearer_auth(self.token()?);
        let answer: Value = request
            .json(&json!({"sql": sql}))
            .send()
            .await?
            .json()
            .await?;
        match answer["rows"].as_array() {
            Some(rows) if answer["error"].is_null() => {
                Ok(rows.iter().filter_map(|r| r.as_array().cloned()).collect())
            }
            _ => bail!("{sql}: {answer}"),
        }
    }

    /// Answers a query of one number.
    pub async fn count(&self, sql: &str) -> Result<i64> {
        let rows = self.query(sql).await?;
        rows.first()
            .and_then(|r| r.first()?.as_i64())
            .with_context(|| format!("{sql}: {rows:?}"))
    }

    /// Waits until a query of one number gives at least `wanted`.
    pub async fn until_count(&self, sql: &str, wanted: i64) -> Result<i64> {
        until(|| async {
            let found = self.count(sql).await.unwrap_or(-1);
            Ok((found >= wanted).then_some(found))
        })
        .await
        .with_context(|| format!("{sql} to give {wanted}; the log says: {}", self.log()))
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.kill();
        if std::thread::panicking()
            && let Some(dir) = self.temporary.take()
        {
            // For whoever looks into the failure.
            let _ = dir.keep();
        }
    }
}

/// Asks until there is an answer, for a bounded time.
pub async fn until<T, F, A>(mut ask: A) -> Result<T>
where
    A: FnMut() -> F,
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + PATIENCE;
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        pause.tick().await;
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain");
    }
}
