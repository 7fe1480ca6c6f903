//! Schedules and runs over HTTP: what `weir runs` and `weir schedule` do.

mod backfills;
mod routes;
mod schedules;
mod shape;

use std::fmt::Debug;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::routing::{get, post};
use http::StatusCode;
use weir_flow::{AssetId, Flow, FlowError, FlowErrorKind, ScheduleName};

use crate::auth::Door;
use crate::error::ApiError;

/// What the project's files say that `weir-flow` does not know.
pub trait Desk: Send + Sync + Debug {
    /// Returns the assets that words of a selection mean, such as `tag:daily` or `model+`.
    fn assets(&self, words: &[String]) -> Result<Vec<AssetId>, FlowError>;

    /// Whether `token` is the one that callers of a schedule show.
    fn takes(&self, schedule: &ScheduleName, token: &str) -> bool;

    /// Returns what is wrong with the files, if they are not what is in force.
    fn problem(&self) -> Option<String>;

    /// Returns the table or view that an asset is.
    fn table(&self, asset: &AssetId) -> Option<String>;
}

/// The room where runs are kept, as the doors see it.
#[derive(Clone, Debug)]
pub struct Runs {
    pub flow: Flow,
    pub desk: Arc<dyn Desk>,
}

/// Returns the routes for whoever may operate the server.
pub(crate) fn router(runs: Runs) -> Router {
    Router::new()
        .route("/api/v1/runs", get(routes::list).post(routes::start))
        .route("/api/v1/runs/{run}", get(routes::show))
        .route("/api/v1/runs/{run}/logs", get(routes::logs))
        .route("/api/v1/runs/{run}/retry", post(routes::retry))
        .route("/api/v1/runs/{run}/cancel", post(routes::cancel))
        .route("/api/v1/schedules", get(schedules::list))
        .route("/api/v1/schedules/{name}/pause", post(schedules::pause))
        .route("/api/v1/schedules/{name}/resume", post(schedules::resume))
        .route("/api/v1/backfills", post(backfills::begin))
        .route("/api/v1/backfills/{backfill}", get(backfills::show))
        .route("/api/v1/backfills/{backfill}/pause", post(backfills::pause))
        .route(
            "/api/v1/backfills/{backfill}/resume",
            post(backfills::resume),
        )
        .route(
            "/api/v1/backfills/{backfill}/cancel",
            post(backfills::cancel),
        )
        .with_state(runs)
}

/// Returns the route that also takes calls of those who only know a schedule's token.
pub(crate) fn calls(runs: Runs, door: Door) -> Router {
    Router::new()
        .route("/api/v1/schedules/{name}/trigger", post(schedules::trigger))
        .with_state((runs, door))
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        let (status, code) = match error.kind() {
            FlowErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
            FlowErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            FlowErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            FlowErrorKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "runs_busy"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "runs_unavailable"),
        };
        if status.is_server_error() {
            tracing::error!(
                error = crate::error::chain(&error),
                "the store of runs failed"
            );
        }
        let answer = Self::new(status, code, error.to_string());
        match error.hint() {
            Some(hint) => answer.with_hint(hint),
            None => answer,
        }
    }
}

/// Reads a body; none is an empty one.
fn body<T: Default>(body: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(JsonRejection::MissingJsonContentType(_)) => Ok(T::default()),
        Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
    }
}

fn query<T>(query: Result<axum::extract::Query<T>, QueryRejection>) -> Result<T, ApiError> {
    query
        .map(|axum::extract::Query(query)| query)
        .map_err(|rejection| ApiError::invalid(rejection.body_text()))
}

/// Reads the number of a run or a backfill in a path.
fn number(text: &str, what: &str) -> Result<i64, ApiError> {
    text.parse()
        .map_err(|_| ApiError::invalid(format!("`{text}` is no number of a {what}")))
}
