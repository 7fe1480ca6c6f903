use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};

use crate::object::{Action, Object};

/// What every token starts with, so that leaked ones can be found and told from other secrets.
const PREFIX: &str = "weir_";

/// Random letters and digits after the prefix: 238 bits.
const LENGTH: usize = 40;

/// Characters that are stored in clear, so that people can tell tokens apart.
const SHOWN: usize = PREFIX.len() + 6;

/// The longest text that is looked up at all.
const LONGEST: usize = 200;

/// Returns random bytes.
///
/// # Panics
///
/// When the operating system gives no randomness: nothing safe could be done without.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// Returns random letters and digits.
pub(crate) fn random_text(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes beyond the last whole round would make some letters likelier.
        let fair = random::<64>().into_iter().filter(|byte| *byte < 248);
        let letters = fair.map(|byte| char::from(ALPHABET[usize::from(byte) % 62]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

/// A token in clear: it exists when it is made and is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes a new one.
    pub fn generate() -> Self {
        Self(format!("{PREFIX}{}", random_text(LENGTH)))
    }

    /// Returns the token, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the first characters, which may be stored and listed.
    pub fn shown(&self) -> &str {
        &self.0[..SHOWN]
    }

    /// Returns what is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}…)", self.shown())
    }
}

/// SHA-256 of a token: recognises it, cannot be used in its place.
///
/// A fast hash is enough: nobody can guess through 238 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Hashes what a client sent.
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }

    /// Hashes what a client sent; none for what is too long to be a token.
    pub(crate) fn of_sent(token: &str) -> Option<Self> {
        (token.len() <= LONGEST).then(|| Self::of(token))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// What is known of a token without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Never reused; 0 is the owner's token of the project.
    pub id: i64,
    /// Whose it is.
    pub user: String,
    /// What the owner called it.
    pub label: String,
    /// The first characters.
    pub shown: String,
    /// What it may be used for, within what its user may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was taken back.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl TokenInfo {
    /// Says why the token is not good at `now`, if it is not.
    pub fn refusal(&self, now: DateTime<Utc>) -> Option<Refusal> {
        if self.revoked_at.is_some() {
            return Some(Refusal::Revoked);
        }
        match self.expires_at {
            Some(expires_at) if expires_at <= now => Some(Refusal::Expired),
            _ => None,
        }
    }

    /// Whether a scope of the token covers `action` on `object`.
    pub(crate) fn covers(&self, action: Action, object: &Object<'_>) -> bool {
        self.scopes.iter().any(|scope| scope.covers(action, object))
    }
}

/// Why somebody is not let in. For the log and the audit: clients are told nothing but "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody made this token, or there is no such user.
    #[error("unknown")]
    Unknown,
    /// The token was taken back.
    #[error("revoked")]
    Revoked,
    /// The token's time is over.
    #[error("expired")]
    Expired,
    /// The user is disabled.
    #[error("disabled")]
    Disabled,
    /// The password is another one, or there is none.
    #[error("wrong password")]
    WrongPassword,
}

/// Part of what a token may be used for: `read`, `write` or `manage`, everywhere or in one schema
/// (`read:shop`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    kind: ScopeKind,
    schema: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum ScopeKind {
    Read,
    Write,
    Manage,
}

/// The text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is `read`, `write` or `manage`; `read:SCHEMA` and `write:SCHEMA` hold in one schema"
)]
pub struct ScopeError;

impl Scope {
    /// Returns the scopes of a token that may do whatever its user may.
    pub fn everything() -> Vec<Scope> {
        [ScopeKind::Read, ScopeKind::Write, ScopeKind::Manage]
            .map(|kind| Scope { kind, schema: None })
            .to_vec()
    }

    /// Reads a list such as `read,write:sandbox`.
    pub fn parse_list(text: &str) -> Result<Vec<Scope>, ScopeError> {
        let mut scopes = text
            .split(',')
            .map(|scope| scope.trim().parse())
            .collect::<Result<Vec<Scope>, _>>()?;
        scopes.sort();
        scopes.dedup();
        Ok(scopes)
    }

    fn covers(&self, action: Action, object: &Object<'_>) -> bool {
        let kind = if action.manages() {
            self.kind == ScopeKind::Manage
        } else if action.only_reads() {
            // What is written must be looked at.
            self.kind != ScopeKind::Manage
        } else {
            self.kind == ScopeKind::Write
        };
        let place = match (&self.schema, object.schema()) {
            (None, _) => true,
            (Some(only), Some(schema)) => only == schema,
            (Some(_), None) => false,
        };
        // Everybody may look at the tables about the tables; their rows are filtered.
        let about = action.only_reads()
            && object
                .schema()
                .is_some_and(|schema| crate::object::SYSTEM_SCHEMAS.contains(&schema));
        kind && (place || about)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let (kind, schema) = match text.split_once(':') {
            Some((kind, schema)) => (kind, Some(schema)),
            None => (text, None),
        };
        let kind = match kind {
            "read" => ScopeKind::Read,
            "write" => ScopeKind::Write,
            "manage" if schema.is_none() => ScopeKind::Manage,
            _ => return Err(ScopeError),
        };
        let unfit = |schema: &str| {
            schema.is_empty()
                || schema.len() > 200
                || schema.contains(|c: char| c.is_control() || c == ',' || c == ':')
        };
        if schema.is_some_and(unfit) {
            return Err(ScopeError);
        }
        Ok(Self {
            kind,
            schema: schema.map(str::to_owned),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ScopeKind::Read => "read",
            ScopeKind::Write => "write",
            ScopeKind::Manage => "manage",
        })?;
        match &self.schema {
            Some(schema) => write!(f, ":{schema}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_random_and_recognisable() {
        let (first, second) = (Token::generate(), Token::generate());

        assert_ne!(first, second);
        assert_eq!(first.reveal().len(), PREFIX.len() + LENGTH);
        assert!(first.reveal().starts_with("weir_"));
        assert!(!format!("{first:?}").contains(first.reveal()));
        assert_eq!(TokenHash::of_sent(first.reveal()), Some(first.hash()));
        assert_eq!(TokenHash::of_sent(&"x".repeat(10_000)), None);
    }

    #[test]
    fn a_scope_covers_its_kind_and_place() {
        let covers = |scope: &str, action, object: &Object<'_>| {
            scope.parse::<Scope>().unwrap().covers(action, object)
        };
        let shop = Object::Table {
            schema: "shop",
            table: "tracks",
        };

        assert!(covers("read", Action::Select, &shop));
        assert!(!covers("read", Action::Insert, &shop));
        assert!(!covers("read", Action::ManageAccess, &Object::Server));
        assert!(covers("write", Action::Insert, &shop));
        assert!(covers("write", Action::Select, &shop));
        assert!(covers("read:shop", Action::Select, &shop));
        assert!(!covers("read:main", Action::Select, &shop));
        assert!(covers("read:main", Action::Select, &Object::Schema("weir")));
        assert!(!covers("write:shop", Action::Create, &Object::Server));
        assert!(covers("manage", Action::ManageAccess, &Object::Server));
        assert!(!covers("manage", Action::Select, &shop));
    }

    #[test]
    fn scopes_are_read_as_written() {
        let scopes = Scope::parse_list("write:a, read,read").unwrap();
        let text: Vec<String> = scopes.iter().map(Scope::to_string).collect();

        assert_eq!(text, ["read", "write:a"]);
        for bad in ["", "all", "manage:shop", "read:", "read:a:b", "Read"] {
            assert!(Scope::parse_list(bad).is_err(), "{bad}");
        }
    }
}
