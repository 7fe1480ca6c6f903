use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use weir_query::{Engine, QueryError, QueryRequest, QueryResult};

use super::encode::Encoder;
use super::failure::Failure;
use super::format::Format;
use crate::auth::SignedIn;
use crate::body::BodyError;
use crate::error::ApiError;

/// The largest request: a statement of the engine's largest size, and parameters.
const MAX_REQUEST: usize = 8 << 20;

/// Chunks of an answer that wait for a slow reader.
const CHUNKS_AHEAD: usize = 4;

/// The header that names the run, for `weir.queries` and for cancelling.
const QUERY_ID: HeaderName = HeaderName::from_static("weir-query-id");

/// Returns the routes of queries; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(engine: Engine) -> Router {
    Router::new()
        .route("/api/v1/query", get(ask).post(ask))
        .route("/api/v1/queries/{id}", delete(cancel))
        .with_state(engine)
}

/// What a request asks, however it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    sql: String,
    #[serde(default)]
    params: Vec<Value>,
    format: Option<String>,
    timeout_ms: Option<u64>,
    transaction: Option<String>,
}

/// The same in a URL, where values are text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UrlQuestion {
    sql: Option<String>,
    params: Option<String>,
    format: Option<String>,
    timeout_ms: Option<u64>,
}

async fn ask(State(engine): State<Engine>, who: SignedIn, request: Request) -> Response {
    let headers = request.headers().clone();
    // A link, a preview or a prefetch must not change anything.
    let reads = request.method() != Method::POST;
    let question = match question(request).await {
        Ok(question) => question,
        Err(error) => return error.into_response(),
    };
    let format = match question.format.as_deref() {
        None => Format::accepted(&headers),
        Some(name) => match Format::named(name) {
            Some(format) => format,
            None => {
                let known = Format::NAMES.join(", ");
                return ApiError::invalid(format!("there is no format `{name}`"))
                    .with_hint(format!("one of {known}"))
                    .into_response();
            }
        },
    };
    let door = if headers.contains_key("weir-cli") {
        "cli"
    } else {
        "http"
    };
    let caller = who.caller(door);
    let transaction = question.transaction.as_deref();
    let transaction = match transaction
        .map(|id| engine.transaction(&caller, id))
        .transpose()
    {
        Ok(transaction) => transaction,
        Err(error) => return Failure::from(&error).into_response(),
    };
    let request = QueryRequest {
        instant: None,
        sql: question.sql,
        params: question.params.into_iter().map(Into::into).collect(),
        settings: Default::default(),
        read_only: reads,
        caller,
        timeout: question.timeout_ms.map(Duration::from_millis),
        transaction,
    };
    match engine.query(request).await {
        Ok(result) => answer(&engine, result, format).await,
        Err(error) => Failure::from(&error).into_response(),
    }
}

async fn question(request: Request) -> Result<Question, ApiError> {
    let (parts, body) = request.into_parts();
    let url = axum::extract::Query::<UrlQuestion>::try_from_uri(&parts.uri)
        .map_err(|error| ApiError::invalid(error.body_text()))?
        .0;
    let from_url = |sql: String, params| Question {
        sql,
        params,
        format: url.format.clone(),
        timeout_ms: url.timeout_ms,
        transaction: None,
    };
    let params = match url.params.as_deref() {
        None => Vec::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| ApiError::invalid(format!("`params` is no JSON list: {error}")))?,
    };
    if parts.method != Method::POST {
        return match url.sql.clone() {
            Some(sql) => Ok(from_url(sql, params)),
            None => Err(ApiError::invalid("there is no `sql`")
                .with_hint("GET /api/v1/query?sql=SELECT%201")),
        };
    }
    let body = to_bytes(body, MAX_REQUEST).await.map_err(|error| {
        if BodyError::is_too_slow(&error) {
            return ApiError::body_too_slow();
        }
        ApiError::new(
            http::StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the request is larger than {MAX_REQUEST} bytes, or broke off"),
        )
    })?;
    if is_text(&parts.headers) {
        let sql = String::from_utf8(body.to_vec())
            .map_err(|_| ApiError::invalid("the statement is not UTF-8"))?;
        return Ok(from_url(sql, params));
    }
    serde_json::from_slice(&body).map_err(|error| {
        ApiError::invalid(format!("the body is not what this takes: {error}")).with_hint(
            "send {\"sql\": \"SELECT 1\"} as application/json, or bare SQL as text/plain",
        )
    })
}

/// Whether the body is bare SQL.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    kind.starts_with("text/plain") || kind.starts_with("application/sql")
}

async fn answer(engine: &Engine, mut result: QueryResult, format: Format) -> Response {
    // A query that fails before its first row can still say so in the status.
    let first = match result.rows.next().await {
        Some(Err(error)) => return Failure::from(&error).into_response(),
        Some(Ok(batch)) => Some(batch),
        None => None,
    };
    let encoder = match Encoder::new(format, &result) {
        Ok(encoder) => encoder,
        Err(error) => return unwritable(&error),
    };
    let id = result.id.to_string();
    let mut response = match first {
        None => match without_rows(encoder) {
            Ok(body) => of_format(Body::from(body), format),
            Err(error) => return unwritable(&error),
        },
        Some(first) => {
            let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
            // Writing rows out costs as much as reading them: on the queries' threads, not on intake's.
            engine
                .executor()
                .spawn(write(result, first, encoder, sender));
            streamed(receiver, format)
        }
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(QUERY_ID, id);
    }
    response
}

/// Returns an answer whose body arrives in chunks.
pub(crate) fn streamed(receiver: mpsc::Receiver<Chunk>, format: Format) -> Response {
    let chunks = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    of_format(Body::from_stream(chunks), format)
}

fn of_format(body: Body, format: Format) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns all there is to say about an answer that has no rows.
fn without_rows(mut encoder: Encoder) -> Result<Vec<u8>, arrow::error::ArrowError> {
    let mut body = encoder.head()?.to_vec();
    body.extend_from_slice(&encoder.end()?);
    Ok(body)
}

pub(crate) fn unwritable(error: &arrow::error::ArrowError) -> Response {
    tracing::error!(%error, "result cannot be written");
    ApiError::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "unwritable",
        "a column of the result has a type that this format cannot hold",
    )
    .with_hint("cast it to text, or ask for Arrow")
    .into_response()
}

/// A piece of an answer; an error breaks the connection.
pub(crate) type Chunk = Result<Bytes, QueryError>;

async fn write(
    mut result: QueryResult,
    first: arrow::array::RecordBatch,
    mut encoder: Encoder,
    sender: mpsc::Sender<Chunk>,
) {
    let mut next = Some(Ok(first));
    let mut chunk = encoder.head().map_err(|error| error.to_string());
    loop {
        match chunk {
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => {
                if sender.send(Ok(bytes)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(query = %result.id, error, "rows cannot be written");
                let _ = sender.send(Err(broken_off())).await;
                return;
            }
        }
        let batch = match next.take() {
            Some(batch) => Some(batch),
            // Whoever asked may leave while the next rows are computed.
            None => tokio::select! {
                biased;
                () = sender.closed() => return,
                batch = result.rows.next() => batch,
            },
        };
        chunk = match batch {
            Some(Ok(batch)) => encoder.batch(&batch).map_err(|error| error.to_string()),
            Some(Err(error)) => {
                let last = encoder.broken(&Failure::from(&error)).ok_or(error);
                let _ = sender.send(last).await;
                return;
            }
            None => {
                let end = encoder.end().map_err(|_| broken_off());
                if !matches!(&end, Ok(end) if end.is_empty()) {
                    let _ = sender.send(end).await;
                }
                return;
            }
        };
    }
}

/// An error of the body, which breaks the connection: the reader sees that rows are missing.
pub(crate) fn broken_off() -> QueryError {
    QueryError::unwritable()
}

async fn cancel(State(engine): State<Engine>, who: SignedIn, Path(id): Path<String>) -> Response {
    if engine.cancel_for(&who.caller("http"), &id) {
        return Json(serde_json::json!({ "query_id": id, "state": "cancelling" })).into_response();
    }
    ApiError::not_found(format!(
        "no query `{}` runs",
        id.chars().take(64).collect::<String>()
    ))
    .into_response()
}
