use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use parking_lot::Mutex;
use weir_catalog::Catalog;

use crate::error::ApiError;
use crate::server::ClientAddress;

/// Wrong tokens an address may send before it has to wait.
const ATTEMPTS: u32 = 10;
/// How long an address waits for each further attempt.
const WAIT: Duration = Duration::from_secs(2);
/// Addresses remembered; a flood of more forgets those that have waited long enough.
const REMEMBERED: usize = 10_000;

/// Lets the owner in, and nobody else.
#[derive(Clone)]
pub(crate) struct Door {
    catalog: Catalog,
    failures: Arc<Mutex<Failures>>,
}

/// A bucket of attempts per address: it empties with wrong tokens and refills with time.
#[derive(Default)]
struct Failures {
    of: HashMap<IpAddr, (f64, Instant)>,
}

impl Failures {
    /// Returns how long `address` must wait before its next attempt.
    fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let level = self.level(address, now);
        let over = level - f64::from(ATTEMPTS - 1);
        (over > 0.0).then(|| WAIT.mul_f64(over))
    }

    fn record(&mut self, address: IpAddr, now: Instant) {
        if self.of.len() >= REMEMBERED {
            let drained = WAIT * ATTEMPTS;
            self.of
                .retain(|_, (_, since)| now.duration_since(*since) < drained);
            if self.of.len() >= REMEMBERED {
                self.of.clear();
            }
        }
        let level = self.level(address, now);
        self.of.insert(address, (level + 1.0, now));
    }

    fn level(&self, address: IpAddr, now: Instant) -> f64 {
        self.of.get(&address).map_or(0.0, |(level, since)| {
            let drained = now.duration_since(*since).as_secs_f64() / WAIT.as_secs_f64();
            (level - drained).max(0.0)
        })
    }
}

impl Door {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            failures: Arc::default(),
        }
    }

    /// Checks the token of a request from `address`.
    pub(crate) fn check(&self, address: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let now = Instant::now();
        if let Some(wait) = self.failures.lock().wait(address, now) {
            return Err(ApiError::too_many_attempts(wait.as_secs() + 1));
        }
        match bearer(headers) {
            Some(token) if self.catalog.is_owner(token) => Ok(()),
            // Sending no token is no guess.
            None => Err(ApiError::unauthorized()),
            Some(_) => {
                self.failures.lock().record(address, now);
                tracing::warn!(%address, "wrong owner token");
                Err(ApiError::unauthorized())
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Middleware of every route that is the owner's.
pub(crate) async fn owner_only(
    State(door): State<Door>,
    ClientAddress(address): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    match door.check(address, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_down_per_address() {
        let mut failures = Failures::default();
        let (guesser, other) = ("1.2.3.4".parse().unwrap(), "1.2.3.5".parse().unwrap());
        let start = Instant::now();
        for _ in 0..ATTEMPTS {
            assert_eq!(failures.wait(guesser, start), None);
            failures.record(guesser, start);
        }

        assert!(failures.wait(guesser, start).is_some());
        assert_eq!(failures.wait(other, start), None);
        assert_eq!(failures.wait(guesser, start + WAIT), None);
    }

    #[test]
    fn remembering_is_bounded() {
        let mut failures = Failures::default();
        let now = Instant::now();
        for n in 0..u32::try_from(REMEMBERED * 2).unwrap() {
            failures.record(IpAddr::from(n.to_be_bytes()), now);
        }

        assert!(failures.of.len() <= REMEMBERED);
    }

    #[test]
    fn the_scheme_of_a_token_has_no_case() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "bearer abc".parse().unwrap());
        assert_eq!(bearer(&headers), Some("abc"));
        headers.insert(header::AUTHORIZATION, "Basic abc".parse().unwrap());
        assert_eq!(bearer(&headers), None);
    }
}
