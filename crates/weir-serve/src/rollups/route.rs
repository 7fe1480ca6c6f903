use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_access::{Action, Object};
use weir_catalog::{
    Actor, DocumentKind, NewRollup, Rollup, RollupReads, RollupTrigger, SavedDocument,
};
use weir_core::TableName;
use weir_flow::{Cause, Cron, ScheduleName};

use super::Rooms;
use super::reads::reads;
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::query::Refusal;
use crate::runs::{Last, last};

/// The longest time that changes may wait, in seconds: a month.
const LONGEST_WAIT: u32 = 31 * 24 * 60 * 60;
/// How long changes are gathered unless somebody says so, in seconds.
const USUAL_WAIT: u32 = 60;

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(rooms: Rooms) -> Router {
    Router::new()
        .route("/api/v1/rollups", get(list))
        .route(
            "/api/v1/questions/{id}/rollup",
            get(one).put(put).delete(remove),
        )
        .route("/api/v1/questions/{id}/rollup/run", post(run))
        .with_state(rooms)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    schema_name: String,
    table_name: String,
    /// When it is built; without one, when what it reads changes.
    cron: Option<String>,
    zone: Option<String>,
    /// How long changes are gathered.
    at_most_every_seconds: Option<u32>,
}

/// A rollup, and how it goes.
#[derive(Serialize)]
struct Shown {
    rollup: Option<Rollup>,
    /// Why it does not run: what else makes its table, or a circle.
    problem: Option<String>,
    goes: Option<Last>,
}

async fn list(State(rooms): State<Rooms>, who: SignedIn) -> Result<Json<Value>, ApiError> {
    let rollups = rooms.catalog.rollups_for(&who.actor()).await?;
    Ok(Json(json!({ "rollups": rollups })))
}

async fn one(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Shown>, ApiError> {
    let rollup = rooms.catalog.rollup(&who.actor(), &id).await?;
    Ok(Json(shown(&rooms, &who, rollup).await?))
}

async fn shown(rooms: &Rooms, who: &SignedIn, rollup: Option<Rollup>) -> Result<Shown, ApiError> {
    let Some(rollup) = rollup else {
        return Ok(Shown {
            rollup: None,
            problem: None,
            goes: None,
        });
    };
    let tells = rollup.owner == who.identity().user() || may(rooms, who, Action::Operate);
    Ok(Shown {
        goes: Some(last(&rooms.runs, &schedule_of(&rollup), tells).await?),
        problem: rooms.runs.desk.unfit(&rollup.question),
        rollup: Some(rollup),
    })
}

fn schedule_of(rollup: &Rollup) -> ScheduleName {
    ScheduleName::new(format!("rollup.{}.{}", rollup.schema, rollup.table))
}

fn may(rooms: &Rooms, who: &SignedIn, action: Action) -> bool {
    let access = rooms.catalog.access();
    access
        .decide(who.identity(), action, &Object::Server)
        .allowed
}

async fn put(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Shown>, Refusal> {
    let Json(wanted) = wanted.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let trigger = trigger(&wanted)?;
    let (catalog, by) = (&rooms.catalog, who.actor());
    let before = catalog.rollup(&by, &id).await.map_err(ApiError::from)?;
    let saved = catalog.document(&by, DocumentKind::Question, &id, None);
    let saved = saved.await.map_err(ApiError::from)?;
    let own = before.as_ref().is_some_and(|before| {
        before.schema == wanted.schema_name && before.table == wanted.table_name
    });
    may_make(&rooms, &who, &wanted, own).await?;
    let names = (wanted.schema_name.as_str(), wanted.table_name.as_str());
    let caller = who.caller("rollup");
    let reads = reads(&rooms.engine, &caller, names, &saved.body).await?;
    if reads.follows.is_empty() && matches!(trigger, RollupTrigger::Inputs { .. }) {
        return Err(
            ApiError::invalid("the question reads no table whose rows could change")
                .with_hint("let it be built by the clock")
                .into(),
        );
    }
    let new = NewRollup {
        schema: wanted.schema_name,
        table: wanted.table_name,
        version: saved.shown_version,
        trigger,
        reads,
    };
    let made = catalog.put_rollup(&by, &id, new).await;
    let made = made.map_err(ApiError::from)?;
    rooms.runs.desk.refresh().await;
    if let Some(problem) = rooms.runs.desk.unfit(&id) {
        // As before: one that cannot run would only look as if it did.
        take_back(&rooms, &who, &id, before).await?;
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", problem)
            .with_hint("name another table, or change what the question reads")
            .into());
    }
    Ok(Json(shown(&rooms, &who, Some(made)).await?))
}

/// Makes a question's rollup what it was.
async fn take_back(
    rooms: &Rooms,
    who: &SignedIn,
    id: &str,
    before: Option<Rollup>,
) -> Result<(), ApiError> {
    rooms.catalog.delete_rollup(&who.actor(), id).await?;
    let access = rooms.catalog.access();
    // With the rights it had; whose they were that may not sign in any more is built no more anyway.
    let owner = before.as_ref().and_then(|one| access.identity(&one.owner));
    if let (Some(before), Some(owner)) = (before, owner) {
        let new = NewRollup {
            schema: before.schema,
            table: before.table,
            version: before.version,
            trigger: before.trigger,
            reads: RollupReads {
                reads: before.reads,
                follows: before.follows,
            },
        };
        let by = Actor::new(owner, "http");
        rooms.catalog.put_rollup(&by, id, new).await?;
    }
    rooms.runs.desk.refresh().await;
    Ok(())
}

fn trigger(wanted: &Wanted) -> Result<RollupTrigger, ApiError> {
    match &wanted.cron {
        Some(cron) => {
            let zone = wanted.zone.as_deref().unwrap_or("UTC");
            Cron::parse(cron, zone)?;
            Ok(RollupTrigger::Cron {
                cron: cron.trim().to_owned(),
                zone: zone.to_owned(),
            })
        }
        None => {
            if wanted.zone.is_some() {
                return Err(ApiError::invalid("`zone` says nothing without `cron`"));
            }
            let seconds = wanted.at_most_every_seconds.unwrap_or(USUAL_WAIT);
            if !(1..=LONGEST_WAIT).contains(&seconds) {
                return Err(ApiError::invalid(format!(
                    "changes are gathered for 1 to {LONGEST_WAIT} seconds"
                )));
            }
            Ok(RollupTrigger::Inputs {
                at_most_every_seconds: seconds,
            })
        }
    }
}

/// Checks that somebody may make a table, which takes nobody's place.
async fn may_make(
    rooms: &Rooms,
    who: &SignedIn,
    wanted: &Wanted,
    own: bool,
) -> Result<(), ApiError> {
    let (schema, table) = (&wanted.schema_name, &wanted.table_name);
    let name = TableName::new(schema, table)
        .map_err(|error| ApiError::invalid(format!("this is no name of a table: {error}")))?;
    let access = rooms.catalog.access();
    let decision = access.decide(who.identity(), Action::Create, &Object::Schema(schema));
    if !decision.allowed {
        return Err(ApiError::denied(format!(
            "`{}` may not make tables in `{schema}`: {}",
            who.identity().user(),
            decision.reason
        ))
        .with_hint("your own schema is yours"));
    }
    let instant = rooms.engine.instant().await;
    let is_there = instant.tables().table(&name).is_some()
        || rooms
            .catalog
            .views()
            .iter()
            .any(|view| view.schema == *schema && view.name == *table);
    if is_there && !own {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "conflict",
            format!("there is a `{name}` already"),
        )
        .with_hint("name another table, or drop that one first"));
    }
    Ok(())
}

async fn remove(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    rooms.catalog.delete_rollup(&who.actor(), &id).await?;
    rooms.runs.desk.refresh().await;
    Ok(StatusCode::NO_CONTENT)
}

/// Builds it now, for whoever's rights it has, whoever may change the question, and whoever may
/// operate the server.
async fn run(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let by = who.actor();
    let rollup = rooms.catalog.rollup(&by, &id).await?;
    let rollup =
        rollup.ok_or_else(|| ApiError::not_found("this question is not kept as a table"))?;
    if rollup.owner != who.identity().user() && !may(&rooms, &who, Action::Operate) {
        return Err(ApiError::denied(format!(
            "this table is built with the rights of `{}`, who may build it now, as may those who operate the server",
            rollup.owner
        )));
    }
    rooms.runs.desk.refresh().await;
    let cause = Cause::Manual(who.identity().user().to_owned());
    let name = schedule_of(&rollup);
    let run = rooms.runs.flow.trigger(&name, cause, None).await?;
    let after = Some(json!({ "run": run.0 }));
    rooms
        .runs
        .note(&by, "schedule.trigger", format!("schedule {name}"), after)
        .await;
    Ok((StatusCode::ACCEPTED, Json(json!({ "run": run.0 }))))
}

/// Takes over what a question reads that was just saved, where it is kept as a table.
pub(crate) async fn saved(rooms: &Rooms, who: &SignedIn, saved: &SavedDocument) {
    let found = rooms.catalog.rollup(&who.actor(), &saved.document.id).await;
    let Ok(Some(rollup)) = found else { return };
    if rollup.version != saved.shown_version {
        return;
    }
    let names = (rollup.schema.as_str(), rollup.table.as_str());
    let caller = who.caller("rollup");
    // What is wrong with it is told when it is built.
    if let Ok(reads) = reads(&rooms.engine, &caller, names, &saved.body).await {
        let noted = rooms
            .catalog
            .note_rollup_reads(&rollup.question, rollup.version, &reads);
        if let Err(error) = noted.await {
            tracing::warn!(%error, "what a rollup reads is not noted");
        }
    }
}
