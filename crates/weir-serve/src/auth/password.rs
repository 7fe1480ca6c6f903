use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use weir_access::{Access, Identity, Refusal};

use crate::error::ApiError;

/// Passwords hashed at one time: each takes 19 MiB and a core for a while.
const AT_ONCE: usize = 2;

/// Requests that may wait for that.
const WAITING: usize = 64;

/// How long a password that was right is not hashed again.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// How many of them are remembered.
const REMEMBERED: usize = 1_000;

/// Checks passwords, a few at a time, and not again for every request of one client.
pub(super) struct Passwords {
    places: Arc<Semaphore>,
    waiting: Semaphore,
    /// Made at start and kept in memory: what is remembered is no hash of a password by itself.
    key: hmac::Key,
    right: Mutex<HashMap<[u8; 32], Right>>,
}

struct Right {
    identity: Identity,
    /// Whatever changes about anybody, what is remembered no longer counts.
    epoch: u64,
    until: Instant,
}

impl Default for Passwords {
    fn default() -> Self {
        let random = SystemRandom::new();
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(WAITING),
            key: hmac::Key::generate(hmac::HMAC_SHA256, &random)
                .expect("the operating system gives random bytes"),
            right: Mutex::default(),
        }
    }
}

impl Passwords {
    /// Checks a password; the outer error says that too many wait for that.
    pub(super) async fn check(
        &self,
        access: Arc<Access>,
        user: &str,
        password: &str,
    ) -> Result<Result<Identity, Refusal>, ApiError> {
        let mark = self.mark(user, password);
        if let Some(identity) = self.remembered(&mark, access.epoch()) {
            return Ok(Ok(identity));
        }
        let busy = || ApiError::busy("too many sign-ins at once");
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(|_| busy())?;
        let (name, sent) = (user.to_owned(), password.to_owned());
        let epoch = access.epoch();
        let hashing = tokio::task::spawn_blocking(move || {
            // Held by the work and not by the request: a client that goes away frees no memory.
            let _place = place;
            access.authenticate_password(&name, &sent)
        });
        let proved = hashing.await.map_err(|_| busy())?;
        if let Ok(identity) = &proved {
            self.remember(mark, identity.clone(), epoch);
        }
        Ok(proved)
    }

    fn mark(&self, user: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(user.len() as u64).to_le_bytes());
        context.update(user.as_bytes());
        context.update(password.as_bytes());
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    fn remembered(&self, mark: &[u8; 32], epoch: u64) -> Option<Identity> {
        let right = self.right.lock();
        let found = right.get(mark)?;
        let good = found.epoch == epoch && Instant::now() < found.until;
        good.then(|| found.identity.clone())
    }

    fn remember(&self, mark: [u8; 32], identity: Identity, epoch: u64) {
        let now = Instant::now();
        let mut right = self.right.lock();
        if right.len() >= REMEMBERED {
            right.retain(|_, right| right.epoch == epoch && now < right.until);
            if right.len() >= REMEMBERED {
                right.clear();
            }
        }
        let until = now + REMEMBERED_FOR;
        right.insert(
            mark,
            Right {
                identity,
                epoch,
                until,
            },
        );
    }
}
