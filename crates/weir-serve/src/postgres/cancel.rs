use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;

/// The sessions there are, by the number and secret with which a client can cancel their queries
/// from another connection.
#[derive(Clone, Default)]
pub(super) struct Cancels {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: Mutex<HashMap<i32, (i32, Arc<Notify>)>>,
    last: AtomicI32,
}

/// A session's entry; gone when dropped.
pub(super) struct Entry {
    pub(super) process: i32,
    pub(super) secret: i32,
    /// Fires when somebody with the secret asks for the running query to end.
    pub(super) asked: Arc<Notify>,
    cancels: Cancels,
}

impl Cancels {
    pub(super) fn enter(&self) -> Entry {
        let mut bytes = [0; 4];
        // Without randomness nobody can cancel: zero is no secret that is accepted.
        let secret = match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => i32::from_be_bytes(bytes),
            Err(_) => 0,
        };
        let asked = Arc::new(Notify::new());
        let mut sessions = self.inner.sessions.lock();
        let process = loop {
            let next = self.inner.last.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if next != 0 && !sessions.contains_key(&next) {
                break next;
            }
        };
        sessions.insert(process, (secret, asked.clone()));
        Entry {
            process,
            secret,
            asked,
            cancels: self.clone(),
        }
    }

    /// Ends what the session of that number runs, if the secret is right.
    pub(super) fn cancel(&self, process: i32, secret: i32) {
        let sessions = self.inner.sessions.lock();
        if let Some((known, asked)) = sessions.get(&process)
            && *known == secret
            && secret != 0
        {
            // Only those that wait now: an idle session's next query must not be hit.
            asked.notify_waiters();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.cancels.inner.sessions.lock().remove(&self.process);
    }
}
