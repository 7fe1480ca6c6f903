use std::net::IpAddr;

use weir_access::{Access, Identity};

/// Who makes a change, and from where: for the decision and for the audit.
#[derive(Clone, Debug)]
pub struct Actor {
    pub(super) identity: Identity,
    pub(super) ip: Option<IpAddr>,
    pub(super) via: &'static str,
}

impl Actor {
    /// Returns somebody who came through `door` (`"http"`, `"postgres"`, ...).
    pub fn new(identity: Identity, door: &'static str) -> Self {
        Self {
            identity,
            ip: None,
            via: door,
        }
    }

    /// Returns whoever holds the project's files.
    pub fn local() -> Self {
        Self::new(Identity::local(), "cli")
    }

    /// Adds the address they came from.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.ip = Some(address);
        self
    }

    /// Returns who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn roles(&self, access: &Access) -> Vec<String> {
        let user = access.user(self.identity.user());
        user.map(|user| user.roles.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }
}
