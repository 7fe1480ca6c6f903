use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weir_core::config::Config;
use weir_serve::Routes;

use crate::failure::{Explain, Failure};
use crate::project::Project;
use crate::tls::pinned;

/// A running server, as a command sees it.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    /// Where the server is this very process.
    routes: Option<Routes>,
}

/// What a running server says about itself in `.weir/server.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) url: String,
    /// By what a command knows the server, where connections are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_sha256: Option<String>,
    /// Where clients of PostgreSQL connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) postgres: Option<SocketAddr>,
}

/// An answer of the API that is no success.
#[derive(Deserialize)]
struct Refusal {
    message: String,
    hint: Option<String>,
}

impl Client {
    /// Returns a client for the server of `project`, which may or may not run.
    pub(crate) fn new(project: &Project, config: &Config) -> Result<Self, Failure> {
        let (url, certificate) = server(project, config);
        Ok(Self {
            http: http_client(certificate.as_deref())?,
            url,
            token: project.owner_token()?,
            routes: None,
        })
    }

    /// Returns a client for the server that has `project` now; none while none runs.
    pub(crate) async fn of_running(project: &Project, config: &Config) -> Option<Self> {
        let client = Self::new(project, config).ok()?;
        client.is_running().await.then_some(client)
    }

    /// Returns a client for a server whose address and token are known.
    pub(crate) fn to(url: String, token: String) -> Result<Self, Failure> {
        Ok(Self {
            http: http_client(None)?,
            url,
            token,
            routes: None,
        })
    }

    /// Returns the client for a server of this process, which it asks without a connection.
    pub(crate) fn within(self, routes: Routes) -> Self {
        Self {
            routes: Some(routes),
            ..self
        }
    }

    /// Returns the server's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Begins a request that carries the owner's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
    }

    /// Whether a server answers.
    pub(crate) async fn is_running(&self) -> bool {
        let live = self.http.get(format!("{}/health/live", self.url));
        let answer = live.timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Returns how many tables of the lake cannot be read, if a server says so.
    pub(crate) async fn unreadable_tables(&self) -> Option<u64> {
        let ready = self.http.get(format!("{}/health/ready", self.url));
        let answer = ready.timeout(Duration::from_secs(2)).send().await.ok()?;
        let answer: serde_json::Value = answer.json().await.ok()?;
        answer.get("unreadable_tables")?.as_u64()
    }

    /// Sends a request and returns its answer, whatever that is.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> reqwest::Result<reqwest::Response> {
        let Some(routes) = &self.routes else {
            return request.send().await;
        };
        let answer = routes
            .answer::<reqwest::Body>(request.build()?.try_into()?)
            .await;
        Ok(answer.map(reqwest::Body::wrap_stream).into())
    }

    /// Sends a request and returns its successful answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Failure> {
        let answer = self
            .ask(request)
            .await
            .map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        Err(self.refused(status, &text))
    }

    /// Sends a request and reads its answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let answer = self.send(request).await?;
        answer
            .json()
            .await
            .explain(|| "the server's answer cannot be read".into())
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let failure = Failure::new(format!("no server answers at {}", self.url)).because(error);
        failure.with_hint("start one with `weir up`, or name another with WEIR_URL")
    }

    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        match serde_json::from_str::<Refusal>(text) {
            Ok(refusal) => Failure::new(refusal.message).with_hint_if(refusal.hint),
            Err(_) => Failure::new(format!("the server at {} answered {status}", self.url)),
        }
    }
}

/// An answer that comes as lines of JSON.
pub(crate) struct Lines {
    answer: reqwest::Response,
    rest: Vec<u8>,
}

impl Lines {
    /// Reads an answer line by line.
    pub(crate) fn of(answer: reqwest::Response) -> Self {
        Self {
            answer,
            rest: Vec::new(),
        }
    }

    /// Returns the next line; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<serde_json::Value>, Failure> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map(Some)
                    .explain(|| "the server's answer cannot be read".into());
            }
            let chunk = self.answer.chunk().await;
            match chunk.explain(|| "the server's answer was cut off".into())? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

fn http_client(certificate: Option<&str>) -> Result<reqwest::Client, Failure> {
    let mut client = reqwest::Client::builder()
        // A server on this machine is never behind the proxy of the environment.
        .no_proxy()
        .connect_timeout(Duration::from_secs(5));
    if let Some(fingerprint) = certificate {
        client = client.use_preconfigured_tls(pinned(fingerprint)?);
    }
    client
        .build()
        .explain(|| "cannot start an HTTP client".into())
}

/// Returns the address of the project's server and what its certificate is known by: what the
/// environment says, what a running server wrote down, or what the configuration says.
fn server(project: &Project, config: &Config) -> (String, Option<String>) {
    if let Some(url) = std::env::var("WEIR_URL").ok().filter(|url| !url.is_empty()) {
        return (url.trim_end_matches('/').to_owned(), None);
    }
    let running = std::fs::read_to_string(project.server_path())
        .ok()
        .and_then(|text| serde_json::from_str::<Running>(&text).ok());
    match running {
        Some(running) => (running.url, running.certificate_sha256),
        None => (local_url(config.server.listen, config.server.tls), None),
    }
}

/// Returns the URL by which this machine reaches a listener.
pub(crate) fn local_url(mut address: SocketAddr, encrypted: bool) -> String {
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip([127, 0, 0, 1].into()),
            SocketAddr::V6(_) => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        }
    }
    let scheme = if encrypted { "https" } else { "http" };
    format!("{scheme}://{address}")
}
