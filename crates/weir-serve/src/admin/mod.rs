//! Administration over HTTP: what the CLI does when a server runs.

mod access;
mod keys;
mod lake;
mod rebuild;
mod release;
mod sources;

use axum::Router;
use axum::routing::{delete, get, post, put};

use crate::Services;

/// Routes of users, roles, grants and tokens: each asks for itself who may.
pub(crate) fn access() -> Router<Services> {
    access::router()
}

/// Routes of keys and sources.
pub(crate) fn sources() -> Router<Services> {
    Router::new()
        .route("/api/v1/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{key}", delete(keys::revoke))
        .route("/api/v1/sources", get(sources::list))
        .route("/api/v1/sources/{name}", put(sources::put))
        .route("/api/v1/rebuild", post(rebuild::rebuild))
        .route(
            "/api/v1/events/released",
            get(release::list).post(release::release),
        )
}

/// Routes of the lake.
pub(crate) fn lake() -> Router<Services> {
    Router::new()
        .route("/api/v1/lake", get(lake::status))
        .route("/api/v1/lake/flush", post(lake::flush))
        .route("/api/v1/lake/compact", post(lake::compact))
        .route("/api/v1/lake/fsck", post(lake::check))
}
