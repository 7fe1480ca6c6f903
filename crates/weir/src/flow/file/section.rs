//! Reading mappings whose every mistake is told with its place.

use std::time::Duration;

use weir_core::config::parse_duration;
use weir_core::did_you_mean;
use weir_model::yaml::{Map, Yaml, YamlValue};
use weir_model::{ModelError, ModelErrorKind, Place, excerpt};

/// What values are read with: the file, for messages, and what `${env:NAME}` stands for.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) errors: Vec<ModelError>,
}

impl Reader<'_> {
    /// Notes a mistake at a place.
    pub(crate) fn wrong(&mut self, at: (u32, u32), message: String, hint: Option<String>) {
        let error = error(self.file, self.text, at, message);
        self.errors.push(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }

    /// Returns the mapping a node should be, after looking at its keys.
    pub(crate) fn map<'y>(&mut self, yaml: &'y Yaml, what: &str, keys: &[&str]) -> Option<&'y Map> {
        let Some(map) = yaml.as_map() else {
            let message = format!("{what} is {}, not a mapping of keys", yaml.what());
            let hint = format!("its keys are {}", listed(keys));
            self.wrong((yaml.line, yaml.column), message, Some(hint));
            return None;
        };
        for entry in map
            .iter()
            .filter(|entry| !keys.contains(&entry.key.as_str()))
        {
            let hint = match did_you_mean(&entry.key, keys) {
                _ if entry.key == "true" => {
                    "YAML reads `on`, `yes` and `true` as the same; a key is none of them"
                        .to_owned()
                }
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("{what} takes {}", listed(keys)),
            };
            let message = format!("unknown key `{}` of {what}", entry.key);
            self.wrong((entry.line, entry.column), message, Some(hint));
        }
        Some(map)
    }

    /// Returns the text of `key`.
    pub(crate) fn text<'y>(&mut self, map: &'y Map, key: &str) -> Option<&'y str> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        if value.as_str().is_none() {
            self.not(value, key, "text");
        }
        value.as_str()
    }

    /// Returns the whole number of `key`, from `least` to `most`.
    pub(crate) fn number(
        &mut self,
        map: &Map,
        key: &str,
        (least, most): (i64, i64),
    ) -> Option<i64> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        match value.value {
            YamlValue::Int(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.not(
                    value,
                    key,
                    &format!("a whole number from {least} to {most}"),
                );
                None
            }
        }
    }

    /// Returns the length of time of `key`.
    pub(crate) fn duration(&mut self, map: &Map, key: &str) -> Option<Duration> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        let text = value.scalar_text().unwrap_or_default();
        match parse_duration(&text) {
            Ok(duration) => Some(duration),
            Err(why) => {
                let message = format!("`{key}`: `{text}` {why}");
                self.wrong((value.line, value.column), message, None);
                None
            }
        }
    }

    /// Returns the words of `key`: one text, or a list of them, each with its place.
    pub(crate) fn words(&mut self, map: &Map, key: &str) -> Vec<(String, (u32, u32))> {
        let Some(value) = map.get(key).filter(|value| !value.is_null()) else {
            return Vec::new();
        };
        let single = std::slice::from_ref(value);
        let items = value.as_list().unwrap_or(single);
        let mut words = Vec::with_capacity(items.len());
        for item in items {
            match item.as_str() {
                Some(word) => words.push((word.to_owned(), (item.line, item.column))),
                None => self.not(item, key, "text, or a list of texts"),
            }
        }
        words
    }

    /// Returns the items of the list of `key`.
    pub(crate) fn list<'y>(&mut self, map: &'y Map, key: &str) -> &'y [Yaml] {
        let Some(value) = map.get(key).filter(|value| !value.is_null()) else {
            return &[];
        };
        if value.as_list().is_none() {
            self.not(value, key, "a list");
        }
        value.as_list().unwrap_or(&[])
    }

    /// Returns the text of `key` with `${env:NAME}` replaced. What is a secret must be written so.
    pub(crate) fn value(&mut self, map: &Map, key: &str, is_secret: bool) -> Option<String> {
        let text = self.text(map, key)?.to_owned();
        let at = map
            .entry(key)
            .map_or((0, 0), |e| (e.value.line, e.value.column));
        if is_secret && !text.contains("${env:") {
            let hint =
                format!("write `{key}: ${{env:NAME}}`, and set the variable NAME for the server");
            self.wrong(
                at,
                format!("`{key}` is a secret, and secrets are not written in files"),
                Some(hint),
            );
            return None;
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(from) = rest.find("${env:") {
            let Some(end) = rest[from..].find('}') else {
                self.wrong(
                    at,
                    format!("`{key}`: `${{env:` has no end"),
                    Some("write `${env:NAME}`".to_owned()),
                );
                return None;
            };
            let name = &rest[from + 6..from + end];
            out.push_str(&rest[..from]);
            match (self.variable)(name) {
                Some(found) => out.push_str(&found),
                None => {
                    let hint = "set it where the server is started".to_owned();
                    self.wrong(
                        at,
                        format!("`{key}`: there is no variable `{name}`"),
                        Some(hint),
                    );
                    return None;
                }
            }
            rest = &rest[from + end + 1..];
        }
        out.push_str(rest);
        Some(out)
    }

    fn not(&mut self, value: &Yaml, key: &str, wanted: &str) {
        let message = format!("`{key}` is {}, not {wanted}", value.what());
        self.wrong((value.line, value.column), message, None);
    }
}

/// Makes a mistake at a place.
pub(crate) fn error(
    file: &str,
    text: &str,
    (line, column): (u32, u32),
    message: String,
) -> ModelError {
    ModelError::new(ModelErrorKind::Project, message)
        .at(Place::at(file.to_owned(), line, column))
        .excerpt(excerpt(text, line, column))
}

pub(crate) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
