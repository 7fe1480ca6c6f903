use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::asset::AssetKind;
use crate::clock::Clock;
use crate::error::FlowError;
use crate::id::{AssetId, AttemptId, PartitionKey, RunId, StepId};
use crate::log::AttemptLog;
use crate::record::{Cause, InputRange};
use crate::store::{Claimed, Store};

/// One try at a step, in the hands of a [`crate::Worker`].
#[derive(Debug)]
pub struct Attempt {
    claimed: Claimed,
    log: AttemptLog,
    cancelled: CancellationToken,
    lease: Lease,
}

/// What an attempt can ask of its lease.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) length: Duration,
}

/// What goes with a publication, so that it happens once.
///
/// # Contract
/// The target keeps, per `app`, the `sequence` of its latest publication, and changes both in one
/// atomic step (Delta's `txn` action is made for this). Before it commits, it looks at what it keeps:
/// - smaller: commit, with `sequence`;
/// - equal: an earlier attempt has committed and could not say so: succeed without committing;
/// - greater: a later step has published: this attempt is stale and fails.
///
/// Two that commit at the same time must conflict, and the loser looks again. So it does not matter
/// that a lease can run out between the look and the commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublishToken {
    /// The asset, and the partition after an `@`.
    pub app: String,
    /// The number of the publication: the same for all attempts at a step, greater for each later
    /// step of the same asset and partition.
    pub sequence: u64,
    /// The attempt, for receipts. Greater for each later attempt.
    pub fence: AttemptId,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError<E> {
    /// The attempt has lost its lease or is cancelled, or nobody can tell.
    #[error("the attempt may not publish")]
    Refused(#[source] FlowError),
    /// The target failed.
    #[error("cannot commit")]
    Commit(#[source] E),
}

impl Attempt {
    pub(crate) fn new(
        claimed: Claimed,
        log: AttemptLog,
        cancelled: CancellationToken,
        lease: Lease,
    ) -> Self {
        Self {
            claimed,
            log,
            cancelled,
            lease,
        }
    }

    /// Returns its number, which is the fencing token of its lease.
    pub fn id(&self) -> AttemptId {
        self.claimed.attempt
    }

    /// Returns the step it tries.
    pub fn step(&self) -> StepId {
        self.claimed.step
    }

    /// Returns the run that belongs to.
    pub fn run(&self) -> RunId {
        self.claimed.run
    }

    /// Returns the asset to bring up to date.
    pub fn asset(&self) -> &AssetId {
        &self.claimed.asset
    }

    /// Returns what the asset is.
    pub fn kind(&self) -> AssetKind {
        self.claimed.kind
    }

    /// Returns which part of the asset is meant.
    pub fn partition(&self) -> Option<&PartitionKey> {
        self.claimed.partition.as_ref()
    }

    /// Returns which try it is, from 1.
    pub fn number(&self) -> u32 {
        self.claimed.number
    }

    /// Returns why there is the run.
    pub fn cause(&self) -> &Cause {
        &self.claimed.cause
    }

    /// Returns the instant of the schedule that the run stands for.
    pub fn scheduled_at(&self) -> Option<DateTime<Utc>> {
        self.claimed.scheduled_at
    }

    /// Returns which versions of which tables the run takes, when it is about new versions.
    pub fn inputs(&self) -> &[InputRange] {
        &self.claimed.inputs
    }

    /// Returns its log.
    pub fn log(&self) -> &AttemptLog {
        &self.log
    }

    /// Returns when the attempt is to stop.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Whether the attempt is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Returns what goes with its publication.
    pub fn token(&self) -> PublishToken {
        let asset = &self.claimed.asset;
        PublishToken {
            app: match &self.claimed.partition {
                Some(partition) => format!("{asset}@{partition}"),
                None => asset.to_string(),
            },
            sequence: self.claimed.sequence,
            fence: self.claimed.attempt,
        }
    }

    /// Makes sure of the lease, then lets `commit` publish with the attempt's token.
    ///
    /// # Errors
    /// `Refused` when the lease ran out or the attempt is cancelled: `commit` is not called then.
    pub async fn publish<T, E, F>(
        &self,
        commit: impl FnOnce(PublishToken) -> F,
    ) -> Result<T, PublishError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let now = self.lease.clock.now();
        let until = now + self.lease.length;
        let allowed = self.lease.store.begin_publish(self.id(), now, until);
        allowed.await.map_err(PublishError::Refused)?;
        commit(self.token()).await.map_err(PublishError::Commit)
    }
}
