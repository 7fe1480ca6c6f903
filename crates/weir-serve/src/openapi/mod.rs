//! `GET /api/v1/openapi.json`: what there is to ask, for programs that read such documents.

mod document;
mod paths;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header;

/// Returns the document's own route. It is for everybody: it says what this program can do, and
/// nothing of what is in it.
pub(crate) fn router() -> Router {
    let document = Bytes::from(document::document().to_string());
    let answer = move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    };
    Router::new().route("/api/v1/openapi.json", get(answer))
}
