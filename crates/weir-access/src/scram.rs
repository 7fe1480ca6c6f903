//! SCRAM-SHA-256 (RFC 5802, RFC 7677): what a server keeps so that it never learns the password.

use std::fmt;
use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};

/// Rounds of PBKDF2 for new passwords. The client pays them at every sign-in, the server never.
pub const SCRAM_ITERATIONS: u32 = 10_000;

/// Bytes of salt.
const SALT: usize = 16;

/// A verifier: recognises a password, cannot be used in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecrets {
    /// Random, one per password.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// `H(HMAC(SaltedPassword, "Client Key"))`: checks the client's proof.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`: proves the server to the client.
    pub server_key: [u8; 32],
}

impl ScramSecrets {
    /// Derives the verifier of `password`, which must be normalised already.
    pub(crate) fn derive(password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        Self {
            salt,
            iterations: rounds.get(),
            stored_key: bytes(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref()),
            server_key: bytes(hmac::sign(&key, b"Server Key").as_ref()),
        }
    }

    /// Returns the verifier of no password at all, always the same for a name: without it, the
    /// first message of the server would tell who is a user.
    pub(crate) fn fake(user: &str, key: &hmac::Key) -> Self {
        let part = |label: &[u8]| {
            let mut context = hmac::Context::with_key(key);
            context.update(label);
            context.update(user.as_bytes());
            bytes(context.sign().as_ref())
        };
        Self {
            salt: part(b"salt\0")[..SALT].to_vec(),
            iterations: SCRAM_ITERATIONS,
            stored_key: part(b"stored key\0"),
            server_key: part(b"server key\0"),
        }
    }

    /// Whether `password` is the one.
    pub fn verify(&self, password: &str) -> bool {
        let other = Self::derive(password, self.salt.clone(), self.iterations);
        same(&other.stored_key, &self.stored_key)
    }
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

impl fmt::Debug for ScramSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramSecrets({} iterations)", self.iterations)
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
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let secrets = ScramSecrets::derive("pencil", salt, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let sign = |key: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        };

        let signature = BASE64_STANDARD.encode(sign(&secrets.server_key));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

        let proof = BASE64_STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let client_signature = sign(&secrets.stored_key);
        let client_key: Vec<u8> = proof
            .iter()
            .zip(&client_signature)
            .map(|(p, s)| p ^ s)
            .collect();
        let stored = digest::digest(&digest::SHA256, &client_key);
        assert_eq!(stored.as_ref(), secrets.stored_key);
    }

    #[test]
    fn a_password_is_recognised_and_no_other() {
        let secrets = ScramSecrets::derive("correct horse", salt(), SCRAM_ITERATIONS);

        assert!(secrets.verify("correct horse"));
        assert!(!secrets.verify("correct hors"));
        assert!(!format!("{secrets:?}").contains("horse"));
    }

    #[test]
    fn a_fake_is_stable_and_looks_like_the_real_thing() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let (one, again, other) = (
            ScramSecrets::fake("ada", &key),
            ScramSecrets::fake("ada", &key),
            ScramSecrets::fake("bob", &key),
        );
        let real = ScramSecrets::derive("x", salt(), SCRAM_ITERATIONS);

        assert!(one == again && one.salt != other.salt);
        assert_eq!(one.salt.len(), real.salt.len());
        assert_eq!(one.iterations, real.iterations);
        assert_ne!(one.stored_key, one.server_key);
    }
}
