//! One table from a query's error to what an HTTP client is told.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use weir_query::{QueryError, QueryErrorKind};

/// A query's error as HTTP clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    code: &'static str,
    sqlstate: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Place>,
    #[serde(skip)]
    status: StatusCode,
}

#[derive(Debug, Serialize)]
struct Place {
    line: u64,
    column: u64,
}

impl From<&QueryError> for Failure {
    fn from(error: &QueryError) -> Self {
        Self {
            code: error.kind().code(),
            sqlstate: error.sqlstate(),
            message: error.message().to_owned(),
            hint: error.advice().map(str::to_owned),
            position: error.position().map(|p| Place {
                line: p.line,
                column: p.column,
            }),
            status: status(error.kind()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let busy = self.status == StatusCode::TOO_MANY_REQUESTS;
        let mut response = (self.status, Json(self)).into_response();
        if busy {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn status(kind: QueryErrorKind) -> StatusCode {
    use QueryErrorKind as Kind;
    match kind {
        Kind::ReadOnly | Kind::PermissionDenied => StatusCode::FORBIDDEN,
        Kind::OutOfMemory | Kind::OutOfDisk => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Cancelled => StatusCode::CONFLICT,
        Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
        Kind::Lake => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        // The rest is the statement's own fault.
        _ => StatusCode::BAD_REQUEST,
    }
}
