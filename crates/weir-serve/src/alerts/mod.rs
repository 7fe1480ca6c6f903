//! Questions that are asked by themselves, and whoever `schedules.yml` names is told when an answer is bad
//! news, and once more when it is well again.

mod route;
mod watch;

use std::sync::Arc;

use weir_catalog::Catalog;
use weir_flow::Flow;
use weir_query::Engine;

use crate::Services;
use crate::runs::Desk;

pub(crate) use route::router;
pub(crate) use watch::watch_until;

/// What alerts work with.
#[derive(Clone)]
pub(crate) struct Rooms {
    engine: Engine,
    catalog: Catalog,
    /// Where incidents are kept until everybody was told.
    flow: Flow,
    /// Who can be told.
    desk: Arc<dyn Desk>,
}

impl Rooms {
    pub(crate) fn of(services: &Services) -> Self {
        Self {
            engine: services.engine.clone(),
            catalog: services.catalog.clone(),
            flow: services.runs.flow.clone(),
            desk: services.runs.desk.clone(),
        }
    }
}

/// Returns what an alert's incident is called: receivers tell incidents apart by it, and read its name.
fn key(watch: &weir_catalog::Watch) -> String {
    format!("question:{} ({})", watch.name, watch.id)
}
