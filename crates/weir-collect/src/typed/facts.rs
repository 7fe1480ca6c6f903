//! What the fixed columns of an event's rows hold.

use std::borrow::Cow;
use std::sync::Arc;

use super::raw::RawEvent;
use super::time::{self, Times};
use super::typer::WEBHOOK_EVENT;
use crate::door::member;
use crate::json::{Flaws, Head, RawValue};
use crate::record::Kind;

/// What of a request's envelope its events need.
#[derive(Clone, Copy, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) context: Option<RawValue<'a>>,
    pub(crate) sent_at: Option<RawValue<'a>>,
    pub(crate) timestamp: Option<RawValue<'a>>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(json: Option<&'a str>) -> Self {
        let head = json.and_then(|json| Head::parse(json.as_bytes(), 64).ok());
        let Some(head) = head else {
            return Self::default();
        };
        Self {
            context: head.context,
            sent_at: head.sent_at,
            timestamp: head.timestamp,
        }
    }

    /// Returns the times of an event as its sender gives them.
    pub(crate) fn times(&self, head: &Head<'_>, received_at: i64) -> Times {
        Times {
            received_at,
            sent_at: given(head.sent_at.or(self.sent_at)).and_then(read_time),
            timestamp: given(head.timestamp.or(self.timestamp)).and_then(read_time),
            original: given(head.original_timestamp).and_then(read_time),
        }
    }
}

fn given(value: Option<RawValue<'_>>) -> Option<RawValue<'_>> {
    value.filter(|value| !value.is_empty())
}

fn read_time(value: RawValue<'_>) -> Option<i64> {
    match value.string() {
        Some(text) => time::parse(text.decode().0.trim()),
        None => time::parse_number(std::str::from_utf8(value.0).ok()?),
    }
}

/// A text of the event, or a name we keep.
pub(crate) enum Word<'a> {
    Sent(Cow<'a, str>),
    Kept(Arc<str>),
}

impl Word<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Word::Sent(text) => text,
            Word::Kept(name) => name,
        }
    }
}

impl From<Arc<str>> for Word<'_> {
    fn from(name: Arc<str>) -> Self {
        Word::Kept(name)
    }
}

impl From<String> for Word<'_> {
    fn from(name: String) -> Self {
        Word::Sent(Cow::Owned(name))
    }
}

/// The values of an event's fixed columns.
pub(crate) struct Facts<'a> {
    pub(crate) user_id: Option<Cow<'a, str>>,
    pub(crate) anonymous_id: Option<Cow<'a, str>>,
    pub(crate) channel: Option<Cow<'a, str>>,
    pub(crate) passed_ip: Option<Cow<'a, str>>,
    /// The shape's own columns: slug and text of the event, name, group, previous id.
    pub(crate) own: [Option<Word<'a>>; 2],
    /// Values that are not as they came: column, value as it came, reason.
    pub(crate) flawed: Vec<(&'static str, RawValue<'a>, &'static str)>,
}

impl<'a> Facts<'a> {
    pub(crate) fn gather(event: &RawEvent<'a>, head: &Head<'a>, envelope: Envelope<'a>) -> Self {
        let mut flawed = Vec::new();
        let mut text = |value: Option<RawValue<'a>>, column| {
            let value = value.filter(|value| !value.is_empty())?;
            let Some((text, flaws)) = value.identifier() else {
                flawed.push((column, value, "type_conflict"));
                return None;
            };
            if let Some(reason) = Flaws::reason(flaws) {
                flawed.push((column, value, reason));
            }
            Some(text).filter(|text| !text.is_empty())
        };
        let webhook = event.kind == Kind::Webhook;
        if webhook {
            return Self {
                user_id: None,
                anonymous_id: Some(Cow::Borrowed(event.message_id)),
                channel: None,
                passed_ip: None,
                own: [
                    Some(Word::Sent(Cow::Borrowed(WEBHOOK_EVENT))),
                    Some(Word::Sent(Cow::Borrowed(WEBHOOK_EVENT))),
                ],
                flawed,
            };
        }
        let own = match event.kind {
            Kind::Track => [None, text(head.event, "event_text")],
            Kind::Page | Kind::Screen => {
                let inner = head.properties.filter(|p| p.is_object());
                let name = head.name.filter(|name| !name.is_empty());
                let name = name.or_else(|| inner.and_then(|p| member(p, "name")));
                [text(name, "name"), None]
            }
            Kind::Group => [text(head.group_id, "group_id"), None],
            Kind::Alias => [text(head.previous_id, "previous_id"), None],
            Kind::Identify | Kind::Merge | Kind::Webhook => [None, None],
        };
        let user_id = text(head.user_id, "user_id");
        let anonymous_id = text(head.anonymous_id, "anonymous_id");
        let channel = text(head.channel, "channel");
        let sent = given(head.sent_at.or(envelope.sent_at));
        let timestamp = given(head.timestamp.or(envelope.timestamp));
        let original = given(head.original_timestamp);
        // What the raw row has was readable; of two times for one column it has only one.
        let one = timestamp.is_none() || original.is_none();
        let known = one && event.original_timestamp.is_some();
        for (value, column, known) in [
            (sent, "sent_at", event.sent_at.is_some()),
            (timestamp, "timestamp", known),
            (original, "original_timestamp", known),
        ] {
            if let Some(value) = value
                && !known
                && read_time(value).is_none()
            {
                flawed.push((column, value, "bad_timestamp"));
            }
        }
        let own = own.map(|word| word.map(Word::Sent));
        Self {
            user_id,
            anonymous_id,
            channel,
            passed_ip: None,
            own,
            flawed,
        }
    }
}
