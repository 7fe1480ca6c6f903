//! `GET /api/v1/tail`: events as they come, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::get;
use futures::{Stream, stream};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use weir_collect::{LiveFilter, LiveItem, LiveStream};

use crate::Services;
use crate::error::ApiError;

/// How often a quiet stream says that it is alive, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    source: Option<String>,
    /// The event's type, or its name.
    event: Option<String>,
    user: Option<String>,
    /// `accepted` or `rejected`.
    verdict: Option<Verdict>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accepted,
    Rejected,
}

pub(crate) fn router(shutdown: CancellationToken) -> Router<Services> {
    let tail = move |services: State<Services>, wanted: Result<Query<Wanted>, QueryRejection>| {
        std::future::ready(tail(services, wanted, shutdown.clone()))
    };
    Router::new().route("/api/v1/tail", get(tail))
}

fn tail(
    State(services): State<Services>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    shutdown: CancellationToken,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let Query(wanted) = wanted.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let filter = LiveFilter {
        source: wanted.source,
        event: wanted.event,
        user: wanted.user,
        accepted: wanted
            .verdict
            .map(|verdict| matches!(verdict, Verdict::Accepted)),
    };
    let listener = services.live.listen(filter);
    let events = stream::unfold((listener, shutdown), |(mut listener, shutdown)| async {
        let event = next(&mut listener, &shutdown).await?;
        Some((Ok(event), (listener, shutdown)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Returns the next message; none ends the stream, so that it does not hold up a shutdown.
async fn next(listener: &mut LiveStream, shutdown: &CancellationToken) -> Option<Event> {
    let item = tokio::select! {
        () = shutdown.cancelled() => return None,
        item = listener.next() => item?,
    };
    match item {
        LiveItem::Event(event) => {
            // A line break inside JSON is always escaped, so one `data:` line holds it.
            let json = serde_json::to_string(&*event).ok()?;
            Some(
                Event::default()
                    .event("event")
                    .id(event.seq.to_string())
                    .data(json),
            )
        }
        LiveItem::Missed(missed) => Some(Event::default().event("missed").data(missed.to_string())),
    }
}
