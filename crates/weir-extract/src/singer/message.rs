//! One line of a Singer tap. The format is docs/SPEC.md of singer-io/getting-started, with BATCH as the
//! Singer SDK has it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
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
        record: Members<'a>,
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
    record: Option<Content<'a>>,
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
        "RECORD" => {
            let stream = match stream {
                Some(stream) if !stream.is_empty() => stream,
                none => named(none)?.into(),
            };
            let record = match line.record.ok_or_else(|| lacks("record"))? {
                Content::Object(members) => members,
                Content::Other => {
                    return Err(format!("the record of stream `{stream}` is not an object"));
                }
            };
            Message::Record {
                stream,
                record,
                version: line.version,
            }
        }
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

/// What a message says its record is. Records are read with their messages, and not once more.
enum Content<'a> {
    Object(Members<'a>),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for Read<'a> {
            type Value = Content<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Members::collect(map).map(Content::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Content::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Content::Other)
            }
        }

        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// The members of a record, each as written.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    fn collect<'de: 'a, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let value: &'de RawValue = map.next_value()?;
            members.push((name, value.get()));
        }
        Ok(Self(members))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Members::collect(map)
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
            (stream.as_ref(), record.0, version),
            ("a", vec![("n".into(), "1.50")], Some(7))
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
            (
                r#"{"type":"RECORD","stream":"a","record":[{"n":[1]},"x"]}"#,
                "the record of stream `a` is not an object",
            ),
            (
                r#"{"type":"RECORD","stream":"a","record":-1e9}"#,
                "is not an object",
            ),
            (
                r#"{"type":"RECORD","stream":"a","record":null}"#,
                "a RECORD message needs a `record`",
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
