use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::Serialize;
use sha2::{Digest, Sha256};
use weir_core::SourceName;

use crate::source::Source;

/// What is stored of a secret: enough to recognise it, too little to use it.
pub(crate) type SecretHash = [u8; 32];

/// Hashes a secret for storage and look-up.
///
/// A plain SHA-256 is enough: the secrets are 190 random bits, nobody can guess through them, and
/// a slow hash would put its cost on every request.
pub(crate) fn hash_secret(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Returns `prefix` followed by `length` random letters and digits.
pub(crate) fn random_secret(prefix: &str, length: usize) -> String {
    let mut secret = String::with_capacity(prefix.len() + length);
    secret.push_str(prefix);
    secret.extend(
        rand::rng()
            .sample_iter(Alphanumeric)
            .take(length)
            .map(char::from),
    );
    secret
}

/// A write key in clear: it exists when it is created and is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteKey(String);

impl WriteKey {
    /// Characters of a key that are stored in clear, so that people can tell keys apart.
    pub(crate) const PREFIX: usize = 9;

    pub(crate) fn generate() -> Self {
        // Letters, digits and `_` only: browser SDKs put the key into a path.
        Self(random_secret("wk_", 32))
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0[..Self::PREFIX]
    }

    /// Returns the key, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WriteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteKey({}…)", self.prefix())
    }
}

/// A key that was just created, with the only copy of its secret.
#[derive(Debug)]
pub struct NewKey {
    /// The secret.
    pub key: WriteKey,
    /// What can be listed of it later.
    pub info: KeyInfo,
}

/// What can be listed of a write key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Number of the key, never reused.
    pub id: i64,
    /// Source that the key writes to.
    pub source: SourceName,
    /// The key's first characters.
    pub prefix: String,
    /// What the key is for, in the words of whoever made it.
    pub label: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stopped being accepted.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What is known of a write key that a request carries.
#[derive(Clone, Debug)]
pub enum KeyLookup {
    /// The key is good for this source (which may be disabled).
    Found(Arc<Source>),
    /// The key was good once.
    Revoked,
    /// Nobody made this key.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_random_and_fit_for_a_path() {
        let (first, second) = (WriteKey::generate(), WriteKey::generate());

        assert_ne!(first, second);
        assert!(first.reveal().len() >= 32);
        assert!(
            first
                .reveal()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        );
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let key = WriteKey::generate();

        assert!(!format!("{key:?}").contains(key.reveal()));
    }
}
