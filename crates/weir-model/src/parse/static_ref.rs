//! `ref('a')` and `source('a', 'b')` as texts in YAML, read without a template.

use crate::node::{RefArgs, Version};

/// What such a text names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    Ref(RefArgs),
    Source(String, String),
    Metric(Vec<String>),
    /// `this`, in unit tests.
    This,
}

/// Reads one call; `{{ }}` around it is allowed.
pub(super) fn read(text: &str) -> Option<Named> {
    let text = text.trim();
    let text = text
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .unwrap_or(text)
        .trim();
    if text == "this" {
        return Some(Named::This);
    }
    let (function, rest) = text.split_once('(')?;
    let arguments = arguments(rest.trim_end().strip_suffix(')')?)?;
    let mut texts = Vec::new();
    let mut version = None;
    for argument in arguments {
        match argument {
            Argument::Text(text) => texts.push(text),
            Argument::Named(name, value) if matches!(&*name, "v" | "version") => {
                version = Some(value)
            }
            Argument::Named(..) => return None,
        }
    }
    match (function.trim(), texts.len()) {
        ("ref", 1) => Some(Named::Ref(RefArgs {
            package: None,
            name: texts.remove(0),
            version,
        })),
        ("ref", 2) => {
            let package = Some(texts.remove(0));
            Some(Named::Ref(RefArgs {
                package,
                name: texts.remove(0),
                version,
            }))
        }
        ("source", 2) => {
            let source = texts.remove(0);
            Some(Named::Source(source, texts.remove(0)))
        }
        ("metric", 1 | 2) => Some(Named::Metric(texts)),
        _ => None,
    }
}

enum Argument {
    Text(String),
    Named(String, Version),
}

fn arguments(text: &str) -> Option<Vec<Argument>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some((name, after)) = rest
            .split_once('=')
            .filter(|(name, _)| name.trim().chars().all(|c| c.is_alphanumeric() || c == '_'))
        {
            let (value, after) = version(after.trim())?;
            found.push(Argument::Named(name.trim().to_owned(), value));
            rest = after;
        } else {
            let (text, after) = quoted(rest)?;
            found.push(Argument::Text(text));
            rest = after;
        }
        rest = rest.trim();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(found)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (inside, after) = text[1..].split_once(quote)?;
    Some((inside.to_owned(), after))
}

fn version(text: &str) -> Option<(Version, &str)> {
    if let Some((text, after)) = quoted(text) {
        return Some((Version::Text(text), after));
    }
    let end = text.find([',', ' ']).unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    let version = match number.parse() {
        Ok(int) => Version::Int(int),
        Err(_) => Version::Float(number.parse().ok()?),
    };
    Some((version, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "(\\PC|ref|source|[(){}'\",=v0-9 ]){0,30}") {
            read(&text);
            crate::parse::calls::calls(&text);
        }
    }

    #[test]
    fn calls_in_yaml_are_read() {
        let plain = |package: Option<&str>, name: &str, version| {
            Some(Named::Ref(RefArgs {
                package: package.map(str::to_owned),
                name: name.to_owned(),
                version,
            }))
        };
        assert_eq!(read("ref('a')"), plain(None, "a", None));
        assert_eq!(
            read("{{ ref(\"p\", 'a', v=2) }}"),
            plain(Some("p"), "a", Some(Version::Int(2)))
        );
        assert_eq!(
            read("source( 's' , 't' )"),
            Some(Named::Source("s".into(), "t".into()))
        );
        assert_eq!(read("this"), Some(Named::This));
        assert_eq!(read("ref(a)"), None);
        assert_eq!(read("orders"), None);
    }
}
