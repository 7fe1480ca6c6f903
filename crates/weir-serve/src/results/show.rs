use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use weir_access::{Action, Object};
use weir_catalog::StoredResult;
use weir_query::StoredRowsStream;

use super::facts::may_see;
use super::{MOST_ROWS, Rooms, sheet};
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::query::{Chunk, Encoder, Format, Refusal, broken_off, streamed};

/// Answers that are listed when nobody says how many, and at most.
const LISTED: u32 = 50;
const MOST_LISTED: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    question: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Results {
    results: Vec<StoredResult>,
}

fn user_id(rooms: &Rooms, who: &SignedIn) -> i64 {
    let access = rooms.catalog.access();
    access.user(who.identity().user()).map_or(0, |user| user.id)
}

/// Lists one's own answers.
pub(super) async fn list(
    State(rooms): State<Rooms>,
    who: SignedIn,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Results>, ApiError> {
    let Query(wanted) = wanted.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let limit = wanted.limit.unwrap_or(LISTED).min(MOST_LISTED);
    let user = user_id(&rooms, &who);
    let question = wanted.question.as_deref();
    let results = rooms.catalog.results_of(user, question, limit).await?;
    Ok(Json(Results { results }))
}

/// Finds an answer that somebody may see; the others do not exist for them.
async fn find(rooms: &Rooms, who: &SignedIn, id: &str) -> Result<StoredResult, Refusal> {
    let found = rooms.catalog.result(id).await.map_err(ApiError::from)?;
    let found = found.ok_or_else(|| {
        ApiError::not_found("there is no such answer, or it has expired")
            .with_hint("answers that nobody pins go after a month in which nobody looks at them")
    })?;
    may_see(rooms, who, &found).await?;
    Ok(found)
}

pub(super) async fn one(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<StoredResult>, Refusal> {
    Ok(Json(find(&rooms, &who, &id).await?))
}

/// Finds an answer that somebody may change: their own, or any as an admin.
async fn own(rooms: &Rooms, who: &SignedIn, id: &str) -> Result<StoredResult, Refusal> {
    let found = find(rooms, who, id).await?;
    let access = rooms.catalog.access();
    let admin = access.decide(who.identity(), Action::Admin, &Object::Server);
    if found.user_id == user_id(rooms, who) || admin.allowed {
        return Ok(found);
    }
    let message = format!("this answer is `{}`'s", found.made_by);
    Err(ApiError::denied(message).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pinned: bool,
}

/// Keeps an answer for good, or no longer.
pub(super) async fn pin(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    body: Result<Json<Pin>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(Pin { pinned }) = body.map_err(|r| ApiError::invalid(r.body_text()))?;
    let found = own(&rooms, &who, &id).await?;
    let pinning = rooms.catalog.pin_result(&found.id, pinned);
    pinning.await.map_err(ApiError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let found = own(&rooms, &who, &id).await?;
    let forgetting = rooms.catalog.forget_result(&found.id);
    forgetting.await.map_err(ApiError::from)?;
    rooms.store.remove(&found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    offset: Option<usize>,
    limit: Option<usize>,
    format: Option<String>,
}

/// Returns rows of an answer: a part of them to be shown, or all of them as a file.
pub(super) async fn rows(
    State(rooms): State<Rooms>,
    who: SignedIn,
    Path(id): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(part) = part.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let name = part.format.as_deref().unwrap_or("json");
    if name == sheet::NAME {
        let found = find(&rooms, &who, &id).await?;
        let noting = rooms.catalog.use_result(&found);
        noting.await.map_err(ApiError::from)?;
        return sheet::file(&rooms, &found).await;
    }
    let format = Format::named(name).ok_or_else(|| {
        ApiError::invalid(format!("there is no format `{name}`")).with_hint(format!(
            "one of {}, {}",
            Format::NAMES.join(", "),
            sheet::NAME
        ))
    })?;
    let found = find(&rooms, &who, &id).await?;
    let noting = rooms.catalog.use_result(&found);
    noting.await.map_err(ApiError::from)?;
    let whole = part.offset.is_none() && part.limit.is_none();
    let mut response = if whole && format == Format::Parquet {
        Response::new(Body::from_stream(rooms.store.file(&found.id).await?))
    } else {
        let limit = match whole {
            true => None,
            false => Some(part.limit.unwrap_or(MOST_ROWS).min(MOST_ROWS)),
        };
        let offset = part.offset.unwrap_or(0);
        let (schema, rows) = rooms.store.read(&found.id, offset, limit).await?;
        let tail = format!(",\"versions\":{},\"command\":\"SELECT\"", found.versions);
        let head = (found.id.as_str(), &found.columns, tail);
        let encoder = Encoder::of(format, &schema, head, Instant::now());
        let encoder = encoder.map_err(|error| {
            tracing::error!(%error, "a kept answer cannot be written");
            ApiError::invalid("a column has a type that this format cannot hold")
        })?;
        let (sender, receiver) = mpsc::channel(4);
        let safe = format == Format::Csv;
        let writing = write(rows, encoder, sender, safe);
        rooms.engine.executor().spawn(writing);
        streamed(receiver, format)
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    if whole {
        attach(headers, &found.id, name);
    }
    Ok(response)
}

/// Names the file that an answer is saved as.
pub(super) fn attach(headers: &mut HeaderMap, id: &str, name: &str) {
    // The id has letters and digits only.
    let file = format!("attachment; filename=\"weir-{id}.{name}\"");
    if let Ok(file) = HeaderValue::from_str(&file) {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
}

async fn write(
    mut rows: StoredRowsStream,
    mut encoder: Encoder,
    sender: mpsc::Sender<Chunk>,
    safe: bool,
) {
    let mut chunk = encoder.head();
    loop {
        match chunk {
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => {
                if sender.send(Ok(bytes)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "a kept answer cannot be written");
                let _ = sender.send(Err(broken_off())).await;
                return;
            }
        }
        chunk = match rows.next().await {
            Some(Ok(batch)) if safe => encoder.batch(&harmless(&batch)),
            Some(Ok(batch)) => encoder.batch(&batch),
            Some(Err(error)) => {
                let _ = sender.send(Err(error)).await;
                return;
            }
            None => {
                let end = encoder.end().map_err(|_| broken_off());
                let _ = sender.send(end).await;
                return;
            }
        };
    }
}

/// Puts a quote before text that spreadsheets would take for a formula: it may come from anybody who
/// sends events.
fn harmless(batch: &RecordBatch) -> RecordBatch {
    let dangerous = |text: &str| text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quoted = |column: &ArrayRef| -> ArrayRef {
        let texts = match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>(),
            _ => return column.clone(),
        };
        if !texts.iter().flatten().any(dangerous) {
            return column.clone();
        }
        let made = texts.iter().map(|text| {
            text.map(|text| match dangerous(text) {
                true => format!("'{text}"),
                false => text.to_owned(),
            })
        });
        Arc::new(made.collect::<StringArray>())
    };
    // Text of the other kinds becomes this one first.
    let plain = |column: &ArrayRef| match column.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => {
            arrow::compute::cast(column, &DataType::Utf8).unwrap_or_else(|_| column.clone())
        }
        _ => column.clone(),
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
    let columns: Vec<ArrayRef> = columns.iter().map(quoted).collect();
    let fields = batch
        .schema()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| {
            field
                .as_ref()
                .clone()
                .with_data_type(column.data_type().clone())
        })
        .collect::<Vec<_>>();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    RecordBatch::try_new(schema, columns).unwrap_or_else(|_| batch.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_formula_and_numbers_stay() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            Some("=cmd|' /C calc'!A0"),
            Some("-1+1"),
            Some("fine"),
            None,
        ]));
        let numbers: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![-1, 2, 3, 4]));
        let batch = RecordBatch::try_from_iter([("t", texts), ("n", numbers.clone())]).unwrap();
        let made = harmless(&batch);
        let texts: Vec<_> = made.column(0).as_string::<i32>().iter().collect();
        assert_eq!(
            texts,
            [
                Some("'=cmd|' /C calc'!A0"),
                Some("'-1+1"),
                Some("fine"),
                None
            ]
        );
        assert_eq!(made.column(1), &numbers);
    }
}
