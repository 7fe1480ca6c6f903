//! What people and programs ask for.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::alert::Alerts;
use crate::clock::Clock;
use crate::error::{FlowError, FlowErrorKind};
use crate::executor::{Executor, ExecutorOptions};
use crate::id::{AssetId, BackfillId, PartitionKey, RunId, ScheduleName};
use crate::partition::PartitionRange;
use crate::project::Project;
use crate::record::{Backfill, Cause};
use crate::schedule::{Target, Trigger};
use crate::scheduler::{Scheduler, of_schedule};
use crate::state::State;
use crate::store::{NewBackfill, OpenTick, Opened, Opening, Resume, Store};
use crate::versions::Versions;
use crate::worker::Worker;

/// The most partitions one backfill may have.
const MOST_PARTITIONS: usize = 100_000;

/// Schedules and runs of one project; cheap to clone.
#[derive(Clone, Debug)]
pub struct Flow {
    store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    project: Arc<RwLock<Arc<Project>>>,
}

/// What is run again of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// Everything.
    All,
    /// What did not succeed.
    FromFailed,
    /// These assets and what in the run needs them.
    Subtree(Vec<AssetId>),
}

/// Which partitions of which assets are brought up to date.
#[derive(Clone, Debug)]
pub struct BackfillRequest {
    /// Which assets; all must be divided in the same way.
    pub target: Target,
    /// Which partitions.
    pub range: PartitionRange,
    /// How many partitions are worked on at once.
    pub chunk: u32,
    /// Added to the priority of each asset; below zero leaves the daily runs their slots.
    pub priority: i32,
}

/// What a backfill would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillPreview {
    /// Which assets, inputs first.
    pub assets: Vec<AssetId>,
    /// Which partitions, in this order.
    pub partitions: Vec<PartitionKey>,
    /// How many steps that makes.
    pub steps: usize,
}

impl Flow {
    /// Joins a store and a clock; there is nothing to run before [`Self::apply`].
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            project: Arc::default(),
        }
    }

    /// Returns the store: its reading methods tell what is and was.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the project as it is now.
    pub fn project(&self) -> Arc<Project> {
        self.project.read().clone()
    }

    /// Makes pools and schedules be as the project says. Open runs go on.
    ///
    /// # Errors
    /// When the store fails; the project is as before then.
    pub async fn apply(&self, project: Project) -> Result<(), FlowError> {
        let now = self.clock.now();
        self.store.define(&project.definitions(now), now).await?;
        *self.project.write() = Arc::new(project);
        Ok(())
    }

    /// Adds what the project says to what is stored: schedules that are not in it stay as they are, and wait
    /// until a whole project is put into force with [`Self::apply`].
    ///
    /// # Errors
    /// When the store fails; the project is as before then.
    pub async fn apply_part(&self, project: Project) -> Result<(), FlowError> {
        let now = self.clock.now();
        let mut definitions = project.definitions(now);
        definitions.keeps_others = true;
        self.store.define(&definitions, now).await?;
        *self.project.write() = Arc::new(project);
        Ok(())
    }

    /// Makes a scheduler over this project.
    pub fn scheduler(&self, versions: Arc<dyn Versions>, seed: u64) -> Scheduler {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Scheduler::new(store, clock, versions, self.project.clone(), seed)
    }

    /// Makes an executor over this project.
    pub fn executor(&self, worker: Arc<dyn Worker>, options: ExecutorOptions) -> Executor {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Executor::new(store, clock, worker, self.project.clone(), options)
    }

    /// Delivers the alerts that a tick found waiting.
    ///
    /// # Errors
    /// When the store cannot note it.
    pub async fn deliver(
        &self,
        alerts: &dyn Alerts,
        waiting: &[crate::Alert],
    ) -> Result<(), FlowError> {
        Scheduler::deliver(&*self.store, &*self.clock, alerts, waiting).await
    }

    // --- runs ---

    /// Runs a schedule now, also one that rests. With a key, the same key makes one run only.
    ///
    /// # Errors
    /// When there is no such schedule, or a webhook calls one that takes no calls.
    pub async fn trigger(
        &self,
        name: &ScheduleName,
        cause: Cause,
        key: Option<&str>,
    ) -> Result<RunId, FlowError> {
        let project = self.project();
        let record = self.store.schedule(name).await?;
        let schedule = project.schedule(name).unwrap_or(&record.schedule);
        if matches!(cause, Cause::Webhook(_)) && schedule.trigger != Trigger::Webhook {
            return Err(FlowError::new(
                FlowErrorKind::Conflict,
                format!("schedule `{name}` takes no calls"),
            )
            .with_hint("set its trigger to `webhook`"));
        }
        let opening = Opening {
            tick: key.map(|key| OpenTick {
                schedule: name.clone(),
                key: format!("key:{key}"),
            }),
            ..of_schedule(&project, schedule, cause, self.clock.now())?
        };
        self.open(opening).await
    }

    /// Brings assets up to date now.
    ///
    /// # Errors
    /// When an asset is unknown, with the one that was probably meant.
    pub async fn run_assets(
        &self,
        target: &Target,
        partition: Option<PartitionKey>,
        by: &str,
    ) -> Result<RunId, FlowError> {
        let project = self.project();
        let assets = target.resolve(project.graph())?;
        let cause = Cause::Manual(by.to_owned());
        self.open(Opening {
            partition,
            ..Opening::new(cause, project.steps(&assets, 0), self.clock.now())
        })
        .await
    }

    /// Runs a run that has ended again, or a part of it; what is left out counts as done.
    ///
    /// # Errors
    /// When the run has not ended, nothing is left to do, or others have taken its versions since.
    pub async fn rerun(&self, run: RunId, what: &Rerun, by: &str) -> Result<RunId, FlowError> {
        let project = self.project();
        let before = self.store.run(run).await?;
        if !before.state.has_ended() {
            return Err(FlowError::new(
                FlowErrorKind::Conflict,
                format!("run {run} has not ended"),
            )
            .with_hint("cancel it first, or wait"));
        }
        let steps = self.store.steps(run).await?;
        if let Rerun::Subtree(roots) = what {
            for root in roots {
                project.graph().expect(root)?;
            }
        }
        let again: std::collections::HashSet<AssetId> = match what {
            Rerun::All => steps.iter().map(|step| step.asset.clone()).collect(),
            Rerun::FromFailed => {
                // What was reused then is done; what was skipped for a failure is not.
                let undone = |state| matches!(state, State::Failed | State::Cancelled);
                let failed = steps.iter().filter(|step| undone(step.state));
                let roots: Vec<AssetId> = failed.map(|step| step.asset.clone()).collect();
                project
                    .graph()
                    .with_descendants(&roots)
                    .into_iter()
                    .collect()
            }
            Rerun::Subtree(roots) => project
                .graph()
                .with_descendants(roots)
                .into_iter()
                .collect(),
        };
        let assets: Vec<AssetId> = steps.iter().map(|step| step.asset.clone()).collect();
        // The project may have changed: its order counts.
        let mut ordered = project.graph().with_ancestors(&assets);
        let known: std::collections::HashSet<&AssetId> = assets.iter().collect();
        ordered.retain(|asset| known.contains(asset));
        let schedule = before
            .schedule
            .as_ref()
            .and_then(|name| project.schedule(name));
        let mut new = project.steps(&ordered, schedule.map_or(0, |schedule| schedule.priority));
        for step in new.iter_mut().filter(|step| !again.contains(&step.asset)) {
            step.reuse = Some(format!("as in run {run}"));
        }
        if new.iter().all(|step| step.reuse.is_some()) {
            return Err(FlowError::new(
                FlowErrorKind::Conflict,
                format!("there is nothing to run again of run {run}"),
            )
            .with_hint("name assets of the run"));
        }
        let backfill = match before.backfill {
            Some(backfill) => self.store.backfill_place(backfill, run).await?,
            None => None,
        };
        self.open(Opening {
            schedule: before.schedule.clone(),
            scheduled_at: before.scheduled_at,
            partition: before.partition,
            at_cursor: !before.inputs.is_empty(),
            max_open_runs: (!before.inputs.is_empty()).then_some(1),
            inputs: before.inputs,
            rerun_of: Some(run),
            alert_key: schedule
                .filter(|schedule| schedule.alerts)
                .map(|schedule| format!("schedule:{}", schedule.name)),
            backfill,
            ..Opening::new(Cause::Rerun(by.to_owned()), new, self.clock.now())
        })
        .await
    }

    async fn open(&self, opening: Opening) -> Result<RunId, FlowError> {
        let planned = self.store.open(&[opening], &[]).await?;
        let conflict = |what: &str| FlowError::new(FlowErrorKind::Conflict, what);
        match planned.opened.first() {
            Some(Opened::Run(run) | Opened::Already(Some(run))) => Ok(*run),
            Some(Opened::TooMany) => {
                Err(conflict("another run takes these versions")
                    .with_hint("wait until it has ended"))
            }
            Some(Opened::Moved) => Err(conflict("a later run has taken these versions")
                .with_hint("there is nothing left to take")),
            _ => Err(conflict("the run is not wanted any more")),
        }
    }

    /// Cancels a run.
    ///
    /// # Errors
    /// When there is no such run, or it has ended.
    pub async fn cancel(&self, run: RunId, by: &str) -> Result<(), FlowError> {
        let reason = format!("cancelled by {by}");
        self.store.cancel(run, &reason, self.clock.now()).await
    }

    // --- schedules ---

    /// Lets a schedule rest: it opens no runs, and nothing more of its runs begins.
    ///
    /// # Errors
    /// When there is no such schedule, with the one that was probably meant.
    pub async fn pause(&self, name: &ScheduleName) -> Result<(), FlowError> {
        self.store.pause(name, self.clock.now()).await
    }

    /// Lets a schedule go on.
    ///
    /// # Errors
    /// When there is no such schedule, with the one that was probably meant.
    pub async fn resume(&self, name: &ScheduleName, resume: Resume) -> Result<(), FlowError> {
        let now = self.clock.now();
        let record = self.store.schedule(name).await?;
        let next_at = match (&record.schedule.trigger, resume) {
            (Trigger::Cron { cron, .. }, Resume::Skip) => cron.next_after(now),
            _ => None,
        };
        self.store.resume(name, resume, next_at, now).await
    }

    // --- backfills ---

    /// Says what a backfill would do.
    ///
    /// # Errors
    /// When the assets are not divided alike, or the range holds nothing or too much.
    pub fn preview(&self, request: &BackfillRequest) -> Result<BackfillPreview, FlowError> {
        let project = self.project();
        let assets = request.target.resolve(project.graph())?;
        let divided = assets.iter().filter_map(|id| project.graph().get(id));
        let mut partitioning = None;
        for asset in divided {
            match (&asset.partitioning, &partitioning) {
                (None, _) => {
                    return Err(FlowError::invalid(format!(
                        "asset `{}` is not divided into partitions",
                        asset.id
                    ))
                    .with_hint("run it as a whole"));
                }
                (Some(own), Some(other)) if own != other => {
                    return Err(FlowError::invalid(format!(
                        "asset `{}` is divided differently from `{}`",
                        asset.id, assets[0]
                    ))
                    .with_hint("backfill one after the other"));
                }
                (Some(own), _) => partitioning = Some(own.clone()),
            }
        }
        let partitioning = partitioning.ok_or_else(|| FlowError::invalid("no asset is named"))?;
        let now = self.clock.now();
        let partitions = partitioning.keys(&request.range, now, MOST_PARTITIONS)?;
        Ok(BackfillPreview {
            steps: assets.len() * partitions.len(),
            assets,
            partitions,
        })
    }

    /// Begins a backfill: partitions get their runs bit by bit, whatever happens in between.
    ///
    /// # Errors
    /// As for [`Self::preview`].
    pub async fn backfill(&self, request: &BackfillRequest) -> Result<BackfillId, FlowError> {
        let preview = self.preview(request)?;
        let backfill = NewBackfill {
            assets: preview.assets,
            partitions: preview.partitions,
            chunk: request.chunk,
            priority: request.priority,
        };
        self.store.begin_backfill(&backfill, self.clock.now()).await
    }

    /// Lets a backfill rest, or go on.
    ///
    /// # Errors
    /// When there is none, or it has ended.
    pub async fn pause_backfill(&self, id: BackfillId, pause: bool) -> Result<(), FlowError> {
        self.store.pause_backfill(id, pause, self.clock.now()).await
    }

    /// Cancels a backfill.
    ///
    /// # Errors
    /// When there is none, or it has ended.
    pub async fn cancel_backfill(&self, id: BackfillId, by: &str) -> Result<(), FlowError> {
        let reason = format!("cancelled by {by}");
        self.store
            .cancel_backfill(id, &reason, self.clock.now())
            .await
    }

    /// Returns a backfill and how far it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn backfill_progress(&self, id: BackfillId) -> Result<Backfill, FlowError> {
        self.store.backfill(id).await
    }
}
