//! What names mean in one query: tables of one instant, past versions, views, system tables.
//!
//! Nothing here is copied or listed when a query starts: a name is looked up when the statement
//! mentions it, so a lake of ten thousand tables costs a query no more than one of ten.

mod builtin;
mod provider;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::ViewTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableType;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use parking_lot::Mutex;
use weir_catalog::Catalog;
use weir_core::TableName;
use weir_lake::{Lake, LakeTable, LakeView, TableView};

use crate::caller::Caller;
use crate::error::{Names, QueryError, QueryErrorKind, closest, translate};
use crate::options::EngineOptions;
use crate::registry::Queries;
use crate::session::{CATALOG, DEFAULT_SCHEMA, PATH};
use crate::settings::Settings;
use crate::stream::PinnedVersion;
use crate::system;

/// Views may name views, so deep.
const MAX_VIEW_DEPTH: usize = 16;

/// The most nodes the plan of one view may have, everything it names included.
const MAX_VIEW_NODES: usize = 5_000;

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
    pub(crate) view: Arc<LakeView>,
    /// Past snapshots by schema and the name given to them in the statement.
    pub(crate) past: HashMap<(String, String), Arc<TableView>>,
    used: Mutex<BTreeMap<String, PinnedVersion>>,
}

impl Pinned {
    pub(crate) fn new(
        base: Arc<SessionState>,
        options: Arc<EngineOptions>,
        lake: Lake,
        catalog: Catalog,
        queries: Arc<Queries>,
        asker: Asker,
        past: HashMap<(String, String), Arc<TableView>>,
        view: Arc<LakeView>,
    ) -> Self {
        let runtime = base.runtime_env().clone();
        Self {
            base,
            runtime,
            options,
            lake,
            catalog,
            queries,
            asker,
            view,
            past,
            used: Mutex::default(),
        }
    }

    /// Returns the tables the query named, with the version it reads of each.
    pub(crate) fn used(&self) -> BTreeMap<String, PinnedVersion> {
        self.used.lock().clone()
    }
}

/// The pinned names as seen from the statement (depth 0) or from inside a view.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) pinned: Arc<Pinned>,
    depth: usize,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.depth)
    }
}

/// Whether a name stands for rows or for a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    View,
    System,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::View => "view",
            Kind::System => "system",
        }
    }

    fn table_type(self) -> TableType {
        match self {
            Kind::Table => TableType::Base,
            Kind::View | Kind::System => TableType::View,
        }
    }
}

impl Scope {
    pub(crate) fn new(pinned: Pinned) -> Self {
        Self {
            pinned: Arc::new(pinned),
            depth: 0,
        }
    }

    /// Returns a session that sees these names.
    pub(crate) fn state(&self) -> SessionState {
        let mut state = self.pinned.base.as_ref().clone();
        let zone = &self.pinned.asker.settings.time_zone;
        state.config_mut().options_mut().execution.time_zone = Some(zone.clone());
        state.register_catalog_list(Arc::new(self.clone()));
        system::pg_catalog::functions::register(self, &mut state);
        state.mark_start_execution();
        state
    }

    /// Returns the schemas in which a name without one is looked up, in this order.
    pub(crate) fn path(&self) -> Vec<String> {
        let asker = &self.pinned.asker;
        let mut path = vec![system::pg_catalog::SCHEMA.to_owned()];
        if self.depth > 0 {
            // A view means the same whoever asks it.
            path.push(DEFAULT_SCHEMA.to_owned());
            return path;
        }
        let expand = |schema: &String| match schema.as_str() {
            "$user" => asker.caller.name().to_owned(),
            _ => schema.clone(),
        };
        path.extend(asker.settings.search_path.iter().map(expand));
        path
    }

    /// Returns the schema of the search path that has `name`.
    pub(crate) fn on_path(&self, name: &str) -> Option<String> {
        self.path().into_iter().find(|schema| {
            self.lake_table(schema, name).is_some() || self.names(schema).contains_key(name)
        })
    }

    /// Returns all schemas.
    pub(crate) fn schemas(&self) -> BTreeSet<String> {
        let mut schemas: BTreeSet<String> = self
            .pinned
            .view
            .tables
            .keys()
            .map(|name| name.schema().to_owned())
            .collect();
        schemas.extend(
            self.pinned
                .catalog
                .views()
                .iter()
                .map(|view| view.schema.clone()),
        );
        schemas.extend(
            [
                DEFAULT_SCHEMA,
                system::SCHEMA,
                system::INFORMATION_SCHEMA,
                system::pg_catalog::SCHEMA,
            ]
            .map(str::to_owned),
        );
        schemas
    }

    /// Returns the names in `schema`.
    pub(crate) fn names(&self, schema: &str) -> BTreeMap<String, Kind> {
        match schema {
            system::SCHEMA => {
                let mut names: BTreeMap<String, Kind> = system::TABLES
                    .iter()
                    .map(|name| ((*name).to_owned(), Kind::System))
                    .collect();
                names.insert(builtin::EVENT_FATE.to_owned(), Kind::System);
                names
            }
            system::INFORMATION_SCHEMA => system::information::TABLES
                .iter()
                .map(|name| ((*name).to_owned(), Kind::System))
                .collect(),
            system::pg_catalog::SCHEMA => system::pg_catalog::names()
                .map(|name| (name.to_owned(), Kind::System))
                .collect(),
            PATH => self
                .path()
                .iter()
                .rev()
                .flat_map(|schema| self.names(schema))
                .collect(),
            _ => {
                let views = self.pinned.catalog.views();
                let mut names: BTreeMap<String, Kind> = views
                    .iter()
                    .filter(|view| view.schema == schema)
                    .map(|view| (view.name.clone(), Kind::View))
                    .collect();
                if builtin::users(self.tables(), schema).is_some() {
                    names.insert(builtin::USERS.to_owned(), Kind::View);
                }
                let tables = self
                    .pinned
                    .view
                    .tables
                    .keys()
                    .filter(|name| name.schema() == schema);
                names.extend(tables.map(|name| (name.table().to_owned(), Kind::Table)));
                names
            }
        }
    }

    fn tables(&self) -> &BTreeMap<TableName, Arc<TableView>> {
        &self.pinned.view.tables
    }

    /// Returns the lake's table of that name.
    pub(crate) fn lake_table(&self, schema: &str, table: &str) -> Option<&Arc<TableView>> {
        let name = TableName::new(schema, table).ok()?;
        self.tables().get(&name)
    }

    /// Finds what `schema.name` stands for.
    pub(crate) async fn find(
        &self,
        schema: &str,
        name: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match schema {
            system::SCHEMA if name != builtin::EVENT_FATE => return Ok(system::table(self, name)),
            system::INFORMATION_SCHEMA => return system::information::table(self, name).await,
            system::pg_catalog::SCHEMA => return Ok(system::pg_catalog::table(self, name)),
            _ => {}
        }
        // Names of past versions exist in the statement only, not inside the views it uses.
        if self.depth == 0
            && let Some(past) = self.pinned.past.get(&(schema.to_owned(), name.to_owned()))
        {
            return Ok(Some(self.read(past)));
        }
        if schema == PATH {
            return match self.on_path(name) {
                Some(schema) => Box::pin(self.find(&schema, name)).await,
                None => Ok(None),
            };
        }
        if let Some(table) = self.lake_table(schema, name) {
            return Ok(Some(self.read(&table.clone())));
        }
        match self.definition(schema, name) {
            Some(sql) => Box::pin(self.plan_view(schema, name, &sql)).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the query that `schema.name` stands for.
    pub(crate) fn definition(&self, schema: &str, name: &str) -> Option<String> {
        let views = self.pinned.catalog.views();
        if let Some(view) = views
            .iter()
            .find(|view| view.schema == schema && view.name == name)
        {
            return Some(view.sql.clone());
        }
        match (schema, name) {
            (system::SCHEMA, builtin::EVENT_FATE) => Some(builtin::event_fate(self.tables())),
            (_, builtin::USERS) => builtin::users(self.tables(), schema),
            _ => None,
        }
    }

    fn read(&self, table: &Arc<TableView>) -> Arc<dyn TableProvider> {
        self.pinned
            .runtime
            .register_object_store(&table.store_url, table.store.clone());
        let version = PinnedVersion {
            version: table.version,
            rows_in_memory: table.hot.iter().map(|batch| batch.num_rows() as u64).sum(),
        };
        self.pinned
            .used
            .lock()
            .insert(table.name.to_string(), version);
        Arc::new(LakeTable::new(table.clone()))
    }

    async fn plan_view(
        &self,
        schema: &str,
        name: &str,
        sql: &str,
    ) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let fail = |why: String| {
            let message = format!("view `{schema}.{name}`: {why}");
            DataFusionError::External(Box::new(QueryError::new(QueryErrorKind::Invalid, message)))
        };
        if self.depth >= MAX_VIEW_DEPTH {
            return Err(fail(
                "views name each other in a circle, or too deeply".to_owned(),
            ));
        }
        let inside = Scope {
            pinned: self.pinned.clone(),
            depth: self.depth + 1,
        };
        let statement = crate::guard::tokens(sql, &self.pinned.options)
            .and_then(crate::statement::parse)
            .and_then(|statement| crate::statement::check(&statement).map(|()| statement))
            .map_err(|error| fail(error.to_string()))?;
        match &statement {
            Statement::Statement(sql) if matches!(**sql, Sql::Query(_)) => {}
            _ => return Err(fail("its text is not a SELECT".to_owned())),
        }
        let plan = inside
            .state()
            .statement_to_plan(statement)
            .await
            .map_err(|error| fail(translate(error, &inside).to_string()))?;
        let mut nodes = 0_usize;
        use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
        plan.apply(|_| {
            nodes += 1;
            Ok(if nodes > MAX_VIEW_NODES {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })?;
        if nodes > MAX_VIEW_NODES {
            return Err(fail(
                "it is too large once the views it names are put in place".to_owned(),
            ));
        }
        Ok(Arc::new(ViewTable::new(plan, Some(sql.to_owned()))))
    }
}

impl Names for Scope {
    fn similar_table(&self, name: &str) -> Option<String> {
        let all: Vec<String> = self
            .schemas()
            .into_iter()
            .flat_map(|schema| {
                let names = self.names(&schema);
                names
                    .into_keys()
                    .map(move |table| format!("{schema}.{table}"))
            })
            .collect();
        let (schema, table) = name.rsplit_once('.').unwrap_or((DEFAULT_SCHEMA, name));
        let schema = schema
            .strip_prefix(CATALOG)
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or(schema);
        // The right table in the wrong schema is the likeliest slip, one in the table's name next.
        let same = all
            .iter()
            .find(|full| full.rsplit_once('.').is_some_and(|(_, t)| t == table));
        let in_schema = || {
            let tables = all
                .iter()
                .filter_map(|full| full.split_once('.'))
                .filter(|(s, _)| *s == schema);
            closest(table, tables.map(|(_, t)| t)).map(|t| format!("{schema}.{t}"))
        };
        let anywhere = || {
            closest(&format!("{schema}.{table}"), all.iter().map(String::as_str)).map(str::to_owned)
        };
        same.cloned().or_else(in_schema).or_else(anywhere)
    }
}
