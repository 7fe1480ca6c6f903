//! Every rule of the protocols, as a request and its answer.

use std::io::Write;

use base64::Engine;
use parking_lot::Mutex;
use weir_catalog::Actor;
use weir_core::{Seq, SourceName};

use super::*;
use crate::live::{LiveFilter, LiveItem};
use crate::log::Appending;
use crate::record;

/// A log in memory that can be told to refuse.
#[derive(Clone, Default)]
struct Tape {
    records: Arc<Mutex<Vec<Vec<u8>>>>,
    next: Arc<Mutex<u64>>,
    refusal: Arc<Mutex<Option<Refusal>>>,
}

impl Log for Tape {
    fn append(&self, rows: u32, payload: Vec<u8>) -> Appending<'_> {
        Box::pin(async move {
            if let Some(refusal) = *self.refusal.lock() {
                return Err(refusal);
            }
            let mut next = self.next.lock();
            let first = Seq(*next + 1);
            *next += u64::from(rows);
            self.records.lock().push(payload);
            Ok(first)
        })
    }
}

impl Tape {
    /// Returns what each event became: its type, or the reason it was set aside.
    fn outcomes(&self) -> Vec<String> {
        let records = self.records.lock();
        let mut all = Vec::new();
        for payload in records.iter() {
            for event in record::decode(payload).unwrap().events {
                all.push(match event {
                    record::Event::Accepted { kind, .. } => kind.as_str().to_owned(),
                    record::Event::Quarantined { reason, .. } => format!("!{reason}"),
                });
            }
        }
        all
    }
}

struct World {
    collector: Collector,
    tape: Tape,
    live: LiveEvents,
    catalog: Catalog,
    key: String,
    disabled: String,
    revoked: String,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&dir.path().join("catalog.db")).await.unwrap();
        let settings = Default::default();
        let mut keys = Vec::new();
        for (name, enabled) in [("shop", true), ("off", false)] {
            let name = SourceName::new(name).unwrap();
            catalog
                .upsert_source(&Actor::local(), &name, enabled, &settings)
                .await
                .unwrap();
            keys.push(
                catalog
                    .create_key(&Actor::local(), &name, "")
                    .await
                    .unwrap()
                    .key
                    .reveal()
                    .to_owned(),
            );
        }
        let shop = SourceName::new("shop").unwrap();
        let revoked = catalog
            .create_key(&Actor::local(), &shop, "")
            .await
            .unwrap()
            .key
            .reveal()
            .to_owned();
        catalog.revoke_key(&Actor::local(), &revoked).await.unwrap();
        let tape = Tape::default();
        let live = LiveEvents::new();
        let collector = Collector::into_log(
            Box::new(tape.clone()),
            catalog.clone(),
            limits,
            live.clone(),
        );
        let disabled = keys.pop().unwrap();
        let key = keys.pop().unwrap();
        Self {
            collector,
            tape,
            live,
            catalog,
            key,
            disabled,
            revoked,
            _dir: dir,
        }
    }

    fn basic(&self) -> String {
        format!(
            "Basic {}",
            base64::prelude::BASE64_STANDARD.encode(format!("{}:", self.key))
        )
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        assert!(self.collector.claims(request.uri().path()), "{path}");
        let response = self
            .collector
            .handle(request, "203.0.113.9".parse().unwrap())
            .await;
        let (head, body) = response.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send("POST", path, &[("authorization", &self.basic())], body)
            .await
    }
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert!(body["message"].is_string());
        body["code"].as_str().unwrap().to_owned()
    }
}

const TRACK: &str = r#"{"type":"track","event":"e","userId":"u","messageId":"m"}"#;

#[tokio::test]
async fn every_path_takes_events_and_says_the_same() {
    let world = World::new().await;
    let batch = format!(r#"{{"batch":[{TRACK},{TRACK}],"sentAt":"2024-01-01T00:00:00Z"}}"#);
    let mut lsn = 0;
    for (path, body, rows) in [
        ("/v1/batch", batch.as_str(), 2),
        ("/v1/b", &batch, 2),
        ("/v1/import", &batch, 2),
        ("//v1//batch/", &batch, 2),
        ("/internal/v1/batch", &batch, 2),
        ("/v1/t", TRACK, 1),
        ("/v1/track", TRACK, 1),
        ("/v1/i", r#"{"userId":"u"}"#, 1),
        ("/v1/p", r#"{"anonymousId":"u"}"#, 1),
        ("/v1/s", r#"{"userId":"u"}"#, 1),
        ("/v1/g", r#"{"userId":"u","groupId":"g"}"#, 1),
        ("/v1/a", r#"{"userId":"u","previousId":"p"}"#, 1),
        ("/v1/merge", r#"{"mergeProperties":[]}"#, 1),
        ("/v1/track", &batch, 2),
        ("/v1/webhook", r#"{"any":1,"batch":[1]}"#, 1),
        ("/v1/webhook", r#"[{"any":1},{"any":2}]"#, 2),
    ] {
        let answer = world.post(path, body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"success":true}"#),
            "{path}"
        );
        lsn += rows;
        assert_eq!(
            answer.header("x-weir-lsn"),
            Some(lsn.to_string().as_str()),
            "{path}"
        );
        assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    }
    let outcomes = world.tape.outcomes();
    assert_eq!(outcomes.len(), lsn);
    assert!(
        !outcomes.iter().any(|outcome| outcome.starts_with('!')),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[lsn - 3..], ["webhook"; 3]);
    assert_eq!(world.collector.counts().accepted, lsn as u64);
}

#[tokio::test]
async fn every_way_to_give_a_key() {
    let world = World::new().await;
    let (key, basic) = (&world.key, world.basic());
    let bearer = format!("Bearer {key}");
    let in_body = format!(r#"{{"batch":[{TRACK}],"writeKey":"{key}"}}"#);
    let without = format!(r#"{{"batch":[{TRACK}]}}"#);
    let query = format!("/beacon/v1/batch?writeKey={key}");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16);
    let cases: [Case<'_>; 10] = [
        ("/v1/batch", &[("authorization", &basic)], &without, 200),
        ("/v1/batch", &[("authorization", &bearer)], &without, 200),
        (
            "/v1/batch",
            &[("authorization", "Bearer eyJhbGciOi.oauth.token")],
            &in_body,
            200,
        ),
        ("/v1/b", &[("content-type", "text/plain")], &in_body, 200),
        (&query, &[("content-type", "text/plain")], &without, 200),
        (
            "/v1/batch",
            &[("authorization", "Basic bm9ib2R5Og==")],
            &in_body,
            200,
        ),
        (
            "/v1/batch",
            &[("authorization", "Basic bm9ib2R5Og==")],
            &without,
            401,
        ),
        ("/v1/batch", &[("authorization", "nonsense")], &without, 401),
        ("/v1/batch", &[], &without, 401),
        ("/v1/batch", &[], r#"{"batch":[],"writeKey":7}"#, 401),
    ];
    for (path, headers, body, status) in cases {
        let answer = world.send("POST", path, headers, body.to_owned()).await;
        assert_eq!(answer.status, status, "{path} {headers:?} {body}");
        if status == 401 {
            assert!(answer.code().ends_with("write_key"));
        }
    }
    let revoked = format!(r#"{{"batch":[{TRACK}],"writeKey":"{}"}}"#, world.revoked);
    assert_eq!(world.send("POST", "/v1/b", &[], revoked).await.status, 401);
    let off = format!(r#"{{"batch":[{TRACK}],"writeKey":"{}"}}"#, world.disabled);
    let off = world.send("POST", "/v1/b", &[], off).await;
    assert_eq!((off.status, off.code().as_str()), (404, "source_disabled"));
    assert_eq!(world.tape.outcomes().len(), 6);
    let counts = world.collector.counts();
    assert_eq!((counts.unauthorised, counts.disabled), (5, 1));
}

#[tokio::test]
async fn a_key_made_elsewhere_works_at_once() {
    let world = World::new().await;
    let other = Catalog::open(&world._dir.path().join("catalog.db"))
        .await
        .unwrap();
    let key = other
        .create_key(&Actor::local(), &SourceName::new("shop").unwrap(), "")
        .await
        .unwrap();
    let body = format!(r#"{{"batch":[{TRACK}],"writeKey":"{}"}}"#, key.key.reveal());
    assert_eq!(world.send("POST", "/v1/b", &[], body).await.status, 200);
    drop(world.catalog.clone());
}

#[tokio::test]
async fn one_bad_event_never_fails_a_batch() {
    let world = World::new().await;
    let deep = format!(
        r#"{{"type":"track","x":{}{}}}"#,
        "[".repeat(99),
        "]".repeat(99)
    );
    let large = format!(r#"{{"type":"track","x":"{}"}}"#, "x".repeat(40 << 10));
    let mut body = format!(
        r#"{{"batch":[{TRACK},{{"type":"track"}},{deep},{large},{{"type":tru}},7,{{"userId":"u"}},"#
    )
    .into_bytes();
    body.extend_from_slice(b"{\"type\":\"page\",\"userId\":\"\xff\"},");
    body.extend_from_slice(
        br#"{"type":"page","userId":"\ud800"},{"type":"page","userId":"a\u0000"}]"#,
    );
    body.extend_from_slice(br#","context":{nope}}"#);
    let headers = [
        ("authorization", world.basic()),
        ("x-weir-verdicts", "1".to_owned()),
    ];
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let answer = world.send("POST", "/v1/batch", &headers, body).await;
    assert_eq!(answer.status, 200);
    let outcomes = [
        "track",
        "!missing_id",
        "!too_deep",
        "!too_large",
        "!malformed_json",
        "!not_an_object",
        "!missing_type",
        "!invalid_utf8",
        "page",
        "page",
        "!invalid_member",
    ];
    assert_eq!(world.tape.outcomes(), outcomes);
    let reply: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let results = reply["results"].as_array().unwrap();
    assert_eq!(results.len(), 10);
    for (result, outcome) in results.iter().zip(outcomes) {
        match outcome.strip_prefix('!') {
            Some(reason) => assert_eq!(result["reason"], reason),
            None => assert_eq!(result["status"], "accepted"),
        }
    }
    assert_eq!(results[0]["messageId"], "m");
    assert!(
        results[8]["messageId"]
            .as_str()
            .unwrap()
            .starts_with("weir-")
    );
    assert_eq!(world.collector.counts().quarantined, 8);
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_kept_and_refused() {
    let world = World::new().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b' '; 5 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    for (path, body, status, outcome) in [
        ("/v1/batch", &b"[1]"[..], 400, Some("!undecodable_body")),
        ("/v1/batch", b"", 400, Some("!undecodable_body")),
        ("/v1/batch", b"{}", 400, Some("!undecodable_body")),
        (
            "/v1/batch",
            b"{\"batch\":{}}",
            400,
            Some("!undecodable_body"),
        ),
        ("/v1/batch", b"{\"ba", 400, Some("!undecodable_body")),
        ("/v1/batch", b"{\"batch\":[]}", 400, None),
        (
            "/v1/batch",
            b"\x1f\x8b\x08garbage",
            400,
            Some("!undecodable_body"),
        ),
        ("/v1/batch", &bomb, 413, Some("!body_too_large")),
        ("/v1/track", b"{\"event\":", 400, Some("!undecodable_body")),
        ("/v1/webhook", b"7", 400, Some("!undecodable_body")),
        // A cut body: what came before the cut is taken.
        (
            "/v1/batch",
            b"{\"batch\":[{\"type\":\"page\",\"userId\":\"u\"},{\"ty",
            200,
            Some("!batch_broken"),
        ),
        // Valid, but no event: kept, and nothing to repeat.
        ("/v1/track", b"{\"event\":\"e\"}", 200, Some("!missing_id")),
        (
            "/v1/track",
            b"{\"event\":\"\xff\",\"userId\":\"u\"}",
            200,
            Some("!invalid_utf8"),
        ),
    ] {
        let before = world.tape.outcomes().len();
        let answer = world.post(path, body.to_vec()).await;
        let what = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!(answer.status, status, "{what}");
        let outcomes = world.tape.outcomes();
        assert_eq!(outcomes.len() > before, outcome.is_some(), "{what}");
        assert_eq!(
            outcomes
                .last()
                .map(String::as_str)
                .filter(|_| outcome.is_some()),
            outcome,
            "{what}"
        );
        if status != 200 {
            assert!(!answer.code().is_empty());
            // Nobody we know: nothing is kept.
            let before = world.tape.outcomes().len();
            let unknown = world.send("POST", path, &[], body.to_vec()).await;
            assert!([400, 401, 413].contains(&unknown.status), "{what}");
            assert_eq!(world.tape.outcomes().len(), before);
        }
    }
}

#[tokio::test]
async fn content_types_and_encodings_are_ignored() {
    let world = World::new().await;
    let plain = format!(r#"{{"batch":[{TRACK}]}}"#);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let basic = world.basic();
    for kind in [
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded",
        "\u{1f}",
    ] {
        for encoding in ["gzip", "identity", "br", ""] {
            for body in [plain.as_bytes(), &packed] {
                let mut headers = vec![
                    ("authorization", basic.as_str()),
                    ("content-encoding", encoding),
                ];
                if kind != "\u{1f}" {
                    headers.push(("content-type", kind));
                }
                let answer = world
                    .send("POST", "/v1/batch", &headers, body.to_vec())
                    .await;
                assert_eq!(answer.status, 200, "{kind} {encoding}");
            }
        }
    }
    assert_eq!(world.tape.outcomes(), ["track"; 32]);
}

#[tokio::test]
async fn refusals_tell_sdks_what_to_do() {
    let world = World::new().await;
    let body = format!(r#"{{"batch":[{TRACK}]}}"#);
    for (refusal, status, retry_after) in [
        (Refusal::Full(Duration::from_millis(10)), 429, Some("1")),
        (Refusal::Full(Duration::from_millis(2300)), 429, Some("3")),
        (Refusal::Unavailable, 503, Some("5")),
        (Refusal::TooLarge, 413, None),
    ] {
        *world.tape.refusal.lock() = Some(refusal);
        let answer = world.post("/v1/batch", body.clone()).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (status, retry_after)
        );
        assert_eq!(answer.header("x-weir-lsn"), None);
        assert!(!answer.code().is_empty());
        let path = format!("/pixel/v1/page?writeKey={}&userId=u", world.key);
        let pixel = world.send("GET", &path, &[], "").await;
        let wanted = if status == 413 { 200 } else { status };
        assert_eq!(
            (pixel.status, pixel.header("content-type")),
            (wanted, Some("image/gif"))
        );
    }
    assert_eq!(world.tape.outcomes().len(), 0);
}

#[tokio::test]
async fn too_much_is_sent_back() {
    let rate = crate::limits::Rate {
        per_second: 10.0,
        burst: 30.0,
    };
    let world = World::with(Limits {
        key_rate: rate,
        ..Limits::default()
    })
    .await;
    let body = format!(r#"{{"batch":[{}]}}"#, vec![TRACK; 40].join(","));
    assert_eq!(world.post("/v1/batch", body.clone()).await.status, 200);
    let answer = world.post("/v1/batch", body.clone()).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "too_many_requests")
    );
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds));

    let rate = crate::limits::Rate {
        per_second: 0.1,
        burst: 2.0,
    };
    let world = World::with(Limits {
        ip_rate: rate,
        ..Limits::default()
    })
    .await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(world.post("/v1/batch", body.clone()).await.status);
    }
    assert_eq!(answers, [200, 200, 429, 429]);
    assert_eq!(world.collector.counts().throttled, 2);
}

#[tokio::test]
async fn pixels_are_always_images() {
    let world = World::new().await;
    let event = format!(r#"{{"writeKey":"{}","event":"e","userId":"u"}}"#, world.key);
    let packed = base64::prelude::BASE64_STANDARD.encode(&event);
    let plain: String = url::form_urlencoded::byte_serialize(event.as_bytes()).collect();
    for (path, stored) in [
        (format!("/v1/pixel/track?data={packed}"), true),
        (format!("/v1/pixel/track?data={plain}"), true),
        (
            format!(
                "/pixel/v1/page?writeKey={}&anonymousId=a&properties.x=1",
                world.key
            ),
            true,
        ),
        (
            format!(
                "/pixel/v1/track?writeKey={}&anonymousId=a&event=e",
                world.key
            ),
            true,
        ),
        ("/v1/pixel/track?data=%%%".to_owned(), false),
        ("/v1/pixel/track".to_owned(), false),
        (
            "/pixel/v1/page?writeKey=nobody&anonymousId=a".to_owned(),
            false,
        ),
    ] {
        let answer = world.send("GET", &path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("image/gif"))
        );
        assert!(answer.body.starts_with(b"GIF89a"));
        assert_eq!(answer.header("x-weir-lsn").is_some(), stored, "{path}");
    }
    assert_eq!(world.tape.outcomes(), ["track", "track", "page", "track"]);
}

#[tokio::test]
async fn browsers_may_ask_and_read() {
    let world = World::new().await;
    let asked = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,x-retry-count",
        ),
    ];
    for path in [
        "/v1/t",
        "/v1/batch",
        "/sourceConfig/",
        "/v1/projects/x/settings",
        "/weir.js",
    ] {
        let answer = world.send("OPTIONS", path, &asked, "").await;
        assert_eq!(answer.status, 204);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://shop.example")
        );
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("authorization,x-retry-count")
        );
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    let refused = world.send("POST", "/v1/t", &asked[..1], "{}").await;
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    assert!(
        refused
            .header("access-control-expose-headers")
            .unwrap()
            .contains("retry-after")
    );
}

#[tokio::test]
async fn browser_sdks_start_against_us_alone() {
    let world = World::with(Limits {
        path_prefix: Some("/q7/".into()),
        ..Limits::default()
    })
    .await;
    let host = [
        ("host", "data.shop.example"),
        ("x-forwarded-proto", "https"),
    ];
    let key = &world.key;
    for (path, api) in [
        (
            format!("/v1/projects/{key}/settings"),
            "data.shop.example/v1",
        ),
        (format!("/{key}/settings"), "data.shop.example/v1"),
        (
            format!("/q7/v1/projects/{key}/settings"),
            "data.shop.example/q7/v1",
        ),
    ] {
        let answer = world.send("GET", &path, &host, "").await;
        let settings: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let own = &settings["integrations"]["Segment.io"];
        assert_eq!(
            (&own["apiHost"], &own["protocol"]),
            (&api.into(), &"https".into()),
            "{path}"
        );
        assert_eq!(own["apiKey"], key.as_str());
    }
    let unknown = world
        .send("GET", "/v1/projects/nobody/settings", &host, "")
        .await;
    assert_eq!(unknown.status, 404);
    for (key, enabled) in [(&world.key, true), (&world.disabled, false)] {
        let path = format!("/sourceConfig/?p=web&v=3&writeKey={key}");
        let answer = world.send("GET", &path, &host, "").await;
        let config: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(config["source"]["enabled"], enabled);
        assert!(
            config["source"]["destinations"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(
        world.send("GET", "/sourceConfig", &host, "").await.status,
        401
    );
    for path in [
        format!("/analytics.js/v1/{key}/analytics.min.js"),
        format!("/weir.js?key={key}"),
        "/q7/weir.js".to_owned(),
    ] {
        let answer = world.send("GET", &path, &host, "").await;
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with("text/javascript")
        );
        assert!(
            answer.text().contains("https://data.shop.example"),
            "{path}"
        );
    }
    assert_eq!(
        world
            .send("GET", "/next-integrations/x.js", &host, "")
            .await
            .status,
        200
    );
    assert_eq!(world.post("/q7/v1/t", TRACK).await.status, 200);
    assert!(!world.collector.claims("/q8/v1/t"));
}

#[tokio::test]
async fn the_rest_of_the_apis() {
    let world = World::new().await;
    assert_eq!(
        world
            .send("POST", "/v1/m", &[], r#"{"series":[]}"#)
            .await
            .status,
        200
    );
    assert_eq!(world.send("POST", "/rsaMetrics", &[], "").await.status, 200);
    assert_eq!(world.send("GET", "/health", &[], "").await.status, 200);
    assert_eq!(world.send("GET", "/version", &[], "").await.status, 200);
    let webhook = format!("/v1/webhook?writeKey={}&a=1", world.key);
    assert_eq!(world.send("GET", &webhook, &[], "").await.status, 200);
    for (method, path, allowed) in [
        ("GET", "/v1/track", "POST"),
        ("DELETE", "/v1/batch", "POST"),
        ("GET", "/v1/m", "POST"),
        ("POST", "/weir.js", "GET"),
        ("POST", "/v1/pixel/track", "GET"),
    ] {
        let answer = world.send(method, path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allowed)),
            "{path}"
        );
    }
    assert!(!world.collector.claims("/api/v1/query"));
    assert_eq!(world.tape.outcomes(), ["webhook"]);
}

#[tokio::test]
async fn listeners_see_what_happens() {
    let world = World::new().await;
    let mut all = world.live.listen(LiveFilter::default());
    let rejected = LiveFilter {
        accepted: Some(false),
        ..Default::default()
    };
    let mut rejected = world.live.listen(rejected);
    let user = LiveFilter {
        user: Some("u".into()),
        event: Some("e".into()),
        ..Default::default()
    };
    let mut user = world.live.listen(user);
    let body = format!(r#"{{"batch":[{{"type":"track"}},{TRACK}]}}"#);
    assert_eq!(world.post("/v1/batch", body).await.status, 200);
    let event = async |stream: &mut crate::LiveStream| match stream.next().await {
        Some(LiveItem::Event(event)) => event,
        other => panic!("{other:?}"),
    };
    assert_eq!(event(&mut all).await.reason, Some("missing_id"));
    let seen = event(&mut all).await;
    assert_eq!(
        (seen.seq, seen.verdict, seen.raw.as_str()),
        (2, "accepted", TRACK)
    );
    assert_eq!(event(&mut rejected).await.seq, 1);
    assert_eq!(event(&mut user).await.event.as_deref(), Some("e"));
}

#[tokio::test]
async fn large_bodies_and_many_events() {
    let world = World::with(Limits {
        batch_events: 100,
        ..Limits::default()
    })
    .await;
    let body = format!(r#"{{"batch":[{}]}}"#, vec![TRACK; 3000].join(","));
    assert!(body.len() > INLINE_BYTES);
    assert_eq!(world.post("/v1/batch", body).await.status, 200);
    let outcomes = world.tape.outcomes();
    assert_eq!(
        (outcomes.len(), outcomes[100].as_str()),
        (101, "!batch_overflow")
    );
    let body = vec![b'x'; (4 << 20) + 1];
    let answer = world.post("/v1/batch", body).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn the_envelope_cannot_multiply() {
    let world = World::new().await;
    let context = format!(r#"{{"x":"{}"}}"#, "y".repeat(20 << 10));
    let event = r#"{"type":"page","userId":"u"}"#;
    let body = format!(
        r#"{{"batch":[{}],"context":{context},"writeKey":"{}","sentAt":"2024-01-01"}}"#,
        vec![event; 2000].join(","),
        world.key
    );
    assert_eq!(world.send("POST", "/v1/batch", &[], body).await.status, 200);
    let records = world.tape.records.lock();
    let request = record::decode(&records[0]).unwrap();
    assert_eq!(request.envelope, Some(r#"{"sentAt":"2024-01-01"}"#));
    assert_eq!(request.events.len(), 2001);
    assert_eq!((request.source, request.ip), ("shop", "203.0.113.0"));
}
