use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_access::Action;
use weir_flow::{Cause, Resume, RunFilter, RunId, ScheduleName};

use super::routes::Started;
use super::shape::{Counts, RunShape, ScheduleShape};
use super::{Runs, body};
use crate::auth::{Door, SignedIn};
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
        let dashboard = runs.desk.sends(&record.schedule.name);
        schedules.push(ScheduleShape::new(&record, last, dashboard));
    }
    Ok(Json(Schedules {
        schedules,
        problem: runs.desk.problem(),
    }))
}

pub(super) async fn pause(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let name = ScheduleName::new(name);
    runs.flow.pause(&name).await?;
    let object = format!("schedule {name}");
    runs.note(&who.actor(), "schedule.pause", object, None)
        .await;
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
    who: SignedIn,
    Path(name): Path<String>,
    go_on: Result<Json<GoOn>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let GoOn { skip } = body(go_on)?;
    let resume = if skip { Resume::Skip } else { Resume::Drain };
    let name = ScheduleName::new(name);
    runs.flow.resume(&name, resume).await?;
    let (object, after) = (format!("schedule {name}"), Some(json!({ "skip": skip })));
    runs.note(&who.actor(), "schedule.resume", object, after)
        .await;
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
    let (cause, by) = match is_call {
        true => (Cause::Webhook(key.unwrap_or_default().to_owned()), None),
        false => {
            let who = door
                .permit(address, &Method::POST, &headers, Action::Operate)
                .await?;
            let cause = Cause::Manual(who.identity().user().to_owned());
            (cause, Some(who.actor()))
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
    // Of calls the run itself tells.
    if let Some(by) = by {
        let (object, after) = (format!("schedule {name}"), Some(json!({ "run": run.0 })));
        runs.note(&by, "schedule.trigger", object, after).await;
    }
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
