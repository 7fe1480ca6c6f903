use std::net::IpAddr;

use weir_access::Identity;
use weir_catalog::Actor;

/// Who asks, and through which door. What they may do is looked up, not carried.
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Identity,
    door: &'static str,
    address: Option<IpAddr>,
}

impl Caller {
    /// Returns somebody who signed in at `door` (`"http"`, `"postgres"`, `"cli"`, ...).
    pub fn new(identity: Identity, door: &'static str) -> Self {
        Self {
            identity,
            door,
            address: None,
        }
    }

    /// Returns whoever holds the project's files, coming in through `door`: may do everything.
    pub fn owner(door: &'static str) -> Self {
        Self::new(Identity::local(), door)
    }

    /// Adds the address they came from.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Returns who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the name the caller is known by.
    pub fn name(&self) -> &str {
        self.identity.user()
    }

    /// Returns the door the caller came through.
    pub fn door(&self) -> &'static str {
        self.door
    }

    /// Returns the caller as the one who makes a change in the catalog.
    pub fn actor(&self) -> Actor {
        let actor = Actor::new(self.identity.clone(), self.door);
        match self.address {
            Some(address) => actor.from(address),
            None => actor,
        }
    }
}
