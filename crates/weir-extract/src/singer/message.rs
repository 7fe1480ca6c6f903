//! One line of a Singer tap. The format is docs/SPEC.md of singer-io/getting-started, with BATCH as the
//! Singer SDK has it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A message, as far as it was understood.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Schema {
        stream: Cow<'a, str>,
        schema: Value,
        keys: Vec<String>,
    },
    Record {
        stream: Cow<'a, str>,
        record: &'a RawValue,
        version: Option<i64>,
    },
    State(Value),
    Activate {
        stream: Cow<'a, str>,
        version: i64,
    },
    Batch {
        stream: Cow<'a, str>,
        format: String,
        compression: Option<String>,
        files: Vec<String>,
    },
    /// A type of message that this does not know, which the specification says to pass over.
    Other,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    schema: Option<Value>,
    key_properties: Option<Vec<String>>,
    version: Option<i64>,
    value: Option<Value>,
    encoding: Option<Encoding>,
    manifest: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Encoding {
    format: Option<String>,
    compression: Option<String>,
}

/// Reads a line; what is wrong with it is told in words.
pub(super) fn read(line: &str) -> Result<Message<'_>, String> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("it is no Singer message: {error}"),
        _ => format!("it is not JSON: {error}"),
    })?;
    let kind = line.kind.ok_or("it has no `type`")?.to_ascii_uppercase();
    let stream = line.stream;
    let named = |stream: Option<Cow<'_, str>>| match stream {
        Some(stream) if !stream.is_empty() => Ok(stream.into_owned()),
        _ => Err(format!("a {kind} message needs a `stream`")),
    };
    let lacks = |what: &str| format!("a {kind} message needs a `{what}`");
    Ok(match kind.as_str() {
        "RECORD" => Message::Record {
            stream: match stream {
                Some(stream) if !stream.is_empty() => stream,
                none => named(none)?.into(),
            },
            record: line.record.ok_or_else(|| lacks("record"))?,
            version: line.version,
        },
        "SCHEMA" => Message::Schema {
            stream: named(stream)?.into(),
            schema: line.schema.ok_or_else(|| lacks("schema"))?,
            keys: line.key_properties.unwrap_or_default(),
        },
        "STATE" => Message::State(line.value.ok_or_else(|| lacks("value"))?),
        "ACTIVATE_VERSION" => Message::Activate {
            stream: named(stream)?.into(),
            version: line.version.ok_or_else(|| lacks("version"))?,
        },
        "BATCH" => {
            let encoding = line.encoding.ok_or_else(|| lacks("encoding"))?;
            Message::Batch {
                stream: named(stream)?.into(),
                format: encoding.format.unwrap_or_else(|| "jsonl".into()),
                compression: encoding.compression.filter(|c| c != "none"),
                files: line.manifest.ok_or_else(|| lacks("manifest"))?,
            }
        }
        _ => Message::Other,
    })
}

/// The members of a record, each as written.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    let value: &'de RawValue = map.next_value()?;
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_whatever_the_case_of_their_type() {
        let Ok(Message::Record {
            stream,
            record,
            version,
        }) = read(r#"{"type":"record","stream":"a","record":{"n":1.50},"version":7,"x":{}}"#)
        else {
            panic!("no record");
        };
        assert_eq!(
            (stream.as_ref(), record.get(), version),
            ("a", "{\"n\":1.50}", Some(7))
        );
        assert!(matches!(
            read(r#"{"type":"LOG","level":"info"}"#),
            Ok(Message::Other)
        ));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, wanted) in [
            ("{", "it is not JSON"),
            ("[]", "it is no Singer message"),
            ("{}", "it has no `type`"),
            (
                r#"{"type":"RECORD","stream":"a"}"#,
                "a RECORD message needs a `record`",
            ),
            (
                r#"{"type":"RECORD","record":{}}"#,
                "a RECORD message needs a `stream`",
            ),
            (r#"{"type":"STATE"}"#, "a STATE message needs a `value`"),
            (
                r#"{"type":"SCHEMA","stream":"a"}"#,
                "a SCHEMA message needs a `schema`",
            ),
            (
                r#"{"type":"ACTIVATE_VERSION","stream":"a"}"#,
                "needs a `version`",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(wanted), "{line}: {error}");
        }
    }

    #[test]
    fn members_keep_their_text_and_order() {
        let members: Members<'_> =
            serde_json::from_str(r#"{"b":1.0, "a\u0041": {"x": 1}}"#).unwrap();
        let members: Vec<(&str, &str)> = members.0.iter().map(|(n, v)| (n.as_ref(), *v)).collect();
        assert_eq!(members, [("b", "1.0"), ("aA", r#"{"x": 1}"#)]);
    }
}
