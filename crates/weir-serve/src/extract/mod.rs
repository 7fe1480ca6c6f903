//! Sources that Weir fetches from, over HTTP: what `weir source`, `weir sync`, `weir state` and `weir load` do.

mod routes;
mod stream;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use weir_extract::{ExtractError, ExtractErrorKind, Extracts};

use crate::error::ApiError;

/// Returns the routes for whoever may manage sources.
pub(crate) fn router(extracts: Extracts) -> Router {
    Router::new()
        .route("/api/v1/extract", get(routes::list))
        .route("/api/v1/extract/{source}/discover", post(routes::discover))
        .route("/api/v1/extract/{source}/sync", post(stream::sync))
        .route("/api/v1/extract/{source}/verify", post(stream::verify))
        .route("/api/v1/extract/{source}/load", post(stream::load))
        .route(
            "/api/v1/extract/{source}/state",
            get(routes::state).put(routes::set_state),
        )
        .route("/api/v1/extract/undo", post(routes::undo))
        .with_state(extracts)
}

/// Whether a path is where messages of a tap are taken.
pub(crate) fn is_load(path: &str) -> bool {
    path.starts_with("/api/v1/extract/") && path.ends_with("/load")
}

impl From<ExtractError> for ApiError {
    fn from(error: ExtractError) -> Self {
        let (status, code) = match error.kind() {
            ExtractErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            ExtractErrorKind::Busy => (StatusCode::CONFLICT, "conflict"),
            ExtractErrorKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "not_yet"),
            ExtractErrorKind::Destination => (StatusCode::SERVICE_UNAVAILABLE, "lake_unavailable"),
            ExtractErrorKind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            ExtractErrorKind::Unreachable | ExtractErrorKind::Program => {
                (StatusCode::BAD_GATEWAY, "source_failed")
            }
            _ => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        // Whoever may manage sources may read what their programs and servers say.
        let answer = Self::new(status, code, crate::error::chain(&error));
        match error.advice() {
            Some(hint) => answer.with_hint(hint),
            None => answer,
        }
    }
}
