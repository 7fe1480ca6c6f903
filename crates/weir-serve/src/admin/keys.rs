use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use weir_catalog::KeyInfo;
use weir_core::SourceName;

use crate::Services;
use crate::auth::SignedIn;
use crate::error::ApiError;

#[derive(Serialize)]
pub(crate) struct Keys {
    keys: Vec<KeyInfo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateKey {
    source: SourceName,
    #[serde(default)]
    label: String,
}

#[derive(Serialize)]
pub(crate) struct CreatedKey {
    /// The key in clear: shown this once.
    key: String,
    #[serde(flatten)]
    info: KeyInfo,
}

pub(crate) async fn list(State(services): State<Services>) -> Result<Json<Keys>, ApiError> {
    Ok(Json(Keys {
        keys: services.catalog.keys().await?,
    }))
}

pub(crate) async fn create(
    State(services): State<Services>,
    who: SignedIn,
    body: Result<Json<CreateKey>, JsonRejection>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let Json(CreateKey { source, label }) =
        body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let new = services
        .catalog
        .create_key(&who.actor(), &source, &label)
        .await?;
    tracing::info!(source = %source, prefix = new.info.prefix, "created write key");
    let created = CreatedKey {
        key: new.key.reveal().to_owned(),
        info: new.info,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

pub(crate) async fn revoke(
    State(services): State<Services>,
    who: SignedIn,
    Path(key): Path<String>,
) -> Result<Json<KeyInfo>, ApiError> {
    let info = services.catalog.revoke_key(&who.actor(), &key).await?;
    tracing::info!(source = %info.source, prefix = info.prefix, "revoked write key");
    Ok(Json(info))
}
