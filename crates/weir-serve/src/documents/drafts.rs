//! What a dashboard is to become, until it is published.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use weir_catalog::{Catalog, DocumentKind, SavedDocument};

use super::route::{Body, Done, Saved, body, checked};
use crate::auth::SignedIn;
use crate::error::ApiError;

const KIND: DocumentKind = DocumentKind::Dashboard;

/// Returns the draft; null when there is none, or one may not see it.
pub(super) async fn one(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    let draft = catalog.draft(&who.actor(), KIND, &id).await?;
    Ok(Json(json!({ "draft": draft })))
}

pub(super) async fn put(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Saved>,
) -> Done<StatusCode> {
    let (new, version) = checked(KIND, body(sent)?)?;
    let version = version.ok_or_else(|| {
        ApiError::invalid("there is no `version`").with_hint("send the version it was begun from")
    })?;
    let by = who.actor();
    let keeping = catalog.put_draft(&by, KIND, &id, version, new);
    keeping.await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn discard(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<StatusCode> {
    catalog.discard_draft(&who.actor(), KIND, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn publish(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<SavedDocument>> {
    Ok(Json(catalog.publish_draft(&who.actor(), KIND, &id).await?))
}
