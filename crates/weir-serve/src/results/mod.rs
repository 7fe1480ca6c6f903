//! `/api/v1/results`: questions whose answers are kept, and the answers that were.
//!
//! An answer never changes. Whoever asks the same on unchanged data gets the one that is there; whoever
//! looks at somebody else's must have the right to read, now, everything it was made of.

mod ask;
mod expire;
mod facts;
mod keep;
mod sheet;
mod show;
mod zip;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};
use weir_catalog::Catalog;
use weir_query::{Engine, ResultStore};

pub(crate) use ask::{Embedded, embedded};
pub(crate) use expire::expire_until;
pub(crate) use facts::KnownFacts;

/// Rows of one kept answer at most; further ones are left out, which the answer says.
const MAX_ROWS: u64 = 20_000_000;

/// Bytes of one kept answer at most.
const MAX_BYTES: u64 = 2 << 30;

/// Rows that come with an answer when nobody says how many, and at most.
const USUAL_ROWS: usize = 1_000;
const MOST_ROWS: usize = 50_000;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub(crate) engine: Engine,
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<ResultStore>,
    pub(crate) facts: Arc<KnownFacts>,
}

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(rooms: Rooms) -> Router {
    Router::new()
        .route("/api/v1/results", post(ask::ask).get(show::list))
        .route("/api/v1/results/{id}", get(show::one).delete(show::remove))
        .route("/api/v1/results/{id}/rows", get(show::rows))
        .route("/api/v1/results/{id}/pinned", put(show::pin))
        .with_state(rooms)
}
