use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A user's or role's name that cannot be used, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name `{name}` {reason}")]
pub struct AccessNameError {
    kind: &'static str,
    name: String,
    reason: &'static str,
}

/// The longest name, in bytes: what Postgres clients can spell.
const MAX_BYTES: usize = 63;

/// Names that mean something else to SQL or to clients, or would read as if they did.
const RESERVED: [&str; 12] = [
    "all",
    "current_role",
    "current_user",
    "default",
    "group",
    "information_schema",
    "main",
    "none",
    "public",
    "session_user",
    "user",
    "weir",
];

fn check(kind: &'static str, name: &str, signs: &[char]) -> Result<(), AccessNameError> {
    let fail = |reason| AccessNameError {
        kind,
        // Shown to people and logged: short, and without what could move a cursor.
        name: name.chars().take(40).flat_map(char::escape_debug).collect(),
        reason,
    };
    if name.is_empty() {
        return Err(fail("is empty"));
    }
    if name.len() > MAX_BYTES {
        return Err(fail("is longer than 63 bytes"));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(fail("must start with a lower-case letter"));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || signs.contains(&c);
    if !name.chars().all(plain) {
        return Err(fail(if signs.contains(&'@') {
            "may hold only lower-case letters, digits and `_`, `-`, `.`, `@`"
        } else {
            "may hold only lower-case letters, digits, `_` and `-`"
        }));
    }
    if RESERVED.contains(&name) || name.starts_with("pg_") || name.starts_with("raw_") {
        return Err(fail("is reserved"));
    }
    Ok(())
}

/// The name of a user: `ada`, `ada.lovelace`, `ada@example.com`.
///
/// Lower-case letters, digits and `_ - . @`, at most 63 bytes. Nothing that needs escaping anywhere:
/// names appear in SQL, URLs, logs and the audit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UserName(String);

impl UserName {
    /// Checks `name` and returns it as a user's name.
    pub fn new(name: &str) -> Result<Self, AccessNameError> {
        check("user", name, &['_', '-', '.', '@'])?;
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the user's own schema: signs that SQL would need quotes for become `_`.
    pub fn schema(&self) -> String {
        self.0.replace(['-', '.', '@'], "_")
    }
}

/// The name of a role, built in or made by people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleName(String);

impl RoleName {
    /// Checks `name` and returns it as a role's name.
    pub fn new(name: &str) -> Result<Self, AccessNameError> {
        check("role", name, &['_', '-'])?;
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<crate::Role> for RoleName {
    fn from(role: crate::Role) -> Self {
        Self(role.as_str().to_owned())
    }
}

macro_rules! text_of {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $name::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_of!(UserName);
text_of!(RoleName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_be_called_by_their_address() {
        let name = UserName::new("ada.lovelace@example.com").unwrap();

        assert_eq!(name.schema(), "ada_lovelace_example_com");
        assert!(UserName::new("bi-tool_2").is_ok());
    }

    #[test]
    fn hostile_names_are_refused_and_not_repeated_at_length() {
        let long = "a".repeat(10_000);
        for name in [
            "",
            "Ada",
            "1a",
            "a\"b",
            "a'b",
            "a;b",
            "a b",
            "a\0b",
            "a\nb",
            "a/b",
            "ädа",
            "аda",
            "public",
            "pg_monitor",
            "raw_shop",
            "weir",
            &long,
        ] {
            let error = UserName::new(name).expect_err(name).to_string();
            assert!(error.len() < 400, "{error}");
            assert!(!error.contains(['\0', '\n']), "{error:?}");
            assert!(RoleName::new(name).is_err());
        }
        assert!(RoleName::new("a@b").is_err());
    }
}
