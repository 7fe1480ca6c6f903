use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use weir_access::Action;
use weir_flow::{Cause, Resume, RunFilter, RunId, ScheduleName};

use super::routes::Started;
use super::shape::{Counts, RunShape, ScheduleShape};
use super::{Runs, body};
use crate::auth::Door;
use crate::error::ApiError;
use crate::server::ClientAddress;

/// The longest key by which a caller makes one run only.
const MOST_KEY: usize = 200;

#[derive(Serialize)]
pub(super) struct Schedules {
    schedules: Vec<ScheduleShape>,
    /// What is wrong with the files, if they are not what is in force.
    problem: Option<String>,
}

pub(super) async fn list(State(runs): State<Runs>) -> Result<Json<Schedules>, ApiError> {
    let store = runs.flow.store();
    let mut schedules = Vec::new();
    for record in store.schedules().await? {
        let filter = RunFilter {
            schedule: Some(record.schedule.name.clone()),
            most: 1,
            ..RunFilter::default()
        };
        let last = match store.runs(&filter).await?.first() {
            None => None,
            Some(run) => {
                let steps = store.steps(run.id).await?;
                Some(RunShape::new(run, Counts::of(&steps)))
            }
        };
        schedules.push(ScheduleShape::new(&record, last));
    }
    Ok(Json(Schedules {
        schedules,
        problem: runs.desk.problem(),
    }))
}

pub(super) async fn pause(
    State(runs): State<Runs>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    runs.flow.pause(&ScheduleName::new(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoOn {
    /// Whether what waited meanwhile is left out.
    #[serde(default)]
    skip: bool,
}

pub(super) async fn resume(
    State(runs): State<Runs>,
    Path(name): Path<String>,
    go_on: Result<Json<GoOn>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let resume = match body(go_on)?.skip {
        true => Resume::Skip,
        false => Resume::Drain,
    };
    runs.flow.resume(&ScheduleName::new(name), resume).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Runs a schedule now, for whoever may operate the server or shows the schedule's own token.
///
/// With an `Idempotency-Key`, the same key makes one run only.
pub(super) async fn trigger(
    State((runs, door)): State<(Runs, Door)>,
    ClientAddress(address): ClientAddress,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let name = ScheduleName::new(name);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = text("idempotency-key").filter(|key| !key.is_empty());
    if key.is_some_and(|key| key.len() > MOST_KEY) {
        return Err(ApiError::invalid(format!(
            "the key is longer than {MOST_KEY} bytes"
        )));
    }
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = bearer
        .map(|(_, token)| token.trim())
        .or_else(|| text("x-weir-token"));
    let is_call = token.is_some_and(|token| runs.desk.takes(&name, token));
    let cause = match is_call {
        true => Cause::Webhook(key.unwrap_or_default().to_owned()),
        false => {
            let who = door.permit(address, &headers, Action::Operate).await?;
            Cause::Manual(who.identity().user().to_owned())
        }
    };
    if is_call
        && key.is_none()
        && let Some(run) = waiting(&runs, &name).await?
    {
        // It has begun nothing yet, so it will see whatever this call is about.
        return Ok((StatusCode::ACCEPTED, Json(Started { run: run.0 })));
    }
    let run = runs.flow.trigger(&name, cause, key).await?;
    Ok((StatusCode::ACCEPTED, Json(Started { run: run.0 })))
}

/// Returns a run of a schedule of which nothing has begun.
async fn waiting(runs: &Runs, name: &ScheduleName) -> Result<Option<RunId>, ApiError> {
    let filter = RunFilter {
        schedule: Some(name.clone()),
        state: Some(weir_flow::State::Queued),
        most: 1,
        ..RunFilter::default()
    };
    let found = runs.flow.store().runs(&filter).await?;
    Ok(found
        .first()
        .filter(|run| run.started_at.is_none())
        .map(|run| run.id))
}
