//! SCRAM-SHA-256 (RFC 5802, RFC 7677): what a server keeps so that it never learns the password.

use std::fmt;
use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};

/// Rounds of PBKDF2 for new users. The client pays them at every sign-in, the server never.
pub const SCRAM_ITERATIONS: u32 = 10_000;

/// Bytes of salt.
const SALT: usize = 16;

/// What a user's client mixes into a secret before it proves that it knows it.
///
/// One per user and not one per secret: the server names it before it can know whether the client
/// will prove the password or one of the tokens. It stays when the password changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramSalt {
    /// Random.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
}

impl ScramSalt {
    /// Makes one for a new user.
    pub fn generate() -> Self {
        Self {
            salt: salt(),
            iterations: SCRAM_ITERATIONS,
        }
    }

    /// Returns the salt of nobody, always the same for a name: without it, the first message of the
    /// server would tell who is a user.
    pub(crate) fn fake(user: &str, key: &hmac::Key) -> Self {
        Self {
            salt: part(b"salt\0", user, key)[..SALT].to_vec(),
            iterations: SCRAM_ITERATIONS,
        }
    }

    /// Returns the key that everything else is made from. Takes milliseconds, by design.
    fn stretch(&self, secret: &str) -> hmac::Key {
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            NonZeroU32::new(self.iterations).unwrap_or(NonZeroU32::MIN),
            &self.salt,
            secret.as_bytes(),
            &mut salted,
        );
        hmac::Key::new(hmac::HMAC_SHA256, &salted)
    }

    /// Returns what a client that knows `secret` sends as its proof for the messages `signed`.
    pub fn prove(&self, secret: &str, signed: &[u8]) -> [u8; 32] {
        let client_key = hmac::sign(&self.stretch(secret), b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, stored_key.as_ref()),
            signed,
        );
        xor(&bytes(client_key.as_ref()), &bytes(signature.as_ref()))
    }
}

/// A verifier: recognises a password or a token, cannot be used in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScramKeys {
    /// `H(HMAC(SaltedPassword, "Client Key"))`: checks the client's proof.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`: proves the server to the client.
    pub server_key: [u8; 32],
}

impl ScramKeys {
    /// Derives the verifier of `secret`, which must be normalised already. Takes milliseconds.
    pub fn derive(secret: &str, salt: &ScramSalt) -> Self {
        let key = salt.stretch(secret);
        let client_key = hmac::sign(&key, b"Client Key");
        Self {
            stored_key: bytes(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref()),
            server_key: bytes(hmac::sign(&key, b"Server Key").as_ref()),
        }
    }

    /// Returns the verifier of no secret at all.
    pub(crate) fn fake(user: &str, key: &hmac::Key) -> Self {
        Self {
            stored_key: part(b"stored key\0", user, key),
            server_key: part(b"server key\0", user, key),
        }
    }

    /// Checks a client's proof for the messages `signed`; returns the signature by which the server
    /// proves itself in turn. Takes as long either way.
    pub fn check(&self, signed: &[u8], proof: &[u8; 32]) -> Option<[u8; 32]> {
        let sign = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed);
        let client_key = xor(proof, &bytes(sign(&self.stored_key).as_ref()));
        let stored = digest::digest(&digest::SHA256, &client_key);
        let ours = bytes(sign(&self.server_key).as_ref());
        same(stored.as_ref(), &self.stored_key).then_some(ours)
    }
}

fn part(label: &[u8], user: &str, key: &hmac::Key) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(label);
    context.update(user.as_bytes());
    bytes(context.sign().as_ref())
}

fn xor(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|at| left[at] ^ right[at])
}

/// Compares in a time that does not depend on where the difference is.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (l, r)| {
            std::hint::black_box(difference | (l ^ r))
        }) == 0
}

fn bytes(slice: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(&slice[..32]);
    array
}

/// Returns a new random salt.
pub(crate) fn salt() -> Vec<u8> {
    crate::token::random::<SALT>().to_vec()
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    /// The exchange of RFC 7677, section 3: our keys check its proof and give its signature.
    #[test]
    fn the_example_of_the_standard_is_answered() {
        let salt = ScramSalt {
            salt: BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: 4096,
        };
        let keys = ScramKeys::derive("pencil", &salt);
        let signed = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
            .as_bytes();
        let proof = BASE64_STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let proof: [u8; 32] = proof.try_into().unwrap();

        let signature = keys.check(signed, &proof).unwrap();
        assert_eq!(
            BASE64_STANDARD.encode(signature),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        assert_eq!(salt.prove("pencil", signed), proof);
        assert_eq!(keys.check(b"other messages", &proof), None);
    }

    #[test]
    fn a_secret_is_recognised_and_no_other() {
        let salt = ScramSalt::generate();
        let keys = ScramKeys::derive("correct horse", &salt);
        let proves = |secret: &str| keys.check(b"messages", &salt.prove(secret, b"messages"));

        assert!(proves("correct horse").is_some());
        assert!(proves("correct hors").is_none());
        assert!(keys.check(b"messages", &[0; 32]).is_none());
    }

    #[test]
    fn a_fake_is_stable_and_looks_like_the_real_thing() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let (one, again, other) = (
            ScramSalt::fake("ada", &key),
            ScramSalt::fake("ada", &key),
            ScramSalt::fake("bob", &key),
        );
        let real = ScramSalt::generate();

        assert!(one == again && one.salt != other.salt);
        assert_eq!(one.salt.len(), real.salt.len());
        assert_eq!(one.iterations, real.iterations);
        let keys = ScramKeys::fake("ada", &key);
        assert_ne!(keys.stored_key, keys.server_key);
    }
}
