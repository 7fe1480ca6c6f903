use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What befalls one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is forwarded, and so is the answer.
    None,
    /// Answered with this status, not forwarded.
    Status(u16),
    /// Answered with 429 and this many seconds in `Retry-After`, not forwarded.
    RetryAfter(u64),
    /// The connection breaks before the request is forwarded.
    DropRequest,
    /// The request is forwarded, and the connection breaks instead of the answer.
    LoseAnswer,
}

/// A server between a client and a real server on this machine, that does what a network can do.
///
/// One request a connection, so that every request meets its own fault.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    upstream: SocketAddr,
    script: Mutex<VecDeque<(&'static str, Fault)>>,
    met: AtomicUsize,
    delay: Mutex<Duration>,
    down: AtomicBool,
}

impl Proxy {
    /// Starts in front of `url`.
    pub async fn start(url: &str) -> Result<Self> {
        let upstream = url.trim_start_matches("http://").trim_end_matches('/');
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            upstream: upstream.parse().context("an address and port")?,
            script: Mutex::default(),
            met: AtomicUsize::new(0),
            delay: Mutex::default(),
            down: AtomicBool::new(false),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = shared.clone();
                // A connection that breaks is what this is for.
                tokio::spawn(async move { drop(state.serve(client).await) });
            }
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Returns the address to send to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says what the next requests of a method meet, in order; those after them meet nothing.
    pub fn script(&self, method: &'static str, faults: &[Fault]) {
        let mut script = self.state.script.lock().expect("lock");
        script.extend(faults.iter().map(|&fault| (method, fault)));
    }

    /// Returns how many faults of the script were met.
    pub fn met(&self) -> usize {
        self.state.met.load(Ordering::SeqCst)
    }

    /// Makes every request wait before it is forwarded.
    pub fn slow(&self, delay: Duration) {
        *self.state.delay.lock().expect("lock") = delay;
    }

    /// Breaks every connection from now on, or no longer.
    pub fn down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn serve(&self, mut client: TcpStream) -> Result<()> {
        let request = read_request(&mut client).await?;
        if self.down.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.fault(&request) {
            Fault::None => {
                let answer = self.forward(&request).await?;
                client.write_all(&answer).await?;
            }
            Fault::LoseAnswer => drop(self.forward(&request).await?),
            Fault::DropRequest => {}
            Fault::Status(status) => refuse(&mut client, status, "").await?,
            Fault::RetryAfter(seconds) => {
                let header = format!("Retry-After: {seconds}\r\n");
                refuse(&mut client, 429, &header).await?;
            }
        }
        Ok(client.shutdown().await?)
    }

    fn fault(&self, request: &[u8]) -> Fault {
        let mut script = self.script.lock().expect("lock");
        let next = script.front().copied();
        let Some((_, fault)) = next.filter(|(method, _)| request.starts_with(method.as_bytes()))
        else {
            return Fault::None;
        };
        script.pop_front();
        if fault != Fault::None {
            self.met.fetch_add(1, Ordering::SeqCst);
        }
        fault
    }

    async fn forward(&self, request: &[u8]) -> Result<Vec<u8>> {
        let delay = *self.delay.lock().expect("lock");
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut upstream = TcpStream::connect(self.upstream).await?;
        upstream.write_all(request).await?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).await?;
        let line = find(&answer, b"\r\n").context("no answer")? + 2;
        answer.splice(line..line, *b"Connection: close\r\n");
        Ok(answer)
    }
}

async fn refuse(client: &mut TcpStream, status: u16, header: &str) -> Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Refused\r\n{header}Content-Length: 0\r\n\
         Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n"
    );
    Ok(client.write_all(head.as_bytes()).await?)
}

/// Reads a request to its end, and makes it the last of its connection.
async fn read_request(client: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            bail!("the request ended in its head");
        }
    };
    let head = std::str::from_utf8(&bytes[..end])?.to_owned();
    let mut length = 0;
    let mut kept = String::new();
    for line in head.trim_end().split("\r\n") {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "connection" | "keep-alive" => continue,
            "transfer-encoding" => bail!("this proxy knows no chunks"),
            "content-length" => length = value.trim().parse()?,
            _ => {}
        }
        kept.push_str(line);
        kept.push_str("\r\n");
    }
    kept.push_str("Connection: close\r\n\r\n");
    while bytes.len() < end + length {
        if client.read_buf(&mut bytes).await? == 0 {
            bail!("the request ended in its body");
        }
    }
    let mut request = kept.into_bytes();
    request.extend_from_slice(&bytes[end..end + length]);
    Ok(request)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
