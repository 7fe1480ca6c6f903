//! What is asked of the store, and what it answers.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::asset::AssetKind;
use crate::id::{
    AssetId, AttemptId, BackfillId, PartitionKey, PoolName, RunId, ScheduleName, StepId,
};
use crate::record::{Alert, Cause, InputRange, LogLine, ScheduleRecord};
use crate::retry::ErrorClass;
use crate::schedule::Schedule;
use crate::state::State;

/// What the project defines.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Pools and their sizes.
    pub pools: Vec<(PoolName, u32)>,
    /// Schedules.
    pub schedules: Vec<DefinedSchedule>,
    /// Whether schedules that are not among these stay as they are: not all of them are known now.
    pub keeps_others: bool,
}

/// A schedule as the project defines it. The times count if it is new or its trigger has changed.
#[derive(Clone, Debug)]
pub struct DefinedSchedule {
    /// What the project says.
    pub schedule: Schedule,
    /// When the clock asks for it first.
    pub next_at: Option<DateTime<Utc>>,
    /// When its target is looked at for its age first.
    pub deadline_at: Option<DateTime<Utc>>,
}

/// What is counted of runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Runs by where they are.
    pub runs: Vec<(State, u64)>,
    /// Tries at steps that have ended, by how: their count, and how long they took together.
    pub attempts: Vec<(State, u64, Duration)>,
    /// Tries that are under way.
    pub running: u64,
    /// Steps that could begin if there were a slot.
    pub queued: u64,
    /// How long the first of them has waited.
    pub waited: Duration,
    /// By how much the schedule that is furthest behind should have been looked at before.
    pub late: Duration,
    /// Schedules that rest.
    pub paused: u64,
    /// What is wrong now and was told.
    pub incidents: u64,
}

/// What the clock asks for.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// Schedules whose time has come.
    pub schedules: Vec<ScheduleRecord>,
    /// Schedules whose targets may be too old.
    pub deadlines: Vec<ScheduleRecord>,
    /// Attempts whose leases ran out.
    pub expired: Vec<Expired>,
    /// Steps that have waited for a slot for longer than they may.
    pub waited_too_long: Vec<StepId>,
    /// Alerts to deliver.
    pub alerts: Vec<Alert>,
    /// Backfills that are not at their end, with how many runs they may open.
    pub backfills: Vec<(BackfillId, u32)>,
}

/// An attempt whose lease ran out.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Which.
    pub attempt: AttemptId,
    /// What it was at.
    pub asset: AssetId,
    /// How many attempts at the step were lost before.
    pub lost_before: u32,
}

/// A run to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What makes it the only one of its kind.
    pub tick: Option<OpenTick>,
    /// The schedule it belongs to.
    pub schedule: Option<ScheduleName>,
    /// Why it is there.
    pub cause: Cause,
    /// The instant of the schedule it stands for.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Which part of its assets it brings up to date.
    pub partition: Option<PartitionKey>,
    /// Which versions of which tables it takes.
    pub inputs: Vec<InputRange>,
    /// Whether nobody asked for it: it is not opened while the schedule rests.
    pub by_itself: bool,
    /// Whether the cursors of the schedule must be where the inputs begin.
    pub at_cursor: bool,
    /// Its steps, inputs first.
    pub steps: Vec<NewStep>,
    /// How many runs of the schedule may be open beside it.
    pub max_open_runs: Option<u32>,
    /// The run it repeats.
    pub rerun_of: Option<RunId>,
    /// Which partition of which backfill it is.
    pub backfill: Option<(BackfillId, u64)>,
    /// Which incident its failure is part of.
    pub alert_key: Option<String>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Opening {
    /// Makes an opening that belongs to nothing; the rest is filled in by fields.
    pub fn new(cause: Cause, steps: Vec<NewStep>, now: DateTime<Utc>) -> Self {
        Self {
            tick: None,
            schedule: None,
            cause,
            scheduled_at: None,
            partition: None,
            inputs: Vec::new(),
            by_itself: false,
            at_cursor: false,
            steps,
            max_open_runs: None,
            rerun_of: None,
            backfill: None,
            alert_key: None,
            now,
        }
    }
}

/// What makes a run the only one of its kind: there is one per schedule and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTick {
    /// The schedule.
    pub schedule: ScheduleName,
    /// The instant, the versions, or the caller's id.
    pub key: String,
}

/// A step of a run to be opened.
#[derive(Clone, Debug)]
pub struct NewStep {
    /// What it brings up to date.
    pub asset: AssetId,
    /// What that is.
    pub kind: AssetKind,
    /// Where it takes its slot.
    pub pool: PoolName,
    /// Its priority.
    pub priority: i32,
    /// How long it may wait for a slot.
    pub queue_timeout: Option<Duration>,
    /// Which steps, by position, must end well before it.
    pub after: Vec<usize>,
    /// Why it need not be done, if it need not.
    pub reuse: Option<String>,
}

/// When a schedule is looked at again.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which schedule.
    pub schedule: ScheduleName,
    /// What it was planned for until now; if that has changed, somebody else has planned it.
    pub expected: Option<DateTime<Utc>>,
    /// When the clock asks for it next.
    pub next_at: Option<DateTime<Utc>>,
    /// When its target is looked at for its age next.
    pub deadline_at: Option<DateTime<Utc>>,
    /// A key and a note on what got no run.
    pub note: Option<(String, String)>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What became of openings.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// In the order of the openings.
    pub opened: Vec<Opened>,
}

/// What became of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There is a new run.
    Run(RunId),
    /// There is one already, or it was decided before that there will be none.
    Already(Option<RunId>),
    /// Too many runs of the schedule are open.
    TooMany,
    /// The cursors are elsewhere.
    Moved,
    /// The schedule rests.
    Paused,
}

/// What an executor tells and asks.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The time.
    pub now: DateTime<Utc>,
    /// How attempts ended.
    pub finished: Vec<Finish>,
    /// What it would like to begin.
    pub claim: Option<Claim>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Which.
    pub attempt: AttemptId,
    /// How.
    pub end: AttemptEnd,
    /// When the step is tried again, if it failed and will be.
    pub retry_at: Option<DateTime<Utc>>,
    /// What is new in its log.
    pub log: Option<LogFlush>,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Done; with what it says it published.
    Succeeded(Option<String>),
    /// Nothing had to be done.
    Skipped(String),
    /// It did not work.
    Failed(ErrorClass, String),
    /// It was told to stop, and did.
    Cancelled(String),
    /// It was stopped with its process, and the step is begun again elsewhere or later.
    Released(String),
    /// Its lease ran out.
    Lost,
}

/// A request for work.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where it will run.
    pub node: String,
    /// Which life of that node this is.
    pub boot: String,
    /// How many at most.
    pub most: u32,
    /// Only of assets of these kinds; of all kinds when empty.
    pub kinds: Vec<AssetKind>,
    /// Until when the leases last.
    pub until: DateTime<Utc>,
}

/// The answer to a [`Turn`].
#[derive(Clone, Debug, Default)]
pub struct Turned {
    /// In the order of the ends that were told.
    pub finished: Vec<Finished>,
    /// What may begin.
    pub claimed: Vec<Claimed>,
}

/// What became of the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is written down; the run has ended with it, if a state is given.
    Noted(Option<(RunId, State)>),
    /// The attempt had lost its lease, or has it still if it was said to be lost.
    Stale,
}

/// An attempt that may begin.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its number, which is the fencing token of its lease.
    pub attempt: AttemptId,
    /// What it tries.
    pub step: StepId,
    /// The run that belongs to.
    pub run: RunId,
    /// The asset.
    pub asset: AssetId,
    /// What the asset is.
    pub kind: AssetKind,
    /// Which part of it.
    pub partition: Option<PartitionKey>,
    /// Which try it is, from 1.
    pub number: u32,
    /// The number of its publication.
    pub sequence: u64,
    /// How often the step has failed before, by class.
    pub failures: Vec<(ErrorClass, u32)>,
    /// Why there is the run.
    pub cause: Cause,
    /// The instant of the schedule the run stands for.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Which versions of which tables the run takes.
    pub inputs: Vec<InputRange>,
}

/// A sign of life.
#[derive(Clone, Debug)]
pub struct Beat {
    /// Whose.
    pub attempt: AttemptId,
    /// What is new in its log.
    pub log: Option<LogFlush>,
}

/// The answer to a [`Beat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeatAnswer {
    /// The lease is prolonged.
    Alive,
    /// The lease is prolonged, but somebody wants the attempt to stop.
    Cancel(String),
    /// The lease was lost.
    Lost,
}

/// New lines of a log, and which lines it no longer keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFlush {
    /// The new lines.
    pub lines: Vec<LogLine>,
    /// Lines from the first number up to the second, left out, are dropped, before new ones are kept.
    pub dropped: Option<(u64, u64)>,
    /// Lines among these that are not.
    pub spared: Vec<u64>,
}

/// What happens at the end of a pause with what had been waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// It goes on; missed instants follow the schedule's policy.
    #[default]
    Drain,
    /// It is cancelled; missed instants get no run.
    Skip,
}

/// A backfill to begin.
#[derive(Clone, Debug)]
pub struct NewBackfill {
    /// Which assets, inputs first.
    pub assets: Vec<AssetId>,
    /// Which partitions, in this order.
    pub partitions: Vec<PartitionKey>,
    /// How many partitions are worked on at once.
    pub chunk: u32,
    /// Added to the priority of each asset.
    pub priority: i32,
}

/// Which runs are listed.
#[derive(Clone, Debug)]
pub struct RunFilter {
    /// Only those of this schedule.
    pub schedule: Option<ScheduleName>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those before this number.
    pub before: Option<RunId>,
    /// At most so many.
    pub most: u32,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self {
            schedule: None,
            state: None,
            before: None,
            most: 50,
        }
    }
}
