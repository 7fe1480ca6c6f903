use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_catalog::{Catalog, DocumentKind, NewDocument, SavedDocument, Sharing};

use super::yaml;
use crate::auth::SignedIn;
use crate::error::ApiError;

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(catalog: Catalog) -> Router {
    let questions = Router::new()
        .route(
            "/api/v1/questions",
            get(list_questions).post(create_question),
        )
        .route(
            "/api/v1/questions/{id}",
            get(question).put(update_question).delete(delete_question),
        )
        .route("/api/v1/questions/{id}/versions", get(question_versions))
        .route("/api/v1/questions/{id}/certified", put(certify_question))
        .route("/api/v1/questions/{id}/restore", post(restore_question));
    let dashboards = Router::new()
        .route(
            "/api/v1/dashboards",
            get(list_dashboards).post(create_dashboard),
        )
        .route(
            "/api/v1/dashboards/{id}",
            get(dashboard)
                .put(update_dashboard)
                .delete(delete_dashboard),
        )
        .route("/api/v1/dashboards/{id}/versions", get(dashboard_versions))
        .route("/api/v1/dashboards/{id}/certified", put(certify_dashboard))
        .route("/api/v1/dashboards/{id}/restore", post(restore_dashboard))
        .route("/api/v1/dashboards/{id}/yaml", get(dashboard_yaml))
        .route("/api/v1/dashboards/yaml", post(read_yaml));
    questions.merge(dashboards).with_state(catalog)
}

type Body<T> = Result<Json<T>, JsonRejection>;
type Asked<T> = Result<Query<T>, QueryRejection>;
type Done<T> = Result<T, ApiError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    version: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
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

fn body<T>(body: Body<T>) -> Done<T> {
    body.map(|Json(body)| body)
        .map_err(|rejection| ApiError::invalid(rejection.body_text()))
}

/// Checks that what is kept is something that can be asked or shown.
fn checked(kind: DocumentKind, saved: Saved) -> Done<(NewDocument, Option<i64>)> {
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
    let new = NewDocument {
        name: saved.name,
        description: saved.description,
        sharing: saved.sharing,
        body: saved.body,
    };
    Ok((new, saved.version))
}

async fn create(
    catalog: &Catalog,
    who: &SignedIn,
    kind: DocumentKind,
    sent: Body<Saved>,
) -> Done<(StatusCode, Json<SavedDocument>)> {
    let (new, _) = checked(kind, body(sent)?)?;
    let made = catalog.create_document(&who.actor(), kind, new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn update(
    catalog: &Catalog,
    who: &SignedIn,
    kind: DocumentKind,
    id: &str,
    sent: Body<Saved>,
) -> Done<Json<SavedDocument>> {
    let (new, version) = checked(kind, body(sent)?)?;
    let version = version.ok_or_else(|| {
        ApiError::invalid("there is no `version`")
            .with_hint("send the version that was changed, so that nobody's work is lost")
    })?;
    let by = who.actor();
    let saving = catalog.update_document(&by, kind, id, version, new);
    Ok(Json(saving.await?))
}

async fn one(
    catalog: &Catalog,
    who: &SignedIn,
    kind: DocumentKind,
    id: &str,
    shown: Asked<Shown>,
) -> Done<Json<SavedDocument>> {
    let Query(shown) = shown.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let by = who.actor();
    let reading = catalog.document(&by, kind, id, shown.version);
    Ok(Json(reading.await?))
}

async fn versions(
    catalog: &Catalog,
    who: &SignedIn,
    kind: DocumentKind,
    id: &str,
) -> Done<Json<Value>> {
    let versions = catalog.document_versions(&who.actor(), kind, id).await?;
    Ok(Json(json!({ "versions": versions })))
}

// Each kind has its own paths, so that a link says what it leads to.

const QUESTION: DocumentKind = DocumentKind::Question;
const DASHBOARD: DocumentKind = DocumentKind::Dashboard;

async fn list_questions(State(catalog): State<Catalog>, who: SignedIn) -> Done<Json<Value>> {
    let questions = catalog.documents(&who.actor(), QUESTION).await?;
    Ok(Json(json!({ "questions": questions })))
}

async fn list_dashboards(State(catalog): State<Catalog>, who: SignedIn) -> Done<Json<Value>> {
    let dashboards = catalog.documents(&who.actor(), DASHBOARD).await?;
    Ok(Json(json!({ "dashboards": dashboards })))
}

async fn create_question(
    State(catalog): State<Catalog>,
    who: SignedIn,
    sent: Body<Saved>,
) -> Done<(StatusCode, Json<SavedDocument>)> {
    create(&catalog, &who, QUESTION, sent).await
}

async fn create_dashboard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    sent: Body<Saved>,
) -> Done<(StatusCode, Json<SavedDocument>)> {
    create(&catalog, &who, DASHBOARD, sent).await
}

async fn question(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    shown: Asked<Shown>,
) -> Done<Json<SavedDocument>> {
    one(&catalog, &who, QUESTION, &id, shown).await
}

async fn dashboard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    shown: Asked<Shown>,
) -> Done<Json<SavedDocument>> {
    one(&catalog, &who, DASHBOARD, &id, shown).await
}

async fn update_question(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Saved>,
) -> Done<Json<SavedDocument>> {
    update(&catalog, &who, QUESTION, &id, sent).await
}

async fn update_dashboard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Saved>,
) -> Done<Json<SavedDocument>> {
    update(&catalog, &who, DASHBOARD, &id, sent).await
}

async fn delete_question(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog.delete_document(&who.actor(), QUESTION, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_dashboard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog
        .delete_document(&who.actor(), DASHBOARD, &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore_question(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog
        .restore_document(&who.actor(), QUESTION, &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore_dashboard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog
        .restore_document(&who.actor(), DASHBOARD, &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn question_versions(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    versions(&catalog, &who, QUESTION, &id).await
}

async fn dashboard_versions(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    versions(&catalog, &who, DASHBOARD, &id).await
}

async fn certify_question(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Certified>,
) -> Done<StatusCode> {
    let Certified { certified } = body(sent)?;
    let by = who.actor();
    let certifying = catalog.certify_document(&by, QUESTION, &id, certified);
    certifying.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn certify_dashboard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Certified>,
) -> Done<StatusCode> {
    let Certified { certified } = body(sent)?;
    let by = who.actor();
    let certifying = catalog.certify_document(&by, DASHBOARD, &id, certified);
    certifying.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes a dashboard as text for `dashboards/*.yml`.
async fn dashboard_yaml(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Response> {
    let by = who.actor();
    let saved = catalog.document(&by, DASHBOARD, &id, None).await?;
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
    let read = tokio::task::spawn_blocking(move || yaml::read(&text)).await;
    Ok(Json(read.map_err(|_| {
        ApiError::busy("the text could not be read")
    })??))
}
