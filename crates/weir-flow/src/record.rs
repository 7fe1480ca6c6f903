//! What the store tells about schedules, runs, steps and attempts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::asset::AssetKind;
use crate::id::{
    AssetId, AttemptId, BackfillId, PartitionKey, PoolName, RunId, ScheduleName, StepId, TableId,
};
use crate::retry::ErrorClass;
use crate::schedule::Schedule;
use crate::state::State;

/// A schedule and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRecord {
    /// What the project says.
    pub schedule: Schedule,
    /// When the clock asks for it next.
    pub next_at: Option<DateTime<Utc>>,
    /// When its target is looked at for its age next.
    pub deadline_at: Option<DateTime<Utc>>,
    /// Since when it rests.
    pub paused_at: Option<DateTime<Utc>>,
}

/// Why there is a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", content = "detail", rename_all = "snake_case")]
pub enum Cause {
    /// The clock.
    Cron,
    /// New versions of tables.
    Inputs,
    /// What there was would have become too old.
    Freshness,
    /// A call, with the caller's id of it.
    Webhook(String),
    /// A person or program, by name.
    Manual(String),
    /// Somebody wanted a run again.
    Rerun(String),
    /// A backfill.
    Backfill(String),
}

impl Cause {
    /// Returns the word for it and what belongs to it.
    pub fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Cron => ("cron", None),
            Self::Inputs => ("inputs", None),
            Self::Freshness => ("freshness", None),
            Self::Webhook(id) => ("webhook", Some(id)),
            Self::Manual(by) => ("manual", Some(by)),
            Self::Rerun(by) => ("rerun", Some(by)),
            Self::Backfill(by) => ("backfill", Some(by)),
        }
    }

    pub(crate) fn from_parts(word: &str, detail: Option<String>) -> Option<Self> {
        let detail = detail.unwrap_or_default();
        Some(match word {
            "cron" => Self::Cron,
            "inputs" => Self::Inputs,
            "freshness" => Self::Freshness,
            "webhook" => Self::Webhook(detail),
            "manual" => Self::Manual(detail),
            "rerun" => Self::Rerun(detail),
            "backfill" => Self::Backfill(detail),
            _ => return None,
        })
    }
}

/// Which versions of a table a run takes: those after `from` (-1 for all), up to and including `to`.
///
/// When `to` is the smaller, the table was made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRange {
    pub table: TableId,
    pub from: i64,
    pub to: i64,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The schedule it belongs to, if any.
    pub schedule: Option<ScheduleName>,
    /// Why it is there.
    pub cause: Cause,
    /// The instant of the schedule it stands for.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Which part of its assets it brings up to date.
    pub partition: Option<PartitionKey>,
    /// The backfill it belongs to.
    pub backfill: Option<BackfillId>,
    /// The run it repeats.
    pub rerun_of: Option<RunId>,
    /// Where it is.
    pub state: State,
    /// Why it is there.
    pub reason: Option<String>,
    /// Whether nothing of it is begun for now.
    pub held: bool,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its last step ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Which versions of which tables it takes.
    pub inputs: Vec<InputRange>,
}

/// One asset in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The run it belongs to.
    pub run: RunId,
    /// What it brings up to date.
    pub asset: AssetId,
    /// What that is.
    pub kind: AssetKind,
    /// Where it takes its slot.
    pub pool: PoolName,
    /// Its priority, with that of the schedule.
    pub priority: i32,
    /// Where it is.
    pub state: State,
    /// Why it is there.
    pub reason: Option<String>,
    /// How many steps before it have not ended.
    pub waits_for: u32,
    /// When it is tried next, if it waits for that.
    pub not_before: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: u32,
    /// The number of its publication.
    pub sequence: Option<u64>,
    /// When it was first tried.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// One try at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    /// Its number, which is the fencing token of its lease.
    pub id: AttemptId,
    /// What it tries.
    pub step: StepId,
    /// Which try it is, from 1.
    pub number: u32,
    /// Where it is.
    pub state: State,
    /// Of what sort its failure was.
    pub class: Option<ErrorClass>,
    /// Why it is there.
    pub reason: Option<String>,
    /// Where it runs or ran.
    pub node: String,
    /// Until when it has its slot, unless it says that it lives.
    pub lease_until: DateTime<Utc>,
    /// What it says it published.
    pub published: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A backfill and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Backfill {
    /// Its number.
    pub id: BackfillId,
    /// Which assets it brings up to date, inputs first.
    pub assets: Vec<AssetId>,
    /// How many partitions are worked on at once.
    pub chunk: u32,
    /// Added to the priority of each asset.
    pub priority: i32,
    /// Where it is.
    pub state: State,
    /// Since when it rests.
    pub paused_at: Option<DateTime<Utc>>,
    /// Partitions by where they are.
    pub progress: BackfillProgress,
}

/// How many partitions of a backfill are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackfillProgress {
    pub total: u64,
    pub waiting: u64,
    pub open: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
}

/// One line of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Which line of the log, from 0. Where lines are left out, the first of these numbers has a line of
    /// Weir's own that says how many.
    pub number: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What it says.
    pub text: String,
}

/// What a table was like when somebody looked, and the number it has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState {
    /// Which table.
    pub table: TableId,
    /// Grows with each change; what cursors are compared with.
    pub version: i64,
    /// Whatever tells one state from the next, in the words of whoever looks.
    pub state: String,
}

/// Something people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its number: whoever receives an alert twice knows it by this.
    pub id: i64,
    /// What it is about, such as `schedule:nightly`: the same from the first failure to the recovery.
    pub key: String,
    /// Whether something is wrong or is well again.
    pub kind: AlertKind,
    /// What happened, in a sentence.
    pub text: String,
    /// The run it happened in.
    pub run: Option<RunId>,
    /// When.
    pub at: DateTime<Utc>,
    /// How often its delivery failed.
    pub tries: u32,
}

/// Whether an [`Alert`] is bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Something is wrong.
    Raised,
    /// It is well again.
    Recovered,
}

impl AlertKind {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Recovered => "recovered",
        }
    }
}
