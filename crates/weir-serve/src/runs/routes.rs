use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_flow::{Rerun, RunFilter, RunId, ScheduleName, State as Stage, Target};

use super::shape::{Counts, LineShape, RunDetail, RunShape, StepShape};
use super::{Runs, body, number, query};
use crate::auth::SignedIn;
use crate::error::ApiError;

/// As many runs are listed at most.
const MOST_RUNS: u32 = 1_000;
/// As many lines of a log come with one answer.
const MOST_LINES: u32 = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    schedule: Option<String>,
    state: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Listed {
    runs: Vec<RunShape>,
}

pub(super) async fn list(
    State(runs): State<Runs>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Listed>, ApiError> {
    let filter = query(filter)?;
    let state = match &filter.state {
        None => None,
        Some(word) => Some(Stage::parse(word).ok_or_else(|| {
            ApiError::invalid(format!("`{word}` is no state of a run"))
                .with_hint("it is queued, running, succeeded, failed, cancelled or skipped")
        })?),
    };
    let filter = RunFilter {
        schedule: filter.schedule.map(ScheduleName::new),
        state,
        before: filter.before.map(RunId),
        most: filter.limit.unwrap_or(50).min(MOST_RUNS),
    };
    let store = runs.flow.store();
    let found = store.runs(&filter).await?;
    let ids: Vec<RunId> = found.iter().map(|run| run.id).collect();
    let steps = store.steps_of(&ids).await?;
    let shape = |run: &weir_flow::Run| {
        let own = steps.iter().filter(|step| step.run == run.id);
        RunShape::new(run, Counts::of(own))
    };
    Ok(Json(Listed {
        runs: found.iter().map(shape).collect(),
    }))
}

/// What to bring up to date.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// As `--select` takes it; everything when empty.
    #[serde(default)]
    select: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Started {
    pub(super) run: i64,
}

pub(super) async fn start(
    State(runs): State<Runs>,
    who: SignedIn,
    start: Result<Json<Start>, JsonRejection>,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let Start { select } = body(start)?;
    let target = Target::only(runs.desk.assets(&select)?);
    let run = runs
        .flow
        .run_assets(&target, None, who.identity().user())
        .await?;
    let after = Some(json!({ "select": select }));
    runs.note(&who.actor(), "run.start", format!("run {run}"), after)
        .await;
    Ok((StatusCode::ACCEPTED, Json(Started { run: run.0 })))
}

pub(super) async fn show(
    State(runs): State<Runs>,
    Path(run): Path<String>,
) -> Result<Json<RunDetail>, ApiError> {
    let id = RunId(number(&run, "run")?);
    let store = runs.flow.store();
    let run = store.run(id).await?;
    let steps = store.steps(id).await?;
    let attempts = store.attempts_of(&[id]).await?;
    let attempts: Vec<_> = attempts.into_iter().map(|(_, attempt)| attempt).collect();
    let details = steps
        .iter()
        .map(|step| StepShape::new(&runs, step, &attempts));
    let details = details.collect();
    Ok(Json(RunDetail::new(&run, Counts::of(&steps), details)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogFilter {
    /// Only of this asset.
    step: Option<String>,
    /// Only of this attempt.
    attempt: Option<i64>,
    /// Lines of each attempt from this number on.
    #[serde(default)]
    from: u64,
}

#[derive(Serialize)]
pub(super) struct Lines {
    /// Where the run is: once it has ended, nothing comes any more.
    state: &'static str,
    /// By attempt, in the order in which they began; lines that were left out leave a gap.
    lines: Vec<LineShape>,
}

pub(super) async fn logs(
    State(runs): State<Runs>,
    Path(run): Path<String>,
    filter: Result<Query<LogFilter>, QueryRejection>,
) -> Result<Json<Lines>, ApiError> {
    let id = RunId(number(&run, "run")?);
    let filter = query(filter)?;
    let store = runs.flow.store();
    // Asked first: what the run's last step wrote is in the store when the run has ended.
    let run = store.run(id).await?;
    let steps = store.steps(id).await?;
    if let Some(asset) = &filter.step {
        known(asset, &steps)?;
    }
    let wanted = |asset: &str| {
        let named = filter.step.as_deref();
        named.is_none_or(|named| named == asset || asset.ends_with(&format!(".{named}")))
    };
    let mut lines = Vec::new();
    for (_, attempt) in store.attempts_of(&[id]).await? {
        let Some(step) = steps.iter().find(|step| step.id == attempt.step) else {
            continue;
        };
        let is_wanted = filter.attempt.is_none_or(|wanted| wanted == attempt.id.0);
        if !is_wanted || !wanted(step.asset.as_str()) || lines.len() >= MOST_LINES as usize {
            continue;
        }
        let found = store.log(attempt.id, filter.from, MOST_LINES).await?;
        lines.extend(
            found
                .into_iter()
                .map(|line| LineShape::new(step, &attempt, line)),
        );
    }
    Ok(Json(Lines {
        state: run.state.as_str(),
        lines,
    }))
}

fn known(asset: &str, steps: &[weir_flow::Step]) -> Result<(), ApiError> {
    let names: Vec<&str> = steps.iter().map(|step| step.asset.as_str()).collect();
    let short: Vec<&str> = names
        .iter()
        .filter_map(|name| name.rsplit('.').next())
        .collect();
    let ends = |name: &&str| *name == asset || name.ends_with(&format!(".{asset}"));
    if names.iter().any(ends) {
        return Ok(());
    }
    let error = ApiError::not_found(format!("the run has no step `{asset}`"));
    Err(match weir_core::did_you_mean(asset, &short) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error,
    })
}

/// What of a run is run again; everything unless more is said.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// Only what did not succeed, and what needs it.
    #[serde(default)]
    from_failed: bool,
    /// Only these and what in the run needs them.
    #[serde(default)]
    select: Vec<String>,
}

pub(super) async fn retry(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(run): Path<String>,
    retry: Result<Json<Retry>, JsonRejection>,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let id = RunId(number(&run, "run")?);
    let Retry {
        from_failed,
        select,
    } = body(retry)?;
    let what = match (from_failed, select.is_empty()) {
        (true, false) => {
            return Err(ApiError::invalid(
                "either `from_failed` or `select`, not both",
            ));
        }
        (true, true) => Rerun::FromFailed,
        (false, true) => Rerun::All,
        (false, false) => Rerun::Subtree(runs.desk.assets(&select)?),
    };
    let run = runs.flow.rerun(id, &what, who.identity().user()).await?;
    let after = Some(json!({ "rerun_of": id.0, "from_failed": from_failed, "select": select }));
    runs.note(&who.actor(), "run.retry", format!("run {run}"), after)
        .await;
    Ok((StatusCode::ACCEPTED, Json(Started { run: run.0 })))
}

pub(super) async fn cancel(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(run): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = RunId(number(&run, "run")?);
    runs.flow.cancel(id, who.identity().user()).await?;
    runs.note(&who.actor(), "run.cancel", format!("run {id}"), None)
        .await;
    Ok(StatusCode::NO_CONTENT)
}
