use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Duration, Utc};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::visit::{Made, Visitor};

/// Visitors the company has at most; older ones come back.
const VISITORS: usize = 2_000;

/// The company's events, the same for the same seed.
pub(crate) struct Stream {
    rng: StdRng,
    visitors: Vec<Visitor>,
    /// What will happen, soonest first.
    ahead: BinaryHeap<Reverse<Ahead>>,
    count: u64,
}

struct Ahead {
    at: DateTime<Utc>,
    order: u64,
    made: Made,
}

impl PartialEq for Ahead {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Ahead {}

impl PartialOrd for Ahead {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ahead {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            visitors: Vec::new(),
            ahead: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Makes at least `events` events that lie between `from` and `to`, in no particular order,
    /// with more visits by day than by night.
    pub(crate) fn history(
        &mut self,
        events: usize,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Vec<Made> {
        let span = (to - from).num_seconds().max(1);
        let mut made = Vec::with_capacity(events + 32);
        while made.len() < events {
            let start = from + Duration::seconds(self.rng.random_range(0..span));
            let hour = f64::from(u32::try_from(start.timestamp().rem_euclid(86_400)).unwrap_or(0))
                / 3600.0;
            // Quiet at four in the morning, busy at four in the afternoon.
            let busy = 0.5 - 0.5 * ((hour - 4.0) / 24.0 * std::f64::consts::TAU).cos();
            if self.rng.random_bool(0.15 + 0.85 * busy) {
                let visit = self.visit(start, 1.0);
                made.extend(visit.into_iter().filter(|event| event.at < to));
            }
        }
        made.shuffle(&mut self.rng);
        made
    }

    /// Lets visits begin at about `per_second` until `now`, and returns what happened by then.
    pub(crate) fn until(
        &mut self,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
        per_second: f64,
    ) -> Vec<Made> {
        let expected = (now - since).num_milliseconds() as f64 / 1000.0 * per_second;
        let mut visits = expected as u32;
        if self.rng.random_bool(expected.fract().clamp(0.0, 1.0)) {
            visits += 1;
        }
        for _ in 0..visits {
            for made in self.visit(now, 0.2) {
                self.count += 1;
                self.ahead.push(Reverse(Ahead {
                    at: made.at,
                    order: self.count,
                    made,
                }));
            }
        }
        let mut due = Vec::new();
        while self
            .ahead
            .peek()
            .is_some_and(|Reverse(ahead)| ahead.at <= now)
        {
            due.extend(self.ahead.pop().map(|Reverse(ahead)| ahead.made));
        }
        due
    }

    pub(crate) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    fn visit(&mut self, start: DateTime<Utc>, pace: f64) -> Vec<Made> {
        let known = self.visitors.len();
        let new = known == 0 || (known < VISITORS && self.rng.random_bool(0.4));
        let index = if new {
            self.visitors.push(Visitor::new(&mut self.rng));
            known
        } else {
            self.rng.random_range(0..known)
        };
        self.visitors[index].visit(&mut self.rng, start, pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(seed: u64) -> Vec<String> {
        let to = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Stream::new(seed)
            .history(500, to - Duration::days(7), to)
            .into_iter()
            .map(|made| serde_json::to_string(&made.event).unwrap())
            .collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_events() {
        assert_eq!(history(1), history(1));
        assert_ne!(history(1), history(2));
    }

    #[test]
    fn every_event_has_an_id_of_its_own() {
        let events = history(3);
        let ids: std::collections::HashSet<String> = events
            .iter()
            .map(|event| {
                let event: serde_json::Value = serde_json::from_str(event).unwrap();
                event["messageId"].as_str().unwrap().to_owned()
            })
            .collect();

        assert_eq!(ids.len(), events.len());
    }

    #[test]
    fn live_events_come_in_order_and_in_time() {
        let mut stream = Stream::new(4);
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut last = start;
        let mut seen = 0;
        for second in 1..60 {
            let now = start + Duration::seconds(second);
            for made in stream.until(now - Duration::seconds(1), now, 2.0) {
                assert!(made.at <= now && made.at >= last - Duration::seconds(1));
                last = made.at;
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
