//! Answers whose readers do not read: how many there may be, and what they may hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::{QueryError, QueryErrorKind};
use crate::memory::Share;
use crate::options::EngineOptions;

/// How often an answer that waits is asked what it holds.
const INTERVAL: Duration = Duration::from_millis(500);

/// The answers that wait for their readers.
#[derive(Debug)]
pub(crate) struct Idle {
    answers: usize,
    /// What one user may have of them.
    share: usize,
    /// The memory all of them may hold.
    memory: usize,
    patience: Duration,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: BTreeMap<u64, (Arc<str>, Arc<Share>)>,
}

impl Idle {
    pub(crate) fn new(options: &EngineOptions) -> Self {
        Self {
            answers: options.idle,
            share: (options.idle / 2).max(1),
            memory: options.memory_bytes / 2,
            patience: options.idle_patience,
            waiting: Mutex::default(),
        }
    }

    /// Lets one more answer wait.
    pub(crate) fn enter(
        self: &Arc<Self>,
        user: &Arc<str>,
        share: &Arc<Share>,
    ) -> Result<IdleAnswer, QueryError> {
        let mut waiting = self.waiting.lock();
        let mine = waiting
            .answers
            .values()
            .filter(|(other, _)| other == user)
            .count();
        if mine >= self.share || waiting.answers.len() >= self.answers {
            return Err(QueryError::new(
                QueryErrorKind::Busy,
                format!(
                    "{} answers wait for their readers already",
                    waiting.answers.len()
                ),
            )
            .hint("read answers to their end, or close their cursors, before opening more"));
        }
        let id = waiting.next;
        waiting.next += 1;
        waiting.answers.insert(id, (user.clone(), share.clone()));
        Ok(IdleAnswer {
            idle: self.clone(),
            id,
        })
    }

    /// Returns how many wait.
    pub(crate) fn count(&self) -> usize {
        self.waiting.lock().answers.len()
    }

    /// Whether all of them hold too much, and none more than this one.
    fn hogs(&self, id: u64) -> bool {
        let waiting = self.waiting.lock();
        let held = |share: &Arc<Share>| share.used();
        let all: usize = waiting.answers.values().map(|(_, share)| held(share)).sum();
        let mine = waiting.answers.get(&id).map_or(0, |(_, share)| held(share));
        let most = waiting.answers.values().map(|(_, share)| held(share)).max();
        all > self.memory && Some(mine) >= most
    }
}

/// An answer that waits for its reader, until it is dropped.
pub(crate) struct IdleAnswer {
    idle: Arc<Idle>,
    id: u64,
}

impl IdleAnswer {
    /// Waits until the answer has held more than its part of the memory for too long.
    pub(crate) async fn overstayed(&self) -> QueryError {
        tokio::time::sleep(self.idle.patience).await;
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if self.idle.hogs(self.id) {
                return QueryError::new(
                    QueryErrorKind::OutOfMemory,
                    "the answer held memory that others need while nobody read it",
                )
                .hint("read large sorted or joined answers in one go, or write them into a table first");
            }
        }
    }
}

impl Drop for IdleAnswer {
    fn drop(&mut self) {
        self.idle.waiting.lock().answers.remove(&self.id);
    }
}
