use chrono::{DateTime, Utc};
use serde::Serialize;
use weir_flow::{FlowErrorKind, RunFilter, ScheduleName};

use super::Runs;
use crate::error::ApiError;

/// How a schedule of one thing stands, for the page of that thing.
#[derive(Serialize)]
pub(crate) struct Last {
    /// What runs and schedules call it.
    schedule: String,
    paused: bool,
    next_at: Option<DateTime<Utc>>,
    last_run: Option<LastRun>,
}

#[derive(Serialize)]
struct LastRun {
    run: i64,
    state: &'static str,
    at: DateTime<Utc>,
    /// For whoever's rights it has, and for those who may see runs.
    reason: Option<String>,
}

/// Returns how a schedule stands; `tells` says whether why it failed may be told.
pub(crate) async fn last(runs: &Runs, name: &ScheduleName, tells: bool) -> Result<Last, ApiError> {
    let store = runs.flow.store();
    let record = match store.schedule(name).await {
        Ok(record) => Some(record),
        // It is taken over in a moment, or does not fit.
        Err(error) if error.kind() == FlowErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let filter = RunFilter {
        schedule: Some(name.clone()),
        most: 1,
        ..RunFilter::default()
    };
    let last_run = match store.runs(&filter).await?.into_iter().next() {
        None => None,
        Some(run) => {
            let steps = store.steps(run.id).await?;
            let why = steps.into_iter().find_map(|step| step.reason);
            Some(LastRun {
                run: run.id.0,
                state: run.state.as_str(),
                at: run.ended_at.unwrap_or(run.created_at),
                reason: why.or(run.reason).filter(|_| tells),
            })
        }
    };
    Ok(Last {
        schedule: name.to_string(),
        paused: record.as_ref().is_some_and(|one| one.paused_at.is_some()),
        next_at: record.and_then(|one| one.next_at),
        last_run,
    })
}
