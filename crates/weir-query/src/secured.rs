//! The guard of every scan: who may read what, decided when a name is resolved, again when it is
//! read, and again whenever rights change while rows flow.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::Utc;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Constraints, DataFusionError, Result, Statistics};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::source_as_provider;
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use weir_access::{Access, Action, Decision, Object, Reason, Rights};
use weir_catalog::Catalog;
use weir_core::{TableName, quote_ident};

use crate::caller::Caller;
use crate::error::{QueryError, QueryErrorKind};

/// With whose rights a name is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Whoever asks.
    Caller,
    /// The owner of a view that reads with its owner's rights.
    Owner(Arc<str>),
    /// Weir itself, inside a view that it brings: the right to the view was checked.
    Weir,
}

/// A right that a plan rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    subject: Subject,
    schema: String,
    table: String,
}

/// What one query rests on: who asks, and every table it was allowed to read.
pub(crate) struct Guard {
    catalog: Catalog,
    caller: Caller,
    /// The epoch the needs were last found to hold in.
    epoch: AtomicU64,
    needs: Mutex<Vec<Need>>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({:?})", self.caller.identity())
    }
}

impl Guard {
    /// Begins a query of `caller`, who must still be let in.
    pub(crate) fn new(catalog: Catalog, caller: Caller) -> Result<Self, QueryError> {
        let access = catalog.access();
        admit(&access, &caller)?;
        Ok(Self {
            epoch: AtomicU64::new(access.epoch()),
            catalog,
            caller,
            needs: Mutex::default(),
        })
    }

    /// Decides whether `subject` may read a table, and remembers that the plan rests on it.
    ///
    /// `None` says that the asker may not even know of it.
    pub(crate) fn may_read(
        &self,
        access: &Access,
        subject: &Subject,
        schema: &str,
        table: &str,
    ) -> Result<Option<()>, QueryError> {
        let object = Object::Table { schema, table };
        let Some(rights) = self.rights(access, subject) else {
            return Ok(Some(()));
        };
        let decision = rights.decide(Action::Select, &object);
        if decision.allowed {
            let need = Need {
                subject: subject.clone(),
                schema: schema.to_owned(),
                table: table.to_owned(),
            };
            let mut needs = self.needs.lock();
            if !needs.contains(&need) {
                needs.push(need);
            }
            return Ok(Some(()));
        }
        // What the owner of a view knows is not what the asker may know.
        if decision.visible && *subject == Subject::Caller {
            return Err(denied(&self.caller, Action::Select, &object, decision));
        }
        match subject {
            Subject::Caller => Ok(None),
            _ => Err(QueryError::new(
                QueryErrorKind::PermissionDenied,
                "the owner of the view may no longer read what it names",
            )),
        }
    }

    /// Returns what the subject may do; none for Weir itself, which may do everything.
    pub(crate) fn rights<'a>(&self, access: &'a Access, subject: &Subject) -> Option<Rights<'a>> {
        match subject {
            Subject::Caller => Some(access.rights(self.caller.identity())),
            Subject::Owner(owner) => Some(access.rights_of_user(owner)),
            Subject::Weir => None,
        }
    }

    /// Checks that everything the plan rests on still holds. Costs next to nothing while no right
    /// has changed.
    pub(crate) fn recheck(&self) -> Result<(), QueryError> {
        let access = self.catalog.access();
        admit(&access, &self.caller)?;
        if access.epoch() == self.epoch.load(Ordering::Relaxed) {
            return Ok(());
        }
        for need in self.needs.lock().iter() {
            let object = Object::Table {
                schema: &need.schema,
                table: &need.table,
            };
            let decision = self
                .rights(&access, &need.subject)
                .map(|rights| rights.decide(Action::Select, &object));
            if let Some(decision) = decision.filter(|decision| !decision.allowed) {
                return Err(denied(&self.caller, Action::Select, &object, decision));
            }
        }
        self.epoch.store(access.epoch(), Ordering::Relaxed);
        Ok(())
    }
}

/// Checks that somebody who signed in earlier is still let in.
pub(crate) fn admit(access: &Access, caller: &Caller) -> Result<(), QueryError> {
    if access.still_valid(caller.identity(), Utc::now()) {
        return Ok(());
    }
    Err(QueryError::new(
        QueryErrorKind::PermissionDenied,
        format!("`{}` is no longer signed in", caller.name()),
    )
    .with_sqlstate("28000")
    .hint("the user was disabled or removed, or the token was revoked or has expired"))
}

/// Checks that `caller` may do `action` to `object`.
///
/// Where somebody may not even know that the object exists, the answer is that of one that does not.
pub(crate) fn permit(
    access: &Access,
    caller: &Caller,
    action: Action,
    object: &Object<'_>,
) -> Result<(), QueryError> {
    admit(access, caller)?;
    let decision = access.decide(caller.identity(), action, object);
    match (decision.allowed, decision.visible, object) {
        (true, ..) => Ok(()),
        (false, true, _) | (_, _, Object::Server) => Err(denied(caller, action, object, decision)),
        (false, false, Object::Schema(schema)) => Err(QueryError::new(
            QueryErrorKind::UndefinedTable,
            format!("schema `{schema}` does not exist"),
        )
        .with_sqlstate("3F000")
        .hint("SHOW SCHEMAS lists what there is")),
        (false, false, Object::Table { schema, table }) => Err(QueryError::new(
            QueryErrorKind::UndefinedTable,
            format!("table `{schema}.{table}` does not exist"),
        )
        .hint("SHOW TABLES lists what there is")),
    }
}

/// Whether `caller` may not even know of a table; an error where they may know and not read it.
pub(crate) fn hidden(
    access: &Access,
    caller: &Caller,
    name: &TableName,
) -> Result<bool, QueryError> {
    let object = Object::Table {
        schema: name.schema(),
        table: name.table(),
    };
    let decision = access.decide(caller.identity(), Action::Select, &object);
    match (decision.allowed, decision.visible) {
        (true, _) => Ok(false),
        (false, false) => Ok(true),
        (false, true) => Err(denied(caller, Action::Select, &object, decision)),
    }
}

/// Lets `caller` read rows of a table that was dropped before one of the same name was made: a grant on the new
/// one says nothing of them, so they are for those who may drop it.
pub(crate) fn of_dropped(
    access: &Access,
    caller: &Caller,
    name: &TableName,
) -> Result<(), QueryError> {
    let object = Object::Table {
        schema: name.schema(),
        table: name.table(),
    };
    match access
        .decide(caller.identity(), Action::Drop, &object)
        .allowed
    {
        true => Ok(()),
        false => Err(QueryError::new(
            QueryErrorKind::PermissionDenied,
            format!(
                "permission denied: this version is of an earlier {name}, which was dropped; \
                 `{}` may read the versions since",
                caller.name()
            ),
        )),
    }
}

/// Says that something may not be done, and who could change that.
pub(crate) fn denied(
    caller: &Caller,
    action: Action,
    object: &Object<'_>,
    decision: Decision,
) -> QueryError {
    let error = QueryError::new(
        QueryErrorKind::PermissionDenied,
        format!(
            "permission denied: `{}` may not {} {object}: {}",
            caller.name(),
            action.as_str(),
            decision.reason
        ),
    );
    let grantee = quote_ident(caller.name());
    match (decision.reason, action, object) {
        (Reason::NoRight, Action::Select, Object::Table { schema, .. }) => error.hint(format!(
            "an owner or admin can GRANT SELECT ON SCHEMA {} TO {grantee}",
            quote_ident(schema)
        )),
        (Reason::Scope, ..) => error.hint("use a token with a wider scope"),
        (Reason::FilledBySource, ..) => {
            error.hint("build a table of your own from it: CREATE TABLE ... AS SELECT")
        }
        _ => error,
    }
}

/// A table that was allowed to be read, and is asked about again when it is.
///
/// Everything that writes is left as the trait has it: refused. Writes go another way.
pub(crate) struct SecuredTable {
    /// As `schema.table`, whatever the statement calls it.
    name: String,
    inner: Arc<dyn TableProvider>,
    guard: Arc<Guard>,
}

impl SecuredTable {
    pub(crate) fn new(name: String, inner: Arc<dyn TableProvider>, guard: Arc<Guard>) -> Self {
        Self { name, inner, guard }
    }

    /// Returns the table's name, with its schema.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for SecuredTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secured({:?})", self.inner)
    }
}

#[async_trait]
impl TableProvider for SecuredTable {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.inner.constraints()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    /// None: a plan given here would be put in place of the guard.
    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        None
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.guard
            .recheck()
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        self.inner.scan(state, projection, filters, limit).await
    }
}

/// Checks that nothing in `plan` reads past the guard: whatever way a table came into it, this is
/// where it would show.
pub(crate) fn verify(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut unsecured = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let secured = source_as_provider(&scan.source).is_ok_and(|provider| {
                let provider: &dyn TableProvider = provider.as_ref();
                // Rows made by a function or by the query itself belong to nobody.
                provider.is::<SecuredTable>()
                    || provider.is::<GenerateSeriesTable>()
                    || provider.is::<CteWorkTable>()
            });
            if !secured {
                unsecured = Some(scan.table_name.to_string());
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(QueryError::internal)?;
    match unsecured {
        None => Ok(()),
        Some(table) => Err(QueryError::internal(format!(
            "the plan reads `{table}` past the guard"
        ))),
    }
}
