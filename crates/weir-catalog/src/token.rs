use std::fmt;

use crate::key::random_secret;

/// The secret of whoever owns this Weir: opens queries and administration.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnerToken(String);

impl OwnerToken {
    pub(crate) fn generate() -> Self {
        Self(random_secret("wo_", 43))
    }

    /// Returns the token, to be written to the owner's file.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerToken(…)")
    }
}
