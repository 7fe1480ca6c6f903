use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use weir_access::Role;
use weir_catalog::Catalog;

/// The one-time link by which the first owner of a project sets a password.
///
/// It holds until it is used, until an owner has a password, or until the server stops; the next
/// start makes another one. Kept as a hash, in memory only.
#[derive(Clone, Default)]
pub struct Setup {
    offered: Arc<Mutex<Option<[u8; 32]>>>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup(…)")
    }
}

fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

impl Setup {
    /// Whether nobody could sign in as an owner.
    pub fn is_needed(catalog: &Catalog) -> bool {
        let access = catalog.access();
        let mut users = access.users();
        !users.any(|user| user.has(Role::Owner) && !user.disabled && user.password.is_some())
    }

    /// Makes the secret of a new link; none when there is an owner who can sign in.
    pub fn offer(&self, catalog: &Catalog) -> Option<String> {
        if !Self::is_needed(catalog) {
            return None;
        }
        let mut bytes = [0; 20];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        *self.offered.lock() = Some(hash(&secret));
        Some(secret)
    }

    /// Whether `secret` is the one that was offered.
    pub(crate) fn is_good(&self, secret: &str) -> bool {
        secret.len() < 256 && *self.offered.lock() == Some(hash(secret))
    }

    /// Ends the link.
    pub(crate) fn close(&self) {
        *self.offered.lock() = None;
    }
}
