use std::collections::BTreeSet;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_catalog::{Catalog, CatalogErrorKind, DocumentKind, NewDocument, SavedDocument, Sharing};

use super::chosen::filters;
use super::{drafts, embeds, yaml};
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::rollups;

/// Where one kind of documents is kept. Each kind has its own paths, so that a link says what it leads to.
#[derive(Clone)]
struct Shelf {
    catalog: Catalog,
    rollups: rollups::Rooms,
    kind: DocumentKind,
}

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(catalog: Catalog, rollups: rollups::Rooms) -> Router {
    let shelf = |kind| Shelf {
        catalog: catalog.clone(),
        rollups: rollups.clone(),
        kind,
    };
    let questions = Router::new()
        .route("/api/v1/questions", get(list).post(create))
        .route(
            "/api/v1/questions/{id}",
            get(one).put(update).delete(delete),
        )
        .route("/api/v1/questions/{id}/versions", get(versions))
        .route("/api/v1/questions/{id}/certified", put(certify))
        .route("/api/v1/questions/{id}/restore", post(restore))
        .with_state(shelf(DocumentKind::Question));
    let dashboards = Router::new()
        .route("/api/v1/dashboards", get(list).post(create))
        .route(
            "/api/v1/dashboards/{id}",
            get(one).put(update).delete(delete),
        )
        .route("/api/v1/dashboards/{id}/versions", get(versions))
        .route("/api/v1/dashboards/{id}/certified", put(certify))
        .route("/api/v1/dashboards/{id}/restore", post(restore))
        .with_state(shelf(DocumentKind::Dashboard));
    let texts = Router::new()
        .route(
            "/api/v1/dashboards/{id}/draft",
            get(drafts::one).put(drafts::put).delete(drafts::discard),
        )
        .route("/api/v1/dashboards/{id}/publish", post(drafts::publish))
        .route(
            "/api/v1/dashboards/{id}/embeds",
            get(embeds::list).post(embeds::create),
        )
        .route(
            "/api/v1/dashboards/{id}/embeds/{embed}",
            axum::routing::delete(embeds::revoke),
        )
        .route("/api/v1/dashboards/{id}/questions", get(questions_of))
        .route("/api/v1/dashboards/{id}/yaml", get(dashboard_yaml))
        .route("/api/v1/dashboards/yaml", post(read_yaml))
        .with_state(catalog);
    questions.merge(dashboards).merge(texts)
}

pub(super) type Body<T> = Result<Json<T>, JsonRejection>;
type Asked<T> = Result<Query<T>, QueryRejection>;
pub(super) type Done<T> = Result<T, ApiError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    version: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    sharing: Sharing,
    body: Value,
    /// The version that was changed; of new ones there is none.
    version: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certified {
    certified: bool,
}

pub(super) fn body<T>(body: Body<T>) -> Done<T> {
    body.map(|Json(body)| body)
        .map_err(|rejection| ApiError::invalid(rejection.body_text()))
}

/// Checks that what is kept is something that can be asked or shown.
pub(super) fn checked(kind: DocumentKind, saved: Saved) -> Done<(NewDocument, Option<i64>)> {
    let good = match kind {
        DocumentKind::Question => saved.body["sql"].is_string(),
        DocumentKind::Dashboard => saved.body["tiles"].is_array(),
    };
    if !good {
        return Err(ApiError::invalid(match kind {
            DocumentKind::Question => "a question's body has its statement in `sql`",
            DocumentKind::Dashboard => "a dashboard's body has a list `tiles`",
        }));
    }
    if kind == DocumentKind::Dashboard {
        filters(&saved.body)?;
    }
    let new = NewDocument {
        name: saved.name,
        description: saved.description,
        sharing: saved.sharing,
        body: saved.body,
    };
    Ok((new, saved.version))
}

async fn list(State(shelf): State<Shelf>, who: SignedIn) -> Done<Json<Value>> {
    let documents = shelf.catalog.documents(&who.actor(), shelf.kind).await?;
    Ok(Json(match shelf.kind {
        DocumentKind::Question => json!({ "questions": documents }),
        DocumentKind::Dashboard => json!({ "dashboards": documents }),
    }))
}

async fn create(
    State(Shelf { catalog, kind, .. }): State<Shelf>,
    who: SignedIn,
    sent: Body<Saved>,
) -> Done<(StatusCode, Json<SavedDocument>)> {
    let (new, _) = checked(kind, body(sent)?)?;
    let made = catalog.create_document(&who.actor(), kind, new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn update(
    State(Shelf {
        catalog,
        rollups,
        kind,
    }): State<Shelf>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Saved>,
) -> Done<Json<SavedDocument>> {
    let (new, version) = checked(kind, body(sent)?)?;
    let version = version.ok_or_else(|| {
        ApiError::invalid("there is no `version`")
            .with_hint("send the version that was changed, so that nobody's work is lost")
    })?;
    let by = who.actor();
    let saved = catalog
        .update_document(&by, kind, &id, version, new)
        .await?;
    if kind == DocumentKind::Question {
        rollups::saved(&rollups, &who, &saved).await;
    }
    Ok(Json(saved))
}

async fn one(
    State(Shelf { catalog, kind, .. }): State<Shelf>,
    who: SignedIn,
    Path(id): Path<String>,
    shown: Asked<Shown>,
) -> Done<Json<SavedDocument>> {
    let Query(shown) = shown.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let by = who.actor();
    let reading = catalog.document(&by, kind, &id, shown.version);
    Ok(Json(reading.await?))
}

async fn versions(
    State(Shelf { catalog, kind, .. }): State<Shelf>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    let versions = catalog.document_versions(&who.actor(), kind, &id).await?;
    Ok(Json(json!({ "versions": versions })))
}

async fn delete(
    State(Shelf { catalog, kind, .. }): State<Shelf>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog.delete_document(&who.actor(), kind, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore(
    State(Shelf { catalog, kind, .. }): State<Shelf>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog.restore_document(&who.actor(), kind, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn certify(
    State(Shelf { catalog, kind, .. }): State<Shelf>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Certified>,
) -> Done<StatusCode> {
    let Certified { certified } = body(sent)?;
    let by = who.actor();
    let certifying = catalog.certify_document(&by, kind, &id, certified);
    certifying.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the questions of a dashboard's tiles that one may open, so that a page asks once for all.
async fn questions_of(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    let by = who.actor();
    let saved = catalog
        .document(&by, DocumentKind::Dashboard, &id, None)
        .await?;
    let tiles = saved.body["tiles"].as_array();
    let wanted: BTreeSet<&str> = tiles
        .into_iter()
        .flatten()
        .filter_map(|tile| tile["question"].as_str())
        .collect();
    let mut questions = Vec::with_capacity(wanted.len());
    for question in wanted {
        match catalog
            .document(&by, DocumentKind::Question, question, None)
            .await
        {
            Ok(found) => questions.push(found),
            // Its tile says so.
            Err(error) if error.kind() == CatalogErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(json!({ "questions": questions })))
}

/// Writes a dashboard as text for `dashboards/*.yml`.
async fn dashboard_yaml(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Response> {
    let by = who.actor();
    let kind = DocumentKind::Dashboard;
    let saved = catalog.document(&by, kind, &id, None).await?;
    let text = yaml::write(&saved)?;
    let kind = [(header::CONTENT_TYPE, "application/yaml; charset=utf-8")];
    Ok((kind, text).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    yaml: String,
}

/// Reads such a text, and stores nothing: pages show what it says before anybody saves it.
async fn read_yaml(_: SignedIn, sent: Body<Text>) -> Done<Json<Value>> {
    let Text { yaml: text } = body(sent)?;
    // Off the runtime: a text of the largest size takes a while.
    let read = move || yaml::read(DocumentKind::Dashboard, &text);
    let read = tokio::task::spawn_blocking(read).await;
    let NewDocument {
        name,
        description,
        sharing,
        body,
    } = read
        .map_err(|_| ApiError::busy("the text could not be read"))??
        .new;
    Ok(Json(json!({
        "name": name,
        "description": description,
        "sharing": sharing,
        "body": body,
    })))
}
