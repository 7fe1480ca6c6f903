//! Rows that two places of a plan read: computed once, kept in memory, the same for both.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, Result};
use datafusion::datasource::provider_as_source;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, execute_stream, reset_plan_states,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::{Numbers, known, unsupported};

/// Returns a plan of the same rows and columns that may be read in many places.
pub(super) fn once(plan: &LogicalPlan, numbers: &Numbers) -> Result<LogicalPlan> {
    if !known::named(plan)?.is_empty() {
        return Err(unsupported(
            "where the rows around it depend on such names themselves",
        ));
    }
    let fields = plan.schema().fields().iter().enumerate();
    let fields = fields.map(|(at, field)| {
        let name = format!("c{at}");
        Field::new(name, field.data_type().clone(), true).with_metadata(field.metadata().clone())
    });
    let shared = Shared {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        plan: plan.clone(),
        kept: Mutex::default(),
    };
    let scan = provider_as_source(Arc::new(shared));
    let scan = LogicalPlanBuilder::scan(numbers.name("shared"), scan, None)?.build()?;
    let names = (0..plan.schema().fields().len()).map(|at| {
        let (relation, field) = plan.schema().qualified_field(at);
        let column = Expr::Column(Column::from(scan.schema().qualified_field(at)));
        column.alias_qualified(relation.cloned(), field.name())
    });
    let names: Vec<Expr> = names.collect();
    LogicalPlanBuilder::from(scan).project(names)?.build()
}

/// A part of a plan that stands in it as a table.
pub(crate) struct Shared {
    schema: SchemaRef,
    plan: LogicalPlan,
    /// The rows, as long as something reads them.
    kept: Mutex<Weak<Kept>>,
}

impl Shared {
    /// Returns what the rows are computed by.
    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Shared {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let kept = self.kept.lock().upgrade();
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let kept = Arc::new(Kept {
                    input: state.create_physical_plan(&self.plan).await?,
                    rows: OnceCell::new(),
                });
                *self.kept.lock() = Arc::downgrade(&kept);
                kept
            }
        };
        Ok(Arc::new(SharedExec::new(
            kept,
            &self.schema,
            projection.cloned(),
        )?))
    }
}

/// What is computed once.
struct Kept {
    input: Arc<dyn ExecutionPlan>,
    rows: OnceCell<Rows>,
}

struct Rows {
    batches: Vec<RecordBatch>,
    _memory: MemoryReservation,
}

impl Kept {
    async fn rows(&self, context: Arc<TaskContext>) -> Result<&Rows> {
        let read = || async {
            let memory = MemoryConsumer::new("rows read twice").register(context.memory_pool());
            let mut batches = Vec::new();
            // Whoever began to read may have been given up in the middle.
            let input = reset_plan_states(self.input.clone())?;
            let mut rows = execute_stream(input, context)?;
            while let Some(batch) = rows.try_next().await? {
                memory.try_grow(batch.get_array_memory_size())?;
                batches.push(batch);
            }
            Ok(Rows {
                batches,
                _memory: memory,
            })
        };
        self.rows.get_or_try_init(read).await
    }
}

/// Reads the rows that are kept.
struct SharedExec {
    kept: Arc<Kept>,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl SharedExec {
    fn new(kept: Arc<Kept>, schema: &SchemaRef, projection: Option<Vec<usize>>) -> Result<Self> {
        let schema = match &projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => schema.clone(),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            kept,
            projection,
            schema,
            properties: Arc::new(properties),
        })
    }
}

impl fmt::Debug for SharedExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedExec")
    }
}

impl DisplayAs for SharedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedExec")
    }
}

impl ExecutionPlan for SharedExec {
    fn name(&self) -> &str {
        "SharedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (kept, schema) = (self.kept.clone(), self.schema.clone());
        let projection = self.projection.clone();
        let rows = async move {
            let rows = kept.rows(context).await?;
            let shaped = rows.batches.iter().map(|batch| {
                let columns = match &projection {
                    Some(columns) => batch.project(columns)?,
                    None => batch.clone(),
                };
                let (columns, rows) = (columns.columns().to_vec(), columns.num_rows());
                let options =
                    datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
                Ok(RecordBatch::try_new_with_options(
                    schema.clone(),
                    columns,
                    &options,
                )?)
            });
            let shaped = shaped.collect::<Vec<Result<RecordBatch>>>();
            // The rows stay counted until the last of them is handed on.
            let held = futures::stream::iter(shaped).map(move |batch| {
                let _held = &kept;
                batch
            });
            Ok::<_, datafusion::common::DataFusionError>(held)
        };
        let rows = futures::stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema.clone(),
            rows,
        )))
    }
}
