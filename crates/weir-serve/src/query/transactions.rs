//! Transactions over HTTP, and what they published.

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_access::Action;
use weir_catalog::{
    Build, Catalog, Publication, PublicationTable, PublicationToken, PublicationView,
};
use weir_query::{BuildNote, Engine, PublishRequest, Published, StandingBuild};

use super::check;
use super::failure::Failure;
use crate::auth::{SignedIn, permit};
use crate::error::ApiError;

/// A project of thousands of models is checked in one request.
const MAX_BODY: usize = 64 << 20;

/// How many publications are listed when nobody says how many.
const PUBLICATIONS: u32 = 100;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub(crate) engine: Engine,
    pub(crate) catalog: Catalog,
}

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn transactions(engine: Engine, catalog: Catalog) -> Router {
    Router::new()
        .route("/api/v1/transactions", post(begin))
        .route("/api/v1/transactions/{id}", axum::routing::delete(discard))
        .route("/api/v1/transactions/{id}/publish", post(publish))
        .route("/api/v1/check", post(check::check))
        .route("/api/v1/builds", get(builds))
        .route("/api/v1/publications", get(publications))
        .route("/api/v1/publications/by-token", get(by_token))
        .route("/api/v1/publications/{id}/rollback", post(roll_back))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Rooms { engine, catalog })
}

/// Why a request of these routes failed.
pub(crate) enum Refusal {
    Api(ApiError),
    Query(Failure),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<weir_query::QueryError> for Refusal {
    fn from(error: weir_query::QueryError) -> Self {
        Self::Query(Failure::from(&error))
    }
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::Api(error) => error.into_response(),
            Self::Query(failure) => failure.into_response(),
        }
    }
}

pub(super) type Answer<T> = Result<Json<T>, Refusal>;

pub(super) fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    body.map(|Json(body)| body)
        .map_err(|rejection| ApiError::invalid(rejection.body_text()))
}

#[derive(Serialize)]
struct Begun {
    id: String,
}

async fn begin(
    State(rooms): State<Rooms>,
    who: SignedIn,
) -> Result<(StatusCode, Json<Begun>), Refusal> {
    let transaction = rooms.engine.begin(who.caller("http"))?;
    let id = transaction.id().to_owned();
    Ok((StatusCode::CREATED, Json(Begun { id })))
}

async fn discard(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let transaction = rooms.engine.transaction(&who.caller("http"), &id)?;
    rooms.engine.discard(&transaction).await;
    Ok(StatusCode::NO_CONTENT)
}

/// What is said about a publication.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    #[serde(default)]
    about: Map<String, Value>,
    #[serde(default)]
    builds: Vec<PublishedBuild>,
    /// By what it is published once.
    token: Option<PublicationToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedBuild {
    schema: String,
    name: String,
    build: Value,
    /// What it was built from; its state then is kept with the note.
    reads: Option<Vec<Relation>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relation {
    schema: String,
    name: String,
}

#[derive(Serialize)]
struct Visible {
    id: String,
    tables: Vec<PublicationTable>,
    views: Vec<PublicationView>,
    /// Statements about rights that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<String>,
    /// Whether an earlier try had published it.
    adopted: bool,
}

impl From<Published> for Visible {
    fn from(published: Published) -> Self {
        Self {
            id: published.id,
            tables: published.tables,
            views: published.views,
            refused: published.refused,
            adopted: published.adopted,
        }
    }
}

async fn publish(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    body: Result<Json<Publish>, JsonRejection>,
) -> Answer<Visible> {
    let Publish {
        about,
        builds,
        token,
    } = read(body)?;
    if token.is_some() {
        // Whoever takes a number keeps lower ones from being published.
        permit(&rooms.catalog, &who, Action::Operate)?;
    }
    let transaction = rooms.engine.transaction(&who.caller("http"), &id)?;
    let builds = builds.into_iter().map(|built| BuildNote {
        schema: built.schema,
        name: built.name,
        build: built.build,
        reads: built.reads.map(|reads| {
            let names = reads.into_iter();
            names.map(|read| (read.schema, read.name)).collect()
        }),
    });
    let request = PublishRequest {
        about,
        builds: builds.collect(),
        token,
    };
    let published = rooms.engine.publish(&transaction, request).await?;
    Ok(Json(published.into()))
}

#[derive(Serialize)]
struct Builds {
    builds: Vec<Standing>,
}

/// What a table or view was last built from, and what has changed since.
#[derive(Serialize)]
struct Standing {
    #[serde(flatten)]
    build: Build,
    /// Whether the table or view is as it was built.
    intact: bool,
    /// What it read and has changed since, as `schema.name`.
    changed: Vec<String>,
}

async fn builds(State(rooms): State<Rooms>, who: SignedIn) -> Answer<Builds> {
    let found = rooms.engine.builds().await?;
    let readable = |found: &StandingBuild| {
        let build = &found.build;
        may_read(&rooms, &who, &build.schema, &build.name)
    };
    let builds = found.into_iter().filter(readable);
    let builds = builds.map(|found| Standing {
        build: found.build,
        intact: found.intact,
        changed: found.changed,
    });
    Ok(Json(Builds {
        builds: builds.collect(),
    }))
}

fn may_read(rooms: &Rooms, who: &SignedIn, schema: &str, table: &str) -> bool {
    let object = weir_access::Object::Table { schema, table };
    let access = rooms.catalog.access();
    let caller = who.caller("http");
    access
        .decide(caller.identity(), weir_access::Action::Select, &object)
        .allowed
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Publications {
    publications: Vec<Publication>,
}

async fn publications(
    State(rooms): State<Rooms>,
    who: SignedIn,
    limit: Result<Query<Limit>, axum::extract::rejection::QueryRejection>,
) -> Answer<Publications> {
    let Query(Limit { limit }) =
        limit.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let found = rooms.catalog.publications(limit.unwrap_or(PUBLICATIONS));
    let mut publications = found.await.map_err(ApiError::from)?;
    for publication in &mut publications {
        let may = |schema: &str, name: &str| may_read(&rooms, &who, schema, name);
        publication.tables.retain(|t| may(&t.schema, &t.name));
        publication.views.retain(|v| may(&v.schema, &v.name));
    }
    publications.retain(|p| !p.tables.is_empty() || !p.views.is_empty());
    Ok(Json(Publications { publications }))
}

/// What was published by a token; null when nothing was.
async fn by_token(
    State(rooms): State<Rooms>,
    who: SignedIn,
    token: Result<Query<PublicationToken>, axum::extract::rejection::QueryRejection>,
) -> Answer<Option<Visible>> {
    let Query(token) = token.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let mut found = rooms.engine.published(&token).await?;
    if let Some(published) = &mut found {
        let may = |schema: &str, name: &str| may_read(&rooms, &who, schema, name);
        published.tables.retain(|t| may(&t.schema, &t.name));
        published.views.retain(|v| may(&v.schema, &v.name));
    }
    Ok(Json(found.map(Visible::from)))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    #[serde(default)]
    force: bool,
}

async fn roll_back(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    body: Result<Json<RollBack>, JsonRejection>,
) -> Answer<Visible> {
    let RollBack { force } = read(body)?;
    let published = rooms
        .engine
        .roll_back(&who.caller("http"), &id, force)
        .await?;
    Ok(Json(published.into()))
}
