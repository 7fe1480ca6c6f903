//! Opens runs when their time has come, and cleans up after what went away.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::RwLock;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::alert::Alerts;
use crate::clock::Clock;
use crate::complaint::Complaints;
use crate::error::FlowError;
use crate::follow::Following;
use crate::id::{BackfillId, RunId};
use crate::project::{Project, age};
use crate::record::{Cause, ScheduleRecord};
use crate::retry::{ErrorClass, RetryPolicy};
use crate::schedule::{Schedule, Trigger, due_ticks};
use crate::store::{AttemptEnd, Expired, Finish, OpenTick, Opened, Opening, Plan, Store, Turn};
use crate::versions::Versions;

/// How much one tick takes on of each sort; the rest comes with the next.
const BATCH: u32 = 256;
/// As many of the newest runs tell how long the next will take.
const LENGTHS: u32 = 20;

/// Opens runs when their time has come.
///
/// Any number of schedulers may work on one store: every run is opened once.
#[derive(Debug)]
pub struct Scheduler {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    versions: Arc<dyn Versions>,
    project: Arc<RwLock<Arc<Project>>>,
    following: Following,
    random: StdRng,
    complaints: Complaints,
}

/// What a tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// The runs it opened.
    pub opened: Vec<RunId>,
    /// How many attempts it found lost.
    pub lost: usize,
    /// Whether there was more than one tick takes on.
    pub more: bool,
    /// The alerts that wait for delivery.
    pub alerts: Vec<crate::Alert>,
}

impl Scheduler {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        versions: Arc<dyn Versions>,
        project: Arc<RwLock<Arc<Project>>>,
        seed: u64,
    ) -> Self {
        Self {
            store,
            clock,
            versions,
            project,
            following: Following::default(),
            random: StdRng::seed_from_u64(seed),
            complaints: Complaints::default(),
        }
    }

    /// Does what the clock asks for now. Costs a handful of queries when it asks for nothing.
    ///
    /// # Errors
    /// The first failure; what it does not concern was done all the same.
    pub async fn tick(&mut self) -> Result<Tick, FlowError> {
        let now = self.clock.now();
        let project = self.project.read().clone();
        let due = self.store.due(now, BATCH).await?;
        let mut tick = Tick {
            more: [due.schedules.len(), due.deadlines.len(), due.expired.len()]
                .into_iter()
                .any(|count| count >= BATCH as usize),
            alerts: due.alerts,
            ..Tick::default()
        };
        let mut errors = Vec::new();
        let mut note = |done: Result<(), FlowError>| errors.extend(done.err());
        note(self.lose(&project, &due.expired, now, &mut tick).await);
        if !due.waited_too_long.is_empty() {
            note(self.store.give_up_waiting(&due.waited_too_long, now).await);
        }
        note(
            self.open_due(&project, &due.schedules, now, &mut tick)
                .await,
        );
        for record in &due.deadlines {
            note(self.check_age(&project, record, now).await);
        }
        let followed = self
            .following
            .follow(&*self.store, &*self.versions, &project, now);
        match followed.await {
            Ok(runs) => tick.opened.extend(runs),
            Err(error) => note(Err(error)),
        }
        for (backfill, free) in due.backfills {
            note(self.go_on(&project, backfill, free, now, &mut tick).await);
        }
        let mut errors = errors.into_iter();
        let Some(first) = errors.next() else {
            return Ok(tick);
        };
        for error in errors {
            if let Some(error) = self.complaints.hear(&error, now) {
                tracing::warn!(error, "another part of a tick failed");
            }
        }
        Err(first)
    }

    /// Delivers alerts that a tick found waiting.
    ///
    /// # Errors
    /// When the store cannot note it. That an alert cannot be delivered is noted, and no error.
    pub async fn deliver(
        store: &dyn Store,
        clock: &dyn Clock,
        alerts: &dyn Alerts,
        waiting: &[crate::Alert],
    ) -> Result<(), FlowError> {
        crate::alert::deliver(store, clock, alerts, waiting).await
    }

    /// Ends attempts whose leases ran out.
    async fn lose(
        &mut self,
        project: &Project,
        expired: &[Expired],
        now: DateTime<Utc>,
        tick: &mut Tick,
    ) -> Result<(), FlowError> {
        if expired.is_empty() {
            return Ok(());
        }
        let mut finished = Vec::with_capacity(expired.len());
        for lost in expired {
            let asset = project.graph().get(&lost.asset);
            let policy = asset.map_or_else(RetryPolicy::default, |asset| asset.retry);
            let wait = policy.decide(ErrorClass::Lost, lost.lost_before + 1, &mut self.random);
            tracing::warn!(
                attempt = lost.attempt.0, asset = %lost.asset, again = wait.is_some(),
                "an attempt has lost its lease"
            );
            finished.push(Finish {
                attempt: lost.attempt,
                end: AttemptEnd::Lost,
                retry_at: wait.map(|wait| now + age(wait)),
                log: None,
            });
        }
        tick.lost = finished.len();
        let turn = Turn {
            now,
            finished,
            claim: None,
        };
        self.store.advance(&turn).await.map(drop)
    }

    /// Opens the runs of schedules whose time has come, and plans their next.
    async fn open_due(
        &mut self,
        project: &Project,
        due: &[ScheduleRecord],
        now: DateTime<Utc>,
        tick: &mut Tick,
    ) -> Result<(), FlowError> {
        let mut openings = Vec::new();
        let mut plans = Vec::new();
        for record in due {
            // What this process does not know, another one with a newer project does.
            let Some(schedule) = project.schedule(&record.schedule.name) else {
                continue;
            };
            let Some(planned) = record.next_at else {
                continue;
            };
            let mut plan = Plan {
                schedule: schedule.name.clone(),
                expected: record.next_at,
                next_at: None,
                deadline_at: record.deadline_at,
                note: None,
                now,
            };
            match &schedule.trigger {
                Trigger::Cron { cron, missed } => {
                    let ticks = due_ticks(cron, *missed, planned, now);
                    plan.next_at = ticks.next;
                    plan.note = ticks.missed.then(|| {
                        let first = ticks.run.first().copied().unwrap_or(now);
                        (
                            format!("missed:{}", planned.to_rfc3339()),
                            format!("no runs from {planned} to {first}: nothing ran then"),
                        )
                    });
                    for at in ticks.run {
                        openings.push(by_clock(project, schedule, Cause::Cron, at, now)?);
                    }
                }
                Trigger::Every { every } => {
                    // What nothing was there to see is one run, and it counts on from there.
                    let every = age(*every).max(TimeDelta::seconds(1));
                    let next = planned + every;
                    plan.next_at = Some(if next > now { next } else { now + every });
                    openings.push(by_clock(project, schedule, Cause::Cron, planned, now)?);
                }
                Trigger::Freshness { max_age, lead, .. } => {
                    let oldest = self.oldest(project, schedule).await?;
                    let early = *lead + self.usual_length(schedule).await?;
                    // Whatever runs take, they do not follow each other without end.
                    let early = early.min((*max_age / 4 * 3).max(*lead));
                    let too_old = oldest.and_then(|at| schedule.trigger.too_old_at(at));
                    let due_at = too_old.map(|at| at - age(early));
                    plan.next_at = due_at.filter(|&at| at > now);
                    if plan.next_at.is_none() {
                        let again = (age(*max_age) / 4).max(TimeDelta::seconds(1));
                        plan.next_at = Some(now + again);
                        let cause = Cause::Freshness;
                        openings.push(by_clock(project, schedule, cause, planned, now)?);
                    }
                }
                _ => {}
            }
            plans.push(plan);
        }
        if plans.is_empty() {
            return Ok(());
        }
        let planned = self.store.open(&openings, &plans).await?;
        tick.opened.extend(runs_of(&planned.opened));
        Ok(())
    }

    /// Tells when a target has become too old, and when it is fresh again.
    async fn check_age(
        &mut self,
        project: &Project,
        record: &ScheduleRecord,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        let Some(schedule) = project.schedule(&record.schedule.name) else {
            return Ok(());
        };
        let Trigger::Freshness { max_age, by, .. } = &schedule.trigger else {
            return Ok(());
        };
        let oldest = self.oldest(project, schedule).await?;
        let told_at = oldest.and_then(|at| schedule.trigger.told_at(at));
        let told_at = told_at.filter(|&at| at > now);
        let key = format!("freshness:{}", schedule.name);
        let name = &schedule.name;
        let problem = told_at.is_none().then(|| match (oldest, by) {
            (None, _) => format!("`{name}` was never brought up to date"),
            (Some(at), None) => format!("the oldest of `{name}` is of {at}"),
            (Some(at), Some(by)) => {
                let (zone, due) = (by.zone(), schedule.trigger.too_old_at(at).unwrap_or(now));
                let due = due.with_timezone(&zone).format("%Y-%m-%d %H:%M");
                format!("the oldest of `{name}` is of {at}, which is too old at {due} {zone}")
            }
        });
        if schedule.alerts {
            self.store.incident(&key, problem.as_deref(), now).await?;
        }
        let again = (age(*max_age) / 10).clamp(TimeDelta::seconds(1), TimeDelta::minutes(1));
        let plan = Plan {
            schedule: schedule.name.clone(),
            expected: record.next_at,
            next_at: record.next_at,
            deadline_at: told_at.or(Some(now + again)),
            note: None,
            now,
        };
        self.store.open(&[], &[plan]).await.map(drop)
    }

    /// Returns when the oldest asset of a schedule's target was brought up to date; none when one
    /// never was.
    async fn oldest(
        &self,
        project: &Project,
        schedule: &Schedule,
    ) -> Result<Option<DateTime<Utc>>, FlowError> {
        let assets = schedule.target.resolve(project.graph())?;
        let times = self.store.succeeded_at(&assets).await?;
        if times.len() < assets.len() {
            return Ok(None);
        }
        Ok(times.into_values().min())
    }

    /// Returns how long the runs of a schedule take: 19 of 20 are done within that.
    async fn usual_length(&self, schedule: &Schedule) -> Result<std::time::Duration, FlowError> {
        let lengths = self.store.run_lengths(&schedule.name, LENGTHS).await?;
        Ok(nearly_longest(lengths))
    }

    /// Opens the next runs of a backfill.
    async fn go_on(
        &mut self,
        project: &Project,
        id: BackfillId,
        free: u32,
        now: DateTime<Utc>,
        tick: &mut Tick,
    ) -> Result<(), FlowError> {
        let waiting = self.store.continue_backfill(id, free, now).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let backfill = self.store.backfill(id).await?;
        let steps = project.steps(&backfill.assets, backfill.priority);
        if steps.len() < backfill.assets.len() {
            let why = "some of its assets are no longer in the project";
            return self.store.cancel_backfill(id, why, now).await;
        }
        let openings: Vec<Opening> = waiting
            .into_iter()
            .map(|(ordinal, partition)| Opening {
                partition: Some(partition),
                backfill: Some((id, ordinal)),
                ..Opening::new(Cause::Backfill(id.to_string()), steps.clone(), now)
            })
            .collect();
        let planned = self.store.open(&openings, &[]).await?;
        tick.opened.extend(runs_of(&planned.opened));
        Ok(())
    }
}

/// Returns the 95th percentile, by nearest rank; nothing of nothing.
fn nearly_longest(mut lengths: Vec<std::time::Duration>) -> std::time::Duration {
    lengths.sort_unstable();
    let rank = (lengths.len() * 19).div_ceil(20);
    let at = rank.checked_sub(1);
    at.map_or_else(Default::default, |at| lengths[at])
}

pub(crate) fn runs_of(opened: &[Opened]) -> impl Iterator<Item = RunId> + '_ {
    opened.iter().filter_map(|opened| match opened {
        Opened::Run(run) => Some(*run),
        _ => None,
    })
}

/// Makes the run of a schedule that the clock asks for at `at`.
fn by_clock(
    project: &Project,
    schedule: &Schedule,
    cause: Cause,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Opening, FlowError> {
    Ok(Opening {
        tick: Some(OpenTick {
            schedule: schedule.name.clone(),
            key: at.to_rfc3339(),
        }),
        scheduled_at: Some(at),
        by_itself: true,
        max_open_runs: Some(schedule.max_open_runs),
        ..of_schedule(project, schedule, cause, now)?
    })
}

/// Makes a run of a schedule's target.
pub(crate) fn of_schedule(
    project: &Project,
    schedule: &Schedule,
    cause: Cause,
    now: DateTime<Utc>,
) -> Result<Opening, FlowError> {
    let assets = schedule.target.resolve(project.graph())?;
    let steps = project.steps(&assets, schedule.priority);
    Ok(Opening {
        schedule: Some(schedule.name.clone()),
        alert_key: schedule
            .alerts
            .then(|| format!("schedule:{}", schedule.name)),
        ..Opening::new(cause, steps, now)
    })
}
