use std::fmt::Debug;

use async_trait::async_trait;

use crate::attempt::Attempt;
use crate::retry::ErrorClass;

/// Does the work of attempts.
///
/// # Contract
/// - Calls overlap; at any time there is at most one live lease per asset and partition, but an
///   attempt that lost its lease may still run for a while beside the next.
/// - What others can see is done in [`Attempt::publish`] only, and follows the contract of
///   [`crate::PublishToken`]. Everything before it can be dropped at any moment.
/// - The future is dropped when the lease is lost, or when it does not end in time after
///   [`Attempt::cancelled`]. Processes it started must end with it.
/// - A panic fails the attempt for good.
#[async_trait]
pub trait Worker: Send + Sync + Debug {
    /// Does the work of one attempt and says how it ended.
    async fn run(&self, attempt: Attempt) -> Outcome;
}

/// How an attempt ended, as its worker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; with what was published, if anything, such as `orders@17`.
    Succeeded(Option<String>),
    /// Nothing had to be done, for this reason. What waits for it goes on.
    Skipped(String),
    /// It did not work, for this reason.
    Failed(ErrorClass, String),
    /// It was told to stop, and did.
    Cancelled,
}

impl Outcome {
    /// Done, with nothing published.
    pub fn succeeded() -> Self {
        Self::Succeeded(None)
    }

    /// It did not work; it may the next time.
    pub fn transient(why: impl Into<String>) -> Self {
        Self::Failed(ErrorClass::Transient, why.into())
    }

    /// It did not work since there was too little of something.
    pub fn resource(why: impl Into<String>) -> Self {
        Self::Failed(ErrorClass::Resource, why.into())
    }

    /// It will not work until somebody changes something.
    pub fn permanent(why: impl Into<String>) -> Self {
        Self::Failed(ErrorClass::Permanent, why.into())
    }
}
