use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::json;
use weir_core::SourceName;

use crate::source::{ClockPolicy, IpPolicy, SourceSettings};

/// One `sources/<name>.yml`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Name of the source; the file's name unless the file says otherwise.
    pub name: SourceName,
    /// Whether its events are accepted.
    pub enabled: bool,
    /// How its events are treated.
    pub settings: SourceSettings,
}

/// A source file that cannot be used: file, line, column and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}")]
pub struct SourceFileError {
    file: String,
    line: usize,
    column: usize,
    problem: String,
}

impl SourceFile {
    /// Reads the text of `file` (a path for messages); `stem` is its name without `.yml`.
    pub fn parse(file: &str, stem: &str, text: &str) -> Result<SourceFile, SourceFileError> {
        let fail = |line, column, problem| SourceFileError {
            file: file.to_owned(),
            line,
            column,
            problem,
        };
        let raw = match serde_yaml_ng::from_str::<Option<Raw>>(text) {
            Ok(raw) => raw.unwrap_or_default(),
            Err(error) => {
                let problem = without_location(&error.to_string());
                let at = error.location();
                let (line, column) = place_of_problem(text, &problem)
                    .or_else(|| at.map(|at| (at.line(), at.column())))
                    .unwrap_or((1, 1));
                return Err(fail(line, column, problem));
            }
        };
        let name = match raw.name {
            Some(name) => name,
            None => SourceName::new(stem)
                .map_err(|error| fail(1, 1, format!("{error}; rename the file or add `name:`")))?,
        };
        Ok(SourceFile {
            name,
            enabled: raw.enabled.unwrap_or(true),
            settings: SourceSettings {
                ip: raw.ip.unwrap_or_default(),
                clock: raw.clock.unwrap_or_default(),
                description: raw.description.unwrap_or_default(),
                from_file: None,
            },
        })
    }
}

impl SourceFile {
    /// Returns everything the file says, as JSON: two files that say the same are equal.
    pub fn said(&self) -> String {
        json!({ "enabled": self.enabled, "settings": self.settings }).to_string()
    }
}

/// The YAML library appends the place to its messages; ours puts it in front.
fn without_location(message: &str) -> String {
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message.to_owned(),
    }
}

/// Finds the key that one of our own messages is about: the YAML library knows only the place of
/// the whole mapping.
fn place_of_problem(text: &str, problem: &str) -> Option<(usize, usize)> {
    let key = match problem.strip_prefix("unknown ") {
        Some(rest) => rest
            .strip_prefix("key `")
            .or(rest.strip_prefix("policy for `"))?,
        None if problem.starts_with("source name ") => "name",
        None => problem.strip_prefix("the key `")?,
    };
    let key = key.split('`').next()?;
    text.lines().enumerate().find_map(|(index, line)| {
        let start = line.trim_start();
        let rest = start.trim_start_matches(['"', '\'']).strip_prefix(key)?;
        let colon = rest.trim_start_matches(['"', '\'', ' ']).starts_with(':');
        colon.then(|| (index + 1, line.len() - start.len() + 1))
    })
}

#[derive(Default)]
struct Raw {
    name: Option<SourceName>,
    enabled: Option<bool>,
    ip: Option<IpPolicy>,
    clock: Option<ClockPolicy>,
    description: Option<String>,
}

/// A word out of a list, with a suggestion when it is not in it.
struct Word(&'static str);

const KEYS: [&str; 5] = ["name", "enabled", "ip", "clock", "description"];

fn known<E: de::Error>(what: &str, word: &str, known: &[&'static str]) -> Result<Word, E> {
    if let Some(&word) = known.iter().find(|known| **known == word) {
        return Ok(Word(word));
    }
    let list = known
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    Err(E::custom(match weir_core::did_you_mean(word, known) {
        Some(better) => format!("unknown {what} `{word}`; did you mean `{better}`?"),
        None => format!("unknown {what} `{word}`; expected one of {list}"),
    }))
}

struct Key(&'static str);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        known("key", &word, &KEYS).map(|word| Key(word.0))
    }
}

struct Ip(IpPolicy);

impl<'de> Deserialize<'de> for Ip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let word = known("policy for `ip`", &word, &["keep", "truncate", "drop"])?;
        Ok(Ip(match word.0 {
            "keep" => IpPolicy::Keep,
            "drop" => IpPolicy::Drop,
            _ => IpPolicy::Truncate,
        }))
    }
}

struct Clock(ClockPolicy);

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let word = known("policy for `clock`", &word, &["correct", "trust"])?;
        Ok(Clock(if word.0 == "trust" {
            ClockPolicy::Trust
        } else {
            ClockPolicy::Correct
        }))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys such as `name: shop` and `enabled: true`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut raw = Raw::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key.0 {
                        "name" => set(key.0, &mut raw.name, map.next_value()?)?,
                        "enabled" => set(key.0, &mut raw.enabled, map.next_value()?)?,
                        "ip" => set(key.0, &mut raw.ip, map.next_value::<Ip>()?.0)?,
                        "clock" => set(key.0, &mut raw.clock, map.next_value::<Clock>()?.0)?,
                        "description" => set(key.0, &mut raw.description, map.next_value()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(raw)
            }
        }

        deserializer.deserialize_map(RawVisitor)
    }
}

fn set<T, E: de::Error>(key: &str, slot: &mut Option<T>, value: T) -> Result<(), E> {
    if slot.replace(value).is_some() {
        return Err(E::custom(format!("the key `{key}` appears twice")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SourceFile, String> {
        SourceFile::parse("sources/shop.yml", "shop", text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_a_source_with_defaults() {
        let source = parse("# nothing yet\n").unwrap();

        assert_eq!(source.name.as_str(), "shop");
        assert!(source.enabled);
        assert_eq!(source.settings, SourceSettings::default());
    }

    #[test]
    fn all_keys_are_read() {
        let source =
            parse("name: web\nenabled: false\nip: keep\nclock: trust\ndescription: The web shop\n")
                .unwrap();

        assert_eq!(source.name.as_str(), "web");
        assert!(!source.enabled);
        assert_eq!(source.settings.ip, IpPolicy::Keep);
        assert_eq!(source.settings.clock, ClockPolicy::Trust);
        assert_eq!(source.settings.description, "The web shop");
    }

    #[test]
    fn mistakes_name_the_place_and_the_fix() {
        assert_eq!(
            parse("name: shop\nenabeld: true\n").unwrap_err(),
            "sources/shop.yml:2:1: unknown key `enabeld`; did you mean `enabled`?"
        );
        assert_eq!(
            parse("name: shop\nip: trunkate\n").unwrap_err(),
            "sources/shop.yml:2:1: unknown policy for `ip` `trunkate`; did you mean `truncate`?"
        );
        assert!(
            parse("enabled: perhaps\n")
                .unwrap_err()
                .starts_with("sources/shop.yml:1:10: ")
        );
        assert!(
            parse("name: [\n")
                .unwrap_err()
                .starts_with("sources/shop.yml:")
        );
        assert!(
            parse("- a\n")
                .unwrap_err()
                .contains("expected keys such as")
        );
        assert!(parse("ip: keep\nip: drop\n").is_err());
        assert_eq!(
            parse("ip: keep\nname: Shop\n").unwrap_err(),
            "sources/shop.yml:2:1: source name `Shop` must start with a lower-case letter"
        );
    }
}
