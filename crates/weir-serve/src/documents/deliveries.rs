//! Dashboards that are sent by the clock, to those whom `schedules.yml` names.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use weir_access::{Action, Object};
use weir_catalog::{Catalog, Delivery, DocumentKind, NewDelivery};
use weir_flow::{Cause, Cron, ScheduleName};

use super::filters::filter_values;
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::runs::{Last, Runs, known_receivers, last};

#[derive(Clone)]
struct Rooms {
    catalog: Catalog,
    runs: Runs,
}

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(runs: Runs) -> Router {
    let rooms = Rooms {
        catalog: runs.catalog.clone(),
        runs,
    };
    Router::new()
        .route("/api/v1/dashboards/{id}/deliveries", get(list).post(create))
        .route(
            "/api/v1/dashboards/{id}/deliveries/{delivery}",
            delete(remove),
        )
        .route(
            "/api/v1/dashboards/{id}/deliveries/{delivery}/send",
            post(send),
        )
        .with_state(rooms)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    receivers: Vec<String>,
    cron: String,
    #[serde(default = "utc")]
    zone: String,
    #[serde(default)]
    filters: Map<String, Value>,
}

fn utc() -> String {
    "UTC".to_owned()
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    delivery: Delivery,
    goes: Last,
}

fn schedule_of(delivery: &Delivery) -> ScheduleName {
    ScheduleName::new(format!("delivery.{}", delivery.id))
}

async fn shown(rooms: &Rooms, who: &SignedIn, delivery: Delivery) -> Result<Shown, ApiError> {
    let access = rooms.catalog.access();
    let operates = access.decide(who.identity(), Action::Operate, &Object::Server);
    let tells = delivery.owner == who.identity().user() || operates.allowed;
    let goes = last(&rooms.runs, &schedule_of(&delivery), tells).await?;
    Ok(Shown { delivery, goes })
}

async fn list(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let mut deliveries = Vec::new();
    for delivery in rooms.catalog.deliveries_of(&who.actor(), &id).await? {
        deliveries.push(shown(&rooms, &who, delivery).await?);
    }
    let receivers = rooms.runs.desk.receivers();
    Ok(Json(
        json!({ "deliveries": deliveries, "receivers": receivers }),
    ))
}

async fn create(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Shown>), ApiError> {
    let Json(wanted) = wanted.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    Cron::parse(&wanted.cron, &wanted.zone)?;
    known_receivers(&*rooms.runs.desk, &wanted.receivers)?;
    let kind = DocumentKind::Dashboard;
    let by = who.actor();
    let saved = rooms.catalog.document(&by, kind, &id, None).await?;
    // What cannot be read now is no surprise of the first morning.
    filter_values(&saved.body, &wanted.filters, Utc::now().date_naive())
        .map_err(ApiError::invalid)?;
    let new = NewDelivery {
        receivers: wanted.receivers,
        filters: Value::Object(wanted.filters),
        cron: wanted.cron.trim().to_owned(),
        zone: wanted.zone,
    };
    let made = rooms.catalog.create_delivery(&by, &id, new).await?;
    rooms.runs.desk.refresh().await;
    Ok((StatusCode::CREATED, Json(shown(&rooms, &who, made).await?)))
}

async fn remove(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path((id, delivery)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let by = who.actor();
    rooms.catalog.delete_delivery(&by, &id, &delivery).await?;
    rooms.runs.desk.refresh().await;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends it now, for whoever has it sent, and admins.
async fn send(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path((id, delivery)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let by = who.actor();
    let all = rooms.catalog.deliveries_of(&by, &id).await?;
    let found = all.into_iter().find(|one| one.id == delivery);
    let found = found.ok_or_else(|| ApiError::not_found("there is no such delivery"))?;
    if !rooms.catalog.is_theirs(&by, &found) {
        return Err(ApiError::denied(format!(
            "this is sent for `{}`, who may send it now",
            found.owner
        )));
    }
    rooms.runs.desk.refresh().await;
    let name = schedule_of(&found);
    let cause = Cause::Manual(who.identity().user().to_owned());
    let run = rooms.runs.flow.trigger(&name, cause, None).await?;
    let after = Some(json!({ "run": run.0 }));
    rooms
        .runs
        .note(&by, "schedule.trigger", format!("schedule {name}"), after)
        .await;
    Ok((StatusCode::ACCEPTED, Json(json!({ "run": run.0 }))))
}
