use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use weir_catalog::Released;
use weir_core::SourceName;

use crate::Services;
use crate::auth::SignedIn;
use crate::error::ApiError;

/// As many released events are listed.
const LISTED: u32 = 5_000;

/// A refused event as somebody put it right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    source: SourceName,
    /// `weir_seq` of the row in quarantine.
    seq: i64,
    event: Map<String, Value>,
}

/// What became of it.
#[derive(Serialize)]
pub(crate) struct Verdict {
    /// `accepted` or `quarantined`.
    status: String,
    reason: Option<String>,
    detail: Option<String>,
    message_id: String,
}

#[derive(Serialize)]
pub(crate) struct AllReleased {
    released: Vec<Released>,
}

pub(crate) async fn list(State(services): State<Services>) -> Result<Json<AllReleased>, ApiError> {
    let released = services.catalog.released(LISTED).await?;
    Ok(Json(AllReleased { released }))
}

/// Takes a fixed event as if its source had sent it. Of one that was released before, nothing comes twice:
/// it keeps its message id, or gets one of its place in the log.
pub(crate) async fn release(
    State(services): State<Services>,
    who: SignedIn,
    body: Result<Json<Release>, JsonRejection>,
) -> Result<Json<Verdict>, ApiError> {
    let Json(mut release) = body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let source = services.catalog.source(&release.source);
    let source = source
        .ok_or_else(|| ApiError::not_found(format!("there is no source `{}`", release.source)))?;
    if !source.enabled {
        return Err(
            ApiError::invalid(format!("source `{}` is switched off", source.name))
                .with_hint("switch it on, and release the event then"),
        );
    }
    let given = release.event.get("messageId").and_then(Value::as_str);
    let given = given.filter(|id| !id.trim().is_empty()).map(str::to_owned);
    let message_id = given.unwrap_or_else(|| format!("released-{}-{}", source.name, release.seq));
    release
        .event
        .insert("messageId".to_owned(), json!(message_id));
    let batch = json!({ "batch": [release.event] }).to_string();
    let taken = services
        .collector
        .take_from(Arc::clone(&source), batch.into(), who.address());
    let answer = taken.await;
    let told: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if !answer.status().is_success() {
        let message = told["message"]
            .as_str()
            .unwrap_or("the event was not taken");
        let status = http::StatusCode::SERVICE_UNAVAILABLE;
        return Err(ApiError::new(status, "not_taken", message.to_owned()));
    }
    let verdict = &told["results"][0];
    let text = |name: &str| verdict[name].as_str().map(str::to_owned);
    let status = text("status").unwrap_or_else(|| "accepted".to_owned());
    if status == "accepted" {
        let by = who.actor();
        let noting = services
            .catalog
            .note_released(&by, &source.name, release.seq, &message_id);
        noting.await?;
    }
    Ok(Json(Verdict {
        status,
        reason: text("reason"),
        detail: text("detail"),
        message_id,
    }))
}
