//! What a regular expression found.

use std::any::Any;
use std::sync::Arc;

use regex::{Captures, Regex};
use weir_jinja::{Call, Error, ErrorKind, Object, Result, Value};

pub(super) fn group(captures: &Captures<'_>, at: usize, missing: Value) -> Value {
    captures
        .get(at)
        .map_or(missing, |found| Value::from(found.as_str()))
}

pub(super) fn found(regex: &Regex, text: &str) -> Value {
    regex
        .captures(text)
        .map_or(Value::None, |captures| matched(&captures, text, regex))
}

/// A match: its groups, and where they stand in characters.
#[derive(Debug)]
struct Match {
    text: Arc<str>,
    names: Vec<(String, usize)>,
    groups: Vec<Option<(usize, usize, Arc<str>)>>,
}

pub(super) fn matched(captures: &Captures<'_>, text: &str, regex: &Regex) -> Value {
    let characters = |offset: usize| text[..offset].chars().count();
    Value::object(Match {
        text: text.into(),
        names: regex
            .capture_names()
            .enumerate()
            .filter_map(|(at, name)| Some((name?.to_owned(), at)))
            .collect(),
        groups: captures
            .iter()
            .map(|group| {
                group.map(|group| {
                    (
                        characters(group.start()),
                        characters(group.end()),
                        group.as_str().into(),
                    )
                })
            })
            .collect(),
    })
}

impl Match {
    fn position(&self, key: &Value) -> Result<usize> {
        let found = match key {
            Value::Str(name) => self
                .names
                .iter()
                .find(|(own, _)| **own == **name)
                .map(|(_, at)| *at),
            other => other
                .as_int()
                .and_then(|at| usize::try_from(at).ok())
                .filter(|at| *at < self.groups.len()),
        };
        found.ok_or_else(|| Error::new(ErrorKind::Index, "no such group"))
    }

    fn group(&self, key: &Value) -> Result<Value> {
        let at = self.position(key)?;
        Ok(self.groups[at]
            .as_ref()
            .map_or(Value::None, |(.., text)| Value::from(text)))
    }
}

impl Object for Match {
    fn type_name(&self) -> &str {
        "re.Match"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "string" => Some(Value::from(&self.text)),
            "lastindex" => {
                let last = (1..self.groups.len())
                    .rev()
                    .find(|at| self.groups[*at].is_some());
                Some(Value::from(last))
            }
            _ => None,
        })
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        self.group(key).map(Some)
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let value = match name {
            "group" => {
                let keys = call.rest();
                match keys.as_slice() {
                    [] => self.group(&Value::Int(0))?,
                    [key] => self.group(key)?,
                    keys => Value::tuple(
                        keys.iter()
                            .map(|key| self.group(key))
                            .collect::<Result<Vec<_>>>()?,
                    ),
                }
            }
            "groups" => {
                let missing = call.optional("default")?.unwrap_or_default();
                Value::tuple(self.groups.iter().skip(1).map(|group| {
                    group
                        .as_ref()
                        .map_or_else(|| missing.clone(), |(.., text)| Value::from(text))
                }))
            }
            "groupdict" => {
                let missing = call.optional("default")?.unwrap_or_default();
                Value::dict(self.names.iter().map(|(name, at)| {
                    let value = self.groups[*at].as_ref();
                    (
                        name.as_str(),
                        value.map_or_else(|| missing.clone(), |(.., text)| Value::from(text)),
                    )
                }))
            }
            "start" | "end" | "span" => {
                let key = call.optional("group")?.unwrap_or(Value::Int(0));
                let span = self.groups[self.position(&key)?].as_ref();
                let (start, end) = span
                    .map_or((Value::Int(-1), Value::Int(-1)), |(start, end, _)| {
                        (Value::from(*start), Value::from(*end))
                    });
                match name {
                    "start" => start,
                    "end" => end,
                    _ => Value::tuple([start, end]),
                }
            }
            _ => return Ok(None),
        };
        call.finish()?;
        Ok(Some(value))
    }

    fn methods(&self) -> &[&str] {
        &["group", "groups", "groupdict", "start", "end", "span"]
    }

    fn repr(&self) -> String {
        let Some(Some((start, end, text))) = self.groups.first() else {
            return "<re.Match object>".into();
        };
        format!(
            "<re.Match object; span=({start}, {end}), match={}>",
            Value::from(text).repr()
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
