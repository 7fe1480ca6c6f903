//! A load generator for the benchmarks: keeps connections busy with prepared requests and prints
//! what the server did, as JSON.
//!
//! It speaks HTTP/1.1 by hand, because on two cores what the generator burns the server lacks.
//! Bodies are prepared before the clock starts. Every event has an id of its own, so nothing is
//! dropped as a repeat.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Options {
    address: String,
    key: String,
    connections: usize,
    batch: usize,
    gzip: bool,
    seconds: u64,
    /// Requests per second over all connections; none sends as fast as answers come.
    rate: Option<f64>,
    prefix: String,
    path: String,
}

fn options() -> Result<Options> {
    let mut options = Options {
        address: "127.0.0.1:8080".into(),
        key: String::new(),
        connections: 16,
        batch: 100,
        gzip: true,
        seconds: 20,
        rate: None,
        prefix: "load".into(),
        path: "/v1/batch".into(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{name} needs a value"))
        };
        match name.as_str() {
            "--address" => options.address = value()?,
            "--key" => options.key = value()?,
            "--connections" => options.connections = value()?.parse()?,
            "--batch" => options.batch = value()?.parse()?,
            "--gzip" => options.gzip = value()?.parse()?,
            "--seconds" => options.seconds = value()?.parse()?,
            "--rate" => options.rate = Some(value()?.parse()?),
            "--prefix" => options.prefix = value()?,
            "--path" => options.path = value()?,
            other => bail!("unknown option {other}"),
        }
    }
    Ok(options)
}

/// An event of about 700 bytes, as an SDK in a browser sends it; `id` makes it unlike the others.
fn event(prefix: &str, n: usize) -> String {
    let (user, cents, page) = (n % 50_000, n * 7 % 20_000, n % 400);
    let second = 1_790_000_000 + n as u64 / 1_000;
    let at = format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        1 + second / 86_400 % 28,
        second / 3_600 % 24,
        second / 60 % 60,
        second % 60,
        n % 1_000
    );
    let event = [
        "Page Viewed",
        "Product Viewed",
        "Order Completed",
        "Signed Up",
    ][n % 4];
    format!(
        r#"{{"type":"track","event":"{event}","messageId":"{prefix}-{n:012}","anonymousId":"a{user:08x}-7c1e-4b02-9d52-1f0c6ab2e9{:02x}","userId":"u{user}","timestamp":"{at}","properties":{{"revenue":{cents}.25,"currency":"EUR","product_id":"p-{page}","quantity":{},"coupon":"AUTUMN","category":"shoes"}},"context":{{"library":{{"name":"analytics.js","version":"next-1.84.3"}},"page":{{"path":"/products/{page}","url":"https://shop.example.com/products/{page}?ref=home","title":"Product {page}","referrer":"https://shop.example.com/"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36","locale":"en-GB","timezone":"Europe/Berlin"}}}}"#,
        user % 256,
        n % 5 + 1
    )
}

/// Requests ready to be written.
struct Pool {
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
}

impl Pool {
    fn prepare(options: &Options, count: usize) -> Result<Self> {
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("{}:", options.key));
        let requests = (0..count).map(|request| {
            let first = request * options.batch;
            let events: Vec<String> =
                (first..first + options.batch).map(|n| event(&options.prefix, n)).collect();
            let body = match options.batch {
                1 => events.concat(),
                _ => format!(r#"{{"batch":[{}],"sentAt":"2026-11-21T09:00:00.000Z"}}"#, events.join(",")),
            };
            let (body, encoding) = match options.gzip {
                true => {
                    let mut out =
                        flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    out.write_all(body.as_bytes())?;
                    (out.finish()?, "content-encoding: gzip\r\n")
                }
                false => (body.into_bytes(), ""),
            };
            let mut bytes = format!(
                "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {credentials}\r\ncontent-type: application/json\r\n{encoding}content-length: {}\r\n\r\n",
                options.path, options.address, body.len()
            )
            .into_bytes();
            bytes.extend(body);
            Ok(bytes)
        });
        Ok(Self {
            requests: requests.collect::<Result<_>>()?,
            next: AtomicUsize::new(0),
        })
    }

    fn take(&self) -> Option<&[u8]> {
        self.requests
            .get(self.next.fetch_add(1, Ordering::Relaxed))
            .map(Vec::as_slice)
    }
}

#[derive(Default)]
struct Counts {
    ok: AtomicU64,
    refused: AtomicU64,
}

async fn client(
    options: Arc<Options>,
    pool: Arc<Pool>,
    counts: Arc<Counts>,
    number: usize,
    began: Instant,
) -> Result<Vec<u32>> {
    let mut stream = TcpStream::connect(&options.address).await?;
    stream.set_nodelay(true)?;
    let end = began + Duration::from_secs(options.seconds);
    let mut latencies = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    let mut sent = 0;
    while Instant::now() < end {
        // Under a fixed rate, latency counts from when the request was due.
        let mut start = Instant::now();
        if let Some(rate) = options.rate {
            let spacing = options.connections as f64 / rate;
            let offset = number as f64 * spacing / options.connections as f64;
            let due = began + Duration::from_secs_f64(offset + f64::from(sent) * spacing);
            if due > end {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            start = due;
            sent += 1;
        }
        let Some(request) = pool.take() else { break };
        loop {
            stream.write_all(request).await?;
            let status = answer(&mut stream, &mut buffer).await?;
            if status == 200 {
                counts.ok.fetch_add(1, Ordering::Relaxed);
                latencies.push(start.elapsed().as_micros() as u32);
                break;
            }
            ensure!(
                status == 429 || status == 503,
                "the server answered {status}"
            );
            counts.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if Instant::now() >= end {
                break;
            }
        }
    }
    Ok(latencies)
}

/// Reads one answer; returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<u16> {
    let mut have = 0;
    loop {
        let read = stream.read(&mut buffer[have..]).await?;
        ensure!(read > 0, "the server closed the connection");
        have += read;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = response.parse(&buffer[..have])? else {
            continue;
        };
        let length = response
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case("content-length"))
            .and_then(|h| std::str::from_utf8(h.value).ok()?.parse::<usize>().ok())
            .unwrap_or(0);
        let status = response.code.context("no status")?;
        while have < head + length {
            let read = stream.read(&mut buffer[have..]).await?;
            ensure!(read > 0, "the server closed the connection");
            have += read;
        }
        return Ok(status);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Arc::new(options()?);
    let per_second = options.rate.unwrap_or(match options.batch {
        1 => 14_000.0,
        20 => 6_000.0,
        _ => 1_600.0,
    });
    let count = (per_second * options.seconds as f64 * 1.05) as usize;
    let pool = Arc::new(Pool::prepare(&options, count)?);
    let bytes: usize = pool.requests.iter().map(Vec::len).sum();
    let counts = Arc::new(Counts::default());
    let began = Instant::now();
    let clients: Vec<_> = (0..options.connections)
        .map(|n| {
            tokio::spawn(client(
                options.clone(),
                pool.clone(),
                counts.clone(),
                n,
                began,
            ))
        })
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    let elapsed = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len().saturating_sub(1) as f64 * share) as usize;
        latencies
            .get(index)
            .map_or(0.0, |us| f64::from(*us) / 1000.0)
    };
    let ok = counts.ok.load(Ordering::Relaxed);
    let report = serde_json::json!({
        "requests": ok,
        "events": ok * options.batch as u64,
        "refused": counts.refused.load(Ordering::Relaxed),
        "seconds": elapsed,
        "events_per_second": (ok * options.batch as u64) as f64 / elapsed,
        "request_bytes": bytes.checked_div(pool.requests.len()),
        "ack_p50_ms": at(0.5), "ack_p95_ms": at(0.95), "ack_p99_ms": at(0.99), "ack_max_ms": at(1.0),
        "pool_exhausted": pool.next.load(Ordering::Relaxed) > pool.requests.len(),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
