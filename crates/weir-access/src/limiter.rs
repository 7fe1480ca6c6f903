use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords and tokens an address may send before it has to wait.
const OF_ADDRESS: Allowance = Allowance {
    attempts: 10,
    wait: Duration::from_secs(2),
};

/// Wrong passwords for one user before unknown addresses have to wait. More than for an address:
/// a stranger must not be able to lock somebody out with little effort.
const OF_USER: Allowance = Allowance {
    attempts: 50,
    wait: Duration::from_secs(2),
};

/// Entries remembered of each kind; a flood of more forgets those that have waited long enough.
const REMEMBERED: usize = 10_000;

/// How long an address from which a user signed in is not slowed down by others' guesses.
const KNOWN: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Copy)]
struct Allowance {
    attempts: u32,
    /// How long each further attempt waits.
    wait: Duration,
}

/// Who tries to sign in, as far as it is known before.
#[derive(Clone, Copy, Debug)]
pub struct LoginSource<'a> {
    /// Where the attempt comes from.
    pub address: IpAddr,
    /// The user that is named, if one is: tokens name none.
    pub user: Option<&'a str>,
}

/// Slows guessing down, by address and by user. One for all doors of a server.
///
/// A door asks [`Self::wait`] before it looks at a secret, and reports with [`Self::failed`] or
/// [`Self::succeeded`]. Where checking takes time, it asks again just before it answers, so that
/// many guesses at once gain nothing.
#[derive(Default)]
pub struct LoginLimiter {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: Buckets<IpAddr>,
    users: Buckets<String>,
    known: HashMap<(IpAddr, String), Instant>,
}

impl LoginLimiter {
    /// Returns how long the next attempt has to wait, if it has to.
    pub fn wait(&self, source: &LoginSource<'_>, now: Instant) -> Option<Duration> {
        let state = self.lock();
        let address = network(source.address);
        let of_address = state.addresses.wait(&address, OF_ADDRESS, now);
        let of_user = source.user.filter(|user| {
            let key = (address, clipped(user));
            let seen = state.known.get(&key);
            seen.is_none_or(|seen| now.duration_since(*seen) >= KNOWN)
        });
        let of_user = of_user.and_then(|user| state.users.wait(&clipped(user), OF_USER, now));
        of_address.max(of_user)
    }

    /// Counts a wrong secret.
    pub fn failed(&self, source: &LoginSource<'_>, now: Instant) {
        let mut state = self.lock();
        state
            .addresses
            .record(network(source.address), OF_ADDRESS, now);
        if let Some(user) = source.user {
            state.users.record(clipped(user), OF_USER, now);
        }
    }

    /// Remembers that the user signs in from here.
    pub fn succeeded(&self, source: &LoginSource<'_>, now: Instant) {
        let Some(user) = source.user else { return };
        let mut state = self.lock();
        let key = (network(source.address), clipped(user));
        if state.known.len() >= REMEMBERED && !state.known.contains_key(&key) {
            state
                .known
                .retain(|_, seen| now.duration_since(*seen) < KNOWN);
            if state.known.len() >= REMEMBERED {
                state.known.clear();
            }
        }
        state.known.insert(key, now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters stay meaningful whatever happened to another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer has a whole IPv6 network to guess from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Names come from strangers: no more of one is kept than a real one has.
fn clipped(user: &str) -> String {
    user.chars().take(63).collect()
}

/// A bucket per key: it fills with wrong secrets and drains with time.
struct Buckets<K> {
    of: HashMap<K, (f64, Instant)>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { of: HashMap::new() }
    }
}

impl<K: Hash + Eq> Buckets<K> {
    fn wait(&self, key: &K, allowed: Allowance, now: Instant) -> Option<Duration> {
        let over = self.level(key, allowed, now) - f64::from(allowed.attempts - 1);
        (over > 0.0).then(|| allowed.wait.mul_f64(over))
    }

    fn record(&mut self, key: K, allowed: Allowance, now: Instant) {
        if self.of.len() >= REMEMBERED {
            let drained = allowed.wait * allowed.attempts;
            self.of
                .retain(|_, (_, since)| now.duration_since(*since) < drained);
            if self.of.len() >= REMEMBERED {
                self.of.clear();
            }
        }
        let level = self.level(&key, allowed, now);
        // A wait without end would outlive the attack it answers.
        let level = (level + 1.0).min(f64::from(allowed.attempts) * 2.0);
        self.of.insert(key, (level, now));
    }

    fn level(&self, key: &K, allowed: Allowance, now: Instant) -> f64 {
        self.of.get(key).map_or(0.0, |(level, since)| {
            let drained = now.duration_since(*since).as_secs_f64() / allowed.wait.as_secs_f64();
            (level - drained).max(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str, user: Option<&'static str>) -> LoginSource<'static> {
        LoginSource {
            address: address.parse().unwrap(),
            user,
        }
    }

    #[test]
    fn guessing_is_slowed_down_per_address() {
        let limiter = LoginLimiter::default();
        let (guesser, other) = (from("1.2.3.4", None), from("1.2.3.5", None));
        let start = Instant::now();
        for _ in 0..OF_ADDRESS.attempts {
            assert_eq!(limiter.wait(&guesser, start), None);
            limiter.failed(&guesser, start);
        }

        assert!(limiter.wait(&guesser, start).is_some());
        assert_eq!(limiter.wait(&other, start), None);
        assert_eq!(limiter.wait(&guesser, start + OF_ADDRESS.wait), None);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let limiter = LoginLimiter::default();
        let now = Instant::now();
        for n in 0..OF_ADDRESS.attempts {
            limiter.failed(&from(&format!("2001:db8:1:1::{n}"), None), now);
        }

        assert!(
            limiter
                .wait(&from("2001:db8:1:1::ffff", None), now)
                .is_some()
        );
        assert!(limiter.wait(&from("2001:db8:1:2::1", None), now).is_none());
    }

    #[test]
    fn many_addresses_together_are_slowed_down_per_user() {
        let limiter = LoginLimiter::default();
        let now = Instant::now();
        limiter.succeeded(&from("10.0.0.1", Some("ada")), now);
        for n in 0..OF_USER.attempts {
            limiter.failed(&from(&format!("1.2.{n}.4"), Some("ada")), now);
        }

        assert!(limiter.wait(&from("9.9.9.9", Some("ada")), now).is_some());
        assert!(limiter.wait(&from("9.9.9.9", Some("bob")), now).is_none());
        // Whoever signed in from there before is not locked out by a stranger.
        assert!(limiter.wait(&from("10.0.0.1", Some("ada")), now).is_none());
    }

    #[test]
    fn remembering_is_bounded() {
        let limiter = LoginLimiter::default();
        let now = Instant::now();
        for n in 0..u32::try_from(REMEMBERED * 2).unwrap() {
            let user = format!("user{n}");
            let source = LoginSource {
                address: IpAddr::from(n.to_be_bytes()),
                user: Some(&user),
            };
            limiter.failed(&source, now);
            limiter.succeeded(&source, now);
        }

        let state = limiter.lock();
        assert!(state.addresses.of.len() <= REMEMBERED);
        assert!(state.users.of.len() <= REMEMBERED);
        assert!(state.known.len() <= REMEMBERED);
    }
}
