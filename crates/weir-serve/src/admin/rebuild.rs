use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use weir_collect::event_derive;
use weir_core::SourceName;
use weir_lake::{RebuildOptions, Rebuilt};

use crate::Services;
use crate::error::ApiError;

/// What to derive again from the unaltered events; all sources and all events when empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rebuild {
    source: Option<String>,
    /// Only events received at or after this.
    from: Option<DateTime<Utc>>,
    /// Only events received before this.
    to: Option<DateTime<Utc>>,
    /// Only events for which this SQL condition holds.
    #[serde(rename = "where")]
    condition: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn rebuild(
    State(services): State<Services>,
    body: Result<Json<Rebuild>, JsonRejection>,
) -> Result<Json<Vec<Rebuilt>>, ApiError> {
    let Json(asked) = body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let sources = sources(&services, asked.source.as_deref())?;
    // On a thread of its own: deriving must not delay events, and a client that goes away must
    // not stop it half-way.
    let (lake, runtime) = (services.lake.clone(), tokio::runtime::Handle::current());
    let work = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            let mut done = Vec::new();
            for source in sources {
                let mut options = RebuildOptions::of_source(&source)?;
                options.received_from = asked.from.map(|at| at.timestamp_micros());
                options.received_to = asked.to.map(|at| at.timestamp_micros());
                options.condition.clone_from(&asked.condition);
                options.dry_run = asked.dry_run;
                done.extend(lake.rebuild(options, event_derive(&source)).await?);
            }
            Ok::<_, weir_lake::LakeError>(done)
        })
    });
    let rebuilt = work
        .await
        .map_err(|_| ApiError::busy("the rebuild was interrupted"))?;
    match rebuilt {
        Ok(rebuilt) => Ok(Json(rebuilt)),
        // What is wrong with a condition is for whoever wrote it.
        Err(error) if error.kind() == weir_lake::LakeErrorKind::Invalid => {
            Err(ApiError::invalid(crate::error::chain(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the source that was named, or all that have sent anything.
fn sources(services: &Services, named: Option<&str>) -> Result<Vec<SourceName>, ApiError> {
    let has_events = |source: &SourceName| {
        let events = RebuildOptions::of_source(source).map(|options| options.from);
        // A stream of that name that rows are fetched from is no log of events.
        let view = services.lake.view();
        events.is_ok_and(|events| {
            let table = view.table(&events);
            table.is_some_and(|table| table.schema.column_with_name("weir_op").is_none())
        })
    };
    let Some(named) = named else {
        let known = services.catalog.sources();
        let names = known.iter().map(|source| source.name.clone());
        return Ok(names.filter(has_events).collect());
    };
    let name = SourceName::new(named).map_err(|error| ApiError::invalid(error.to_string()))?;
    if !has_events(&name) {
        return Err(ApiError::not_found(format!(
            "source `{name}` has no events"
        )));
    }
    Ok(vec![name])
}
