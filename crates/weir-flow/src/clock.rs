use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Tells the time, and waits for it. All time in this crate comes from here.
///
/// # Contract
/// Processes that share a store must agree on the time to within a fraction of a lease
/// ([`crate::ExecutorOptions::lease`]): whether a lease has run out is told by the clock of whoever
/// asks. That a clock is wrong delays work or repeats it, and never publishes it twice: publication
/// rests on [`crate::PublishToken`].
#[async_trait]
pub trait Clock: Send + Sync + Debug {
    /// Returns the time.
    fn now(&self) -> DateTime<Utc>;

    /// Returns at `at` or soon after it; at once when that has passed.
    async fn sleep_until(&self, at: DateTime<Utc>);
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        let left = (at - Utc::now()).to_std().unwrap_or_default();
        tokio::time::sleep(left).await;
    }
}
