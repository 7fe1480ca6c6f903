use serde_json::{Map, Value};

use super::auth::decode_base64;
use crate::record::Kind;

/// Returns the JSON in the `data` of Segment's pixel: base64, or plain.
pub(crate) fn pixel_data(query: &[(String, String)]) -> Option<Vec<u8>> {
    let (_, data) = query.iter().find(|(name, _)| name == "data")?;
    if data.trim_start().starts_with('{') {
        return Some(data.clone().into_bytes());
    }
    decode_base64(data)
}

/// Makes an event of the parameters of RudderStack's pixel or of a webhook; a dot in a name opens an object.
pub(crate) fn event_of_query(kind: Kind, query: &[(String, String)]) -> Vec<u8> {
    let mut event = Map::new();
    for (name, value) in query {
        if name != "writeKey" {
            set(&mut event, name, value);
        }
    }
    if kind != Kind::Webhook {
        event.insert("type".to_owned(), kind.as_str().into());
    }
    if matches!(kind, Kind::Page | Kind::Screen) && !event.contains_key("name") {
        event.insert("name".to_owned(), "Unknown Page".into());
    }
    Value::Object(event).to_string().into_bytes()
}

/// Deeper names than this are one key: the depth of an event is bounded.
const DEPTH: usize = 8;

fn set(event: &mut Map<String, Value>, name: &str, value: &str) {
    let mut target = event;
    let mut rest = name;
    for _ in 0..DEPTH {
        let parts = rest
            .split_once('.')
            .filter(|(o, i)| !o.is_empty() && !i.is_empty());
        let Some((outer, inner)) = parts else { break };
        if target.get(outer).is_some_and(|slot| !slot.is_object()) {
            // `a=1&a.b=2`: both are kept, the second under its whole name.
            break;
        }
        let slot = target
            .entry(outer)
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(next) = slot else { return };
        target = next;
        rest = inner;
    }
    target.entry(rest).or_insert_with(|| value.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn dots_open_objects() {
        let query = pairs(&[
            ("writeKey", "k"),
            ("userId", "u"),
            ("properties.a", "1"),
            ("properties.b.c", "x"),
            ("properties.a.d", "y"),
            ("..", "z"),
        ]);
        let event = event_of_query(Kind::Page, &query);
        assert_eq!(
            String::from_utf8(event).unwrap(),
            r#"{"userId":"u","properties":{"a":"1","b":{"c":"x"},"a.d":"y"},"..":"z","type":"page","name":"Unknown Page"}"#
        );
    }

    #[test]
    fn data_is_base64_or_plain() {
        for data in ["eyJhIjoxfQ==", "eyJhIjoxfQ", "{\"a\":1}"] {
            assert_eq!(pixel_data(&pairs(&[("data", data)])).unwrap(), b"{\"a\":1}");
        }
        assert_eq!(pixel_data(&pairs(&[("data", "{")])).unwrap(), b"{");
        assert_eq!(pixel_data(&pairs(&[("data", "!")])), None);
    }
}
