//! A YAML document as a tree whose every node knows its line and column.

use std::fmt;

use serde_json::{Number, Value as Json};

use crate::node::JsonMap;

/// One node with its position; lines and columns count from one.
#[derive(Clone, PartialEq)]
pub struct Yaml {
    pub value: YamlValue,
    pub line: u32,
    pub column: u32,
}

/// What a node is.
///
/// Dates and moments are text in the form in which Python writes them. Whole numbers beyond 64 bits
/// are text too.
#[derive(Clone, PartialEq)]
pub enum YamlValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Map),
}

/// A mapping in the order it was written. Keys that are no text are kept as JSON would write them.
#[derive(Clone, PartialEq, Default)]
pub struct Map {
    entries: Vec<Entry>,
}

/// A key with its position, and its value.
#[derive(Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub line: u32,
    pub column: u32,
    pub value: Yaml,
}

impl Map {
    /// Returns the value of `key`.
    pub fn get(&self, key: &str) -> Option<&Yaml> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns the entry of `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Yaml> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index).value)
    }

    /// Returns the entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// Returns the entries in order, to change their values.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Entry> {
        self.entries.iter_mut()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn entries_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.entries
    }

    /// Returns the mapping without positions.
    pub fn to_json(&self) -> JsonMap {
        self.entries
            .iter()
            .map(|entry| (entry.key.clone(), entry.value.to_json()))
            .collect()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

impl Yaml {
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            YamlValue::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Yaml]> {
        match &self.value {
            YamlValue::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            YamlValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, YamlValue::Null)
    }

    /// Returns the value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Yaml> {
        self.as_map().and_then(|map| map.get(key))
    }

    /// Returns a scalar as text: numbers and truth values as Python's `str()` has them.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            YamlValue::Text(text) => Some(text.clone()),
            YamlValue::Null | YamlValue::List(_) | YamlValue::Map(_) => None,
            _ => Some(crate::python::str_of(&self.to_json())),
        }
    }

    /// Says what it is, for messages: "a list", "text".
    pub fn what(&self) -> &'static str {
        match self.value {
            YamlValue::Null => "nothing",
            YamlValue::Bool(_) => "a truth value",
            YamlValue::Int(_) | YamlValue::Float(_) => "a number",
            YamlValue::Text(_) => "text",
            YamlValue::List(_) => "a list",
            YamlValue::Map(_) => "a mapping",
        }
    }

    /// Returns the value without positions. Infinite numbers, which JSON lacks, become text.
    pub fn to_json(&self) -> Json {
        match &self.value {
            YamlValue::Null => Json::Null,
            YamlValue::Bool(value) => Json::Bool(*value),
            YamlValue::Int(value) => Json::from(*value),
            YamlValue::Float(value) => match Number::from_f64(*value) {
                Some(number) => Json::Number(number),
                None => Json::String(crate::python::float_text(*value)),
            },
            YamlValue::Text(text) => Json::String(text.clone()),
            YamlValue::List(items) => Json::Array(items.iter().map(Yaml::to_json).collect()),
            YamlValue::Map(map) => Json::Object(map.to_json()),
        }
    }

    /// Makes a tree of `json` whose every node stands at one place.
    pub fn from_json(json: &Json, line: u32, column: u32) -> Self {
        let value = match json {
            Json::Null => YamlValue::Null,
            Json::Bool(value) => YamlValue::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(int) => YamlValue::Int(int),
                None => YamlValue::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => YamlValue::Text(text.clone()),
            Json::Array(items) => YamlValue::List(
                items
                    .iter()
                    .map(|item| Self::from_json(item, line, column))
                    .collect(),
            ),
            Json::Object(map) => YamlValue::Map(Map {
                entries: map
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        line,
                        column,
                        value: Self::from_json(value, line, column),
                    })
                    .collect(),
            }),
        };
        Self {
            value,
            line,
            column,
        }
    }
}

impl fmt::Debug for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @{}:{}", self.to_json(), self.line, self.column)
    }
}
