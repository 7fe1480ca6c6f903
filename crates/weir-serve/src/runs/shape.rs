//! Runs as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use weir_flow::{
    AttemptRecord, Backfill, BackfillProgress, Cron, InputRange, LogLine, Run, ScheduleRecord,
    State, Step, Trigger,
};

use super::Runs;

#[derive(Serialize)]
pub(super) struct RunShape {
    id: i64,
    schedule: Option<String>,
    cause: &'static str,
    caused_by: Option<String>,
    scheduled_at: Option<DateTime<Utc>>,
    partition: Option<String>,
    backfill: Option<i64>,
    rerun_of: Option<i64>,
    state: &'static str,
    reason: Option<String>,
    /// Whether nothing of it is begun, as its schedule rests.
    held: bool,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    /// How many steps are in which state.
    steps: Counts,
}

#[derive(Default, Serialize)]
pub(super) struct Counts {
    queued: usize,
    running: usize,
    succeeded: usize,
    failed: usize,
    cancelled: usize,
    skipped: usize,
}

impl Counts {
    pub(super) fn of<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Self {
        let mut counts = Self::default();
        for step in steps {
            *match step.state {
                State::Queued => &mut counts.queued,
                State::Running => &mut counts.running,
                State::Succeeded => &mut counts.succeeded,
                State::Failed => &mut counts.failed,
                State::Cancelled => &mut counts.cancelled,
                State::Skipped => &mut counts.skipped,
            } += 1;
        }
        counts
    }
}

impl RunShape {
    pub(super) fn new(run: &Run, steps: Counts) -> Self {
        let (cause, detail) = run.cause.parts();
        Self {
            id: run.id.0,
            schedule: run.schedule.as_ref().map(ToString::to_string),
            cause,
            caused_by: detail.filter(|text| !text.is_empty()).map(str::to_owned),
            scheduled_at: run.scheduled_at,
            partition: run.partition.as_ref().map(ToString::to_string),
            backfill: run.backfill.map(|id| id.0),
            rerun_of: run.rerun_of.map(|id| id.0),
            state: run.state.as_str(),
            reason: run.reason.clone(),
            held: run.held,
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            steps,
        }
    }
}

#[derive(Serialize)]
pub(super) struct RunDetail {
    #[serde(flatten)]
    run: RunShape,
    /// Which versions of which tables it takes.
    inputs: Vec<InputRange>,
    details: Vec<StepShape>,
}

impl RunDetail {
    pub(super) fn new(run: &Run, steps: Counts, details: Vec<StepShape>) -> Self {
        Self {
            run: RunShape::new(run, steps),
            inputs: run.inputs.clone(),
            details,
        }
    }
}

#[derive(Serialize)]
pub(super) struct StepShape {
    id: i64,
    asset: String,
    kind: &'static str,
    /// The table or view it is.
    table: Option<String>,
    pool: String,
    priority: i32,
    state: &'static str,
    reason: Option<String>,
    /// How many steps before it have not ended.
    waits_for: u32,
    retry_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    attempts: Vec<AttemptShape>,
}

#[derive(Serialize)]
struct AttemptShape {
    id: i64,
    number: u32,
    state: &'static str,
    class: Option<&'static str>,
    reason: Option<String>,
    published: Option<String>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl StepShape {
    pub(super) fn new(runs: &Runs, step: &Step, attempts: &[AttemptRecord]) -> Self {
        let own = attempts.iter().filter(|attempt| attempt.step == step.id);
        let attempt = |attempt: &AttemptRecord| AttemptShape {
            id: attempt.id.0,
            number: attempt.number,
            state: attempt.state.as_str(),
            class: attempt.class.map(|class| class.as_str()),
            reason: attempt.reason.clone(),
            published: attempt.published.clone(),
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
        };
        Self {
            id: step.id.0,
            asset: step.asset.to_string(),
            kind: step.kind.as_str(),
            table: runs.desk.table(&step.asset),
            pool: step.pool.to_string(),
            priority: step.priority,
            state: step.state.as_str(),
            reason: step.reason.clone(),
            waits_for: step.waits_for,
            retry_at: step.not_before.filter(|_| !step.state.has_ended()),
            started_at: step.started_at,
            ended_at: step.ended_at,
            attempts: own.map(attempt).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct LineShape {
    step: i64,
    asset: String,
    attempt: i64,
    /// Which try of the step it was.
    number: u32,
    line: u64,
    at: DateTime<Utc>,
    text: String,
}

impl LineShape {
    pub(super) fn new(step: &Step, attempt: &AttemptRecord, line: LogLine) -> Self {
        Self {
            step: step.id.0,
            asset: step.asset.to_string(),
            attempt: attempt.id.0,
            number: attempt.number,
            line: line.number,
            at: line.at,
            text: line.text,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ScheduleShape {
    name: String,
    trigger: &'static str,
    /// When, as `schedules.yml` says it.
    definition: String,
    zone: Option<String>,
    steps: usize,
    /// The dashboard it sends.
    dashboard: Option<String>,
    paused_at: Option<DateTime<Utc>>,
    next_at: Option<DateTime<Utc>>,
    /// When its target is too old.
    deadline_at: Option<DateTime<Utc>>,
    last_run: Option<RunShape>,
}

impl ScheduleShape {
    pub(super) fn new(
        record: &ScheduleRecord,
        last: Option<RunShape>,
        dashboard: Option<String>,
    ) -> Self {
        let schedule = &record.schedule;
        Self {
            name: schedule.name.to_string(),
            trigger: schedule.trigger.as_str(),
            definition: definition(&schedule.trigger),
            zone: match &schedule.trigger {
                Trigger::Cron { cron, .. } | Trigger::Freshness { by: Some(cron), .. } => {
                    Some(cron.zone().name().to_owned())
                }
                _ => None,
            },
            steps: schedule.target.assets.len(),
            dashboard,
            paused_at: record.paused_at,
            next_at: record.next_at.filter(|_| record.paused_at.is_none()),
            deadline_at: record.deadline_at,
            last_run: last,
        }
    }
}

/// Says when a schedule runs.
pub(super) fn definition(trigger: &Trigger) -> String {
    let text = |length| weir_core::config::format_duration(length);
    match trigger {
        Trigger::Cron { cron, .. } => cron.text().to_owned(),
        Trigger::Every { every } => format!("every {}", text(*every)),
        Trigger::Inputs { tables, .. } => {
            let names: Vec<&str> = tables.iter().map(AsRef::as_ref).collect();
            match names.as_slice() {
                [one] => format!("when {one} changes"),
                names => format!("when {} change", names.join(", ")),
            }
        }
        Trigger::Freshness { max_age, by, .. } => match by {
            Some(by) => format!("fresh within {} at {}", text(*max_age), time(by)),
            None => format!("fresh within {}", text(*max_age)),
        },
        Trigger::Webhook => "when it is called".to_owned(),
        Trigger::Manual => "by hand".to_owned(),
    }
}

/// Says a time of every day as one, and anything else as it was written.
fn time(cron: &Cron) -> String {
    let fields: Vec<&str> = cron.text().split(' ').collect();
    match fields[..] {
        [minute, hour, "*", "*", "*"] => match (hour.parse::<u8>(), minute.parse::<u8>()) {
            (Ok(hour), Ok(minute)) => format!("{hour:02}:{minute:02}"),
            _ => cron.text().to_owned(),
        },
        _ => cron.text().to_owned(),
    }
}

#[derive(Serialize)]
pub(super) struct BackfillShape {
    id: i64,
    state: &'static str,
    assets: Vec<String>,
    chunk: u32,
    paused_at: Option<DateTime<Utc>>,
    total: u64,
    waiting: u64,
    open: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

impl From<Backfill> for BackfillShape {
    fn from(backfill: Backfill) -> Self {
        let BackfillProgress {
            total,
            waiting,
            open,
            succeeded,
            failed,
            cancelled,
        } = backfill.progress;
        Self {
            id: backfill.id.0,
            state: backfill.state.as_str(),
            assets: backfill.assets.iter().map(ToString::to_string).collect(),
            chunk: backfill.chunk,
            paused_at: backfill.paused_at,
            total,
            waiting,
            open,
            succeeded,
            failed,
            cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_of_every_day_are_said_as_such() {
        for (cron, wanted) in [
            ("0 8 * * *", "fresh within 6h at 08:00"),
            ("0 8 * * MON-FRI", "fresh within 6h at 0 8 * * MON-FRI"),
            ("*/5 8 * * *", "fresh within 6h at */5 8 * * *"),
        ] {
            let trigger = Trigger::Freshness {
                max_age: Duration::from_secs(6 * 3600),
                lead: Duration::ZERO,
                by: Some(Cron::parse(cron, "UTC").unwrap()),
            };
            assert_eq!(definition(&trigger), wanted);
        }
    }
}
