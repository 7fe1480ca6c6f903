use std::fmt;
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// Why an attempt failed, as far as trying again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// It may work the next time: the network, another service, a limit of calls.
    Transient,
    /// There was too little of something: memory, disk, time.
    Resource,
    /// It will not work until somebody changes something: SQL, contracts, rights.
    Permanent,
    /// Nobody knows how it ended: the process that ran it went away.
    Lost,
}

impl ErrorClass {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Resource => "resource",
            Self::Permanent => "permanent",
            Self::Lost => "lost",
        }
    }

    /// Returns the class that `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Transient, Self::Resource, Self::Permanent, Self::Lost]
            .into_iter()
            .find(|class| class.as_str() == word)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often an asset is tried, and how long is waited in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often in all, when failures are transient.
    pub transient: u32,
    /// How often in all, when something was short.
    pub resource: u32,
    /// How often in all, when processes went away: a bound for what ends them.
    pub lost: u32,
    /// How often in all, when it will not work until somebody changes something: more than once where
    /// that may be data that comes late.
    pub permanent: u32,
    /// The longest wait before the second attempt.
    pub first_wait: Duration,
    /// The longest wait before any.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            transient: 3,
            resource: 2,
            lost: 5,
            permanent: 1,
            first_wait: Duration::from_secs(10),
            longest_wait: Duration::from_secs(600),
        }
    }
}

impl RetryPolicy {
    /// Everything is tried once only.
    pub fn never() -> Self {
        Self {
            transient: 1,
            resource: 1,
            lost: 1,
            permanent: 1,
            ..Self::default()
        }
    }

    /// Decides whether to try again after failure number `failures` (from 1) of this class, and
    /// after which wait.
    ///
    /// The wait is drawn evenly from nothing to a bound that doubles each time ("full jitter"), so
    /// that what failed together does not come back together. What was lost is tried at once the
    /// first time: most often the process was only restarted.
    pub fn decide(
        &self,
        class: ErrorClass,
        failures: u32,
        random: &mut impl Rng,
    ) -> Option<Duration> {
        let tries = match class {
            ErrorClass::Transient => self.transient,
            ErrorClass::Resource => self.resource,
            ErrorClass::Permanent => self.permanent,
            ErrorClass::Lost => self.lost,
        };
        if failures >= tries {
            return None;
        }
        if class == ErrorClass::Lost && failures <= 1 {
            return Some(Duration::ZERO);
        }
        let doublings = failures.saturating_sub(1).min(31);
        let bound = self
            .first_wait
            .saturating_mul(1 << doublings)
            .min(self.longest_wait);
        Some(bound.mul_f64(random.random::<f64>()))
    }
}

/// How long things may take; nothing set is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Waiting for a slot, from when its inputs are there.
    pub queue: Option<Duration>,
    /// One attempt.
    pub run: Option<Duration>,
    /// An attempt that logs nothing and reports no progress.
    pub silence: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_grow_within_their_bounds_and_end() {
        let policy = RetryPolicy {
            transient: 12,
            ..RetryPolicy::default()
        };
        let mut random = StdRng::seed_from_u64(7);
        for attempt in 1..12 {
            let bound = Duration::from_secs(10 << (attempt - 1).min(20)).min(policy.longest_wait);
            let waits: Vec<_> = (0..200)
                .filter_map(|_| policy.decide(ErrorClass::Transient, attempt, &mut random))
                .collect();
            assert_eq!(waits.len(), 200);
            assert!(waits.iter().all(|wait| *wait <= bound));
            assert!(waits.iter().any(|wait| *wait > bound / 2));
            assert!(waits.iter().any(|wait| *wait < bound / 2));
        }
        assert_eq!(policy.decide(ErrorClass::Transient, 12, &mut random), None);
    }

    #[test]
    fn the_class_decides() {
        let policy = RetryPolicy::default();
        let mut random = StdRng::seed_from_u64(7);
        let mut tries = |class| {
            (1..)
                .take_while(|&n| policy.decide(class, n, &mut random).is_some())
                .count()
        };
        assert_eq!(tries(ErrorClass::Permanent), 0);
        assert_eq!(tries(ErrorClass::Resource), 1);
        assert_eq!(tries(ErrorClass::Transient), 2);
        assert_eq!(tries(ErrorClass::Lost), 4);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let policy = RetryPolicy::default();
        let waits = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            (1..3)
                .map(|n| policy.decide(ErrorClass::Transient, n, &mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
