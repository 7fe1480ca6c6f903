//! What becomes of one request, decided without waiting for anything.

mod writing;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use weir_catalog::Source;

use crate::collector::Inner;
use crate::door::{
    Element, Expected, Inflated, Judged, Parts, Reason, inflate, judge, split, write_key_of,
};
use crate::front::{Form, Keys, Reply, Verified};
use crate::json::{Bad, BadKind, Head};
use crate::live::LiveEvent;
use crate::metrics::Counters;
use crate::record::Protocol;

/// Of a body too large to be kept, this much is.
const KEPT_OF_TOO_LARGE: usize = 64 << 10;
/// The envelope is part of every row of its events: what all of them may take together.
const ENVELOPES_BYTES: usize = 16 << 20;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Events(Form),
    Webhook,
}

/// A request of events, and what the door decided when it came.
pub(crate) struct Job {
    pub(crate) body: Bytes,
    pub(crate) received: usize,
    pub(crate) form: Body,
    pub(crate) protocol: Protocol,
    pub(crate) encoding: String,
    pub(crate) user_agent: String,
    pub(crate) keys: Keys,
    /// The headers of a webhook, which may sign its body.
    pub(crate) signed: Option<HeaderMap>,
    /// The source, where somebody who is known otherwise than by its key says it.
    pub(crate) known: Option<Arc<Source>>,
    pub(crate) peer: IpAddr,
    pub(crate) received_at: i64,
    pub(crate) request_id: [u8; 16],
    pub(crate) verdicts: bool,
    pub(crate) live: bool,
}

/// A record to append, and what to answer once it is durable.
pub(crate) struct Prepared {
    pub(crate) rows: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) accepted: u64,
    pub(crate) quarantined: u64,
    pub(crate) decompressed: usize,
    /// With the offset of each from the record's first position.
    pub(crate) live: Vec<(u64, LiveEvent)>,
    verdicts: Option<Vec<Value>>,
    /// The body made no sense as a whole: it is kept, but the sender is told.
    refusal: Option<(StatusCode, &'static str, String)>,
}

/// Why nothing of a request is stored.
#[derive(Debug)]
pub(crate) enum Failure {
    /// None of these keys is known; there may be none.
    UnknownKey(Vec<String>),
    Disabled,
    Throttled(Duration),
    Refused(StatusCode, &'static str, String),
    /// Nothing is to be stored: the sender wants to hear this back.
    Challenge(String),
    Internal,
}

impl Prepared {
    /// Returns the answer to the durable request.
    pub(crate) fn reply(self, counters: &Counters) -> Reply {
        if let Some((status, code, message)) = self.refusal {
            counters.refused.add(1);
            return Reply::error(status, code, &message);
        }
        match self.verdicts {
            None => Reply::success(),
            Some(results) => {
                let body = json!({ "success": true, "results": results });
                Reply::json(StatusCode::OK, body.to_string())
            }
        }
    }
}

/// What of a body goes into the record.
struct Found<'a> {
    judged: Vec<Judged<'a>>,
    /// What is kept beside the events: unsound members, what lies beyond a limit or a break.
    aside: Vec<(Reason, String, &'a [u8])>,
    envelope: Option<String>,
    refusal: Option<(StatusCode, &'static str, String)>,
}

impl Job {
    /// Takes the body apart and makes the record of it.
    pub(crate) fn prepare(&self, inner: &Inner) -> Result<Prepared, Failure> {
        let limits = &inner.limits;
        let known = self.source(inner, None);
        let inflated = match self.body.len() > limits.body_bytes {
            true => Inflated::TooLarge,
            false => inflate(&self.body, &self.encoding, limits),
        };
        let body = match inflated {
            Inflated::Plain(body) => body,
            Inflated::TooLarge => {
                let most = limits.decompressed_bytes.min(limits.body_bytes);
                let message = format!("a body may have {most} bytes");
                let kept = &self.body[..self.body.len().min(KEPT_OF_TOO_LARGE)];
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return self.keep_whole(
                    inner,
                    known,
                    kept,
                    (Reason::BodyTooLarge, status, message),
                );
            }
            Inflated::Broken(error) => {
                let message = format!("the body cannot be decompressed: {error}");
                return self.undecodable(inner, known, &self.body, message);
            }
        };
        let wrapped = self.form == Body::Webhook && body.trim_ascii_start().starts_with(b"[");
        let body = if wrapped { as_batch(&body) } else { body };
        let trimmed = body.trim_ascii();
        let Some(mut parts) = split(trimmed, limits) else {
            let message = "the body is not a JSON object".to_owned();
            return self.undecodable(inner, known, trimmed, message);
        };
        let (source, key) = match known {
            Ok(known) => known,
            Err(_) => self.source(inner, write_key_of(&parts.members))?,
        };
        let verified = match self.verified(inner, &source) {
            Ok(verified) => verified,
            Err(why) => {
                let why = (Reason::BadSignature, StatusCode::UNAUTHORIZED, why);
                return self.keep_whole(inner, Ok((source, key)), trimmed, why);
            }
        };
        if let Some(challenge) = verified.challenge {
            return Err(Failure::Challenge(challenge));
        }
        let listed = parts.elements.as_ref().map_or(1, Vec::len).max(1) as f64;
        inner
            .keys
            .take(key, listed, Instant::now())
            .map_err(Failure::Throttled)?;

        let single = match self.form {
            Body::Webhook => !wrapped,
            Body::Events(Form::Single(_)) => parts.elements.is_none(),
            Body::Events(Form::Batch) => false,
        };
        let elements = match parts.elements.take() {
            _ if single => match Head::parse(trimmed, limits.depth) {
                Ok(head) => {
                    parts = Parts::default();
                    vec![Element::Object(Box::new(head), trimmed)]
                }
                Err(
                    bad @ Bad {
                        kind: BadKind::Deep,
                        ..
                    },
                ) => {
                    parts = Parts::default();
                    vec![Element::Unsound(bad, trimmed)]
                }
                Err(bad) => {
                    let message = format!("malformed JSON: {bad}");
                    return self.undecodable(inner, Ok((source, key)), trimmed, message);
                }
            },
            Some(elements) => elements,
            None => {
                let message = match parts.broken {
                    Some((bad, _)) => format!("malformed JSON: {bad}"),
                    None => "the body has no array `batch`".to_owned(),
                };
                return self.undecodable(inner, Ok((source, key)), trimmed, message);
            }
        };
        let nothing = parts.overflow.is_none() && parts.broken.is_none();
        if elements.is_empty() && nothing {
            let message = "the batch is empty".to_owned();
            return Err(Failure::Refused(
                StatusCode::BAD_REQUEST,
                "empty_batch",
                message,
            ));
        }
        let expected = match self.form {
            Body::Webhook => Expected::Webhook,
            Body::Events(Form::Single(kind)) if single => Expected::Exactly(kind),
            Body::Events(_) => Expected::Any,
        };
        let mut judged: Vec<_> = elements
            .into_iter()
            .map(|element| judge(element, expected, limits))
            .collect();
        if let (Some(id), [Judged::Accepted { message_id, .. }]) = (verified.id, &mut judged[..]) {
            // A delivery that comes again is known by this.
            *message_id = Some(Cow::Owned(id));
        }
        let mut aside = left_over(&mut parts);
        let envelope = match !single && self.form != Body::Webhook {
            true => self.envelope(inner, &parts, judged.len(), &mut aside),
            false => None,
        };
        let found = Found {
            judged,
            aside,
            envelope,
            refusal: None,
        };
        Ok(self.record(&source, &found, body.len()))
    }

    /// Holds a webhook against its source's secret. Not before its key is known: strangers cost no hashing.
    fn verified(&self, inner: &Inner, source: &Source) -> Result<Verified, String> {
        let (Some(headers), Some(verifier)) = (&self.signed, inner.verifier(source.name.as_str()))
        else {
            return Ok(Verified::default());
        };
        verifier.verify(headers, &self.body, self.received_at / 1_000_000)
    }

    /// Finds the source by the keys outside the body, and the one in it.
    fn source(
        &self,
        inner: &Inner,
        key: Option<Cow<'_, str>>,
    ) -> Result<(Arc<Source>, u64), Failure> {
        if let Some(source) = &self.known {
            let name = source.name.as_str();
            let bucket = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
            return Ok((source.clone(), bucket));
        }
        let mut keys = self.keys.clone();
        if let Some(key) = key {
            keys.add(&key);
        }
        match inner.find(&keys) {
            Some((source, _)) if !source.enabled => Err(Failure::Disabled),
            Some(found) => Ok(found),
            None => Err(Failure::UnknownKey(
                keys.iter().map(str::to_owned).collect(),
            )),
        }
    }

    /// Keeps a body of an authenticated sender that makes no sense.
    fn undecodable(
        &self,
        inner: &Inner,
        known: Result<(Arc<Source>, u64), Failure>,
        body: &[u8],
        message: String,
    ) -> Result<Prepared, Failure> {
        let why = (Reason::UndecodableBody, StatusCode::BAD_REQUEST, message);
        self.keep_whole(inner, known, body, why)
    }

    fn keep_whole(
        &self,
        inner: &Inner,
        known: Result<(Arc<Source>, u64), Failure>,
        body: &[u8],
        (reason, status, message): (Reason, StatusCode, String),
    ) -> Result<Prepared, Failure> {
        let code = match reason {
            Reason::BodyTooLarge => "body_too_large",
            Reason::BadSignature => "bad_signature",
            _ => "invalid_json",
        };
        let (source, key) = match known {
            Ok(known) => known,
            // Its key may be inside, where we cannot look.
            Err(Failure::UnknownKey(keys)) if keys.is_empty() => {
                return Err(Failure::Refused(status, code, message));
            }
            Err(failure) => return Err(failure),
        };
        inner
            .keys
            .take(key, 1.0, Instant::now())
            .map_err(Failure::Throttled)?;
        let detail = match reason {
            Reason::BodyTooLarge => format!("{message}; it came with {} or more", self.body.len()),
            _ => message.clone(),
        };
        let found = Found {
            judged: Vec::new(),
            aside: vec![(reason, detail, body)],
            envelope: None,
            refusal: Some((status, code, message)),
        };
        Ok(self.record(&source, &found, body.len()))
    }

    /// Joins what the body says beside its events; what is no JSON of it, or too much, is set
    /// aside.
    fn envelope<'a>(
        &self,
        inner: &Inner,
        parts: &Parts<'a>,
        events: usize,
        aside: &mut Vec<(Reason, String, &'a [u8])>,
    ) -> Option<String> {
        let mut envelope = String::new();
        let most = inner
            .limits
            .event_bytes
            .min(ENVELOPES_BYTES / events.max(1));
        for (key, value) in &parts.members {
            // A key to write with is no part of what was written.
            if key.inside() == b"writeKey" {
                continue;
            }
            let texts = (
                std::str::from_utf8(key.inside()),
                std::str::from_utf8(value.0),
            );
            let (Ok(name), Ok(text)) = texts else {
                aside.push((Reason::InvalidMember, "not UTF-8".to_owned(), value.0));
                continue;
            };
            if envelope.len() + name.len() + text.len() > most {
                let detail = format!("`{name}` has {} bytes, too many for each event", text.len());
                aside.push((Reason::InvalidMember, detail, value.0));
                continue;
            }
            envelope.push(if envelope.is_empty() { '{' } else { ',' });
            for part in ["\"", name, "\":", text] {
                envelope.push_str(part);
            }
        }
        (!envelope.is_empty()).then(|| envelope + "}")
    }
}

/// A webhook may be a list of objects: made a batch, it is taken apart like one.
fn as_batch(list: &[u8]) -> Cow<'static, [u8]> {
    Cow::Owned([b"{\"batch\":", list, b"}"].concat())
}

/// Returns what of a batch is no event: unsound members, and what lies beyond a limit or a break.
fn left_over<'a>(parts: &mut Parts<'a>) -> Vec<(Reason, String, &'a [u8])> {
    let mut aside: Vec<_> = std::mem::take(&mut parts.unsound)
        .into_iter()
        .map(|raw| (Reason::InvalidMember, "no JSON".to_owned(), raw))
        .collect();
    if let Some(raw) = parts.overflow {
        let detail = "beyond the most events a request may have".to_owned();
        aside.push((Reason::BatchOverflow, detail, raw));
    }
    if let Some((bad, raw)) = parts.broken {
        let detail = format!("the body breaks off: {bad}");
        aside.push((Reason::BatchBroken, detail, raw));
    }
    aside
}
