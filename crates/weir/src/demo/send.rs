use std::io::Write;

use chrono::{Duration, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::visit::{Channel, Made, time};
use crate::failure::{Explain, Failure};

/// Sends events through the public API, the way each kind of SDK does.
pub(super) struct Sender {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// What was sent, and what came back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: u64,
    pub(super) events: u64,
    pub(super) refused: u64,
    pub(super) duplicates: u64,
    pub(super) late: u64,
    pub(super) malformed: u64,
}

/// One request, ready to go, perhaps twice.
struct Request {
    path: &'static str,
    content_type: &'static str,
    basic: bool,
    gzip: bool,
    body: Vec<u8>,
    events: u64,
}

impl Sender {
    pub(super) fn new(url: &str, key: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .explain(|| "cannot start an HTTP client".into())?;
        Ok(Self {
            http,
            url: url.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Sends one event, as a server does.
    pub(super) async fn send_one(
        &self,
        event: Map<String, Value>,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        self.post(&batch_request(vec![event])?, sent).await
    }

    /// Sends old events in large batches, as an import does.
    pub(super) async fn send_history(
        &self,
        mut made: Vec<Made>,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        // A request comes from one SDK.
        made.sort_by_key(|made| made.channel);
        for batch in made.chunks(100) {
            let events: Vec<_> = batch.iter().map(|made| made.event.clone()).collect();
            self.post(&batch_request(events)?, sent).await?;
        }
        Ok(())
    }

    /// Sends what happened just now: browsers one by one, apps and servers in batches, with the
    /// accidents of the real world.
    pub(super) async fn send_live(
        &self,
        made: Vec<Made>,
        rng: &mut StdRng,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let (mut mobile, mut server) = (Vec::new(), Vec::new());
        for made in made {
            match made.channel {
                Channel::Web => {
                    self.send_twice_sometimes(self.web_request(made)?, rng, sent)
                        .await?
                }
                Channel::Mobile => mobile.push(self.offline_for_a_while(made, rng, sent)),
                Channel::Server => server.push(made.event),
            }
        }
        for events in [mobile, server] {
            if !events.is_empty() {
                self.send_twice_sometimes(batch_request(events)?, rng, sent)
                    .await?;
            }
        }
        if rng.random_bool(0.04) {
            self.send_malformed(MALFORMED[rng.random_range(0..MALFORMED.len())], sent)
                .await?;
        }
        Ok(())
    }

    /// Sends one of everything that goes wrong.
    pub(super) async fn send_accidents(
        &self,
        made: Vec<Made>,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        for body in MALFORMED {
            self.send_malformed(body, sent).await?;
        }
        let events: Vec<_> = made.into_iter().map(|made| made.event).collect();
        sent.duplicates += events.len() as u64;
        let request = batch_request(events.clone())?;
        self.post(&request, sent).await?;
        self.post(&request, sent).await?;
        // The same id on another payload: a client that makes its ids badly.
        let changed = events.into_iter().take(1).map(|mut event| {
            event.insert("properties".into(), json!({ "changed": true }));
            event
        });
        self.post(&batch_request(changed.collect())?, sent).await
    }

    async fn send_malformed(&self, body: &str, sent: &mut Sent) -> Result<(), Failure> {
        sent.malformed += 1;
        let request = Request {
            path: "/v1/batch",
            content_type: "application/json",
            basic: true,
            gzip: false,
            body: body.as_bytes().to_vec(),
            events: 1,
        };
        self.post(&request, sent).await
    }

    /// An app that had no network: the event happened hours ago and is sent now.
    fn offline_for_a_while(
        &self,
        made: Made,
        rng: &mut StdRng,
        sent: &mut Sent,
    ) -> Map<String, Value> {
        let mut event = made.event;
        if rng.random_bool(0.05) {
            sent.late += 1;
            let at = made.at - Duration::minutes(rng.random_range(30..2_000));
            event.insert("timestamp".into(), json!(time(at)));
        }
        event
    }

    /// A client that lost the answer sends the same again.
    async fn send_twice_sometimes(
        &self,
        request: Request,
        rng: &mut StdRng,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        self.post(&request, sent).await?;
        if rng.random_bool(0.03) {
            sent.duplicates += request.events;
            self.post(&request, sent).await?;
        }
        Ok(())
    }

    fn web_request(&self, made: Made) -> Result<Request, Failure> {
        let mut event = made.event;
        event.insert("writeKey".into(), json!(self.key));
        event.insert("sentAt".into(), json!(time(Utc::now())));
        let path = match event["type"].as_str() {
            Some("page") => "/v1/p",
            Some("identify") => "/v1/i",
            Some("group") => "/v1/g",
            _ => "/v1/t",
        };
        let body = serde_json::to_vec(&event).explain(|| "cannot write an event".into())?;
        Ok(Request {
            path,
            content_type: "text/plain",
            basic: false,
            gzip: false,
            body,
            events: 1,
        })
    }

    async fn post(&self, request: &Request, sent: &mut Sent) -> Result<(), Failure> {
        let mut post = self
            .http
            .post(format!("{}{}", self.url, request.path))
            .header("content-type", request.content_type)
            .body(request.body.clone());
        if request.basic {
            post = post.basic_auth(&self.key, Some(""));
        }
        if request.gzip {
            post = post.header("content-encoding", "gzip");
        }
        let answer = post
            .send()
            .await
            .explain(|| "cannot send events to the server".into())?;
        sent.requests += 1;
        sent.events += request.events;
        if !answer.status().is_success() {
            sent.refused += 1;
        }
        // The connection is used again only when the answer was read.
        let _ = answer.bytes().await;
        Ok(())
    }
}

fn batch_request(events: Vec<Map<String, Value>>) -> Result<Request, Failure> {
    let count = events.len() as u64;
    let body = json!({ "batch": events, "sentAt": time(Utc::now()) });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let body = serde_json::to_vec(&body)
        .map_err(std::io::Error::from)
        .and_then(|json| gzip.write_all(&json))
        .and_then(|()| gzip.finish())
        .explain(|| "cannot compress a batch".into())?;
    Ok(Request {
        path: "/v1/batch",
        content_type: "application/json",
        basic: true,
        gzip: true,
        body,
        events: count,
    })
}

/// What broken clients send: no event name, an unknown type, nobody it happened to, no object,
/// half a JSON document.
const MALFORMED: [&str; 5] = [
    r#"{"batch":[{"type":"track","anonymousId":"broken","properties":{}}]}"#,
    r#"{"batch":[{"type":"trakc","event":"Typo","anonymousId":"broken"}]}"#,
    r#"{"batch":[{"type":"track","event":"Nobody"}]}"#,
    r#"{"batch":["Order Completed"]}"#,
    r#"{"batch":[{"type":"track","event":"Half a"#,
];
