//! From what was found in a body to the record of the log, the verdicts, and what listeners see.

use std::borrow::Cow;

use serde_json::{Value, json};
use weir_catalog::{ClockPolicy, Source};

use super::{Found, Job, Prepared};
use crate::address::keep;
use crate::door::{Judged, Reason, member};
use crate::json::RawValue;
use crate::live::LiveEvent;
use crate::record::{self, Clock, Event, Request};
use crate::typed::summary;

impl Job {
    /// Makes the record, the verdicts and what listeners see.
    pub(super) fn record(
        &self,
        source: &Source,
        found: &Found<'_>,
        decompressed: usize,
    ) -> Prepared {
        let sdk = self.sdk(found);
        let ip = keep(self.peer, source.settings.ip);
        let ids: Vec<Option<String>> = found.judged.iter().map(made_up_id).collect();
        let mut events = Vec::with_capacity(found.judged.len() + found.aside.len());
        for (judged, made_up) in found.judged.iter().zip(&ids) {
            events.push(match judged {
                Judged::Accepted {
                    kind,
                    message_id,
                    raw,
                    ..
                } => Event::Accepted {
                    kind: *kind,
                    message_id: made_up
                        .as_deref()
                        .or(message_id.as_deref())
                        .unwrap_or_default(),
                    generated: made_up.is_some(),
                    raw,
                },
                Judged::Quarantined {
                    reason,
                    detail,
                    message_id,
                    raw,
                } => Event::Quarantined {
                    reason: reason.as_str(),
                    detail,
                    message_id: message_id.as_deref().unwrap_or_default(),
                    raw,
                },
            });
        }
        events.extend(
            found
                .aside
                .iter()
                .map(|(reason, detail, raw)| Event::Quarantined {
                    reason: reason.as_str(),
                    detail,
                    message_id: "",
                    raw,
                }),
        );
        let verdicts = self.verdicts.then(|| {
            events
                .iter()
                .take(found.judged.len())
                .enumerate()
                .map(verdict)
                .collect()
        });
        let live = match self.live {
            true => self.live_events(source, found, &events),
            false => Vec::new(),
        };
        let accepted = events
            .iter()
            .filter(|event| matches!(event, Event::Accepted { .. }))
            .count();
        let request = Request {
            source_id: source.id,
            source: source.name.as_str(),
            received_at: self.received_at,
            protocol: self.protocol,
            clock: match source.settings.clock {
                ClockPolicy::Correct => Clock::Correct,
                ClockPolicy::Trust => Clock::Trust,
            },
            sdk: &sdk,
            ip: &ip,
            request_id: self.request_id,
            envelope: found.envelope.as_deref(),
            events,
        };
        let rows = request.events.len();
        Prepared {
            // A body of a few megabytes cannot hold more.
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            payload: record::encode(&request),
            accepted: accepted as u64,
            quarantined: (rows - accepted) as u64,
            decompressed,
            live,
            verdicts,
            refusal: found.refusal.clone(),
        }
    }

    /// Returns the library that sent the request: what its first event says, or its user agent.
    fn sdk(&self, found: &Found<'_>) -> String {
        let head = found.judged.iter().find_map(|judged| match judged {
            Judged::Accepted { head, .. } => Some(head),
            Judged::Quarantined { .. } => None,
        });
        let envelope = found
            .envelope
            .as_deref()
            .map(|text| RawValue(text.as_bytes()));
        let shared = envelope.and_then(|envelope| member(envelope, "context"));
        let library = [head.and_then(|head| head.context), shared]
            .into_iter()
            .flatten()
            .find_map(|context| member(context, "library"));
        let text = |name| {
            let value = member(library?, name)?.string()?.decode().0;
            (!value.is_empty()).then(|| value.into_owned())
        };
        let mut sdk = match (text("name"), text("version")) {
            (Some(name), Some(version)) => format!("{name}/{version}"),
            (Some(name), None) => name,
            _ => self
                .user_agent
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        if let Some((cut, _)) = sdk.char_indices().nth(120) {
            sdk.truncate(cut);
        }
        sdk
    }

    fn live_events(
        &self,
        source: &Source,
        found: &Found<'_>,
        events: &[Event<'_>],
    ) -> Vec<(u64, LiveEvent)> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let heads = found.judged.iter().map(Some).chain(std::iter::repeat(None));
        let told = events
            .iter()
            .zip(heads)
            .enumerate()
            .map(|(offset, (event, judged))| {
                let mut live = LiveEvent {
                    seq: 0,
                    received_at: self.received_at,
                    source: source.name.as_str().to_owned(),
                    protocol: self.protocol.as_str(),
                    verdict: "rejected",
                    reason: None,
                    detail: None,
                    kind: None,
                    event: None,
                    user_id: None,
                    anonymous_id: None,
                    message_id: None,
                    raw: String::from_utf8_lossy(event.raw()).into_owned(),
                };
                match *event {
                    Event::Accepted {
                        kind, message_id, ..
                    } => {
                        live.verdict = "accepted";
                        live.kind = Some(kind.as_str());
                        live.message_id = text(message_id);
                        if let Some(Judged::Accepted { head, .. }) = judged {
                            let summary = summary(kind, head);
                            live.event = summary.event.map(Cow::into_owned);
                            live.user_id = summary.user_id.map(Cow::into_owned);
                            live.anonymous_id = summary.anonymous_id.map(Cow::into_owned);
                        }
                    }
                    Event::Quarantined {
                        reason,
                        detail,
                        message_id,
                        ..
                    } => {
                        live.reason = Reason::ALL
                            .iter()
                            .map(|r| r.as_str())
                            .find(|r| *r == reason);
                        live.detail = text(detail);
                        live.message_id = text(message_id);
                    }
                }
                (offset as u64, live)
            });
        told.collect()
    }
}

/// Returns a message id for an accepted event that has none.
fn made_up_id(judged: &Judged<'_>) -> Option<String> {
    match judged {
        Judged::Accepted {
            message_id: None, ..
        } => Some(format!("weir-{}", uuid::Uuid::now_v7().simple())),
        _ => None,
    }
}

fn verdict((index, event): (usize, &Event<'_>)) -> Value {
    match event {
        Event::Accepted { message_id, .. } => {
            json!({ "index": index, "messageId": message_id, "status": "accepted" })
        }
        Event::Quarantined {
            reason,
            detail,
            message_id,
            ..
        } => json!({
            "index": index,
            "messageId": message_id,
            "status": "quarantined",
            "reason": reason,
            "detail": detail,
        }),
    }
}
