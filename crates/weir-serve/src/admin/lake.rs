use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use weir_core::{Seq, TableName};
use weir_lake::{Compacted, LakeStatus};

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
    let table = table.as_deref().map(table_name).transpose()?;
    if let Some(table) = &table
        && services.lake.view().table(table).is_none()
    {
        return Err(ApiError::not_found(format!("there is no table `{table}`")));
    }
    // On a thread of its own: rewriting files must not delay events, and a client that goes away
    // must not stop it half-way.
    let (lake, runtime) = (services.lake.clone(), tokio::runtime::Handle::current());
    let work = tokio::task::spawn_blocking(move || runtime.block_on(lake.compact(table.as_ref())));
    let compacted = work
        .await
        .map_err(|_| ApiError::busy("the compaction was interrupted"))??;
    Ok(Json(CompactedTables { compacted }))
}

fn table_name(text: &str) -> Result<TableName, ApiError> {
    let (schema, table) = text
        .split_once('.')
        .ok_or_else(|| ApiError::invalid(format!("`{text}` is no table; write `schema.table`")))?;
    TableName::new(schema, table).map_err(|error| ApiError::invalid(error.to_string()))
}
