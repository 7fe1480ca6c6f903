use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use chrono::NaiveDate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_flow::{BackfillId, BackfillRequest, PartitionKey, PartitionRange, ScheduleName, Target};

use super::shape::BackfillShape;
use super::{Runs, body, number};
use crate::auth::SignedIn;
use crate::error::ApiError;

/// As many backfills are listed at most.
const LISTED: u32 = 200;

/// Which parts of which assets are brought up to date.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The target of this schedule, as far as it is divided into partitions.
    schedule: Option<String>,
    /// Or what this selects.
    #[serde(default)]
    select: Vec<String>,
    /// The first and the last day.
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    /// Or these partitions.
    #[serde(default)]
    partitions: Vec<String>,
    /// How many at once.
    chunk: Option<u32>,
    priority: Option<i32>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
pub(super) struct Begun {
    /// None when nothing was begun.
    backfill: Option<i64>,
    assets: Vec<String>,
    partitions: Vec<String>,
    steps: usize,
}

#[derive(Serialize)]
pub(super) struct Backfills {
    backfills: Vec<BackfillShape>,
}

pub(super) async fn list(State(runs): State<Runs>) -> Result<Json<Backfills>, ApiError> {
    let found = runs.flow.store().backfills(LISTED).await?;
    Ok(Json(Backfills {
        backfills: found.into_iter().map(Into::into).collect(),
    }))
}

pub(super) async fn begin(
    State(runs): State<Runs>,
    who: SignedIn,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Begun>), ApiError> {
    let wanted = body(wanted)?;
    let assets = match &wanted.schedule {
        None => runs.desk.assets(&wanted.select)?,
        Some(_) if !wanted.select.is_empty() => {
            return Err(ApiError::invalid("either `schedule` or `select`, not both"));
        }
        Some(name) => {
            let record = runs
                .flow
                .store()
                .schedule(&ScheduleName::new(name.as_str()))
                .await?;
            record.schedule.target.assets
        }
    };
    let project = runs.flow.project();
    let is_divided = |asset: &weir_flow::AssetId| {
        project
            .graph()
            .get(asset)
            .is_some_and(|asset| asset.partitioning.is_some())
    };
    let assets: Vec<_> = assets.into_iter().filter(is_divided).collect();
    if assets.is_empty() {
        return Err(
            ApiError::invalid("nothing of it is divided into partitions").with_hint(
                "models of `incremental_strategy: microbatch` are, by their `batch_size`",
            ),
        );
    }
    let range = match (wanted.from, wanted.to, wanted.partitions.is_empty()) {
        (None, None, true) => PartitionRange::All,
        (None, None, false) => {
            let keys = wanted.partitions.iter();
            PartitionRange::Keys(keys.map(|key| PartitionKey::new(key.as_str())).collect())
        }
        (Some(from), to, true) => PartitionRange::Days(from, to.unwrap_or(from)),
        _ => return Err(ApiError::invalid("either `from` and `to`, or `partitions`")),
    };
    let request = BackfillRequest {
        target: Target::only(assets),
        range,
        chunk: wanted.chunk.unwrap_or(1).clamp(1, 100),
        // The daily runs come first.
        priority: wanted.priority.unwrap_or(-10).clamp(-100, 100),
    };
    let preview = runs.flow.preview(&request)?;
    let backfill = match wanted.dry_run {
        true => None,
        false => {
            let id = runs.flow.backfill(&request).await?;
            let after = json!({ "partitions": preview.partitions.len(), "steps": preview.steps });
            let object = format!("backfill {id}");
            runs.note(&who.actor(), "backfill.begin", object, Some(after))
                .await;
            Some(id.0)
        }
    };
    let begun = Begun {
        backfill,
        assets: preview.assets.iter().map(ToString::to_string).collect(),
        partitions: preview.partitions.iter().map(ToString::to_string).collect(),
        steps: preview.steps,
    };
    Ok((StatusCode::OK, Json(begun)))
}

fn id(text: &str) -> Result<BackfillId, ApiError> {
    number(text, "backfill").map(BackfillId)
}

pub(super) async fn show(
    State(runs): State<Runs>,
    Path(backfill): Path<String>,
) -> Result<Json<BackfillShape>, ApiError> {
    let found = runs.flow.backfill_progress(id(&backfill)?).await?;
    Ok(Json(found.into()))
}

pub(super) async fn pause(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(backfill): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = id(&backfill)?;
    runs.flow.pause_backfill(id, true).await?;
    let object = format!("backfill {id}");
    runs.note(&who.actor(), "backfill.pause", object, None)
        .await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn resume(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(backfill): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = id(&backfill)?;
    runs.flow.pause_backfill(id, false).await?;
    let object = format!("backfill {id}");
    runs.note(&who.actor(), "backfill.resume", object, None)
        .await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn cancel(
    State(runs): State<Runs>,
    who: SignedIn,
    Path(backfill): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = id(&backfill)?;
    runs.flow.cancel_backfill(id, who.identity().user()).await?;
    let object = format!("backfill {id}");
    runs.note(&who.actor(), "backfill.cancel", object, None)
        .await;
    Ok(StatusCode::NO_CONTENT)
}
