//! Schedules, runs, retries, backfills and alerts of assets.
//!
//! A [`Project`] says which assets there are and when they are brought up to date. A [`Scheduler`]
//! opens runs, each once; an [`Executor`] claims their steps and hands them as [`Attempt`]s to a
//! [`Worker`]. Everything they know is in a [`Store`], so that any process can end at any moment and
//! another goes on: triggers are cursors, slots are leases that live, and what an attempt publishes
//! carries a [`PublishToken`] by which it is published once.
//!
//! What this crate is not: it does not know what an asset does inside, it speaks no HTTP, and it
//! reads no files but the store's.

mod error;
mod id;

mod clock;
mod cron;
mod zone;

mod asset;
mod graph;
mod partition;
mod project;
mod schedule;

mod record;
mod retry;
mod state;

mod alert;
mod attempt;
mod complaint;
mod log;
mod versions;
mod worker;

mod store;

mod executor;
mod flow;
mod follow;
mod scheduler;
mod service;

pub use alert::Alerts;
pub use asset::{Asset, AssetKind};
pub use attempt::{Attempt, PublishError, PublishToken};
pub use clock::{Clock, SystemClock};
pub use cron::{Cron, TZDATA_VERSION};
pub use error::{BoxError, FlowError, FlowErrorKind};
pub use executor::{Executor, ExecutorOptions, Worked};
pub use flow::{BackfillPreview, BackfillRequest, Flow, Rerun};
pub use graph::Graph;
pub use id::{
    AssetId, AttemptId, BackfillId, PartitionKey, PoolName, RunId, ScheduleName, StepId, TableId,
};
pub use log::{AttemptLog, LogLimits};
pub use partition::{PartitionRange, Partitioning, Span, TimePartition};
pub use project::{DEFAULT_POOL, Project, SOURCE_POOL};
pub use record::{
    Alert, AlertKind, AttemptRecord, Backfill, BackfillProgress, Cause, InputRange, LogLine, Run,
    ScheduleRecord, Step, TableState,
};
pub use retry::{ErrorClass, RetryPolicy, Timeouts};
pub use schedule::{Batch, MissedTicks, Schedule, Target, Trigger};
pub use scheduler::{Scheduler, Tick};
pub use state::State;
pub use store::{
    AttemptEnd, Beat, BeatAnswer, Claim, Claimed, DefinedSchedule, Definitions, Due, Durability,
    Expired, Figures, Finish, Finished, LogFlush, NewBackfill, NewStep, OpenTick, Opened, Opening,
    Plan, Planned, Resume, RunFilter, SqliteStore, Store, Turn, Turned,
};
pub use versions::{Changes, Versions};
pub use worker::{Outcome, Worker};
pub use zone::parse_zone;
