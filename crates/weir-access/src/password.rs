use std::fmt;
use std::sync::LazyLock;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::scram::{ScramKeys, ScramSalt, salt, same};

/// Memory of one Argon2id computation, in KiB (the least OWASP recommends).
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;

/// The shortest password, in characters.
const SHORTEST: usize = 10;
/// The longest: hashing must not become work for free.
const LONGEST: usize = 256;

/// A password that cannot be used, with the reason. The password itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too easy to guess.
    #[error("the password is shorter than 10 characters")]
    TooShort,
    /// Longer than anybody types.
    #[error("the password is longer than 256 characters")]
    TooLong,
    /// Clients do not agree on how other characters are normalised.
    #[error("the password may hold only letters, digits and signs of ASCII")]
    NotAscii,
    /// The user's own name, or one character again and again.
    #[error("the password is too easy to guess")]
    TooEasy,
    /// The machine could not do the computation.
    #[error("the password could not be hashed")]
    Failed,
}

/// What recognises a password: one form for the wire, one for HTTP.
///
/// Both are made from the one password when it is set; neither gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSecrets {
    /// For clients that prove the password without sending it.
    pub scram: ScramKeys,
    /// For clients that send it.
    pub hash: PasswordHash,
}

impl PasswordSecrets {
    /// Derives the secrets of `password` for `user`. Takes some 19 MiB and tens of milliseconds.
    pub fn derive(user: &str, password: &str, scram: &ScramSalt) -> Result<Self, PasswordError> {
        check(user, password)?;
        Ok(Self {
            scram: ScramKeys::derive(password, scram),
            hash: PasswordHash::derive(password, &salt())?,
        })
    }
}

/// Returns a password that nobody has to think of: 142 random bits.
pub fn generate_password() -> String {
    crate::token::random_text(24)
}

fn check(user: &str, password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < SHORTEST {
        return Err(PasswordError::TooShort);
    }
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    if !password.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(PasswordError::NotAscii);
    }
    let first = password.chars().next();
    if password.eq_ignore_ascii_case(user) || password.chars().all(|c| Some(c) == first) {
        return Err(PasswordError::TooEasy);
    }
    Ok(())
}

/// An Argon2id hash with its salt and costs.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl PasswordHash {
    fn derive(password: &str, salt: &[u8]) -> Result<Self, PasswordError> {
        let mut hash = Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: salt.to_vec(),
            hash: vec![0; 32],
        };
        hash.hash = hash.compute(password).ok_or(PasswordError::Failed)?;
        Ok(hash)
    }

    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None).ok()?;
        let mut out = vec![0; self.hash.len()];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &self.salt, &mut out)
            .ok()?;
        Some(out)
    }

    /// Whether `password` is the one. Takes some 19 MiB and tens of milliseconds: callers bound how
    /// many of these run at a time.
    pub fn verify(&self, password: &str) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        self.compute(password)
            .is_some_and(|hash| same(&hash, &self.hash))
    }

    /// Returns the hash of no password, which costs as much to check as any.
    pub(crate) fn fake() -> &'static Self {
        static FAKE: LazyLock<PasswordHash> = LazyLock::new(|| PasswordHash {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: salt(),
            // Random and never computed: no password leads to it.
            hash: crate::token::random::<32>().to_vec(),
        });
        &FAKE
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$argon2id$v=19$")?;
        let mut parts = rest.split('$');
        let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let mut costs = costs.split(',');
        let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let parsed = Self {
            memory_kib: cost("m=")?,
            passes: cost("t=")?,
            lanes: cost("p=")?,
            salt: BASE64_STANDARD_NO_PAD.decode(salt).ok()?,
            hash: BASE64_STANDARD_NO_PAD.decode(hash).ok()?,
        };
        // A stored hash must not become a way to make us allocate without end.
        let sane = parsed.memory_kib <= 1 << 20
            && parsed.passes <= 100
            && (8..=64).contains(&parsed.salt.len())
            && (16..=64).contains(&parsed.hash.len());
        sane.then_some(parsed)
    }
}

/// The PHC string form: `$argon2id$v=19$m=...,t=...,p=...$salt$hash`.
impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "$argon2id$v=19$m={},t={},p={}${}${}",
            self.memory_kib,
            self.passes,
            self.lanes,
            BASE64_STANDARD_NO_PAD.encode(&self.salt),
            BASE64_STANDARD_NO_PAD.encode(&self.hash)
        )
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_makes_both_secrets() {
        let salt = ScramSalt::generate();
        let secrets = PasswordSecrets::derive("ada", "correct horse", &salt).unwrap();
        let proof = salt.prove("correct horse", b"messages");

        assert!(secrets.hash.verify("correct horse"));
        assert!(secrets.scram.check(b"messages", &proof).is_some());
        assert!(!secrets.hash.verify("correct horsf"));
        assert!(!PasswordHash::fake().verify("correct horse"));
    }

    #[test]
    fn the_text_form_comes_back() {
        let hash = PasswordHash::derive("correct horse", &[1; 16]).unwrap();
        let text = hash.to_string();

        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        assert_eq!(PasswordHash::parse(&text), Some(hash));
        for bad in ["", "$argon2id$v=19$", "$argon2i$v=19$m=1,t=1,p=1$AA$AA"] {
            assert_eq!(PasswordHash::parse(bad), None);
        }
        let greedy = text.replace("m=19456", "m=4000000000");
        assert_eq!(PasswordHash::parse(&greedy), None);
    }

    #[test]
    fn weak_passwords_are_refused_without_being_repeated() {
        let salt = ScramSalt::generate();
        let derive =
            |password: &str| PasswordSecrets::derive("ada.lovelace", password, &salt).unwrap_err();

        assert_eq!(derive("short"), PasswordError::TooShort);
        assert_eq!(derive(&"long".repeat(100)), PasswordError::TooLong);
        assert_eq!(derive("pässwörterbuch"), PasswordError::NotAscii);
        assert_eq!(derive("with\0nothing in it"), PasswordError::NotAscii);
        assert_eq!(derive("Ada.Lovelace"), PasswordError::TooEasy);
        assert_eq!(derive("aaaaaaaaaaaa"), PasswordError::TooEasy);
    }
}
