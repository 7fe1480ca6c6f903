use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use weir_catalog::{ClockPolicy, IpPolicy, Source, SourceSettings};
use weir_core::SourceName;

use crate::Services;
use crate::auth::SignedIn;
use crate::error::ApiError;

#[derive(Serialize)]
pub(crate) struct Sources {
    sources: Vec<Arc<Source>>,
}

/// What a request says about a source; what it leaves out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutSource {
    enabled: Option<bool>,
    ip: Option<IpPolicy>,
    clock: Option<ClockPolicy>,
    description: Option<String>,
}

pub(crate) async fn list(State(services): State<Services>) -> Json<Sources> {
    Json(Sources {
        sources: services.catalog.sources(),
    })
}

pub(crate) async fn put(
    State(services): State<Services>,
    who: SignedIn,
    Path(name): Path<String>,
    body: Result<Json<PutSource>, JsonRejection>,
) -> Result<Json<Source>, ApiError> {
    let name = SourceName::new(&name).map_err(|error| ApiError::invalid(error.to_string()))?;
    let Json(change) = body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let before = services.catalog.source(&name);
    let old = before
        .as_ref()
        .map(|source| source.settings.clone())
        .unwrap_or_default();
    let settings = SourceSettings {
        ip: change.ip.unwrap_or(old.ip),
        clock: change.clock.unwrap_or(old.clock),
        description: change.description.unwrap_or(old.description),
        from_file: old.from_file,
    };
    let enabled = change
        .enabled
        .or(before.map(|source| source.enabled))
        .unwrap_or(true);
    let (source, done) = services
        .catalog
        .upsert_source(&who.actor(), &name, enabled, &settings)
        .await?;
    tracing::info!(source = %name, ?done, "stored source");
    Ok(Json((*source).clone()))
}
