use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::command::End;
use super::failure::Failure;

/// The sessions there are, by the number and secret with which a client can cancel their queries
/// from another connection.
#[derive(Clone, Default)]
pub(super) struct Cancels {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: Mutex<HashMap<i32, Open>>,
    last: AtomicI32,
}

/// What is known of a session.
struct Open {
    secret: i32,
    user: String,
    asked: Arc<Notify>,
    ended: CancellationToken,
}

/// A session's entry; gone when dropped.
pub(super) struct Entry {
    pub(super) process: i32,
    pub(super) secret: i32,
    /// Fires when somebody with the secret asks for the running query to end.
    pub(super) asked: Arc<Notify>,
    /// Cancelled when somebody who may do so ends the session.
    pub(super) ended: CancellationToken,
    cancels: Cancels,
}

impl Cancels {
    pub(super) fn enter(&self, user: &str) -> Entry {
        let mut bytes = [0; 4];
        // Without randomness nobody can cancel: zero is no secret that is accepted.
        let secret = match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => i32::from_be_bytes(bytes),
            Err(_) => 0,
        };
        let asked = Arc::new(Notify::new());
        let ended = CancellationToken::new();
        let mut sessions = self.inner.sessions.lock();
        let process = loop {
            let next = self.inner.last.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if next != 0 && !sessions.contains_key(&next) {
                break next;
            }
        };
        let open = Open {
            secret,
            user: user.to_owned(),
            asked: asked.clone(),
            ended: ended.clone(),
        };
        sessions.insert(process, open);
        Entry {
            process,
            secret,
            asked,
            ended,
            cancels: self.clone(),
        }
    }

    /// Ends what the session of that number runs, if the secret is right.
    pub(super) fn cancel(&self, process: i32, secret: i32) {
        let sessions = self.inner.sessions.lock();
        if let Some(open) = sessions.get(&process)
            && open.secret == secret
            && secret != 0
        {
            // Only those that wait now: an idle session's next query must not be hit.
            open.asked.notify_waiters();
        }
    }

    /// Ends what a session runs, or all of it, where `may` allows it for the session's user; false
    /// where there is no such session.
    pub(super) fn end(
        &self,
        process: i32,
        kind: End,
        may: impl Fn(&str) -> bool,
    ) -> Result<bool, Failure> {
        let sessions = self.inner.sessions.lock();
        let Some(open) = sessions.get(&process) else {
            return Ok(false);
        };
        if !may(&open.user) {
            return Err(Failure::new(
                "42501",
                "only sessions of one's own can be ended, by admins those of others too",
            ));
        }
        if kind == End::All {
            open.ended.cancel();
        }
        open.asked.notify_waiters();
        Ok(true)
    }
}

impl Cancels {
    /// Ends every session; each tells its client so.
    pub(super) fn end_all(&self) {
        for open in self.inner.sessions.lock().values() {
            open.ended.cancel();
            open.asked.notify_waiters();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.cancels.inner.sessions.lock().remove(&self.process);
    }
}
