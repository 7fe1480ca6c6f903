//! Reading a tap again from a day: bookmarks that are dates are set back to it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use super::catalog::Offered;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::spec::Replication;

/// The setting by which taps are told where to begin.
const START: &str = "start_date";

/// Sets the bookmarks of these streams back, and the configuration's `start_date` where it is later. A
/// bookmark that is older stays: nothing is left out.
///
/// # Errors
/// When a stream is not read on from a date, or would have rows twice.
pub(super) fn set_back(
    state: &Value,
    config: &Map<String, Value>,
    streams: &[&Offered],
    from: DateTime<Utc>,
) -> Result<(Value, Map<String, Value>), ExtractError> {
    let (mut state, mut config) = (state.clone(), config.clone());
    if let Some(start) = config.get_mut(START)
        && let Some(earlier) = earlier(start, from)
    {
        *start = earlier;
    }
    let full = Replication::FullTable.as_singer();
    let read_on: Vec<&&Offered> = streams.iter().filter(|s| s.replication != full).collect();
    if read_on.is_empty() {
        let message = "each stream is read as a whole every time: there is no day to begin with";
        return Err(unsupported(message.to_owned()).hint("leave `--from` out"));
    }
    for offered in read_on {
        let name = &offered.stream;
        if offered.key.is_empty() {
            let message = format!(
                "stream `{name}` has no key: rows that are read again would be there twice"
            );
            return Err(unsupported(message).hint(
                "give it a `key` in the source's file, or read everything again: weir sync --full-refresh",
            ));
        }
        let bookmark = state
            .get_mut("bookmarks")
            .and_then(|bookmarks| bookmarks.get_mut(name.as_str()));
        let Some(bookmark) = bookmark.filter(|bookmark| !is_empty(bookmark)) else {
            // It begins with `start_date`, or with all there is.
            continue;
        };
        let key = offered.replication_key.as_deref();
        if walk(bookmark, key, from) == 0 {
            let message =
                format!("stream `{name}` is not read on from a date: its bookmark is {bookmark}");
            return Err(unsupported(message).hint(
                "set the state to where it is to go on: weir state set, or use --full-refresh",
            ));
        }
    }
    Ok((state, config))
}

fn unsupported(message: String) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Unsupported, message)
}

fn is_empty(bookmark: &Value) -> bool {
    bookmark.is_null() || bookmark.as_object().is_some_and(Map::is_empty)
}

/// Sets dates back in a bookmark, in those of its partitions too; returns how many there are.
fn walk(bookmark: &mut Value, key: Option<&str>, from: DateTime<Utc>) -> usize {
    match bookmark {
        Value::Object(map) => {
            map.remove("progress_markers");
            let mut found = 0;
            for (name, value) in map.iter_mut() {
                let is_place = name == "replication_key_value" || Some(name.as_str()) == key;
                found += match value {
                    Value::String(_) if is_place => match earlier(value, from) {
                        Some(set) => {
                            *value = set;
                            1
                        }
                        None => 0,
                    },
                    Value::Object(_) | Value::Array(_) => walk(value, key, from),
                    _ => 0,
                };
            }
            found
        }
        Value::Array(items) => items.iter_mut().map(|item| walk(item, key, from)).sum(),
        _ => 0,
    }
}

/// Returns the earlier of a date as text and `from`, in the shape of the text; none where that is no date.
fn earlier(value: &Value, from: DateTime<Utc>) -> Option<Value> {
    let text = value.as_str()?;
    let at = moment(text)?;
    if at <= from {
        return Some(value.clone());
    }
    let shape = match text.as_bytes() {
        text if text.len() <= 10 => "%Y-%m-%d",
        [_, _, _, _, _, _, _, _, _, _, b' ', ..] => "%Y-%m-%d %H:%M:%S+00:00",
        text if text.contains(&b'.') => "%Y-%m-%dT%H:%M:%S%.6fZ",
        _ => "%Y-%m-%dT%H:%M:%SZ",
    };
    Some(from.format(shape).to_string().into())
}

/// Reads a date as people and taps write it.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    for shape in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(at) = DateTime::parse_from_str(text, shape) {
            return Some(at.to_utc());
        }
    }
    for shape in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
    ] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, shape) {
            return Some(at.and_utc());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stream(name: &str, replication: &str, key: &[&str]) -> Offered {
        Offered {
            stream: name.to_owned(),
            taken: true,
            replication: replication.to_owned(),
            replication_key: Some("updated_at".to_owned()),
            key: key.iter().map(|key| (*key).to_owned()).collect(),
            columns: Vec::new(),
        }
    }

    #[test]
    fn bookmarks_go_back_and_never_forward() {
        let from = moment("2024-03-01").unwrap();
        let streams = [
            stream("a", "INCREMENTAL", &["id"]),
            stream("b", "INCREMENTAL", &["id"]),
            stream("c", "INCREMENTAL", &["id"]),
            stream("whole", "FULL_TABLE", &[]),
        ];
        let streams: Vec<&Offered> = streams.iter().collect();
        let state = json!({"bookmarks": {
            "a": {"replication_key": "updated_at", "replication_key_value": "2024-05-01T10:00:00.000000Z", "progress_markers": {}},
            "b": {"updated_at": "2024-01-01"},
            "c": {"partitions": [{"context": {"x": 1}, "replication_key_value": "2024-04-01"}]},
            "other": {"updated_at": "2024-06-01"},
        }});
        let config = json!({"start_date": "2024-06-01T00:00:00Z", "token": "t"});
        let (state, config) =
            set_back(&state, config.as_object().unwrap(), &streams, from).unwrap();
        let bookmarks = &state["bookmarks"];
        assert_eq!(
            bookmarks["a"]["replication_key_value"],
            "2024-03-01T00:00:00.000000Z"
        );
        assert_eq!(bookmarks["b"]["updated_at"], "2024-01-01");
        assert_eq!(
            bookmarks["c"]["partitions"][0]["replication_key_value"],
            "2024-03-01"
        );
        assert_eq!(bookmarks["other"]["updated_at"], "2024-06-01");
        assert_eq!(config["start_date"], "2024-03-01T00:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_again_is_told() {
        let from = moment("2024-03-01T00:00:00+01:00").unwrap();
        let told = |stream: Offered, state: Value| {
            let error = set_back(&state, &Map::new(), &[&stream], from).unwrap_err();
            assert_eq!(error.kind(), ExtractErrorKind::Unsupported);
            error.to_string()
        };
        let number = json!({"bookmarks": {"a": {"replication_key_value": 17}}});
        assert!(told(stream("a", "INCREMENTAL", &["id"]), number).contains("its bookmark is"));
        assert!(told(stream("a", "INCREMENTAL", &[]), Value::Null).contains("has no key"));
        assert!(told(stream("a", "FULL_TABLE", &["id"]), Value::Null).contains("as a whole"));
    }
}
