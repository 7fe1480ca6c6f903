//! How much one key and one address may send.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::Rate;

/// Buckets kept before those that are full again are forgotten.
const MOST: usize = 65_536;

/// Token buckets by key. A taker may overdraw once, so a batch larger than the burst passes, and
/// then waits until the debt is paid.
pub(crate) struct Buckets<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Takes `tokens`, or says how long to wait.
    pub(crate) fn take(&self, key: K, tokens: f64, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MOST {
            let rate = self.rate;
            buckets.retain(|_, bucket| bucket.level(rate, now) < rate.burst);
            if buckets.len() >= MOST {
                // So many senders at once are no senders we know: start over rather than grow.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket {
            tokens: self.rate.burst,
            at: now,
        });
        bucket.tokens = bucket.level(self.rate, now);
        bucket.at = now;
        if bucket.tokens < self.rate.burst.min(1.0) {
            let seconds = (1.0 - bucket.tokens) / self.rate.per_second.max(0.001);
            return Err(Duration::from_secs_f64(seconds.clamp(1.0, 3600.0)));
        }
        bucket.tokens -= tokens;
        Ok(())
    }
}

impl Bucket {
    fn level(&self, rate: Rate, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + seconds * rate.per_second).min(rate.burst)
    }
}

/// Returns what an address is counted as: IPv6 hosts own whole networks.
pub(crate) fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_again() {
        let buckets = Buckets::new(Rate {
            per_second: 10.0,
            burst: 20.0,
        });
        let start = Instant::now();
        assert!(buckets.take("a", 15.0, start).is_ok());
        assert!(buckets.take("a", 25.0, start).is_ok());
        let wait = buckets.take("a", 1.0, start).unwrap_err();
        assert!(wait >= Duration::from_secs(2), "{wait:?}");
        assert!(buckets.take("b", 1.0, start).is_ok());
        assert!(
            buckets
                .take("a", 1.0, start + Duration::from_secs(3))
                .is_ok()
        );
    }

    #[test]
    fn senders_cannot_fill_memory() {
        let buckets = Buckets::new(Rate {
            per_second: 1.0,
            burst: 1.0,
        });
        let now = Instant::now();
        for key in 0..3 * MOST {
            let _ = buckets.take(key, 1.0, now);
        }
        assert!(buckets.buckets.lock().len() <= MOST);
    }
}
