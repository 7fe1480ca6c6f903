use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, RecordBatchStream};
use futures::{Stream, StreamExt};

use super::through::{passes_through, shown_by_name};

/// What a consumer may take for one portion before the next one is halved.
const SLOW: Duration = Duration::from_millis(20);

/// What it must stay under for the next one to be doubled.
const QUICK: Duration = Duration::from_millis(4);

/// Rows of the first portion: enough to measure, few enough to be done soon whatever they meet.
const FIRST: usize = 16;

/// Hands its input on in portions that its consumer works through in a few milliseconds each, and
/// lets the task yield between them.
#[derive(Debug)]
pub(super) struct PortionsExec {
    input: Arc<dyn ExecutionPlan>,
}

impl PortionsExec {
    pub(super) fn over(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input }
    }
}

shown_by_name!(PortionsExec, "PortionsExec");

impl ExecutionPlan for PortionsExec {
    passes_through!("PortionsExec", input);

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| self.input.clone());
        Ok(Arc::new(Self { input }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let largest = context.session_config().batch_size();
        Ok(Box::pin(Portions {
            largest,
            input: self.input.execute(partition, context)?,
            batch: None,
            rows: FIRST.min(largest),
            handed: None,
        }))
    }
}

struct Portions {
    input: SendableRecordBatchStream,
    /// What is left of the batch that is being handed out.
    batch: Option<RecordBatch>,
    /// Rows of the next portion.
    rows: usize,
    largest: usize,
    /// When the last portion was handed out, until the consumer asks for more.
    handed: Option<Instant>,
}

impl Portions {
    /// Judges how long the consumer took for the last portion; returns whether it should yield.
    fn adapt(&mut self) -> bool {
        let Some(handed) = self.handed.take() else {
            return false;
        };
        let took = handed.elapsed();
        if took > SLOW {
            self.rows = (self.rows / 2).max(1);
        } else if took < QUICK {
            self.rows = (self.rows * 2).min(self.largest);
        }
        took > QUICK
    }
}

impl Stream for Portions {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.adapt() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => match self.input.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(batch))) => batch,
                other => return other,
            },
        };
        let portion = self.rows.min(batch.num_rows());
        if portion < batch.num_rows() {
            self.batch = Some(batch.slice(portion, batch.num_rows() - portion));
        }
        self.handed = Some(Instant::now());
        Poll::Ready(Some(Ok(batch.slice(0, portion))))
    }
}

impl RecordBatchStream for Portions {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
