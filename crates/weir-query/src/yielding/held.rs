use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream,
};
use futures::{Stream, StreamExt};

/// Counts what its consumer keeps of what it is given, where the consumer itself does not: rows are
/// in memory twice while a window is computed over all of them.
#[derive(Debug)]
pub(super) struct HeldExec {
    input: Arc<dyn ExecutionPlan>,
    /// What the consumer adds to each row.
    row_bytes: usize,
}

impl HeldExec {
    pub(super) fn over(input: Arc<dyn ExecutionPlan>, row_bytes: usize) -> Self {
        Self { input, row_bytes }
    }
}

impl DisplayAs for HeldExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldExec")
    }
}

impl ExecutionPlan for HeldExec {
    fn name(&self) -> &str {
        "HeldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| self.input.clone());
        Ok(Arc::new(Self {
            input,
            row_bytes: self.row_bytes,
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let consumer = MemoryConsumer::new(format!("Window[{partition}]"));
        Ok(Box::pin(Held {
            reservation: consumer.register(context.memory_pool()),
            input: self.input.execute(partition, context)?,
            row_bytes: self.row_bytes,
        }))
    }
}

struct Held {
    input: SendableRecordBatchStream,
    /// Given back when the consumer drops the stream, which is when it drops the rows.
    reservation: MemoryReservation,
    row_bytes: usize,
}

impl Stream for Held {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.input.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(batch))) = &next {
            // Once as it came and once in one piece, with what is computed for each row.
            let rows = batch.num_rows().saturating_mul(self.row_bytes);
            let bytes = batch
                .get_array_memory_size()
                .saturating_mul(2)
                .saturating_add(rows);
            if let Err(error) = self.reservation.try_grow(bytes) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        next
    }
}

impl RecordBatchStream for Held {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
