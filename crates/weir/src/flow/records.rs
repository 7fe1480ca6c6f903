//! Runs as rows of system tables.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use weir_flow::{BoxError, Run, RunFilter, RunId, Store, Trigger};
use weir_query::{RunCell, RunRecords, RunTable};
use weir_step::{DatumRow, FilesetRef, Ledger};

use super::step::Keep;

/// As many runs are shown, the newest.
const RUNS: u32 = 1_000;
/// As many lines of logs are shown at a time.
const LINES: u32 = 200_000;
/// As many datums are shown, those that failed first.
const DATUMS: u32 = 100_000;

/// What is known of runs and steps, for whoever asks by SQL.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) store: Arc<dyn Store>,
    pub(super) keep: Keep,
}

type Row = Vec<RunCell>;

fn text(text: impl ToString) -> RunCell {
    RunCell::Text(Some(text.to_string()))
}

fn maybe(text: Option<impl ToString>) -> RunCell {
    RunCell::Text(text.map(|text| text.to_string()))
}

fn number(number: i64) -> RunCell {
    RunCell::Number(Some(number))
}

fn number_of(number: Option<u64>) -> RunCell {
    RunCell::Number(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
}

fn at(at: Option<DateTime<Utc>>) -> RunCell {
    RunCell::Instant(at.map(|at| at.timestamp_micros()))
}

#[async_trait]
impl RunRecords for Records {
    async fn rows(&self, table: RunTable, run: Option<i64>) -> Result<Vec<Row>, BoxError> {
        match table {
            RunTable::Schedules => self.schedules().await,
            RunTable::Runs => self.runs(run).await,
            RunTable::Steps => self.steps(run).await,
            RunTable::Attempts => self.attempts(run).await,
            RunTable::RunLogs => self.logs(run).await,
            RunTable::Datums => self.datums().await,
            RunTable::Filesets => self.filesets().await,
            _ => Ok(Vec::new()),
        }
    }
}

impl Records {
    async fn schedules(&self) -> Result<Vec<Row>, BoxError> {
        let mut rows = Vec::new();
        for record in self.store.schedules().await? {
            let schedule = &record.schedule;
            let filter = RunFilter {
                schedule: Some(schedule.name.clone()),
                most: 1,
                ..RunFilter::default()
            };
            let last = self.store.runs(&filter).await?.into_iter().next();
            let zone = match &schedule.trigger {
                Trigger::Cron { cron, .. } => Some(cron.zone().name()),
                _ => None,
            };
            rows.push(vec![
                text(&schedule.name),
                text(schedule.trigger.as_str()),
                text(serde_json::to_string(&schedule.trigger)?),
                maybe(zone),
                number(i64::try_from(schedule.target.assets.len()).unwrap_or(i64::MAX)),
                RunCell::Truth(record.paused_at.is_some()),
                at(record.paused_at),
                at(record.next_at),
                at(record.deadline_at),
                RunCell::Number(last.as_ref().map(|run| run.id.0)),
                maybe(last.as_ref().map(|run| run.state)),
                at(last.as_ref().map(|run| run.created_at)),
            ]);
        }
        Ok(rows)
    }

    /// Returns the runs that are asked for.
    async fn wanted(&self, run: Option<i64>) -> Result<Vec<Run>, BoxError> {
        let filter = RunFilter {
            before: run.map(|run| RunId(run.saturating_add(1))),
            most: if run.is_some() { 1 } else { RUNS },
            ..RunFilter::default()
        };
        let mut found = self.store.runs(&filter).await?;
        found.retain(|found| run.is_none_or(|run| run == found.id.0));
        Ok(found)
    }

    async fn ids(&self, run: Option<i64>) -> Result<Vec<RunId>, BoxError> {
        Ok(self.wanted(run).await?.iter().map(|run| run.id).collect())
    }

    async fn runs(&self, wanted: Option<i64>) -> Result<Vec<Row>, BoxError> {
        let mut rows = Vec::new();
        for mut run in self.wanted(wanted).await? {
            if matches!(run.cause.parts().0, "inputs" | "rerun") {
                run = self.store.run(run.id).await?;
            }
            let (cause, detail) = run.cause.parts();
            let inputs = match run.inputs.is_empty() {
                true => None,
                false => Some(serde_json::to_string(&run.inputs)?),
            };
            rows.push(vec![
                number(run.id.0),
                maybe(run.schedule.as_ref()),
                text(cause),
                maybe(detail),
                at(run.scheduled_at),
                maybe(run.partition.as_ref()),
                RunCell::Number(run.backfill.map(|id| id.0)),
                RunCell::Number(run.rerun_of.map(|id| id.0)),
                text(run.state),
                maybe(run.reason.as_ref()),
                RunCell::Truth(run.held),
                at(Some(run.created_at)),
                at(run.started_at),
                at(run.ended_at),
                RunCell::Text(inputs),
            ]);
        }
        Ok(rows)
    }

    async fn steps(&self, run: Option<i64>) -> Result<Vec<Row>, BoxError> {
        let steps = self.store.steps_of(&self.ids(run).await?).await?;
        let row = |step: weir_flow::Step| {
            vec![
                number(step.id.0),
                number(step.run.0),
                text(&step.asset),
                text(step.kind),
                text(&step.pool),
                number(i64::from(step.priority)),
                text(step.state),
                maybe(step.reason.as_ref()),
                number(i64::from(step.attempts)),
                number(i64::from(step.waits_for)),
                at(step.not_before.filter(|_| !step.state.has_ended())),
                at(step.started_at),
                at(step.ended_at),
            ]
        };
        Ok(steps.into_iter().map(row).collect())
    }

    async fn attempts(&self, run: Option<i64>) -> Result<Vec<Row>, BoxError> {
        let attempts = self.store.attempts_of(&self.ids(run).await?).await?;
        let row = |(run, attempt): (RunId, weir_flow::AttemptRecord)| {
            vec![
                number(attempt.id.0),
                number(attempt.step.0),
                number(run.0),
                number(i64::from(attempt.number)),
                text(attempt.state),
                maybe(attempt.class.map(|class| class.as_str())),
                maybe(attempt.reason.as_ref()),
                text(&attempt.node),
                maybe(attempt.published.as_ref()),
                at(Some(attempt.started_at)),
                at(attempt.ended_at),
            ]
        };
        Ok(attempts.into_iter().map(row).collect())
    }

    async fn logs(&self, run: Option<i64>) -> Result<Vec<Row>, BoxError> {
        let ids = self.ids(run).await?;
        let steps = self.store.steps_of(&ids).await?;
        let assets: HashMap<_, _> = steps.iter().map(|step| (step.id, &step.asset)).collect();
        let attempts = self.store.attempts_of(&ids).await?;
        let known: HashMap<_, _> = attempts
            .iter()
            .map(|(run, attempt)| (attempt.id, (run, attempt.step)))
            .collect();
        let wanted: Vec<_> = known.keys().copied().collect();
        let lines = self.store.logs_of(&wanted, LINES).await?;
        let row = |(attempt, line): (weir_flow::AttemptId, weir_flow::LogLine)| {
            let (run, step) = known.get(&attempt)?;
            Some(vec![
                number(run.0),
                number(step.0),
                maybe(assets.get(step)),
                number(attempt.0),
                number(i64::try_from(line.number).unwrap_or(i64::MAX)),
                at(Some(line.at)),
                text(&line.text),
            ])
        };
        Ok(lines.into_iter().filter_map(row).collect())
    }

    async fn datums(&self) -> Result<Vec<Row>, BoxError> {
        let row = |datum: DatumRow| {
            let details = datum.details;
            let count = |number: u64| number_of(Some(number));
            vec![
                text(&datum.step),
                text(datum.key),
                text(&details.label),
                text(datum.state),
                RunCell::Number(details.run.parse().ok()),
                number(i64::from(details.tries)),
                count(details.outputs.len() as u64),
                count(details.bytes),
                count(details.ms),
                count(details.cpu_ms),
                count(details.memory),
                RunCell::Number(details.exit_code.map(i64::from)),
                maybe(details.reason.as_ref()),
                text(&details.log),
                at(Some(details.ended_at)),
            ]
        };
        let datums = self.keep.ledger.list(None, DATUMS).await?;
        Ok(datums.into_iter().map(row).collect())
    }

    async fn filesets(&self) -> Result<Vec<Row>, BoxError> {
        let files = self.keep.files.clone();
        let all = tokio::task::spawn_blocking(move || files.list()).await??;
        // What was seen in folders of the project is Weir's own.
        let shown = all.into_iter().filter(|(name, _)| !name.starts_with('_'));
        let row = |(name, fileset): (String, FilesetRef)| {
            let (name, branch) = name.split_once('@').unwrap_or((&name, ""));
            vec![
                text(name),
                text(branch),
                number(fileset.version),
                number_of(Some(fileset.files)),
                number_of(Some(fileset.bytes)),
            ]
        };
        Ok(shown.map(row).collect())
    }
}
