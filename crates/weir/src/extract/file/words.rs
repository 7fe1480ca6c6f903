//! Single values: words of a list, yes or no, settings with their secrets.

use serde_json::{Map as JsonMap, Value};
use weir_core::did_you_mean;
use weir_model::yaml::{Map, YamlValue};

use crate::flow::file::section::{Reader, listed};

/// Words in the names of a tap's settings whose values are secrets.
const SECRETS: [&str; 9] = [
    "password",
    "passphrase",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "credential",
];

/// Returns what a word of a list stands for.
pub(super) fn word<T: Copy>(
    reader: &mut Reader<'_>,
    map: &Map,
    key: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let text = reader.text(map, key)?.to_owned();
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*meant);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let hint = match did_you_mean(&text, &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it is one of {}", listed(&known)),
    };
    let at = map
        .entry(key)
        .map_or((1, 1), |e| (e.value.line, e.value.column));
    reader.wrong(at, format!("`{key}` cannot be `{text}`"), Some(hint));
    None
}

pub(super) fn flag(reader: &mut Reader<'_>, map: &Map, key: &str) -> bool {
    match map.get(key) {
        None => false,
        Some(yaml) => match yaml.value {
            YamlValue::Bool(value) => value,
            _ => {
                let message = format!("`{key}` is {}, not `true` or `false`", yaml.what());
                reader.wrong((yaml.line, yaml.column), message, None);
                false
            }
        },
    }
}

pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRETS.iter().any(|word| key.contains(word))
}

/// Returns a tap's settings with `${env:NAME}` replaced in all texts.
pub(super) fn settings(reader: &mut Reader<'_>, map: &Map) -> JsonMap<String, Value> {
    let mut out = JsonMap::new();
    for entry in map {
        let value = match &entry.value.value {
            YamlValue::Text(_) => {
                let value = reader.value(map, &entry.key, is_secret(&entry.key));
                value.map(Value::String)
            }
            YamlValue::Map(inner) => Some(Value::Object(settings(reader, inner))),
            YamlValue::List(items) => Some(Value::Array(
                items
                    .iter()
                    .map(|item| match item.as_map() {
                        Some(inner) => Value::Object(settings(reader, inner)),
                        None => item.to_json(),
                    })
                    .collect(),
            )),
            _ => Some(entry.value.to_json()),
        };
        if let Some(value) = value {
            out.insert(entry.key.clone(), value);
        }
    }
    out
}
