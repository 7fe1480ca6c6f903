use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use weir_core::{Seq, TableName};
use weir_lake::{Checked, Compacted, LakeStatus};

use crate::Services;
use crate::error::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compact {
    /// `schema.table`; all tables when absent.
    table: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct CompactedTables {
    compacted: Vec<Compacted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// `schema.table`; all tables when absent.
    table: Option<String>,
    /// Takes files that cannot be read out of their tables.
    #[serde(default)]
    set_aside: bool,
}

#[derive(Serialize)]
pub(crate) struct CheckedTables {
    checked: Vec<Checked>,
}

#[derive(Serialize)]
pub(crate) struct Flushed {
    committed: Seq,
}

pub(crate) async fn status(State(services): State<Services>) -> Json<LakeStatus> {
    Json(services.lake.status())
}

pub(crate) async fn flush(State(services): State<Services>) -> Result<Json<Flushed>, ApiError> {
    Ok(Json(Flushed {
        committed: services.lake.flush().await?,
    }))
}

pub(crate) async fn compact(
    State(services): State<Services>,
    body: Result<Json<Compact>, JsonRejection>,
) -> Result<Json<CompactedTables>, ApiError> {
    let Json(Compact { table }) =
        body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let table = existing(&services, table.as_deref())?;
    let lake = services.lake.clone();
    let compacted = apart(async move { lake.compact(table.as_ref()).await }).await??;
    Ok(Json(CompactedTables { compacted }))
}

pub(crate) async fn check(
    State(services): State<Services>,
    body: Result<Json<Check>, JsonRejection>,
) -> Result<Json<CheckedTables>, ApiError> {
    let Json(Check { table, set_aside }) =
        body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let table = existing(&services, table.as_deref())?;
    let lake = services.lake.clone();
    let checked = apart(async move { lake.check_files(table.as_ref(), set_aside).await }).await??;
    Ok(Json(CheckedTables { checked }))
}

/// Runs work on a thread of its own: reading and rewriting files must not delay events, and a client
/// that goes away must not stop it half-way.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work))
        .await
        .map_err(|_| ApiError::busy("the work was interrupted"))
}

/// Returns the name of a table that is there; none where none was asked for.
fn existing(services: &Services, table: Option<&str>) -> Result<Option<TableName>, ApiError> {
    let Some(table) = table.map(table_name).transpose()? else {
        return Ok(None);
    };
    match services.lake.view().table(&table) {
        Some(_) => Ok(Some(table)),
        None => Err(ApiError::not_found(format!("there is no table `{table}`"))),
    }
}

fn table_name(text: &str) -> Result<TableName, ApiError> {
    let (schema, table) = text
        .split_once('.')
        .ok_or_else(|| ApiError::invalid(format!("`{text}` is no table; write `schema.table`")))?;
    TableName::new(schema, table).map_err(|error| ApiError::invalid(error.to_string()))
}
