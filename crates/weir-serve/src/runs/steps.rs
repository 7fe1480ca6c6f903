use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::{FileInfo, PlannedInfo, Runs, StepInfo, query};
use crate::error::ApiError;

/// The branch that is meant when none is named.
const BRANCH: &str = "master";

#[derive(Serialize)]
pub(super) struct Steps {
    steps: Vec<StepInfo>,
    /// What is wrong with the files, if they are not what is in force.
    problem: Option<String>,
}

pub(super) async fn list(State(runs): State<Runs>) -> Json<Steps> {
    Json(Steps {
        steps: runs.desk.steps(),
        problem: runs.desk.problem(),
    })
}

#[derive(Serialize)]
pub(super) struct Planned {
    datums: Vec<PlannedInfo>,
}

pub(super) async fn plan(
    State(runs): State<Runs>,
    Path(name): Path<String>,
) -> Result<Json<Planned>, ApiError> {
    let datums = runs.desk.plan(&name).await?;
    Ok(Json(Planned { datums }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Branch {
    branch: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Files {
    files: Vec<FileInfo>,
}

pub(super) async fn files(
    State(runs): State<Runs>,
    Path(name): Path<String>,
    branch: Result<Query<Branch>, QueryRejection>,
) -> Result<Json<Files>, ApiError> {
    let branch = query(branch)?.branch;
    let branch = branch.as_deref().unwrap_or(BRANCH);
    let files = runs.desk.files(&name, branch).await?;
    Ok(Json(Files { files }))
}
