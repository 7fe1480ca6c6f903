use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;

use crate::error::QueryError;

/// What makes the rows, given the conditions they will be filtered by.
type Fill = dyn Fn(Wanted) -> BoxFuture<'static, Result<Vec<ArrayRef>, QueryError>> + Send + Sync;

/// A table whose rows are made when it is read.
pub(super) struct VirtualTable {
    schema: SchemaRef,
    fill: Box<Fill>,
}

impl VirtualTable {
    pub(super) fn new<F>(columns: &[(&str, DataType)], fill: F) -> Self
    where
        F: Fn(Wanted) -> BoxFuture<'static, Result<Vec<ArrayRef>, QueryError>>
            + Send
            + Sync
            + 'static,
    {
        let fields = columns
            .iter()
            .map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            fill: Box::new(fill),
        }
    }
}

impl fmt::Debug for VirtualTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTable")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for VirtualTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Seen here to save work, applied again above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = (self.fill)(Wanted(filters.to_vec()))
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let exec =
            MemorySourceConfig::try_new_exec(&[vec![batch]], self.schema(), projection.cloned())?;
        Ok(exec)
    }
}

/// The conditions on the rows that will be asked for.
pub(super) struct Wanted(Vec<Expr>);

impl Wanted {
    /// Returns the text `column` must be equal to, if the query says so.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        self.equal(column, |value| {
            value.try_as_str().flatten().map(str::to_owned)
        })
    }

    /// Returns the whole number `column` must be equal to, if the query says so.
    pub(super) fn number(&self, column: &str) -> Option<i64> {
        self.equal(column, |value| match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(number)) => number,
            _ => None,
        })
    }

    fn equal<T>(&self, column: &str, read: impl Fn(&ScalarValue) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|filter| {
            let Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) = filter
            else {
                return None;
            };
            match (left.as_ref(), right.as_ref()) {
                (Expr::Column(c), Expr::Literal(value, _))
                | (Expr::Literal(value, _), Expr::Column(c))
                    if c.name == column =>
                {
                    read(value)
                }
                _ => None,
            }
        })
    }
}

/// The type of instants in system tables.
pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
