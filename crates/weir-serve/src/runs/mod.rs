//! Schedules, runs and steps over HTTP: what `weir runs`, `weir schedule` and `weir steps` do.

mod backfills;
mod figures;
mod last;
mod routes;
mod schedules;
mod shape;
mod steps;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::Router;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use weir_catalog::{Actor, Catalog};
use weir_flow::{AssetId, Flow, FlowError, FlowErrorKind, ScheduleName};

use crate::auth::Door;
use crate::error::ApiError;
use crate::models::ModelInfo;

pub(crate) use figures::write as write_figures;
pub(crate) use last::{Last, last};

/// A step of another language, as its file declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepInfo {
    pub name: String,
    /// What runs call it.
    pub asset: String,
    /// Where it is declared, from the project's folder.
    pub file: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What it reads, such as `table:shop.orders.csv`.
    pub inputs: Vec<String>,
    /// What it makes, such as `table:mart.sales`.
    pub outputs: Vec<String>,
    /// Whose rights it has; the project's owner when none is named.
    pub owner: Option<String>,
    pub runner: String,
}

/// A datum that a run of a step would have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedInfo {
    pub datum: String,
    pub label: String,
    /// Whether it need not be done again.
    pub done: bool,
}

/// A file of a fileset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    pub path: String,
    pub bytes: u64,
    pub hash: String,
}

/// What the project's files say that `weir-flow` does not know.
#[async_trait]
pub trait Desk: Send + Sync + Debug {
    /// Returns the steps of other languages.
    fn steps(&self) -> Vec<StepInfo>;

    /// Returns what the files build and read: models, seeds, snapshots, sources, steps.
    fn models(&self) -> Vec<ModelInfo>;

    /// Returns the datums that a run of a step would have now.
    async fn plan(&self, step: &str) -> Result<Vec<PlannedInfo>, FlowError>;

    /// Returns the files of a branch of a fileset as they are now.
    async fn files(&self, fileset: &str, branch: &str) -> Result<Vec<FileInfo>, FlowError>;

    /// Returns the assets that words of a selection mean, such as `tag:daily` or `model+`.
    fn assets(&self, words: &[String]) -> Result<Vec<AssetId>, FlowError>;

    /// Whether `token` is the one that callers of a schedule show.
    fn takes(&self, schedule: &ScheduleName, token: &str) -> bool;

    /// Returns what is wrong with the files, if they are not what is in force.
    fn problem(&self) -> Option<String>;

    /// Takes over what has changed, now instead of in a second.
    async fn refresh(&self);

    /// Returns why a question cannot be kept as a table, or a delivery not be sent; none where it can.
    fn unfit(&self, id: &str) -> Option<String>;

    /// Returns the id of the dashboard that a schedule sends, if it is a delivery's.
    fn sends(&self, schedule: &ScheduleName) -> Option<String>;

    /// Returns the names of those whom `schedules.yml` lets be told and sent something.
    fn receivers(&self) -> Vec<String>;

    /// Returns the table or view that an asset is.
    fn table(&self, asset: &AssetId) -> Option<String>;
}

/// Refuses names that `schedules.yml` does not have.
pub(crate) fn known_receivers(desk: &dyn Desk, wanted: &[String]) -> Result<(), ApiError> {
    let known = desk.receivers();
    let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let error = ApiError::invalid(format!("there is no receiver `{unknown}`"));
    Err(match weir_core::did_you_mean(unknown, &known) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error.with_hint("`alerts` in schedules.yml names who there is"),
    })
}

/// The room where runs are kept, as the doors see it.
#[derive(Clone)]
pub struct Runs {
    pub flow: Flow,
    pub desk: Arc<dyn Desk>,
    /// Where is written down who did what.
    pub catalog: Catalog,
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").field("desk", &self.desk).finish()
    }
}

impl Runs {
    /// Writes down who did something. It is done: that it cannot be written down is only logged.
    pub(crate) async fn note(
        &self,
        by: &Actor,
        action: &'static str,
        object: String,
        after: Option<Value>,
    ) {
        if let Err(error) = self.catalog.note(by, action, object, after).await {
            tracing::error!(%error, action, "something that was done is not in the audit");
        }
    }
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
        .route("/api/v1/steps", get(steps::list))
        .route("/api/v1/steps/{name}/plan", get(steps::plan))
        .route("/api/v1/filesets/{name}/files", get(steps::files))
        .route(
            "/api/v1/backfills",
            get(backfills::list).post(backfills::begin),
        )
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
