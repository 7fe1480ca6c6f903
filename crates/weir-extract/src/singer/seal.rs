//! What must lie in files and not be read there: sealed with ChaCha20-Poly1305 (RFC 8439).
//!
//! The key is a file of mode 0600 beside the folders of all sources: whoever copies a source's folder, or
//! greps through it, finds no secret. Whoever has the key file and the folder has both.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// What seals and opens.
pub(super) struct SealKey(LessSafeKey);

/// A sealed text as it lies in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    /// What it was sealed with; there is one way so far.
    cipher: String,
    nonce: String,
    text: String,
}

const CIPHER: &str = "chacha20-poly1305";

impl SealKey {
    /// Reads the key, or makes one where there is none.
    pub(super) fn ensure(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            let mut bytes = [0; KEY_BYTES];
            random(&mut bytes)?;
            write_private(path, STANDARD.encode(bytes).as_bytes())?;
        }
        Self::read(path)
    }

    /// Reads the key.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it is not a key");
        let bytes = STANDARD.decode(text.trim()).map_err(|_| wrong())?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| wrong())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a text; it opens only as what it was sealed for.
    pub(super) fn seal(&self, what_for: &str, text: &str) -> io::Result<Sealed> {
        // A number by chance: a key seals a few texts a day, and 2^32 would be safe.
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut bytes = text.as_bytes().to_vec();
        let aad = Aad::from(what_for.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .map_err(|_| io::Error::other("it cannot be sealed"))?;
        Ok(Sealed {
            cipher: CIPHER.into(),
            nonce: STANDARD.encode(nonce),
            text: STANDARD.encode(bytes),
        })
    }

    /// Opens a sealed text; none where it is another key's, was sealed for something else, or was changed.
    pub(super) fn open(&self, what_for: &str, sealed: &Sealed) -> Option<String> {
        if sealed.cipher != CIPHER {
            return None;
        }
        let nonce = STANDARD.decode(&sealed.nonce).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let mut bytes = STANDARD.decode(&sealed.text).ok()?;
        let aad = Aad::from(what_for.as_bytes());
        let opened = self.0.open_in_place(nonce, aad, &mut bytes).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| io::Error::other("the system gives no random bytes"))
}

/// Replaces a file that only we may read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_for_its_purpose_only() {
        let dir = tempfile::tempdir().unwrap();
        let key = SealKey::ensure(&dir.path().join("key")).unwrap();
        let sealed = key.seal("a", "t0ken").unwrap();
        assert!(!serde_json::to_string(&sealed).unwrap().contains("t0ken"));
        assert_eq!(key.open("a", &sealed).as_deref(), Some("t0ken"));
        assert_eq!(key.open("b", &sealed), None);
        let again = SealKey::ensure(&dir.path().join("key")).unwrap();
        assert_eq!(again.open("a", &sealed).as_deref(), Some("t0ken"));
        let other = SealKey::ensure(&dir.path().join("other")).unwrap();
        assert_eq!(other.open("a", &sealed), None);
        let mut changed = key.seal("a", "t0ken").unwrap();
        changed.text = STANDARD.encode(b"something else altogether");
        assert_eq!(key.open("a", &changed), None);
        std::fs::write(dir.path().join("bad"), "x").unwrap();
        assert!(SealKey::read(&dir.path().join("bad")).is_err());
    }
}
