use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_extract::{Discovered, Extracts, Listed};

use crate::error::ApiError;

#[derive(Serialize)]
pub(super) struct Sources {
    sources: Vec<Listed>,
}

pub(super) async fn list(State(extracts): State<Extracts>) -> Result<Json<Sources>, ApiError> {
    let sources = extracts.list().await?;
    Ok(Json(Sources { sources }))
}

pub(super) async fn discover(
    State(extracts): State<Extracts>,
    Path(source): Path<String>,
) -> Result<Json<Discovered>, ApiError> {
    Ok(Json(extracts.discover(&source).await?))
}

/// Where a source is read on from, in its own words; null for the beginning.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateBody {
    state: Value,
}

pub(super) async fn state(
    State(extracts): State<Extracts>,
    Path(source): Path<String>,
) -> Result<Json<StateBody>, ApiError> {
    let state = extracts.state(&source).await?;
    Ok(Json(StateBody { state }))
}

pub(super) async fn set_state(
    State(extracts): State<Extracts>,
    Path(source): Path<String>,
    body: Result<Json<StateBody>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Json(body) = body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    extracts.set_state(&source, body.state).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sync to take back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Undo {
    run: String,
}

#[derive(Serialize)]
pub(super) struct Undone {
    run: String,
    tables: Vec<String>,
}

pub(super) async fn undo(
    State(extracts): State<Extracts>,
    body: Result<Json<Undo>, JsonRejection>,
) -> Result<Json<Undone>, ApiError> {
    let Json(Undo { run }) = body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let tables = extracts.undo(&run).await?;
    Ok(Json(Undone { run, tables }))
}
