use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::{Column, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as Sql};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use weir_catalog::View;
use weir_core::TableName;
use weir_lake::{Input, LakeError, LakeErrorKind, Receipt, RowSink, TableView, TableWriter};

use super::checked::checked;
use super::{Gate, names};
use crate::catalog::{Instant, Kind, Scope, Target};
use crate::engine::{Parts, QueryRequest, given_up, task_context};
use crate::error::{QueryError, QueryErrorKind, translate};
use crate::frugal::Frugal;
use crate::memory::Share;
use crate::params;
use crate::plan::{self, Read};
use crate::registry::{QueryId, Reads};
use crate::statement;
use crate::stream::PinnedVersion;
use crate::transaction::another_view;
use crate::travel::{Clause, PastTable};

/// What a writing statement works with.
pub(crate) struct Context {
    pub(crate) parts: Arc<Parts>,
    pub(crate) request: QueryRequest,
    pub(crate) params: Vec<ScalarValue>,
    pub(crate) clauses: Vec<Clause>,
    past: Vec<PastTable>,
    pub(crate) id: QueryId,
    pub(crate) share: Arc<Share>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) used: Mutex<BTreeMap<String, PinnedVersion>>,
    /// What its questions read, and their plans, for what they counted.
    pub(crate) reads: Mutex<Reads>,
    pub(crate) ran: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
}

/// Returns the table a statement changes, under a name that nobody can write.
pub(super) fn target(view: &Arc<TableView>) -> Target {
    Target {
        name: format!("{}@target", view.name.table()),
        view: view.clone(),
    }
}

impl Context {
    pub(crate) fn new(
        parts: Arc<Parts>,
        request: QueryRequest,
        read: Read,
        id: QueryId,
        share: Arc<Share>,
        gate: Arc<Gate>,
    ) -> Result<(Self, Statement), QueryError> {
        let Read {
            statement,
            clauses,
            past,
        } = read;
        let context = Self {
            params: params::bind(&request.params)?,
            parts,
            request,
            clauses,
            past,
            id,
            share,
            gate,
            used: Mutex::default(),
            reads: Mutex::default(),
            ran: Mutex::default(),
        };
        Ok((context, statement))
    }

    /// Returns the names of the statement as of `instant`.
    pub(super) async fn scope(
        &self,
        instant: Instant,
        target: Option<Target>,
    ) -> Result<Scope, QueryError> {
        plan::scope(
            &self.parts,
            &self.request,
            instant,
            (&self.clauses, &self.past),
            &self.params,
            target,
        )
        .await
    }

    /// Returns the names of the statement as of now, `table` being the one it changes.
    pub(super) async fn changing(&self, table: &Arc<TableView>) -> Result<Scope, QueryError> {
        self.scope(self.parts.instant().await, Some(target(table)))
            .await
    }

    /// Returns the names of the statement as of now.
    pub(super) async fn now(&self) -> Result<Scope, QueryError> {
        self.scope(self.parts.instant().await, None).await
    }

    /// Plans a question; its parameters have their values.
    pub(super) async fn plan(
        &self,
        scope: &Scope,
        query: Query,
    ) -> Result<LogicalPlan, QueryError> {
        let plan = self.open_plan(scope, query).await?;
        plan::with_params(plan, self.params.clone(), scope)
    }

    async fn open_plan(&self, scope: &Scope, query: Query) -> Result<LogicalPlan, QueryError> {
        let statement = Statement::Statement(Box::new(Sql::Query(Box::new(query))));
        statement::check(&statement)?;
        plan::question(scope, statement).await
    }

    /// Finds the parameters a question takes.
    pub(super) async fn parameters(
        &self,
        query: Query,
        changed: Option<&Arc<TableView>>,
    ) -> Result<Vec<Option<DataType>>, QueryError> {
        let scope = self
            .scope(self.parts.instant().await, changed.map(target))
            .await?;
        let plan = self.open_plan(&scope, query).await?;
        plan::parameter_types(&plan, &self.params, &scope)
    }

    /// Runs a plan; where it finds no room, once more in a way that needs less.
    pub(super) async fn rows(
        &self,
        scope: &Scope,
        plan: &LogicalPlan,
    ) -> Result<SendableRecordBatchStream, QueryError> {
        let fail = |error| translate(error, scope);
        let mut state = scope.state();
        let logical = state.optimize(plan).map_err(fail)?;
        let (plan, reads) = plan::physical(&mut state, &logical).await.map_err(fail)?;
        self.reads.lock().extend(reads);
        self.ran.lock().push(plan.clone());
        let task = task_context(&state, &self.parts.runtime, self.share.clone(), &self.id)?;
        let (parts, share) = (self.parts.clone(), self.share.clone());
        let frugal = Frugal::for_plan(&plan, logical, state, parts, share);
        let mut rows = execute_stream(plan, task).map_err(fail)?;
        self.used.lock().extend(scope.pinned.used());
        let Some(frugal) = frugal else {
            return Ok(rows);
        };
        // Joins and sorts find their room, or none, before the first rows come out.
        let first = match rows.next().await.transpose().map_err(fail) {
            Ok(first) => first,
            Err(error) if error.kind() == QueryErrorKind::OutOfMemory => {
                drop(rows);
                let (plan, task) = frugal.plan(&self.id, error.row_bytes()).await?;
                self.ran.lock().push(plan.clone());
                return execute_stream(plan, task).map_err(fail);
            }
            Err(error) => return Err(error),
        };
        let (schema, first) = (rows.schema(), stream::iter(first.map(Ok)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            first.chain(rows),
        )))
    }

    /// Writes the rows of a plan; columns that must have a value are checked.
    pub(super) async fn pour(
        &self,
        scope: &Scope,
        plan: &LogicalPlan,
        sink: &mut RowSink,
        table: &str,
    ) -> Result<(), QueryError> {
        let mut rows = self.rows(scope, plan).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| translate(error, scope))?;
            no_nulls(&batch, sink.schema(), table)?;
            sink.write(&batch).await.map_err(lake_error)?;
        }
        Ok(())
    }

    /// Returns what the commit says about how it came to be.
    pub(super) fn receipt(&self, scope: &Scope, rows_added: u64, rows_removed: u64) -> Receipt {
        let mut inputs = Vec::new();
        let visible = scope.pinned.view.visible.0;
        for (name, pinned) in self.used.lock().iter() {
            if let Some(version) = pinned.version {
                inputs.push(Input {
                    name: name.clone(),
                    from: version,
                    to: version,
                });
            }
            if pinned.rows_in_memory > 0 && !inputs.iter().any(|input| input.name == "wal") {
                // Rows that no commit had yet.
                inputs.push(Input {
                    name: "wal".into(),
                    from: 0,
                    to: visible,
                });
            }
        }
        let hash = Sha256::digest(self.request.sql.as_bytes());
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Receipt {
            writer: "sql".into(),
            run_id: self.id.to_string(),
            inputs,
            code: format!("sha256:{hex}"),
            rows_added,
            rows_removed,
            ..Receipt::default()
        }
    }

    /// Waits for the turn to write a table: for all to see, or in the transaction under way.
    pub(super) async fn writer(&self, name: &TableName) -> Result<TableWriter, QueryError> {
        let lake = &self.parts.lake;
        match &self.request.transaction {
            Some(transaction) => lake.staged_writer(transaction.stage(), name).await,
            None => lake.table_writer(name).await,
        }
        .map_err(lake_error)
    }

    /// Creates or replaces a view.
    pub(super) async fn put_view(&self, view: View) -> Result<(), QueryError> {
        match &self.request.transaction {
            Some(transaction) => transaction.put_view(view),
            None => {
                let catalog = &self.parts.catalog;
                catalog.put_view(&view).await.map_err(catalog_error)?;
            }
        }
        Ok(())
    }

    /// Stores new comments of a view; its query must be what it was when they were thought of.
    pub(super) async fn comment_view(&self, view: View) -> Result<(), QueryError> {
        if let Some(transaction) = &self.request.transaction {
            transaction.comment_view(view);
            return Ok(());
        }
        let done = self.parts.catalog.comment_view(&view).await;
        match done.map_err(catalog_error)? {
            true => Ok(()),
            false => Err(another_view(&view.schema, &view.name)),
        }
    }

    /// Removes a view.
    pub(super) async fn drop_view(&self, schema: &str, name: &str) -> Result<(), QueryError> {
        match &self.request.transaction {
            Some(transaction) => transaction.drop_view(schema, name),
            None => {
                let catalog = &self.parts.catalog;
                let dropped = catalog.drop_view(schema, name).await;
                dropped.map_err(catalog_error)?;
            }
        }
        Ok(())
    }

    /// Remembers whose a new table or view is. In a transaction that is for its end.
    pub(super) async fn created(&self, schema: &str, table: &str) -> Result<(), QueryError> {
        if self.request.transaction.is_some() {
            return Ok(());
        }
        let by = self.request.caller.actor();
        let done = self.parts.catalog.table_created(&by, schema, table).await;
        done.map_err(catalog_error)
    }

    /// Forgets whose a table or view was. In a transaction that is for its end.
    pub(super) async fn dropped(&self, schema: &str, table: &str) -> Result<(), QueryError> {
        if self.request.transaction.is_some() {
            return Ok(());
        }
        let by = self.request.caller.actor();
        let done = self.parts.catalog.table_dropped(&by, schema, table).await;
        done.map_err(catalog_error)
    }

    /// Enters the commit: from here on the statement cannot be given up.
    pub(super) fn commits(&self) -> Result<(), QueryError> {
        match self.gate.enter() {
            true => Ok(()),
            false => Err(given_up()),
        }
    }

    /// Returns the tables the statement has read.
    pub(super) fn used(&self) -> BTreeMap<String, PinnedVersion> {
        self.used.lock().clone()
    }

    /// Tells whether there is such a schema.
    pub(super) fn schema_exists(&self, scope: &Scope, schema: &str) -> bool {
        scope.has_schema(schema)
    }

    /// Returns the table statements may write under this name, or says why there is none.
    pub(super) fn writable(
        &self,
        scope: &Scope,
        schema: &str,
        table: &str,
    ) -> Result<Arc<TableView>, QueryError> {
        match scope.stored(schema, table) {
            Some(view) if view.by_statements => Ok(view.clone()),
            Some(_) => Err(QueryError::new(
                QueryErrorKind::ReadOnly,
                format!("`{schema}.{table}` cannot be written: its rows come from a source"),
            )
            .hint("copy what you need: CREATE TABLE ... AS SELECT ...")),
            None => Err(match scope.kind(schema, table) {
                Some(Kind::View) => not_a_table(schema, table, "a view")
                    .with_sqlstate("42809")
                    .hint("write to the tables it reads"),
                Some(_) => not_a_table(schema, table, "made by Weir"),
                None => names::missing(scope, schema, table),
            }),
        }
    }
}

fn not_a_table(schema: &str, table: &str, what: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::ReadOnly,
        format!("`{schema}.{table}` cannot be written: it is {what}"),
    )
}

/// Refuses rows without a value where there must be one.
pub(super) fn no_nulls(
    batch: &RecordBatch,
    schema: &SchemaRef,
    table: &str,
) -> Result<(), QueryError> {
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !field.is_nullable() && column.logical_null_count() > 0 {
            return Err(QueryError::new(
                QueryErrorKind::Value,
                format!("column `{}` of `{table}` must not be NULL", field.name()),
            )
            .with_sqlstate("23502"));
        }
    }
    Ok(())
}

/// Brings the columns of a plan to those of a table, by place.
pub(super) fn assigned(
    plan: LogicalPlan,
    columns: &[FieldRef],
) -> datafusion::common::Result<LogicalPlan> {
    let exprs: Vec<Expr> = plan
        .schema()
        .iter()
        .zip(columns)
        .map(|((qualifier, field), to)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            assign(column, field.data_type(), to).alias(to.name())
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Casts a value to the type of the column it is put into, and checks it where the column asks for that.
pub(super) fn assign(expr: Expr, from: &DataType, column: &Field) -> Expr {
    let to = column.data_type();
    let is_text = |kind: &DataType| {
        matches!(
            kind,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    let value = match from == to || (is_text(from) && is_text(to)) {
        true => expr,
        false => cast(expr, to.clone()),
    };
    checked(value, column)
}

/// Turns an error of the lake into one that may be shown.
pub(crate) fn lake_error(error: LakeError) -> QueryError {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let (kind, message) = match error.kind() {
        LakeErrorKind::Conflict => (
            QueryErrorKind::Conflict,
            "another statement changed the table meanwhile".to_owned(),
        ),
        LakeErrorKind::ReadOnly => (
            QueryErrorKind::ReadOnly,
            format!("cannot {error}: {}", cause.unwrap_or_default()),
        ),
        LakeErrorKind::Invalid => (
            QueryErrorKind::Value,
            format!("cannot {error}: {}", cause.unwrap_or_default()),
        ),
        LakeErrorKind::NotFound | LakeErrorKind::Expired => {
            (QueryErrorKind::UndefinedTable, format!("cannot {error}"))
        }
        _ => (QueryErrorKind::Lake, format!("cannot {error}")),
    };
    let hint = error.hint().map(str::to_owned);
    QueryError::new(kind, message)
        .hint_if(hint)
        .caused_by(error)
}

/// Turns an error of the catalog into one that may be shown.
pub(crate) fn catalog_error(error: weir_catalog::CatalogError) -> QueryError {
    QueryError::new(QueryErrorKind::Invalid, error.to_string()).caused_by(error)
}
