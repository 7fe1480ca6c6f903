//! What the project's files build, over HTTP: models with their SQL, tests and neighbours.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use weir_access::{Action, Object};

use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::runs::Runs;

/// A model, seed, snapshot, source or step of another language, as the project's files declare it; or
/// a question that is kept as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// What runs call it.
    pub asset: String,
    pub name: String,
    /// `model`, `seed`, `snapshot`, `source`, `step` or `rollup`.
    pub kind: &'static str,
    /// `table`, `view`, `incremental`, ...; none for sources and steps.
    pub materialized: Option<String>,
    pub schema: String,
    pub table: String,
    pub description: String,
    /// Whoever `meta.owner` names, else its group.
    pub owner: Option<String>,
    pub tags: Vec<String>,
    /// Where it is written, from its package's folder; nowhere for rollups.
    pub file: String,
    /// The question that a rollup answers.
    pub question: Option<String>,
    /// As it is written; of steps the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub columns: Vec<ModelColumn>,
    pub tests: Vec<ModelTest>,
    /// The columns that identify a row, from constraints or tests.
    pub primary_key: Vec<String>,
    /// The assets it reads, and those that read it.
    pub reads: Vec<String>,
    pub feeds: Vec<String>,
    /// The schedules that build it.
    pub schedules: Vec<String>,
}

/// A column that the project's files describe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelColumn {
    pub name: String,
    pub description: String,
    pub data_type: Option<String>,
}

/// A test that judges a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelTest {
    pub id: String,
    /// `unique`, `not_null`, ...; a singular test's own name.
    pub name: String,
    pub column: Option<String>,
    /// `error` or `warn`.
    pub severity: String,
    /// What every value must be found in, of a test of relationships.
    pub refers_to: Option<Reference>,
}

/// A column of another table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    pub schema: String,
    pub table: String,
    pub column: String,
}

#[derive(Serialize)]
struct Models {
    models: Vec<ModelInfo>,
    /// What is wrong with the files, if they are not what is in force.
    problem: Option<String>,
}

/// Returns the routes; each person sees what is made of tables they may read.
pub(crate) fn router(runs: Runs) -> Router {
    Router::new()
        .route("/api/v1/models", get(list))
        .route("/api/v1/models/{asset}", get(one))
        .with_state(runs)
}

async fn list(State(runs): State<Runs>, who: SignedIn) -> Json<Models> {
    let mut models = readable(&runs, &who);
    for model in &mut models {
        model.code = None;
    }
    let may_operate = runs.catalog.access();
    let may_operate = may_operate.decide(who.identity(), Action::Operate, &Object::Server);
    // It may quote files that not everybody reads.
    let problem = runs.desk.problem().filter(|_| may_operate.allowed);
    Json(Models { models, problem })
}

async fn one(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(asset): Path<String>,
) -> Result<Json<ModelInfo>, ApiError> {
    let mut models = readable(&runs, &who).into_iter();
    models
        .find(|model| model.asset == asset)
        .map(Json)
        .ok_or_else(|| ApiError::not_found("there is no such model, or you may not read its table"))
}

/// Returns what `who` may know of: what is made of a table says what is in it.
fn readable(runs: &Runs, who: &SignedIn) -> Vec<ModelInfo> {
    let access = runs.catalog.access();
    let reads = |model: &ModelInfo| {
        let object = Object::Table {
            schema: &model.schema,
            table: &model.table,
        };
        access
            .decide(who.identity(), Action::Select, &object)
            .allowed
    };
    let mut models = runs.desk.models();
    models.retain(reads);
    models
}
