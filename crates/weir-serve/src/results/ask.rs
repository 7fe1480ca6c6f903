use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use weir_catalog::{DocumentKind, StoredResult};
use weir_query::{AnswerFacts, NamedStatement, QueryRequest, QueryResult, answer_identity};

use super::facts::{Facts, Known};
use super::keep::{Keeping, keep};
use super::{MOST_ROWS, Rooms, USUAL_ROWS};
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::query::{Encoder, Failure, Format, Refusal, columns, streamed, unwritable};

/// Pieces of an answer that wait for a slow reader.
const CHUNKS_AHEAD: usize = 4;

/// The header that names the run, for ending it from elsewhere.
const QUERY_ID: HeaderName = HeaderName::from_static("weir-query-id");

/// A question: a saved one, or a statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    sql: Option<String>,
    question: Option<String>,
    /// Of the question; the newest without one.
    version: Option<i64>,
    /// Values of `{{name}}`.
    #[serde(default)]
    params: Option<Map<String, Value>>,
    /// How many rows come with the answer.
    rows: Option<usize>,
    /// Whether it is asked again although nothing has changed.
    #[serde(default)]
    fresh: Option<bool>,
}

/// What is asked, as it is run.
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    pub(super) question: Option<(String, i64)>,
    pub(super) rows: usize,
    fresh: bool,
    /// Whether nothing is told but rows: for those who know no more of the question.
    pub(super) bare: bool,
}

/// What a page of others asks: a question of a dashboard that it shows.
pub(crate) struct Embedded {
    pub(crate) question: String,
    pub(crate) version: i64,
    pub(crate) params: Map<String, Value>,
    pub(crate) rows: usize,
}

pub(super) async fn ask(
    State(rooms): State<Rooms>,
    who: SignedIn,
    body: Result<Json<Ask>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(ask) = body.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    answer(rooms, who, ask, false).await
}

/// Answers for a page of others, with the rights of whoever made its link.
pub(crate) async fn embedded(
    rooms: Rooms,
    who: SignedIn,
    embedded: Embedded,
) -> Result<Response, ApiError> {
    let ask = Ask {
        sql: None,
        question: Some(embedded.question),
        version: Some(embedded.version),
        params: Some(embedded.params),
        rows: Some(embedded.rows),
        fresh: None,
    };
    // What is wrong with a question is told to those who may open it.
    answer(rooms, who, ask, true).await.map_err(|_| {
        ApiError::invalid("this cannot be answered here")
            .with_hint("whoever made this page can open its dashboard, which says why")
    })
}

async fn answer(rooms: Rooms, who: SignedIn, ask: Ask, bare: bool) -> Result<Response, Refusal> {
    let started = Instant::now();
    let asked = read(&rooms, &who, ask, bare).await?;
    let caller = who.caller("web");
    // Of before the query is planned: what changes meanwhile makes another answer.
    let generation = rooms.catalog.generation();
    let statement = (
        who.identity().user().to_owned(),
        asked.sql.clone(),
        Value::from(asked.params.clone()).to_string(),
    );
    let known_facts = rooms.facts.get(generation, &statement);
    let mut facts = match &known_facts {
        Some(known) => known.facts.clone(),
        None => Facts::of(&rooms, &caller, &asked.sql, &asked.params).await?,
    };
    let request = QueryRequest {
        params: asked.params.iter().cloned().map(Into::into).collect(),
        read_only: true,
        ..QueryRequest::new(asked.sql.clone(), caller.clone())
    };
    let time_zone = request.settings.time_zone.clone();
    let mut result = rooms.engine.query(request).await?;
    let tables: Vec<String> = result.versions.keys().cloned().collect();
    if known_facts.is_some_and(|known| known.tables != tables) {
        facts = Facts::of(&rooms, &caller, &asked.sql, &asked.params).await?;
    }
    let known = Known {
        facts: facts.clone(),
        tables,
    };
    rooms.facts.put(generation, statement, known);
    // With the question: each has a history of its own.
    let params = format!("{:?} {}", asked.question, Value::from(asked.params.clone()));
    let identity = (!facts.varies).then(|| {
        answer_identity(&AnswerFacts {
            sql: &asked.sql,
            params: &params,
            versions: &result.versions,
            generation,
            time_zone: &time_zone,
        })
    });
    let access = rooms.catalog.access();
    let user_id = access.user(who.identity().user()).map_or(0, |user| user.id);
    let mut known = None;
    if let Some(identity) = identity.as_ref().filter(|_| !asked.fresh) {
        let looking = rooms.catalog.same_result(user_id, identity);
        known = looking.await.map_err(ApiError::from)?;
    }
    if let Some(known) = known
        && let Some(response) = stored(&rooms, &known, &asked, started).await
    {
        // Dropping the query ends it.
        return Ok(response);
    }
    let first = match result.rows.next().await {
        Some(Err(error)) => return Err(error.into()),
        Some(Ok(batch)) => Some(batch),
        None => None,
    };
    let keeping = Keeping {
        id: rooms.catalog.new_result_id(),
        made_by: who.identity().user().to_owned(),
        user_id,
        identity,
        facts,
        asked,
    };
    Ok(run(&rooms, result, first, keeping))
}

/// Finds the statement and its values.
async fn read(rooms: &Rooms, who: &SignedIn, ask: Ask, bare: bool) -> Result<Asked, Refusal> {
    let params = ask.params.unwrap_or_default();
    let rows = ask.rows.unwrap_or(USUAL_ROWS).min(MOST_ROWS);
    let fresh = ask.fresh.unwrap_or(false);
    let (statement, question) = match (ask.sql, ask.question) {
        (Some(sql), None) => {
            let parameters = Vec::new();
            (NamedStatement { sql, parameters }, None)
        }
        (None, Some(id)) => {
            let kind = DocumentKind::Question;
            let saved = rooms
                .catalog
                .document(&who.actor(), kind, &id, ask.version)
                .await
                .map_err(ApiError::from)?;
            let statement: NamedStatement = serde_json::from_value(saved.body)
                .map_err(|_| ApiError::invalid("this question has no statement"))?;
            (statement, Some((id, saved.shown_version)))
        }
        _ => {
            return Err(ApiError::invalid("send either `sql` or `question`").into());
        }
    };
    let (sql, values) = statement.bind(&params)?;
    Ok(Asked {
        sql,
        params: values,
        question,
        rows,
        fresh,
        bare,
    })
}

fn run(
    rooms: &Rooms,
    result: QueryResult,
    first: Option<arrow::array::RecordBatch>,
    keeping: Keeping,
) -> Response {
    let mut encoder = match Encoder::new(Format::Json, &result) {
        Ok(encoder) => encoder,
        Err(error) => return unwritable(&error),
    };
    if keeping.asked.bare {
        encoder.set_tail(String::new());
    }
    let id = result.id.to_string();
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    // On the queries' threads, not on intake's.
    rooms
        .engine
        .executor()
        .spawn(keep(rooms.clone(), result, first, encoder, sender, keeping));
    let mut response = streamed(receiver, Format::Json);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(QUERY_ID, id);
    }
    response
}

/// Answers from the store; none when the rows are not there any more.
async fn stored(
    rooms: &Rooms,
    known: &StoredResult,
    asked: &Asked,
    started: Instant,
) -> Option<Response> {
    let read = rooms.store.read(&known.id, 0, Some(asked.rows)).await;
    let (schema, mut batches) = read
        .inspect_err(|error| tracing::warn!(%error, result = known.id, "a kept answer is gone"))
        .ok()?;
    let mut bytes = Vec::new();
    let write = |error: arrow::error::ArrowError| {
        tracing::warn!(%error, result = known.id, "a kept answer cannot be written");
    };
    let mut encoder = Encoder::of(
        Format::Json,
        &schema,
        (&known.id, &known.columns, String::new()),
        started,
    )
    .map_err(write)
    .ok()?;
    bytes.extend_from_slice(&encoder.head().map_err(write).ok()?);
    while let Some(batch) = batches.next().await {
        let batch = batch.ok()?;
        bytes.extend_from_slice(&encoder.batch(&batch).map_err(write).ok()?);
    }
    encoder.set_tail(tail(known, true, asked.bare));
    bytes.extend_from_slice(&encoder.end().map_err(write).ok()?);
    if let Err(error) = rooms.catalog.use_result(known).await {
        tracing::warn!(%error, "the use of an answer is not noted");
    }
    let kind = HeaderValue::from_static(Format::Json.content_type());
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, kind);
    headers.insert(
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    Some(response)
}

/// Writes what stands behind the rows.
pub(super) fn tail(result: &StoredResult, cached: bool, bare: bool) -> String {
    if bare {
        let told = json!({ "rows": result.rows, "created_at": result.created_at });
        return format!(",\"result\":{told}");
    }
    let mut manifest = serde_json::to_value(result).unwrap_or_default();
    manifest["cached"] = Value::Bool(cached);
    format!(
        ",\"versions\":{},\"command\":\"SELECT\",\"result\":{manifest}",
        result.versions
    )
}

/// Returns the names and types of a result, for its manifest.
pub(super) fn shown_columns(result: &QueryResult) -> Value {
    columns(&result.schema)
}

/// Returns a query's error for a client.
pub(super) fn failure(error: &weir_query::QueryError) -> Failure {
    Failure::from(error)
}
