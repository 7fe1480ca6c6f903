//! What a query holds on to: one instant of all tables and views, and who asks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use chrono::{DateTime, SubsecRound, Utc};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use parking_lot::Mutex;
use weir_access::Access;
use weir_catalog::{Catalog, View};
use weir_core::TableName;
use weir_lake::{Lake, LakeView, TableView};

use crate::caller::Caller;
use crate::check::Planned;
use crate::engine::Parts;
use crate::error::QueryError;
use crate::options::EngineOptions;
use crate::registry::Queries;
use crate::secured::Guard;
use crate::settings::Settings;
use crate::stream::PinnedVersion;
use crate::transaction::Transaction;

/// All tables and views as they are together. A publication changes both at once.
#[derive(Clone)]
pub struct Instant {
    pub(crate) view: Arc<LakeView>,
    pub(crate) views: Arc<[View]>,
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant({})", self.view.visible.0)
    }
}

impl Instant {
    /// Returns the tables.
    pub fn tables(&self) -> &Arc<LakeView> {
        &self.view
    }
}

/// Who asks, and with which settings.
pub(crate) struct Asker {
    pub(crate) caller: Caller,
    pub(crate) settings: Arc<Settings>,
}

/// Everything one query may see, pinned.
pub(crate) struct Pinned {
    pub(crate) base: Arc<SessionState>,
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) options: Arc<EngineOptions>,
    pub(crate) lake: Lake,
    pub(crate) catalog: Catalog,
    pub(crate) queries: Arc<Queries>,
    pub(crate) asker: Asker,
    /// What `now()` is in all of the statement.
    pub(crate) started: DateTime<Utc>,
    /// Who may do what, as of the beginning.
    pub(crate) access: Arc<Access>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) view: Arc<LakeView>,
    /// The views of that instant.
    pub(super) views: Arc<[View]>,
    /// What is read as it was, by schema and the name given to it in the statement.
    pub(crate) past: HashMap<(String, String), Past>,
    /// The table a statement writes.
    pub(crate) target: Option<Target>,
    /// The transaction the statement is part of.
    pub(crate) transaction: Option<Transaction>,
    /// Whether only columns matter, and not what lies below views made in the transaction under way.
    pub(super) columns_only: bool,
    /// Relations that are yet to be made, where queries are only checked.
    pub(crate) planned: Option<Arc<Planned>>,
    pub(super) used: Mutex<BTreeMap<String, PinnedVersion>>,
    /// The tables among them that somebody named, and not only a view that Weir makes.
    pub(super) named: Mutex<BTreeSet<TableName>>,
    /// How many views are being planned, one inside the other.
    pub(super) views_deep: AtomicUsize,
}

/// Something that a statement reads as it was.
pub(crate) enum Past {
    Table(Arc<TableView>),
    /// A view as it is published now, of what was there.
    View {
        schema: String,
        name: String,
        then: Then,
    },
}

/// What was there.
#[derive(Clone)]
pub(crate) struct Then {
    /// The tables as they were.
    pub(crate) lake: Arc<LakeView>,
    /// The last position of sources' changes that counts; all of them otherwise.
    pub(crate) until: Option<i64>,
}

/// The table a statement writes, under the name it has in the question made of the statement.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) view: Arc<TableView>,
}

impl Pinned {
    pub(crate) fn new(
        parts: &Parts,
        asker: Asker,
        past: HashMap<(String, String), Past>,
        instant: Instant,
    ) -> Result<Self, QueryError> {
        let Instant { view, views } = instant;
        let catalog = parts.catalog.clone();
        let guard = Arc::new(Guard::new(catalog.clone(), asker.caller.clone())?);
        Ok(Self {
            base: parts.base.clone(),
            runtime: parts.base.runtime_env().clone(),
            options: parts.options.clone(),
            lake: parts.lake.clone(),
            queries: parts.queries.clone(),
            asker,
            // As exact as timestamps are in PostgreSQL: a cast must not make another moment of it.
            started: Utc::now().trunc_subsecs(6),
            access: catalog.access(),
            guard,
            catalog,
            view,
            views,
            past,
            target: None,
            transaction: None,
            columns_only: false,
            planned: None,
            used: Mutex::default(),
            named: Mutex::default(),
            views_deep: AtomicUsize::new(0),
        })
    }

    /// Returns the tables the query named, with the version it reads of each.
    pub(crate) fn used(&self) -> BTreeMap<String, PinnedVersion> {
        self.used.lock().clone()
    }

    /// Returns the tables among them that somebody named, and not only a view that Weir makes.
    pub(crate) fn named(&self) -> BTreeSet<TableName> {
        self.named.lock().clone()
    }
}
