use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that cannot be used, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name `{name}` {reason}")]
pub struct NameError {
    kind: &'static str,
    name: String,
    reason: &'static str,
}

/// The name of a source of rows, which is also the schema its tables appear in.
///
/// Lower-case letters, digits and `_`, starting with a letter, at most 63 bytes (what a Postgres
/// client can spell without quotes).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceName(String);

impl SourceName {
    /// Names that mean something else in SQL and can therefore not be a source.
    const RESERVED: [&str; 4] = ["weir", "information_schema", "pg_catalog", "main"];

    /// Checks `name` and returns it as a source name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let fail = |reason| NameError {
            kind: "source",
            name: name.chars().take(80).collect(),
            reason,
        };
        let mut bytes = name.bytes();
        match bytes.next() {
            None => return Err(fail("is empty")),
            Some(b'a'..=b'z') => {}
            Some(_) => return Err(fail("must start with a lower-case letter")),
        }
        if !bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(fail("may hold only lower-case letters, digits and `_`"));
        }
        if name.len() > 58 {
            return Err(fail("is longer than 58 bytes"));
        }
        if Self::RESERVED.contains(&name) || name.starts_with("raw_") {
            return Err(fail("is reserved"));
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the schema of the source's unaltered rows, `raw_<source>`.
    pub fn raw_schema(&self) -> String {
        format!("raw_{}", self.0)
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        SourceName::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A table of the lake: `schema.table`.
///
/// Both parts are path segments of the lake as well, so they hold no `/`, no control characters
/// and are never `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    schema: String,
    table: String,
}

impl TableName {
    /// Checks both parts and returns the name.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Result<Self, NameError> {
        let name = Self {
            schema: schema.into(),
            table: table.into(),
        };
        for part in [&name.schema, &name.table] {
            let reason = if part.is_empty() {
                "has an empty part"
            } else if part.len() > 200 {
                "has a part longer than 200 bytes"
            } else if part.starts_with(['.', '_']) && part.trim_start_matches(['.', '_']).is_empty()
            {
                "has a part without a letter or digit"
            } else if part == "_delta_log" {
                "has a part that is where a table's log lies"
            } else if part
                .chars()
                .any(|c| c == '/' || c == '\\' || c == '%' || c.is_control())
            {
                "has a part with a character that no path may hold"
            } else {
                continue;
            };
            return Err(NameError {
                kind: "table",
                name: name.to_string(),
                reason,
            });
        }
        Ok(name)
    }

    /// Returns the schema part.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the table part.
    pub fn table(&self) -> &str {
        &self.table
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}
