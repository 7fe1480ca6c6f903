//! Connections that have not signed in yet: how many there may be, and how many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts those who sign in. They take no place of those who have, so that silence keeps nobody out.
#[derive(Clone)]
pub(super) struct Arrivals {
    most: usize,
    /// Those of each address; half of all may be of one.
    of_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One who signs in; no longer counted when dropped.
pub(super) struct Arrival {
    arrivals: Arrivals,
    address: IpAddr,
}

impl Arrivals {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(2),
            of_address: Arc::default(),
        }
    }

    /// Lets one more sign in; none where too many do already.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Arrival> {
        let mut counts = self.of_address.lock();
        let all: usize = counts.values().sum();
        let own = counts.get(&address).copied().unwrap_or(0);
        if all >= self.most || own >= self.most / 2 {
            return None;
        }
        *counts.entry(address).or_default() += 1;
        Some(Arrival {
            arrivals: self.clone(),
            address,
        })
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut counts = self.arrivals.of_address.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others() {
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let arrivals = Arrivals::new(4);
        let silent = [arrivals.enter(one), arrivals.enter(one)];
        assert!(silent.iter().all(Option::is_some));
        assert!(arrivals.enter(one).is_none());
        let there = arrivals.enter(other);
        assert!(there.is_some());
        drop(silent);
        assert!(arrivals.enter(one).is_some());
        assert_eq!(arrivals.of_address.lock().len(), 1);
    }
}
