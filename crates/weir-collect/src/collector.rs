use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts as RequestHead;
use http::{HeaderName, Method, Request, Response, StatusCode};
use weir_catalog::{Catalog, KeyLookup, Source};
use weir_lake::Lake;

use crate::front::{
    Base, Keys, Reply, Route, Verifier, event_of_query, pixel_data, route, script,
    segment_settings, source_config,
};
use crate::intake::{Body, Failure, Job, Prepared};
use crate::limits::Limits;
use crate::live::LiveEvents;
use crate::log::{Log, Refusal};
use crate::metrics::{Counters, IntakeCounts};
use crate::rates::{Buckets, network};
use crate::record::{Kind, Protocol};

/// Bodies larger than this are taken apart off the threads that answer others.
const INLINE_BYTES: usize = 64 << 10;
/// How long browsers may keep scripts and settings.
const CACHE_SECONDS: u32 = 300;

/// The door of events; cheap to clone.
#[derive(Clone)]
pub struct Collector {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    log: Box<dyn Log>,
    pub(crate) catalog: Catalog,
    pub(crate) limits: Limits,
    /// A second path to every route, `/` first and none last; empty without one.
    prefix: String,
    live: LiveEvents,
    /// By source: what its webhooks are held against.
    verifiers: OnceLock<HashMap<String, Verifier>>,
    counters: Counters,
    pub(crate) keys: Buckets<u64>,
    addresses: Buckets<u64>,
    /// Makes request ids unique among processes; the clock and a counter do within one.
    nonce: u32,
    requests: std::sync::atomic::AtomicU32,
}

impl Collector {
    /// Returns a door into `lake` for the sources of `catalog`.
    pub fn new(lake: Lake, catalog: Catalog, limits: Limits, live: LiveEvents) -> Self {
        Self::into_log(Box::new(lake), catalog, limits, live)
    }

    pub(crate) fn into_log(
        log: Box<dyn Log>,
        catalog: Catalog,
        limits: Limits,
        live: LiveEvents,
    ) -> Self {
        let limits = limits.bounded();
        let prefix = limits
            .path_prefix
            .as_deref()
            .unwrap_or_default()
            .trim_matches('/');
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("/{prefix}")
        };
        let inner = Inner {
            log,
            catalog,
            keys: Buckets::new(limits.key_rate),
            addresses: Buckets::new(limits.ip_rate),
            prefix,
            limits,
            live,
            verifiers: OnceLock::new(),
            counters: Counters::default(),
            nonce: uuid::Uuid::new_v4().as_fields().0,
            requests: Default::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Lets webhooks of these sources in only with a good signature; once, before the first.
    pub fn with_verifiers(self, verifiers: HashMap<String, Verifier>) -> Self {
        let _ = self.inner.verifiers.set(verifiers);
        self
    }

    /// Whether `path` is one of intake's.
    pub fn claims(&self, path: &str) -> bool {
        self.inner.route(path).is_some()
    }

    /// Returns what intake did since the process started.
    pub fn counts(&self) -> IntakeCounts {
        self.inner.counters.snapshot()
    }

    /// Answers a request to a path that [`Self::claims`]; `peer` is the client's address.
    ///
    /// A reply of 200 to events means that every byte of them is durable.
    pub async fn handle(&self, request: Request<Bytes>, peer: IpAddr) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        self.inner.counters.requests.add(1);
        if ["x-retry-count", "rsa-retry-attempt"]
            .iter()
            .any(|name| head.headers.get(*name).is_some_and(|value| value != "0"))
        {
            self.inner.counters.retried_requests.add(1);
        }
        let reply = self.answer(&head, body, peer).await;
        reply.into_response(&head.headers)
    }

    /// Takes a batch of events for a source, from somebody who may do so without its key.
    ///
    /// The reply has a verdict for each event; one of 200 means that every byte is durable.
    pub async fn take_from(
        &self,
        source: Arc<Source>,
        batch: Bytes,
        peer: IpAddr,
    ) -> Response<Bytes> {
        let inner = &self.inner;
        let job = Job {
            received: batch.len(),
            body: batch,
            form: Body::Events(crate::front::Form::Batch),
            protocol: Protocol::Internal,
            encoding: String::new(),
            user_agent: String::new(),
            keys: Keys::default(),
            signed: None,
            known: Some(source),
            peer,
            received_at: now_micros(),
            request_id: inner.request_id(),
            verdicts: true,
            live: inner.live.watched(),
        };
        self.store(job).await.into_response(&http::HeaderMap::new())
    }

    async fn answer(&self, head: &RequestHead, body: Bytes, peer: IpAddr) -> Reply {
        let inner = &self.inner;
        let Some((route, prefix)) = inner.route(head.uri.path()) else {
            return Reply::error(StatusCode::NOT_FOUND, "not_found", "no such path");
        };
        if head.method == Method::OPTIONS {
            return Reply::preflight(&head.headers);
        }
        if let Err(wait) = inner.addresses.take(network(peer), 1.0, Instant::now()) {
            return inner.throttled("too many requests from this address", wait);
        }
        let get = head.method == Method::GET || head.method == Method::HEAD;
        let post = head.method == Method::POST;
        let query = query_pairs(head.uri.query());
        match route {
            Route::Events { form, protocol } if post => {
                self.events(head, &query, peer, body, Body::Events(form), protocol)
                    .await
            }
            Route::Events { .. } | Route::Metrics if !post => Reply::not_allowed("POST"),
            Route::Webhook if post => {
                self.events(head, &query, peer, body, Body::Webhook, Protocol::Webhook)
                    .await
            }
            Route::Webhook if get => {
                let body = event_of_query(Kind::Webhook, &query).into();
                self.events(head, &query, peer, body, Body::Webhook, Protocol::Webhook)
                    .await
            }
            Route::Pixel { kind, data } if get => {
                let body = match data {
                    true => pixel_data(&query).unwrap_or_default(),
                    false => event_of_query(kind, &query),
                };
                let form = Body::Events(crate::front::Form::Single(kind));
                let protocol = Protocol::Pixel;
                self.events(head, &query, peer, body.into(), form, protocol)
                    .await
                    .into_pixel()
            }
            // Figures about SDKs, not about users; nobody reads them here.
            Route::Metrics => Reply::success(),
            _ if !get => Reply::not_allowed("GET"),
            Route::Health => Reply::json(StatusCode::OK, r#"{"server":"UP"}"#),
            Route::Version => {
                let version = serde_json::json!({ "Version": env!("CARGO_PKG_VERSION") });
                Reply::json(StatusCode::OK, version.to_string())
            }
            Route::Script { key } => {
                let named = query
                    .iter()
                    .find(|(name, _)| name == "key")
                    .map(|(_, key)| key);
                let key = key.as_ref().or(named).map(String::as_str);
                let base = Base::read(&head.headers, prefix);
                Reply::script(script(key, &base), CACHE_SECONDS)
            }
            Route::EmptyScript => Reply::script("/* not needed with Weir */\n", CACHE_SECONDS),
            Route::Settings { key } => {
                let base = Base::read(&head.headers, prefix);
                match inner.source(&key).await {
                    KeyLookup::Found(_) => {
                        let settings = segment_settings(&key, &base);
                        Reply::json(StatusCode::OK, settings).cached(CACHE_SECONDS)
                    }
                    _ => inner.unauthorised(StatusCode::NOT_FOUND, true),
                }
            }
            Route::SourceConfig => self.source_config(head, &query, prefix).await,
            _ => Reply::not_allowed("GET, POST"),
        }
    }

    async fn source_config(
        &self,
        head: &RequestHead,
        query: &[(String, String)],
        prefix: &str,
    ) -> Reply {
        let keys = Keys::read(&head.headers, query);
        let base = Base::read(&head.headers, prefix);
        for key in keys.iter() {
            if let KeyLookup::Found(source) = self.inner.source(key).await {
                let config = source_config(source.name.as_str(), key, source.enabled, &base);
                return Reply::json(StatusCode::OK, config);
            }
        }
        self.inner
            .unauthorised(StatusCode::UNAUTHORIZED, keys.iter().next().is_some())
    }

    /// Takes a body of events: decides, appends, answers.
    async fn events(
        &self,
        head: &RequestHead,
        query: &[(String, String)],
        peer: IpAddr,
        body: Bytes,
        form: Body,
        protocol: Protocol,
    ) -> Reply {
        let inner = &self.inner;
        let text = |name: HeaderName| {
            head.headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let job = Job {
            received: body.len(),
            body,
            form,
            protocol,
            encoding: text(http::header::CONTENT_ENCODING),
            user_agent: text(http::header::USER_AGENT),
            keys: Keys::read(&head.headers, query),
            signed: (form == Body::Webhook).then(|| head.headers.clone()),
            known: None,
            peer,
            received_at: now_micros(),
            request_id: inner.request_id(),
            verdicts: head
                .headers
                .get("x-weir-verdicts")
                .is_some_and(|value| value == "1"),
            live: inner.live.watched(),
        };
        let request_id = crate::typed::hex(job.request_id);
        let reply = self.store(job).await;
        reply.request_id(&request_id)
    }

    async fn store(&self, job: Job) -> Reply {
        let inner = &self.inner;
        if let Err(refusal) = inner.log.admits() {
            return inner.refused(refusal);
        }
        let mut job = Arc::new(job);
        let mut prepared = self.prepare(&job).await;
        if let Err(Failure::UnknownKey(keys)) = &prepared {
            // A key may have been made a moment ago by another process.
            let mut found = None;
            for key in keys {
                if let KeyLookup::Found(source) = inner.catalog.source_for_new_key(key).await {
                    found = Some(source);
                    break;
                }
            }
            if found.is_some() {
                prepared = self.prepare(&job).await;
            }
        }
        let mut prepared = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return inner.failed(failure),
        };
        let received = Arc::get_mut(&mut job).map_or(0, |job| job.received);
        let payload = std::mem::take(&mut prepared.payload);
        let first = match inner.log.append(prepared.rows, payload).await {
            Ok(first) => first,
            Err(refusal) => return inner.refused(refusal),
        };
        let counters = &inner.counters;
        counters.accepted.add(prepared.accepted);
        counters.quarantined.add(prepared.quarantined);
        counters.bytes_received.add(received as u64);
        counters
            .bytes_decompressed
            .add(prepared.decompressed as u64);
        for (offset, mut event) in prepared.live.drain(..) {
            event.seq = first.plus(offset).0;
            inner.live.tell(event);
        }
        let last = first.plus(u64::from(prepared.rows) - 1);
        prepared.reply(&inner.counters).lsn(last.0)
    }

    /// Takes the body apart, elsewhere when that takes long.
    async fn prepare(&self, job: &Arc<Job>) -> Result<Prepared, Failure> {
        if job.body.len() <= INLINE_BYTES {
            return job.prepare(&self.inner);
        }
        let (job, inner) = (job.clone(), self.inner.clone());
        let done = tokio::task::spawn_blocking(move || job.prepare(&inner)).await;
        done.unwrap_or_else(|error| {
            tracing::error!(%error, "a body could not be taken apart");
            Err(Failure::Internal)
        })
    }
}

impl Inner {
    /// Returns what webhooks of a source are held against; none where it takes any.
    pub(crate) fn verifier(&self, source: &str) -> Option<&Verifier> {
        self.verifiers.get()?.get(source)
    }

    fn route(&self, path: &str) -> Option<(Route, &str)> {
        if !self.prefix.is_empty()
            && let Some(rest) = path.strip_prefix(&self.prefix)
            && rest.starts_with('/')
            && let Some(route) = route(rest)
        {
            return Some((route, &self.prefix));
        }
        route(path).map(|route| (route, ""))
    }

    async fn source(&self, key: &str) -> KeyLookup {
        match self.catalog.source_for_key(key) {
            KeyLookup::Unknown => self.catalog.source_for_new_key(key).await,
            known => known,
        }
    }

    /// Looks for a source among `keys`, in memory.
    pub(crate) fn find(&self, keys: &Keys) -> Option<(Arc<Source>, u64)> {
        keys.iter()
            .find_map(|key| match self.catalog.source_for_key(key) {
                KeyLookup::Found(source) => {
                    Some((source, xxhash_rust::xxh3::xxh3_64(key.as_bytes())))
                }
                _ => None,
            })
    }

    fn request_id(&self) -> [u8; 16] {
        let count = self
            .requests
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&now_micros().to_be_bytes());
        id[8..12].copy_from_slice(&self.nonce.to_be_bytes());
        id[12..].copy_from_slice(&count.to_be_bytes());
        id
    }

    fn throttled(&self, message: &str, wait: Duration) -> Reply {
        self.counters.throttled.add(1);
        Reply::error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).retry_after(wait)
    }

    fn unauthorised(&self, status: StatusCode, given: bool) -> Reply {
        self.counters.unauthorised.add(1);
        if given {
            return Reply::error(status, "invalid_write_key", "nobody has this write key");
        }
        Reply::error(status, "missing_write_key", "the request has no write key")
    }

    /// Answers a request nothing of which was stored.
    fn failed(&self, failure: Failure) -> Reply {
        match failure {
            Failure::UnknownKey(keys) => {
                self.unauthorised(StatusCode::UNAUTHORIZED, !keys.is_empty())
            }
            Failure::Disabled => {
                // Every SDK drops on 404: Segment's as any 4xx it does not know, RudderStack's
                // because its own server says so.
                self.counters.disabled.add(1);
                Reply::error(
                    StatusCode::NOT_FOUND,
                    "source_disabled",
                    "the source is switched off",
                )
            }
            Failure::Throttled(wait) => self.throttled("too many events for this write key", wait),
            Failure::Challenge(challenge) => {
                let body = serde_json::json!({ "challenge": challenge });
                Reply::json(StatusCode::OK, body.to_string())
            }
            Failure::Refused(status, code, message) => {
                self.counters.refused.add(1);
                Reply::error(status, code, &message)
            }
            Failure::Internal => {
                self.counters.unavailable.add(1);
                let message = "the request could not be handled; send it again";
                Reply::error(StatusCode::SERVICE_UNAVAILABLE, "internal", message)
            }
        }
    }

    /// Answers a request the log did not take.
    fn refused(&self, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::Full(wait) => self.throttled("Weir is catching up; send it again", wait),
            Refusal::Unavailable => {
                self.counters.unavailable.add(1);
                let message = "events cannot be stored at the moment; send them again";
                Reply::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                    .retry_after(Duration::from_secs(5))
            }
            Refusal::TooLarge => {
                self.counters.refused.add(1);
                let message = "the request is larger than one record of the log";
                Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
            }
        }
    }
}

fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs
        .take(500)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// The one place that asks the clock what time an event was received at.
fn now_micros() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
