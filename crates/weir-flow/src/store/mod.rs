//! The seam to the store of runs.

mod request;
mod sqlite;

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use self::request::{
    AttemptEnd, Beat, BeatAnswer, Claim, Claimed, DefinedSchedule, Definitions, Due, Expired,
    Figures, Finish, Finished, LogFlush, NewBackfill, NewStep, OpenTick, Opened, Opening, Plan,
    Planned, Resume, RunFilter, Turn, Turned,
};
pub use self::sqlite::{Durability, SqliteStore};
use crate::asset::AssetKind;
use crate::error::FlowError;
use crate::id::{AssetId, AttemptId, BackfillId, RunId, ScheduleName, StepId, TableId};
use crate::record::{
    Alert, AttemptRecord, Backfill, LogLine, Run, ScheduleRecord, Step, TableState,
};

/// Keeps schedules, runs, leases and cursors.
///
/// # Contract
/// - Every call that changes something is one transaction: after a crash all of it happened or
///   nothing, and what was answered is durable.
/// - Calls may overlap, from any number of processes; the result is as if they came one by one.
/// - Time is what the caller says it is.
/// - An error of kind `Stale` says that an attempt has lost its lease; nothing was changed then.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    // --- definitions ---

    /// Makes pools and schedules be as defined. Schedules that are gone keep their history.
    async fn define(&self, definitions: &Definitions, now: DateTime<Utc>) -> Result<(), FlowError>;

    /// Lists the schedules of the project by name.
    async fn schedules(&self) -> Result<Vec<ScheduleRecord>, FlowError>;

    /// Returns a schedule.
    async fn schedule(&self, name: &ScheduleName) -> Result<ScheduleRecord, FlowError>;

    /// Starts no more runs of a schedule, and no more steps of its runs.
    async fn pause(&self, name: &ScheduleName, now: DateTime<Utc>) -> Result<(), FlowError>;

    /// Undoes [`Self::pause`]; `next_at` is when the clock asks for it next, if that changes.
    async fn resume(
        &self,
        name: &ScheduleName,
        resume: Resume,
        next_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError>;

    // --- the scheduler ---

    /// Returns what the clock asks for by `now`: schedules, leases that ran out, steps that waited
    /// too long, alerts to deliver, backfills that may go on.
    async fn due(&self, now: DateTime<Utc>, most: u32) -> Result<Due, FlowError>;

    /// Opens runs and plans when schedules are looked at again, all in one transaction.
    async fn open(&self, openings: &[Opening], plans: &[Plan]) -> Result<Planned, FlowError>;

    /// Returns up to which version a schedule has taken each table.
    async fn cursors(&self, schedule: &ScheduleName) -> Result<HashMap<TableId, i64>, FlowError>;

    /// Returns when each asset last succeeded as a whole; none for those that never did.
    async fn succeeded_at(
        &self,
        assets: &[AssetId],
    ) -> Result<HashMap<AssetId, DateTime<Utc>>, FlowError>;

    /// Fails steps that have waited for a slot for longer than they may.
    async fn give_up_waiting(&self, steps: &[StepId], now: DateTime<Utc>) -> Result<(), FlowError>;

    // --- the executor ---

    /// Ends the leases of earlier processes of the same node at once; returns how many.
    async fn take_over(&self, node: &str, boot: &str, now: DateTime<Utc>)
    -> Result<u64, FlowError>;

    /// Whether a claim of assets of these kinds, or of all when there are none, could find something. Reads
    /// only.
    async fn has_ready(&self, now: DateTime<Utc>, kinds: &[AssetKind]) -> Result<bool, FlowError>;

    /// Writes down how attempts ended and claims the next ones, all in one transaction.
    async fn advance(&self, turn: &Turn) -> Result<Turned, FlowError>;

    /// Prolongs leases and keeps logs. The answers come in the order of the beats.
    async fn beat(
        &self,
        beats: &[Beat],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<BeatAnswer>, FlowError>;

    /// Prolongs the lease of an attempt that is about to publish, if it has it still.
    async fn begin_publish(
        &self,
        attempt: AttemptId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<(), FlowError>;

    // --- people ---

    /// Cancels what of a run has not ended; what runs is told with its next beat.
    async fn cancel(&self, run: RunId, reason: &str, now: DateTime<Utc>) -> Result<(), FlowError>;

    /// Begins a backfill.
    async fn begin_backfill(
        &self,
        backfill: &NewBackfill,
        now: DateTime<Utc>,
    ) -> Result<BackfillId, FlowError>;

    /// Lets a backfill rest, or go on.
    async fn pause_backfill(
        &self,
        backfill: BackfillId,
        pause: bool,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError>;

    /// Cancels a backfill and its open runs.
    async fn cancel_backfill(
        &self,
        backfill: BackfillId,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError>;

    /// Returns the partitions of a backfill that have no run yet, at most `most`, and notes its end
    /// when everything of it has ended.
    async fn continue_backfill(
        &self,
        backfill: BackfillId,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(u64, crate::id::PartitionKey)>, FlowError>;

    /// Returns a backfill.
    async fn backfill(&self, backfill: BackfillId) -> Result<Backfill, FlowError>;

    /// Returns which partition of a backfill a run is for.
    async fn backfill_place(
        &self,
        backfill: BackfillId,
        run: RunId,
    ) -> Result<Option<(BackfillId, u64)>, FlowError>;

    /// Lists backfills, the newest first.
    async fn backfills(&self, most: u32) -> Result<Vec<Backfill>, FlowError>;

    // --- figures ---

    /// Returns how long the newest runs of a schedule that succeeded took, from when they came.
    async fn run_lengths(
        &self,
        schedule: &ScheduleName,
        most: u32,
    ) -> Result<Vec<Duration>, FlowError>;

    /// Counts what there is, for whoever watches.
    async fn figures(&self, now: DateTime<Utc>) -> Result<Figures, FlowError>;

    // --- alerts ---

    /// Raises or ends the incident `key`; tells whether that was news.
    async fn incident(
        &self,
        key: &str,
        problem: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<bool, FlowError>;

    /// Notes that an alert was delivered, or when to try again.
    async fn alert_tried(
        &self,
        alert: i64,
        again_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError>;

    /// Lists alerts, the newest first.
    async fn alerts(&self, most: u32) -> Result<Vec<Alert>, FlowError>;

    // --- publications ---

    /// Returns what the store is known by: the numbers of its publications count under this name only.
    async fn identity(&self) -> Result<String, FlowError>;

    /// Gives publications of these assets greater numbers than these, after an older copy of the store
    /// was put back.
    async fn raise_sequences(&self, published: &[(AssetId, u64)]) -> Result<(), FlowError>;

    // --- versions ---

    /// Returns what is remembered of tables: see [`TableState`].
    async fn table_states(&self) -> Result<Vec<TableState>, FlowError>;

    /// Remembers how tables are, in the place of what was remembered of them.
    async fn put_table_states(&self, states: &[TableState]) -> Result<(), FlowError>;

    // --- history ---

    /// Returns a run.
    async fn run(&self, run: RunId) -> Result<Run, FlowError>;

    /// Lists runs, the newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, FlowError>;

    /// Lists the steps of a run, inputs first.
    async fn steps(&self, run: RunId) -> Result<Vec<Step>, FlowError>;

    /// Lists the attempts at a step, oldest first.
    async fn attempts(&self, step: StepId) -> Result<Vec<AttemptRecord>, FlowError>;

    /// Returns lines of an attempt's log from number `from` on.
    async fn log(
        &self,
        attempt: AttemptId,
        from: u64,
        most: u32,
    ) -> Result<Vec<LogLine>, FlowError>;

    /// Lists the steps of several runs, by run, inputs first.
    async fn steps_of(&self, runs: &[RunId]) -> Result<Vec<Step>, FlowError>;

    /// Lists the attempts at all steps of several runs, oldest first, each with its run.
    async fn attempts_of(&self, runs: &[RunId]) -> Result<Vec<(RunId, AttemptRecord)>, FlowError>;

    /// Returns lines of the logs of several attempts, by attempt, at most `most`.
    async fn logs_of(
        &self,
        attempts: &[AttemptId],
        most: u32,
    ) -> Result<Vec<(AttemptId, LogLine)>, FlowError>;

    /// Forgets the logs of attempts that ended before `before`; returns how many lines went.
    async fn forget_logs(&self, before: DateTime<Utc>) -> Result<u64, FlowError>;
}
