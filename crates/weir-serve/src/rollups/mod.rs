//! Questions that are kept as tables: brought up to date by the clock or when what they read changes, by
//! `weir-flow`, with the rights of whoever asked for that.

mod reads;
mod route;

use weir_catalog::Catalog;
use weir_query::Engine;

use crate::Services;
use crate::runs::Runs;

pub use reads::followed;
pub(crate) use route::{router, saved};

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Rooms {
    engine: Engine,
    catalog: Catalog,
    runs: Runs,
}

impl Rooms {
    pub(crate) fn of(services: &Services) -> Self {
        Self {
            engine: services.engine.clone(),
            catalog: services.catalog.clone(),
            runs: services.runs.clone(),
        }
    }
}
