//! Answers that come while a source is read: lines of JSON, the last of which says how it ended.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use weir_extract::{ExtractError, Extracts, Running, SyncRequest};

use crate::error::ApiError;

/// How often progress is told.
const EVERY: Duration = Duration::from_millis(500);
/// The longest line of a load.
const LINE_BYTES: usize = 256 << 20;

/// What to read; everything that is new when empty.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sync {
    #[serde(default)]
    streams: Vec<String>,
    #[serde(default)]
    full_refresh: bool,
    /// A day or an instant from which on rows are read again.
    from: Option<String>,
}

/// How records become rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadQuery {
    /// As many levels of objects become columns.
    #[serde(default)]
    flatten: u8,
}

pub(super) async fn sync(
    State(extracts): State<Extracts>,
    Path(source): Path<String>,
    body: Result<Json<Sync>, JsonRejection>,
) -> Result<Response, ApiError> {
    let asked = match body {
        Ok(Json(asked)) => asked,
        Err(JsonRejection::MissingJsonContentType(_)) => Sync::default(),
        Err(rejection) => return Err(ApiError::invalid(rejection.body_text())),
    };
    let request = SyncRequest {
        streams: asked.streams,
        full_refresh: asked.full_refresh,
        from: match asked.from.as_deref() {
            Some(text) => Some(SyncRequest::moment(text)?),
            None => None,
        },
    };
    let running = extracts.sync(&source, request)?;
    Ok(told(running))
}

/// Whether what differs is fetched.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verify {
    #[serde(default)]
    repair: bool,
}

pub(super) async fn verify(
    State(extracts): State<Extracts>,
    Path(source): Path<String>,
    body: Result<Json<Verify>, JsonRejection>,
) -> Result<Response, ApiError> {
    let asked = match body {
        Ok(Json(asked)) => asked,
        Err(JsonRejection::MissingJsonContentType(_)) => Verify::default(),
        Err(rejection) => return Err(ApiError::invalid(rejection.body_text())),
    };
    Ok(told(extracts.verify(&source, asked.repair)?))
}

/// Tells how a sync gets on, and ends it when nobody listens any more.
fn told(mut running: Running) -> Response {
    let (lines, answer) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        let mut told = None;
        loop {
            tokio::select! {
                ended = running.ended() => {
                    let shown = running.progress.shown();
                    let line = match ended {
                        Ok(()) => json!({ "done": { "run": running.run, "progress": shown } }),
                        Err(error) => failed(&running.run, &error),
                    };
                    let _ = lines.send(line).await;
                    return;
                }
                _ = ticks.tick() => {
                    let shown = running.progress.shown();
                    if told.as_ref() == Some(&shown) {
                        // A client that went away is seen by writing to it.
                        if lines.is_closed() {
                            return;
                        }
                        continue;
                    }
                    let line = json!({ "run": running.run, "progress": shown });
                    told = Some(shown);
                    if lines.send(line).await.is_err() {
                        // Nobody waits any more: the sync ends with `running`.
                        return;
                    }
                }
            }
        }
    });
    answered(answer)
}

/// Takes the messages of a Singer tap; each line of the answer is a state that is durable.
pub(super) async fn load(
    State(extracts): State<Extracts>,
    Path(source): Path<String>,
    Query(LoadQuery { flatten }): Query<LoadQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let (turn, mut loading, run) = extracts.load(&source, flatten).await?;
    let (lines, answer) = mpsc::channel(16);
    tokio::spawn(async move {
        let _turn = turn;
        let mut chunks = body.into_data_stream().fuse();
        let mut rest = BytesMut::new();
        let mut ended = Ok(());
        'body: while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else {
                // The client broke off: what a state covers is kept.
                let _ = loading.stop().await;
                return;
            };
            rest.extend_from_slice(&chunk);
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line = rest.split_to(end + 1);
                match take(&mut loading, &line).await {
                    Ok(Some(state)) => {
                        let _ = lines.send(json!({ "state": state })).await;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        ended = Err(error);
                        break 'body;
                    }
                }
            }
            if rest.len() > LINE_BYTES {
                ended = Err(too_long());
                break;
            }
        }
        if ended.is_ok() && !rest.is_empty() {
            ended = take(&mut loading, &rest).await.map(|_| ());
        }
        let line = match ended {
            Ok(()) => match loading.finish().await {
                Ok(state) => json!({ "done": { "run": run, "state": state } }),
                Err(error) => failed(&run, &error),
            },
            Err(error) => {
                let kept = loading.stop().await;
                failed(&run, kept.as_ref().err().unwrap_or(&error))
            }
        };
        let _ = lines.send(line).await;
        // The rest is read, so that the client comes to read the answer.
        while let Some(Ok(_)) = chunks.next().await {}
    });
    Ok(answered(answer))
}

async fn take(
    loading: &mut weir_extract::Loading,
    line: &[u8],
) -> Result<Option<Value>, ExtractError> {
    // Looking whether it is text is much quicker than mending what is not.
    match std::str::from_utf8(line) {
        Ok(text) => loading.line(text).await,
        Err(_) => loading.line(&String::from_utf8_lossy(line)).await,
    }
}

fn too_long() -> ExtractError {
    let message = format!("a line is longer than {LINE_BYTES} bytes");
    ExtractError::new(weir_extract::ExtractErrorKind::Protocol, message)
}

fn failed(run: &str, error: &ExtractError) -> Value {
    json!({ "failed": {
        "run": run,
        "message": error.to_string(),
        "causes": causes(error),
        "hint": error.advice(),
        "transient": error.is_transient(),
    } })
}

fn causes(error: &ExtractError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

fn answered(lines: mpsc::Receiver<Value>) -> Response {
    let lines = ReceiverStream::new(lines)
        .map(|line| Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))));
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    response
}
