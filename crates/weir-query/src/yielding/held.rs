use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, RecordBatchStream};
use futures::{Stream, StreamExt};

use super::kept::{Tallies, Tally};
use super::through::{passes_through, shown_by_name};
use crate::functions::windowed::{Account, Reader};

/// Counts what its consumer, which computes windows, keeps of what it is given and of what it makes,
/// since the consumer itself does not.
#[derive(Clone, Debug)]
pub(super) struct HeldExec {
    input: Arc<dyn ExecutionPlan>,
    keeps: Keeps,
    /// Of the functions whose values can be of any size.
    accounts: Vec<Arc<Account>>,
    tallies: Arc<Tallies>,
}

/// What a consumer keeps.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keeps {
    /// All rows until the last one is there, twice, with these bytes more for each.
    All { row_bytes: usize },
    /// What it has not handed on yet.
    Some,
}

impl HeldExec {
    pub(super) fn over(
        input: Arc<dyn ExecutionPlan>,
        keeps: Keeps,
        accounts: Vec<Arc<Account>>,
        tallies: Arc<Tallies>,
    ) -> Self {
        Self {
            input,
            keeps,
            accounts,
            tallies,
        }
    }
}

shown_by_name!(HeldExec, "HeldExec");

impl ExecutionPlan for HeldExec {
    passes_through!("HeldExec", input);

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| self.input.clone());
        Ok(Arc::new(Self {
            input,
            ..self.as_ref().clone()
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let pool = context.memory_pool();
        let consumer = MemoryConsumer::new(format!("Window[{partition}]"));
        let tally = Arc::new(Tally {
            rows: consumer.register(pool),
            values: self.accounts.iter().map(|one| one.open(pool)).collect(),
        });
        self.tallies.put(partition, tally.clone());
        Ok(Box::pin(Held {
            tally,
            input: self.input.execute(partition, context)?,
            keeps: self.keeps,
        }))
    }
}

struct Held {
    input: SendableRecordBatchStream,
    tally: Arc<Tally>,
    keeps: Keeps,
}

impl Stream for Held {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.input.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(batch))) = &next {
            for account in &self.tally.values {
                account.read(batch.num_rows());
            }
            match self.keeps {
                Keeps::All { row_bytes } => {
                    // Once as it came and once in one piece, with what is computed for each row.
                    let rows = batch.num_rows().saturating_mul(row_bytes);
                    let bytes = batch.get_array_memory_size().saturating_mul(2);
                    if let Err(error) = self.tally.rows.try_grow(bytes.saturating_add(rows)) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Keeps::Some => self.tally.values.iter().for_each(Reader::handed_on),
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
