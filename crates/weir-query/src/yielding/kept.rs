use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, RecordBatchStream};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;

use super::through::{passes_through, shown_by_name};
use crate::functions::windowed::Reader;

/// What is counted of one partition of an operator that computes windows.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) rows: MemoryReservation,
    pub(super) values: Vec<Reader>,
}

/// The tallies of an operator's partitions, on their way from what it reads to what reads it.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<Vec<Option<Arc<Tally>>>>);

impl Tallies {
    pub(super) fn put(&self, partition: usize, tally: Arc<Tally>) {
        let mut tallies = self.0.lock();
        if tallies.len() <= partition {
            tallies.resize(partition + 1, None);
        }
        tallies[partition] = Some(tally);
    }

    fn take(&self, partition: usize) -> Option<Arc<Tally>> {
        self.0.lock().get_mut(partition).and_then(Option::take)
    }
}

/// Keeps what was counted until the rows are gone: the operator drops what it reads from before it
/// computes anything.
#[derive(Debug)]
pub(super) struct KeptExec {
    window: Arc<dyn ExecutionPlan>,
    tallies: Arc<Tallies>,
}

impl KeptExec {
    pub(super) fn over(window: Arc<dyn ExecutionPlan>, tallies: Arc<Tallies>) -> Self {
        Self { window, tallies }
    }
}

shown_by_name!(KeptExec, "KeptExec");

impl ExecutionPlan for KeptExec {
    passes_through!("KeptExec", window);

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let window = children.pop().unwrap_or_else(|| self.window.clone());
        Ok(Arc::new(Self::over(window, self.tallies.clone())))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let window = self.window.execute(partition, context)?;
        Ok(Box::pin(Kept {
            window,
            _tally: self.tallies.take(partition),
        }))
    }
}

struct Kept {
    window: SendableRecordBatchStream,
    _tally: Option<Arc<Tally>>,
}

impl Stream for Kept {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.window.poll_next_unpin(cx)
    }
}

impl RecordBatchStream for Kept {
    fn schema(&self) -> SchemaRef {
        self.window.schema()
    }
}
