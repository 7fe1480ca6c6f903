use std::borrow::Cow;

use super::reason::Reason;
use super::split::Element;
use crate::json::{Bad, BadKind, Head, RawValue};
use crate::limits::Limits;
use crate::record::Kind;

/// Longest identifier worth keeping as one.
const IDENTIFIER_BYTES: usize = 4096;

/// What the path says about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The event says its own type.
    Any,
    /// The path says the type, whatever the event says.
    Exactly(Kind),
    /// A webhook: any object at all.
    Webhook,
}

/// What became of an element.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    Accepted {
        kind: Kind,
        message_id: Option<Cow<'a, str>>,
        head: Box<Head<'a>>,
        raw: &'a str,
    },
    Quarantined {
        reason: Reason,
        detail: String,
        message_id: Option<Cow<'a, str>>,
        raw: &'a [u8],
    },
}

/// Decides what becomes of an element.
pub(crate) fn judge<'a>(element: Element<'a>, expected: Expected, limits: &Limits) -> Judged<'a> {
    let raw = match &element {
        Element::Object(_, raw) | Element::Other(raw) | Element::Unsound(_, raw) => *raw,
    };
    let aside = |reason, detail: String| Judged::Quarantined {
        reason,
        detail,
        message_id: None,
        raw,
    };
    if raw.len() > limits.event_bytes {
        let detail = format!(
            "{} bytes; an event may have {}",
            raw.len(),
            limits.event_bytes
        );
        return aside(Reason::TooLarge, detail);
    }
    let Ok(text) = simdutf8::basic::from_utf8(raw) else {
        let valid = std::str::from_utf8(raw).map_or_else(|error| error.valid_up_to(), str::len);
        return aside(
            Reason::InvalidUtf8,
            format!("not UTF-8 from byte {valid} on"),
        );
    };
    match element {
        Element::Unsound(bad, _) => aside(reason_of(bad), bad.to_string()),
        Element::Other(_) => aside(Reason::NotAnObject, "an event is a JSON object".to_owned()),
        Element::Object(head, _) => match look(&head, expected) {
            Ok((kind, message_id)) => Judged::Accepted {
                kind,
                message_id,
                head,
                raw: text,
            },
            Err((reason, detail)) => {
                let message_id = head
                    .message_id
                    .and_then(RawValue::identifier)
                    .map(|(id, _)| id);
                let message_id = message_id.filter(|id| id.len() <= IDENTIFIER_BYTES);
                Judged::Quarantined {
                    reason,
                    detail,
                    message_id,
                    raw,
                }
            }
        },
    }
}

/// Returns the reason a piece of bad JSON is set aside for.
pub(crate) fn reason_of(bad: Bad) -> Reason {
    if bad.kind == BadKind::Deep {
        Reason::TooDeep
    } else {
        Reason::MalformedJson
    }
}

type Sound<'a> = (Kind, Option<Cow<'a, str>>);

/// Checks what an event must say: what it is, who did it, and for some types one thing more.
fn look<'a>(head: &Head<'a>, expected: Expected) -> Result<Sound<'a>, (Reason, String)> {
    let kind = match expected {
        Expected::Webhook => return Ok((Kind::Webhook, None)),
        Expected::Exactly(kind) => kind,
        Expected::Any => kind_of(head)?,
    };
    let message_id = identifier(head.message_id, "messageId")?;
    let user_id = identifier(head.user_id, "userId")?;
    let anonymous_id = identifier(head.anonymous_id, "anonymousId")?;
    if user_id.is_none() && anonymous_id.is_none() && kind != Kind::Merge {
        let detail = "neither `userId` nor `anonymousId`".to_owned();
        return Err((Reason::MissingId, detail));
    }
    match kind {
        Kind::Track
            if identifier(head.event, "event")?.is_none_or(|name| name.trim().is_empty()) =>
        {
            Err((
                Reason::MissingEvent,
                "a `track` names its `event`".to_owned(),
            ))
        }
        Kind::Group if identifier(head.group_id, "groupId")?.is_none() => Err((
            Reason::MissingGroupId,
            "a `group` has a `groupId`".to_owned(),
        )),
        _ => Ok((kind, message_id)),
    }
}

fn kind_of(head: &Head<'_>) -> Result<Kind, (Reason, String)> {
    let Some(value) = head.kind.filter(|value| !value.is_empty()) else {
        return Err((Reason::MissingType, "no `type`".to_owned()));
    };
    let word = value
        .string()
        .map(|text| text.decode().0.trim().to_ascii_lowercase());
    word.as_deref()
        .and_then(Kind::from_word)
        .filter(|kind| *kind != Kind::Webhook)
        .ok_or_else(|| (Reason::UnknownType, format!("`type` is {}", shown(value))))
}

/// Reads an identifier: absent, `null` and `""` are none; anything but text or a number is wrong.
fn identifier<'a>(
    value: Option<RawValue<'a>>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, (Reason, String)> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.identifier() {
        Some((id, _)) if id.len() > IDENTIFIER_BYTES => Err((
            Reason::InvalidField,
            format!("`{name}` has {} bytes", id.len()),
        )),
        // Only what cannot be stored was in it.
        Some((id, _)) if id.is_empty() => Ok(None),
        Some((id, _)) => Ok(Some(id)),
        None => Err((
            Reason::InvalidField,
            format!("`{name}` is {}", shown(value)),
        )),
    }
}

/// Returns a value for a message, shortened.
fn shown(value: RawValue<'_>) -> String {
    let text = String::from_utf8_lossy(value.0);
    if text.chars().count() > 60 {
        return text.chars().take(60).chain(['…']).collect();
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::split;

    fn judged(event: &str, expected: Expected) -> String {
        let body = format!("{{\"batch\":[{event}]}}");
        let limits = Limits {
            event_bytes: 400,
            ..Limits::default()
        };
        let mut elements = split(body.as_bytes(), &limits).unwrap().elements.unwrap();
        match judge(elements.remove(0), expected, &limits) {
            Judged::Accepted {
                kind, message_id, ..
            } => {
                format!("{} {}", kind.as_str(), message_id.as_deref().unwrap_or("-"))
            }
            Judged::Quarantined { reason, .. } => reason.as_str().to_owned(),
        }
    }

    #[test]
    fn every_outcome() {
        let long = format!(
            r#"{{"type":"track","event":"x","userId":"{}"}}"#,
            "u".repeat(400)
        );
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(64), "]".repeat(64));
        for (event, wanted) in [
            (
                r#"{"type":"track","event":"x","userId":"u","messageId":"m"}"#,
                "track m",
            ),
            (r#"{"type":"TRACK","event":"x","userId":"u"}"#, "track -"),
            (
                r#"{"type":"track","event":"x","userId":7,"messageId":12}"#,
                "track 12",
            ),
            (
                r#"{"type":"track","event":"x","userId":null,"anonymousId":"a"}"#,
                "track -",
            ),
            (
                r#"{"type":"track","event":"x","anonymousId":"\ud800"}"#,
                "track -",
            ),
            (r#"{"type":"track","event":"x","userId":""}"#, "missing_id"),
            (
                r#"{"type":"track","event":"x","userId":"\u0000"}"#,
                "missing_id",
            ),
            (
                r#"{"type":"track","event":"x","userId":{}}"#,
                "invalid_field",
            ),
            (
                r#"{"type":"track","event":["x"],"userId":"u"}"#,
                "invalid_field",
            ),
            (
                r#"{"type":"track","event":" ","userId":"u"}"#,
                "missing_event",
            ),
            (r#"{"type":"track","userId":"u"}"#, "missing_event"),
            (r#"{"type":"group","userId":"u"}"#, "missing_group_id"),
            (r#"{"type":"page","anonymousId":"a"}"#, "page -"),
            (r#"{"type":"alias","userId":"a"}"#, "alias -"),
            (r#"{"type":"merge","mergeProperties":[]}"#, "merge -"),
            (r#"{"userId":"u"}"#, "missing_type"),
            (r#"{"type":"webhook","userId":"u"}"#, "unknown_type"),
            (r#"{"type":3,"userId":"u"}"#, "unknown_type"),
            (r#""text""#, "not_an_object"),
            (r#"{"type":}"#, "malformed_json"),
            ("{\"a\":\"tab\there\"}", "malformed_json"),
            (long.as_str(), "too_large"),
            (deep.as_str(), "too_deep"),
        ] {
            assert_eq!(judged(event, Expected::Any), wanted, "{event}");
        }
        assert_eq!(
            judged(r#"{"userId":"u"}"#, Expected::Exactly(Kind::Identify)),
            "identify -"
        );
        assert_eq!(judged(r#"{"any":"thing"}"#, Expected::Webhook), "webhook -");
    }

    #[test]
    fn invalid_utf8_stays_alone() {
        let body = b"{\"batch\":[{\"type\":\"page\",\"userId\":\"\xff\"},{\"type\":\"page\",\"userId\":\"u\"}]}";
        let limits = Limits::default();
        let elements = split(body, &limits).unwrap().elements.unwrap();
        let judged: Vec<_> = elements
            .into_iter()
            .map(|e| judge(e, Expected::Any, &limits))
            .collect();
        assert!(matches!(
            &judged[0],
            Judged::Quarantined {
                reason: Reason::InvalidUtf8,
                ..
            }
        ));
        assert!(matches!(&judged[1], Judged::Accepted { .. }));
    }
}
