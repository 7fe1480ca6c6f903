//! Whose questions, dashboards and tables are.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_access::{Action, Object};
use weir_catalog::{Catalog, DocumentKind};
use weir_core::TableName;
use weir_query::Engine;

use super::route::{Body, Done, body};
use crate::auth::SignedIn;
use crate::error::ApiError;

#[derive(Clone)]
struct Rooms {
    catalog: Catalog,
    engine: Engine,
}

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(catalog: Catalog, engine: Engine) -> Router {
    Router::new()
        .route("/api/v1/tables/owners", get(tables))
        .route("/api/v1/tables/{schema}/{table}/owner", put(table))
        .route("/api/v1/questions/{id}/owner", put(question))
        .route("/api/v1/dashboards/{id}/owner", put(dashboard))
        .route("/api/v1/people", get(people))
        .with_state(Rooms { catalog, engine })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    owner: String,
}

/// Lists who owns the tables and views that one may read.
async fn tables(State(rooms): State<Rooms>, who: SignedIn) -> Done<Json<Value>> {
    let access = rooms.catalog.access();
    let instant = rooms.engine.instant().await;
    let tables = instant.tables().tables.keys();
    let tables = tables.map(|name| (name.schema().to_owned(), name.table().to_owned()));
    let views = rooms.catalog.views();
    let views = views
        .iter()
        .map(|view| (view.schema.clone(), view.name.clone()));
    let rights = access.rights(who.identity());
    let owned = tables.chain(views).filter_map(|(schema, table)| {
        let object = Object::Table {
            schema: &schema,
            table: &table,
        };
        let owner = access.owner_of(&object)?;
        rights
            .may(Action::Select, &object)
            .then(|| json!({ "schema_name": schema, "table_name": table, "owner": owner }))
    });
    Ok(Json(json!({ "tables": owned.collect::<Vec<_>>() })))
}

async fn table(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path((schema, table)): Path<(String, String)>,
    sent: Body<Given>,
) -> Done<StatusCode> {
    let given = body(sent)?;
    let none = || ApiError::not_found("there is no such table, or you may not read it");
    let access = rooms.catalog.access();
    let object = Object::Table {
        schema: &schema,
        table: &table,
    };
    let reads = access.decide(who.identity(), Action::Select, &object);
    let name = TableName::new(&schema, &table).map_err(|_| none())?;
    let views = rooms.catalog.views();
    let is_view = views
        .iter()
        .any(|view| view.schema == schema && view.name == table);
    let instant = rooms.engine.instant().await;
    if !reads.allowed || !(is_view || instant.tables().table(&name).is_some()) {
        return Err(none());
    }
    let by = who.actor();
    let giving = rooms
        .catalog
        .give_table(&by, (&schema, &table), &given.owner);
    giving.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn question(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Result<Json<Given>, JsonRejection>,
) -> Done<StatusCode> {
    give(&rooms, &who, DocumentKind::Question, &id, body(sent)?).await
}

async fn dashboard(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Result<Json<Given>, JsonRejection>,
) -> Done<StatusCode> {
    give(&rooms, &who, DocumentKind::Dashboard, &id, body(sent)?).await
}

async fn give(
    rooms: &Rooms,
    who: &SignedIn,
    kind: DocumentKind,
    id: &str,
    given: Given,
) -> Done<StatusCode> {
    let by = who.actor();
    let giving = rooms.catalog.give_document(&by, kind, id, &given.owner);
    giving.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the names of those who may sign in, for choosing an owner.
async fn people(State(rooms): State<Rooms>, _: SignedIn) -> Json<Value> {
    let access = rooms.catalog.access();
    let people = access.users().filter(|user| !user.disabled);
    let mut names: Vec<&str> = people.map(|user| user.name.as_str()).collect();
    names.sort_unstable();
    Json(json!({ "people": names }))
}
