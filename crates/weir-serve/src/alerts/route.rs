use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chrono::Utc;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_catalog::{Condition, NewWatch, Watch};

use super::{Rooms, key, watch};
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::runs::known_receivers;

type Done<T> = Result<T, ApiError>;

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(rooms: Rooms) -> Router {
    Router::new()
        .route("/api/v1/alerts", get(list).post(create))
        .route("/api/v1/alerts/{id}", delete(remove))
        .route("/api/v1/alerts/{id}/check", post(check))
        .with_state(rooms)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    question: String,
    condition: Condition,
    every_minutes: i64,
    /// Who is told; everybody when nobody is named.
    #[serde(default)]
    receivers: Vec<String>,
}

async fn list(State(rooms): State<Rooms>, who: SignedIn) -> Done<Json<Value>> {
    let alerts = rooms.catalog.watches(&who.actor()).await?;
    let receivers = rooms.desk.receivers();
    Ok(Json(json!({ "alerts": alerts, "receivers": receivers })))
}

async fn create(
    State(rooms): State<Rooms>,
    who: SignedIn,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Done<(StatusCode, Json<Watch>)> {
    let Json(wanted) = wanted.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    known_receivers(&*rooms.desk, &wanted.receivers)?;
    let new = NewWatch {
        name: wanted.name,
        question: wanted.question,
        condition: wanted.condition,
        every_minutes: wanted.every_minutes,
        receivers: wanted.receivers,
    };
    let made = rooms.catalog.create_watch(&who.actor(), new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn remove(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    let gone = rooms.catalog.delete_watch(&who.actor(), &id).await?;
    // Whoever was told that something is wrong is told that nobody looks any more.
    let store = rooms.flow.store();
    store.incident(&key(&gone), None, Utc::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks one now, for whoever made it or an admin; tells how it went.
async fn check(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    let all = rooms.catalog.watches(&who.actor()).await?;
    let found = all.into_iter().find(|watch| watch.id == id);
    let found = found.ok_or_else(|| ApiError::not_found("there is no such alert"))?;
    let admin = rooms.catalog.access().decide(
        who.identity(),
        weir_access::Action::Admin,
        &weir_access::Object::Server,
    );
    if found.made_by != who.identity().user() && !admin.allowed {
        return Err(ApiError::denied(format!(
            "this alert is `{}`'s",
            found.made_by
        )));
    }
    let asker = rooms.catalog.access().identity(&found.made_by);
    let (bad, said) = watch::look(&rooms, &found, asker).await;
    Ok(Json(json!({ "bad": bad, "said": said })))
}
