//! What names mean in one query: tables of one instant, past versions, views, system tables.
//!
//! Nothing here is copied or listed when a query starts: a name is looked up when the statement
//! mentions it, so a lake of ten thousand tables costs a query no more than one of ten.

mod builtin;
mod current;
mod folded;
mod names;
mod pinned;
mod provider;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::datasource::ViewTable;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableType;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use weir_access::{Access, Object};
use weir_core::TableName;
use weir_lake::{LakeTable, TableView, TargetTable};

use crate::caller::Caller;
use crate::error::{Names, QueryError, QueryErrorKind, closest, translate};
use crate::logical;
use crate::secured::{SecuredTable, Subject};
use crate::session::{CATALOG, DEFAULT_SCHEMA, PATH};
use crate::stream::PinnedVersion;
use crate::system;

pub use pinned::Instant;
pub(crate) use pinned::{Asker, Past, Pinned, Target, Then};

/// Views may name views, so deep.
const MAX_VIEW_DEPTH: usize = 128;

/// The most nodes the plan of one view may have, everything it names included.
const MAX_VIEW_NODES: usize = 5_000;

/// The pinned names as seen from the statement (depth 0) or from inside a view.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) pinned: Arc<Pinned>,
    /// With whose rights names are read here.
    subject: Subject,
    depth: usize,
    /// What a view that is read as it was is made of.
    then: Option<Then>,
}

/// One view being planned, for as long as it is.
struct Level<'a>(&'a AtomicUsize);

impl<'a> Level<'a> {
    /// Enters one more level; none if there are too many.
    fn enter(deep: &'a AtomicUsize) -> Option<Self> {
        let level = Self(deep);
        (deep.fetch_add(1, Ordering::Relaxed) < MAX_VIEW_DEPTH).then_some(level)
    }
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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
            subject: Subject::Caller,
            depth: 0,
            then: None,
        }
    }

    /// Returns the same for a plan that is not going to be run.
    pub(crate) fn columns_only(mut self) -> Self {
        if let Some(pinned) = Arc::get_mut(&mut self.pinned) {
            pinned.columns_only = true;
        }
        self
    }

    /// Returns the settings of whoever asks.
    pub(crate) fn options(&self) -> Arc<ConfigOptions> {
        let zone = &self.pinned.asker.settings.time_zone;
        let mut options = self.pinned.base.config_options().clone();
        if options.execution.time_zone.as_ref() != Some(zone) {
            Arc::make_mut(&mut options).execution.time_zone = Some(zone.clone());
        }
        options
    }

    /// Returns a session for running what was planned over these names.
    pub(crate) fn state(&self) -> SessionState {
        let mut state = self.pinned.base.as_ref().clone();
        let zone = &self.pinned.asker.settings.time_zone;
        state.config_mut().options_mut().execution.time_zone = Some(zone.clone());
        state.register_catalog_list(Arc::new(self.clone()));
        state.mark_start_execution();
        let started = self.pinned.started;
        state.execution_props_mut().query_execution_start_time = Some(started);
        state
    }

    /// Returns the lake's table of that name, if it may be read.
    pub(crate) fn lake_table(&self, schema: &str, table: &str) -> Option<&Arc<TableView>> {
        self.stored(schema, table)
            .filter(|_| self.may_read(schema, table))
    }

    /// Returns the lake's table of that name, whoever asks.
    pub(crate) fn stored(&self, schema: &str, table: &str) -> Option<&Arc<TableView>> {
        let name = TableName::new(schema, table).ok()?;
        self.tables().get(&name)
    }

    /// Finds what `schema.name` stands for: a guarded table, or a view of guarded tables.
    ///
    /// Nothing, where there is nothing or where one may not know of it; an error, where one may
    /// know of it and not read it.
    pub(crate) async fn find(
        &self,
        schema: &str,
        name: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        // Names of past versions exist in the statement only, not inside the views it uses.
        if self.depth == 0
            && let Some(past) = self.pinned.past.get(&(schema.to_owned(), name.to_owned()))
        {
            return self.find_past(past).await;
        }
        let system = match schema {
            system::SCHEMA if name != builtin::EVENT_FATE => Some(system::table(self, name)),
            system::INFORMATION_SCHEMA => Some(system::information::table(self, name).await?),
            system::pg_catalog::SCHEMA => Some(system::pg_catalog::table(self, name)),
            _ => None,
        };
        if let Some(table) = system {
            return Ok(table.map(|table| self.secured(format!("{schema}.{name}"), table)));
        }
        if self.depth == 0
            && let Some(target) = &self.pinned.target
            && target.view.name.schema() == schema
            && target.name == name
        {
            let view = &target.view;
            self.note(view);
            let table = Arc::new(TargetTable::new(view.clone()));
            let permitted = self.permit(schema, view.name.table())?;
            return Ok(permitted.map(|()| self.secured(view.name.to_string(), table)));
        }
        if let Some(planned) = self.planned(schema, name)? {
            return Ok(Some(self.secured(format!("{schema}.{name}"), planned)));
        }
        if schema == PATH {
            return match self.on_path(name) {
                Some(schema) => Box::pin(self.find(&schema, name)).await,
                None => Ok(None),
            };
        }
        if self.is_unreadable(schema, name) {
            let permitted = self.permit(schema, name)?;
            return permitted.map_or(Ok(None), |()| Err(unreadable(schema, name)));
        }
        if let Some(table) = self.stored(schema, name).cloned() {
            return Ok(self.permit(schema, name)?.map(|()| self.read(&table)));
        }
        if self.pinned.columns_only
            && let Some(transaction) = &self.pinned.transaction
            && let Some(made) = transaction.columns_of(self, schema, name)
        {
            return Ok(Some(self.secured(format!("{schema}.{name}"), made)));
        }
        let Some(sql) = self.definition(schema, name) else {
            return Ok(None);
        };
        if self.permit(schema, name)?.is_none() {
            return Ok(None);
        }
        Box::pin(self.plan_view(schema, name, &sql)).await.map(Some)
    }

    async fn find_past(
        &self,
        past: &Past,
    ) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match past {
            Past::Table(table) => {
                let permitted = self.permit(table.name.schema(), table.name.table())?;
                Ok(permitted.map(|()| self.read(table)))
            }
            Past::View { schema, name, then } => {
                let then = Scope {
                    then: Some(then.clone()),
                    ..self.clone()
                };
                let Some(sql) = then.definition(schema, name) else {
                    return Ok(None);
                };
                if then.permit(schema, name)?.is_none() {
                    return Ok(None);
                }
                Box::pin(then.plan_view(schema, name, &sql)).await.map(Some)
            }
        }
    }

    /// Whether there is a table of that name which cannot be read. It may have rows that came since:
    /// they must not be taken for all there are.
    fn is_unreadable(&self, schema: &str, name: &str) -> bool {
        let unreadable = &self.lake().unreadable;
        !unreadable.is_empty()
            && TableName::new(schema, name).is_ok_and(|name| unreadable.contains(&name))
    }

    fn permit(&self, schema: &str, table: &str) -> Result<Option<()>, DataFusionError> {
        if self.made_here(schema, table) {
            return Ok(Some(()));
        }
        let Pinned { guard, access, .. } = self.pinned.as_ref();
        guard
            .may_read(access, &self.subject, schema, table)
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn secured(&self, name: String, table: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        Arc::new(SecuredTable::new(name, table, self.pinned.guard.clone()))
    }

    /// Returns with whose rights the names inside a view are read.
    fn subject_inside(&self, schema: &str, name: &str) -> Subject {
        match self.view(schema, name) {
            Some(view) if view.definer => {
                let object = Object::Table {
                    schema,
                    table: name,
                };
                match self.pinned.access.owner_of(&object) {
                    Some(owner) => Subject::Owner(owner.into()),
                    None => self.subject.clone(),
                }
            }
            Some(_) => self.subject.clone(),
            // Users are made from calls; whoever may read them need not read the calls. What became
            // of events is made from what may be read.
            None if schema != system::SCHEMA => Subject::Weir,
            None => self.subject.clone(),
        }
    }

    /// Returns the query that `schema.name` stands for.
    pub(crate) fn definition(&self, schema: &str, name: &str) -> Option<String> {
        if let Some(view) = self.view(schema, name) {
            return Some(view.sql);
        }
        match (schema, name) {
            (system::SCHEMA, builtin::EVENT_FATE) => {
                let readable = |name: &&TableName| self.may_read(name.schema(), name.table());
                let tables = self.tables().iter().filter(|(name, _)| readable(name));
                let tables = tables.map(|(name, view)| (name.clone(), view.clone()));
                Some(builtin::event_fate(&tables.collect()))
            }
            _ => {
                let until = self.then.as_ref().and_then(|then| then.until);
                own_view(self.tables(), schema, name, until)
            }
        }
    }

    fn read(&self, table: &Arc<TableView>) -> Arc<dyn TableProvider> {
        self.note(table);
        let name = table.name.to_string();
        self.secured(name, Arc::new(LakeTable::new(table.clone())))
    }

    /// Makes the table's files known to the engine, and remembers the version that is read.
    fn note(&self, table: &Arc<TableView>) {
        self.pinned
            .runtime
            .register_object_store(&table.store_url, table.store.clone());
        let version = PinnedVersion {
            version: table.version,
            rows_in_memory: table.hot.iter().map(|batch| batch.num_rows() as u64).sum(),
        };
        let now = self.pinned.view.tables.get(&table.name);
        // The same version without what is in memory by now is another past.
        let is_now = now.is_some_and(|now| Arc::ptr_eq(now, table));
        let name = match (table.version, is_now) {
            // The table may be read as it is, too: an answer depends on both.
            (Some(version), false) => format!("{}@{version}", table.name),
            _ => table.name.to_string(),
        };
        self.pinned.used.lock().insert(name, version);
        if self.subject != Subject::Weir {
            self.pinned.named.lock().insert(table.name.clone());
        }
    }

    /// Returns the names as a view sees them that reads as `subject`.
    fn inside(&self, subject: Subject) -> Scope {
        Scope {
            pinned: self.pinned.clone(),
            subject,
            depth: self.depth + 1,
            then: self.then.clone(),
        }
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
        let pinned = self.pinned.clone();
        let Some(_level) = Level::enter(&pinned.views_deep) else {
            return Err(fail(
                "views name each other in a circle, or too deeply".to_owned(),
            ));
        };
        let inside = self.inside(self.subject_inside(schema, name));
        let statement = crate::guard::tokens(sql, &self.pinned.options)
            .and_then(crate::statement::parse)
            .and_then(|mut statement| {
                crate::statement::check(&statement)?;
                crate::functions::rewrite::rewrite(&mut statement)?;
                Ok(statement)
            })
            .map_err(|error| fail(error.to_string()))?;
        match &statement {
            Statement::Statement(sql) if matches!(**sql, Sql::Query(_)) => {}
            _ => return Err(fail("its text is not a SELECT".to_owned())),
        }
        let plan = Box::pin(logical::plan(&inside, statement))
            .await
            .map_err(|error| match translate(error, &inside) {
                error if error.kind() == QueryErrorKind::PermissionDenied => {
                    DataFusionError::External(Box::new(error))
                }
                error => fail(error.to_string()),
            })?;
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

/// Returns the query behind `schema.name`, if that is a view that Weir makes of a source's rows; `until` is the last
/// position of changes that count.
pub(crate) fn own_view(
    tables: &BTreeMap<TableName, Arc<TableView>>,
    schema: &str,
    name: &str,
    until: Option<i64>,
) -> Option<String> {
    let users = match name {
        builtin::USERS => builtin::users(tables, schema),
        _ => None,
    };
    users.or_else(|| current::query(tables, schema, name, until))
}

/// Returns the schema that is the caller's own.
pub(crate) fn own_schema(access: &Access, caller: &Caller) -> String {
    let user = access.user(caller.name());
    user.map_or(caller.name(), |user| &user.schema).to_owned()
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

fn unreadable(schema: &str, name: &str) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::Lake,
        format!("table `{schema}.{name}` cannot be read: its log in the lake is damaged"),
    )
    .hint("the server's log names the file: restore it from a backup; new rows wait until then");
    DataFusionError::External(Box::new(error))
}
