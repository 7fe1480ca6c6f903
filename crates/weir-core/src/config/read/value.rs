//! From a value as it was written to a place in the configuration.

use std::net::SocketAddr;

use toml::de::DeValue;

use super::super::key::{Key, Kind};
use super::super::retention::RetentionRule;
use super::super::sections::Config;
use super::super::size::ByteSize;
use super::super::time::{format_duration, parse_duration};
use crate::spelling::did_you_mean;

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// In an environment variable or the table of keys: text that stands for any type.
    Plain(String),
    Text(String),
    Integer(String),
    Boolean(bool),
    List(Vec<String>),
    Other(&'static str),
}

/// Why a value cannot be taken.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Returns a value of the file as it was written.
pub(super) fn written(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Given::Integer(number.as_str().to_owned())
        }
        DeValue::Boolean(value) => Given::Boolean(*value),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map_or(Given::Other("an array"), Given::List),
        DeValue::Integer(_) => Given::Other("a number that is not decimal"),
        DeValue::Float(_) => Given::Other("a number with a point"),
        DeValue::Datetime(_) => Given::Other("a date"),
        DeValue::Table(_) => Given::Other("a table"),
    }
}

/// Whether a text holds nothing but a reference to a variable.
pub(super) fn is_only_reference(given: &Given) -> bool {
    let Given::Text(text) = given else {
        return false;
    };
    text.is_empty()
        || text
            .strip_prefix("${env:")
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(|name| !name.contains(['$', '}']))
}

/// Checks a value and puts it where its key says.
pub(super) fn set(key: &Key, given: &Given, config: &mut Config) -> Result<(), Wrong> {
    let write = |example: &str| Some(format!("write `{} = {example}`", key.name));
    let wrong_type = |wanted: &str, example: &str| Wrong {
        message: format!("must be {wanted}, not {}", described(given)),
        hint: write(example),
    };
    let text = || match given {
        Given::Plain(text) | Given::Text(text) => Some(text.trim()),
        _ => None,
    };
    let wrong = |message: String, hint| Err(Wrong { message, hint });
    match &key.kind {
        Kind::Text(set) | Kind::Secret(set) => {
            let text = text().ok_or_else(|| wrong_type("text", "\"…\""))?;
            set(config, text.to_owned());
        }
        Kind::WebAddress(set) => {
            const EXAMPLE: &str = "\"https://events.example.com\"";
            let text = text().ok_or_else(|| wrong_type("a web address", EXAMPLE))?;
            let rest = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            match rest {
                _ if text.is_empty() => set(config, None),
                Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => {
                    set(config, Some(text.trim_end_matches('/').to_owned()));
                }
                _ => {
                    return wrong(
                        "must begin with `https://` or `http://`".to_owned(),
                        write(EXAMPLE),
                    );
                }
            }
        }
        Kind::UrlPath(set) => {
            let text = text().ok_or_else(|| wrong_type("a path", "\"/x7f3\""))?;
            let fits = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
            let path = text.trim_end_matches('/');
            if path.is_empty() {
                set(config, None);
            } else if path.starts_with('/') && !path.contains("//") && path.chars().all(fits) {
                set(config, Some(path.to_owned()));
            } else {
                return wrong(
                    "must begin with `/` and hold letters, digits, `-`, `_`, `.` and `~`"
                        .to_owned(),
                    write("\"/x7f3\""),
                );
            }
        }
        Kind::Socket(set) => {
            const WANTED: &str = "an IP address and port";
            let example = format!("\"{}\"", key.default);
            let text = text().ok_or_else(|| wrong_type(WANTED, &example))?;
            match text
                .replace("localhost:", "127.0.0.1:")
                .parse::<SocketAddr>()
            {
                Ok(address) => set(config, address),
                Err(_) => return wrong(format!("must be {WANTED}"), write(&example)),
            }
        }
        Kind::Addresses(set) => {
            let items: Vec<&str> = match given {
                Given::List(items) => items.iter().map(String::as_str).collect(),
                Given::Plain(text) => text
                    .split(',')
                    .map(str::trim)
                    .filter(|t| !t.is_empty())
                    .collect(),
                _ => return Err(wrong_type("a list of IP addresses", "[\"10.0.0.1\"]")),
            };
            let mut addresses = Vec::with_capacity(items.len());
            for item in items {
                match item.parse() {
                    Ok(address) => addresses.push(address),
                    Err(_) => {
                        return wrong(
                            format!("holds `{item}`, which is no IP address"),
                            write("[\"10.0.0.1\"]"),
                        );
                    }
                }
            }
            set(config, addresses);
        }
        Kind::Retention(set) => {
            const EXAMPLE: &str = "[\"raw_web.*=400d\"]";
            let items = match given {
                Given::List(items) => items.clone(),
                Given::Plain(text) | Given::Text(text) => {
                    let items = text.split(',').map(str::trim);
                    items.filter(|t| !t.is_empty()).map(str::to_owned).collect()
                }
                _ => return Err(wrong_type("a list of rules", EXAMPLE)),
            };
            let rules = items.iter().map(|item| RetentionRule::parse(item));
            match rules.collect::<Result<Vec<_>, String>>() {
                Ok(rules) => set(config, rules),
                Err(message) => return wrong(message, write(EXAMPLE)),
            }
        }
        Kind::Switch(set) => match given {
            Given::Boolean(value) => set(config, *value),
            Given::Plain(text) if text == "true" => set(config, true),
            Given::Plain(text) if text == "false" => set(config, false),
            _ => return Err(wrong_type("`true` or `false`", key.default)),
        },
        Kind::Number(min, max, set) => {
            let number = match given {
                Given::Integer(text) | Given::Plain(text) => text.replace('_', ""),
                _ => return Err(wrong_type("a whole number", key.default)),
            };
            match number.trim().parse::<u64>() {
                Ok(number) if (min..=max).contains(&&number) => set(config, number),
                _ => return wrong(format!("must be a whole number from {min} to {max}"), None),
            }
        }
        Kind::Size(min, max, set) => {
            let example = format!("\"{}\"", key.default);
            let text = text().ok_or_else(|| wrong_type("a size", &example))?;
            set(config, sized(text, *min, *max)?);
        }
        Kind::SizeOrAuto(min, max, set) => {
            let example = format!("\"{}\"", key.default);
            match text().ok_or_else(|| wrong_type("a size or `auto`", &example))? {
                "auto" => set(config, None),
                text => set(config, Some(sized(text, *min, *max)?)),
            }
        }
        Kind::Time(min, max, set) => {
            let example = format!("\"{}\"", key.default);
            let text = text().ok_or_else(|| wrong_type("a duration", &example))?;
            set(config, bounded(text, *min, *max)?);
        }
        Kind::TimeOrForever(min, max, set) => {
            let example = format!("\"{}\"", key.default);
            match text().ok_or_else(|| wrong_type("a duration or `forever`", &example))? {
                "forever" => set(config, None),
                text => set(config, Some(bounded(text, *min, *max)?)),
            }
        }
        Kind::Choice(words, set) => {
            let example = format!("\"{}\"", key.default);
            let text = text().ok_or_else(|| wrong_type("one of a few words", &example))?;
            match words.iter().find(|word| **word == text) {
                Some(word) => set(config, word),
                None => {
                    let list = words
                        .iter()
                        .map(|w| format!("`{w}`"))
                        .collect::<Vec<_>>()
                        .join(", ");
                    let hint =
                        did_you_mean(text, words).map(|better| format!("did you mean `{better}`?"));
                    return wrong(format!("must be one of {list}, not `{text}`"), hint);
                }
            }
        }
    }
    Ok(())
}

fn bounded(
    text: &str,
    min: std::time::Duration,
    max: std::time::Duration,
) -> Result<std::time::Duration, Wrong> {
    let wrong = |message| Wrong {
        message,
        hint: None,
    };
    let duration = parse_duration(text).map_err(|message| wrong(message.to_owned()))?;
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(wrong(format!(
        "must be from {} to {}",
        format_duration(min),
        format_duration(max)
    )))
}

fn sized(text: &str, min: ByteSize, max: ByteSize) -> Result<ByteSize, Wrong> {
    let wrong = |message| Wrong {
        message,
        hint: None,
    };
    let size: ByteSize = text
        .parse()
        .map_err(|message: &str| wrong(message.to_owned()))?;
    if (min..=max).contains(&size) {
        return Ok(size);
    }
    Err(wrong(format!("must be from {min} to {max}")))
}

fn described(given: &Given) -> &'static str {
    match given {
        Given::Plain(_) | Given::Text(_) => "text",
        Given::Integer(_) => "a number",
        Given::Boolean(_) => "`true` or `false`",
        Given::List(_) => "a list",
        Given::Other(what) => what,
    }
}
