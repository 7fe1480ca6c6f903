//! Claims steps, runs their attempts, keeps their leases alive and writes down how they ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::asset::AssetKind;
use crate::attempt::{Attempt, Lease};
use crate::clock::Clock;
use crate::error::FlowError;
use crate::id::{AssetId, AttemptId, RunId};
use crate::log::{AttemptLog, LogLimits};
use crate::project::{Project, age};
use crate::retry::{ErrorClass, RetryPolicy, Timeouts};
use crate::state::State;
use crate::store::{
    AttemptEnd, Beat, BeatAnswer, Claim, Claimed, Finish, Finished, LogFlush, Store, Turn,
};
use crate::worker::{Outcome, Worker};

/// How an executor works.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// The name of this machine or installation. Only one process at a time may use a name: what an
    /// earlier one left behind is taken over at once.
    pub node: String,
    /// A name for this life of the process.
    pub boot: String,
    /// How many attempts run at once, over all pools.
    pub slots: u32,
    /// Only assets of these kinds; all kinds when empty. So what takes hours can have an executor of its own,
    /// and takes no slot of this one.
    pub kinds: Vec<AssetKind>,
    /// How long a lease lasts without a sign of life.
    pub lease: Duration,
    /// How often a sign of life is given; a small part of the lease.
    pub beat: Duration,
    /// How long an attempt that is told to stop has before it is dropped.
    pub grace: Duration,
    /// How much is kept of each log.
    pub log: LogLimits,
    /// Where chance begins: the same seed draws the same waits.
    pub seed: u64,
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        Self {
            node: "local".to_owned(),
            boot: format!("{}-{}", std::process::id(), rand::random::<u64>()),
            slots: 64,
            kinds: Vec::new(),
            lease: Duration::from_secs(30),
            beat: Duration::from_secs(5),
            grace: Duration::from_secs(10),
            log: LogLimits::default(),
            seed: rand::random(),
        }
    }
}

/// Runs attempts. Dropping it drops what runs; leases run out by themselves then.
#[derive(Debug)]
pub struct Executor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    worker: Arc<dyn Worker>,
    project: Arc<RwLock<Arc<Project>>>,
    options: ExecutorOptions,
    random: StdRng,
    tasks: JoinSet<Outcome>,
    attempts: HashMap<Id, Running>,
    /// Ends that the store does not know yet.
    ended: Vec<Finish>,
    /// Whether there may be work; false while the executor drains.
    claims: bool,
}

#[derive(Debug)]
struct Running {
    attempt: AttemptId,
    asset: AssetId,
    failures: Vec<(ErrorClass, u32)>,
    log: AttemptLog,
    cancelled: CancellationToken,
    abort: AbortHandle,
    started_at: DateTime<Utc>,
    stop: Option<Stop>,
}

/// Why an attempt was told to stop, and until when it may take.
#[derive(Clone, Debug)]
struct Stop {
    end: AttemptEnd,
    until: DateTime<Utc>,
}

/// What a turn did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// Attempts that began.
    pub begun: usize,
    /// Attempts whose end was written down.
    pub ended: usize,
    /// Attempts whose end came too late: their lease had run out.
    pub stale: usize,
    /// Runs that ended.
    pub runs: Vec<(RunId, State)>,
}

impl Executor {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        worker: Arc<dyn Worker>,
        project: Arc<RwLock<Arc<Project>>>,
        options: ExecutorOptions,
    ) -> Self {
        Self {
            random: StdRng::seed_from_u64(options.seed),
            store,
            clock,
            worker,
            project,
            options,
            tasks: JoinSet::new(),
            attempts: HashMap::new(),
            ended: Vec::new(),
            claims: true,
        }
    }

    /// Ends what an earlier process of this node left behind, so that it is begun anew at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_over(&self) -> Result<u64, FlowError> {
        let now = self.clock.now();
        let (node, boot) = (&self.options.node, &self.options.boot);
        self.store.take_over(node, boot, now).await
    }

    /// Returns how many attempts run.
    pub fn running(&self) -> usize {
        self.attempts.len()
    }

    /// Returns how it works.
    pub fn options(&self) -> &ExecutorOptions {
        &self.options
    }

    /// Waits until an attempt has ended; returns at once when none runs.
    pub async fn settle(&mut self) {
        if let Some(ended) = self.tasks.join_next_with_id().await {
            self.end(ended);
        }
    }

    /// Writes down how attempts ended, and begins others, in one transaction.
    ///
    /// # Errors
    /// When the store fails. What ended is told again with the next turn; what was claimed, if it
    /// was, runs into the end of its lease.
    pub async fn turn(&mut self) -> Result<Worked, FlowError> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.end(ended);
        }
        let now = self.clock.now();
        let running = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        let free = self.options.slots.saturating_sub(running);
        // Ends make other steps ready, so a turn that has some always asks.
        let wants = self.claims
            && free > 0
            && (!self.ended.is_empty() || self.store.has_ready(now, &self.options.kinds).await?);
        if !wants && self.ended.is_empty() {
            return Ok(Worked::default());
        }
        let turn = Turn {
            now,
            finished: self.ended.clone(),
            claim: wants.then(|| Claim {
                node: self.options.node.clone(),
                boot: self.options.boot.clone(),
                most: free,
                kinds: self.options.kinds.clone(),
                until: now + age(self.options.lease),
            }),
        };
        let turned = self.store.advance(&turn).await?;
        self.ended.clear();
        let mut worked = Worked {
            begun: turned.claimed.len(),
            ..Worked::default()
        };
        for (finish, finished) in turn.finished.iter().zip(&turned.finished) {
            match finished {
                Finished::Noted(run) => {
                    worked.ended += 1;
                    worked.runs.extend(run);
                }
                Finished::Stale => {
                    worked.stale += 1;
                    tracing::warn!(attempt = finish.attempt.0, "an attempt ended too late");
                }
            }
        }
        for claimed in turned.claimed {
            self.begin(claimed, now);
        }
        Ok(worked)
    }

    /// Gives a sign of life for all attempts, keeps their logs, and stops those that are to stop.
    ///
    /// # Errors
    /// When the store fails; leases run on as they are.
    pub async fn beat(&mut self) -> Result<(), FlowError> {
        let now = self.clock.now();
        self.stop_late(now);
        let ids: Vec<Id> = self.attempts.keys().copied().collect();
        let mut beats = Vec::with_capacity(ids.len());
        for running in ids.iter().filter_map(|id| self.attempts.get(id)) {
            beats.push(Beat {
                attempt: running.attempt,
                log: running.log.pending(),
            });
        }
        if beats.is_empty() {
            return Ok(());
        }
        let until = now + age(self.options.lease);
        let answers = self.store.beat(&beats, now, until).await?;
        for ((id, beat), answer) in ids.into_iter().zip(&beats).zip(answers) {
            let Some(running) = self.attempts.get_mut(&id) else {
                continue;
            };
            match answer {
                BeatAnswer::Alive => running.keep(beat.log.as_ref()),
                BeatAnswer::Cancel(why) => {
                    running.keep(beat.log.as_ref());
                    let until = now + age(self.options.grace);
                    running.stop(AttemptEnd::Cancelled(why), until);
                }
                BeatAnswer::Lost => {
                    tracing::warn!(attempt = running.attempt.0, "an attempt has lost its lease");
                    running.cancelled.cancel();
                    running.abort.abort();
                    self.attempts.remove(&id);
                }
            }
        }
        Ok(())
    }

    /// Begins nothing more, and tells what runs to stop; it is begun again by the next process.
    pub fn drain(&mut self) {
        self.claims = false;
        let until = self.clock.now() + age(self.options.grace);
        for running in self.attempts.values_mut() {
            running.stop(AttemptEnd::Released("Weir was stopped".to_owned()), until);
        }
    }

    /// Stops attempts that take or are silent for too long, and drops those that do not stop.
    fn stop_late(&mut self, now: DateTime<Utc>) {
        let project = self.project.read().clone();
        for running in self.attempts.values_mut() {
            if let Some(stop) = &running.stop {
                if stop.until <= now {
                    running.abort.abort();
                }
                continue;
            }
            let asset = project.graph().get(&running.asset);
            let timeouts = asset.map_or_else(Timeouts::default, |asset| asset.timeouts);
            let over =
                |bound: Option<Duration>, since| bound.filter(|&bound| now >= since + age(bound));
            let why = if let Some(bound) = over(timeouts.run, running.started_at) {
                format!("took longer than {bound:?}")
            } else if let Some(bound) = over(timeouts.silence, running.log.last_at()) {
                format!("said nothing for {bound:?}")
            } else {
                continue;
            };
            let until = now + age(self.options.grace);
            running.stop(AttemptEnd::Failed(ErrorClass::Resource, why), until);
        }
    }

    fn begin(&mut self, claimed: Claimed, now: DateTime<Utc>) {
        let log = AttemptLog::new(self.options.log, self.clock.clone());
        let cancelled = CancellationToken::new();
        let lease = Lease {
            store: self.store.clone(),
            clock: self.clock.clone(),
            length: self.options.lease,
        };
        let (id, asset) = (claimed.attempt, claimed.asset.clone());
        let failures = claimed.failures.clone();
        let attempt = Attempt::new(claimed, log.clone(), cancelled.clone(), lease);
        let worker = self.worker.clone();
        let abort = self.tasks.spawn(async move { worker.run(attempt).await });
        let running = Running {
            attempt: id,
            asset,
            failures,
            log,
            cancelled,
            started_at: now,
            stop: None,
            abort: abort.clone(),
        };
        self.attempts.insert(abort.id(), running);
    }

    /// Takes over how a task ended.
    fn end(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) if error.is_panic() => {
                let why = panic_text(error);
                return self.end_with(why.0, Some(Outcome::permanent(why.1)));
            }
            Err(error) => (error.id(), None),
        };
        self.end_with(id, outcome);
    }

    fn end_with(&mut self, id: Id, outcome: Option<Outcome>) {
        // One that had lost its lease is forgotten already.
        let Some(running) = self.attempts.remove(&id) else {
            return;
        };
        let stopped = running.stop.as_ref().map(|stop| stop.end.clone());
        let end = match (outcome, stopped) {
            (Some(Outcome::Succeeded(published)), _) => AttemptEnd::Succeeded(published),
            (Some(Outcome::Skipped(why)), _) => AttemptEnd::Skipped(why),
            (_, Some(end)) => end,
            (Some(Outcome::Failed(class, why)), None) => AttemptEnd::Failed(class, why),
            (Some(Outcome::Cancelled), None) => {
                AttemptEnd::Cancelled("it stopped by itself".to_owned())
            }
            (None, None) => AttemptEnd::Released("it was dropped".to_owned()),
        };
        let now = self.clock.now();
        let retry_at = match &end {
            AttemptEnd::Released(_) => Some(now),
            AttemptEnd::Failed(class, _) => self.retry_at(&running, *class, now),
            _ => None,
        };
        self.ended.push(Finish {
            attempt: running.attempt,
            end,
            retry_at,
            log: running.log.pending(),
        });
    }

    fn retry_at(
        &mut self,
        running: &Running,
        class: ErrorClass,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let project = self.project.read().clone();
        let asset = project.graph().get(&running.asset);
        let policy = asset.map_or_else(RetryPolicy::default, |asset| asset.retry);
        let before = running.failures.iter().find(|(known, _)| *known == class);
        let failures = before.map_or(0, |(_, count)| *count) + 1;
        let wait = policy.decide(class, failures, &mut self.random)?;
        Some(now + age(wait))
    }
}

impl Running {
    fn keep(&self, flush: Option<&LogFlush>) {
        if let Some(flush) = flush {
            self.log.keep(flush);
        }
    }

    /// Tells the attempt to stop; the first reason counts.
    fn stop(&mut self, end: AttemptEnd, until: DateTime<Utc>) {
        if self.stop.is_none() {
            self.stop = Some(Stop { end, until });
            self.cancelled.cancel();
        }
    }
}

fn panic_text(error: JoinError) -> (Id, String) {
    let id = error.id();
    let text = match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default(),
        Err(_) => String::new(),
    };
    (id, format!("the worker panicked: {text}"))
}
