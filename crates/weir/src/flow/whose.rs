//! Whose rights something has that runs by itself.

use weir_access::Identity;
use weir_catalog::Catalog;

/// Returns somebody as they are now; none when they may not sign in any more.
pub(super) fn identity_of(catalog: &Catalog, user: &str) -> Option<Identity> {
    let local = Identity::local();
    let known = catalog.access().identity(user);
    // The project's owner has the machine, also without a password.
    known.or_else(|| (local.user() == user).then_some(local))
}
