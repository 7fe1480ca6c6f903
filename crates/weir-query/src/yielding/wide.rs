use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, RecordBatchStream};
use futures::{Stream, StreamExt};

use super::through::{passes_through, shown_by_name};
use crate::error::{QueryError, QueryErrorKind};

/// Values up to here may be repeated in every row of a batch of the usual size.
const WIDE: usize = 256 << 10;

/// What one value repeated in all rows of a batch may take.
const BATCH_BYTES: usize = 256 << 20;

/// Looks for values so large that an operator which repeats rows, such as a join, must not write them
/// out for a whole batch. The query is then run once more in batches as small as that takes.
#[derive(Debug)]
pub(super) struct WideExec {
    input: Arc<dyn ExecutionPlan>,
}

/// The name of the operator in plans.
pub(crate) const NAME: &str = "WideExec";

impl WideExec {
    /// Looks at the input, if it has columns that can be that large and are copied row by row.
    pub(super) fn over(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let fields = input.schema();
        let mut fields = fields.fields().iter();
        match fields.any(|field| is_copied(field.data_type())) {
            true => Arc::new(Self { input }),
            false => input,
        }
    }
}

shown_by_name!(WideExec, NAME);

impl ExecutionPlan for WideExec {
    passes_through!(NAME, input);

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
        let batch_rows = context.session_config().batch_size();
        Ok(Box::pin(Looked {
            input: self.input.execute(partition, context)?,
            widest: WIDE.max(BATCH_BYTES / batch_rows.max(1)),
        }))
    }
}

struct Looked {
    input: SendableRecordBatchStream,
    /// The largest value that may pass.
    widest: usize,
}

impl Stream for Looked {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.input.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(batch))) = &next {
            let widest = batch.columns().iter().map(|column| widest(column, WIDE));
            let widest = widest.max().unwrap_or(0);
            if widest > self.widest {
                return Poll::Ready(Some(Err(too_wide(widest))));
            }
        }
        next
    }
}

impl RecordBatchStream for Looked {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// Whether values of the type are written out again where a row is repeated.
fn is_copied(kind: &DataType) -> bool {
    !kind.is_primitive()
        && !matches!(
            kind,
            DataType::Null | DataType::Boolean | DataType::Utf8View | DataType::BinaryView
        )
}

/// Returns the bytes of the largest value; none of a column that has not so many altogether.
fn widest(column: &ArrayRef, enough: usize) -> usize {
    if !is_copied(column.data_type()) || column.get_buffer_memory_size() <= enough {
        return 0;
    }
    let lengths = |offsets: &mut dyn Iterator<Item = usize>| {
        let mut last = 0;
        let lengths = offsets.map(|offset| offset - std::mem::replace(&mut last, offset));
        lengths.skip(1).max().unwrap_or(0)
    };
    let of_items = |items: &ArrayRef, longest: usize| {
        let each = items.get_buffer_memory_size() / items.len().max(1) + 1;
        longest.saturating_mul(each)
    };
    match column.data_type() {
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            lengths(&mut offsets.iter().map(|offset| *offset as usize))
        }
        DataType::Binary => {
            let offsets = column.as_binary::<i32>().value_offsets();
            lengths(&mut offsets.iter().map(|offset| *offset as usize))
        }
        DataType::LargeUtf8 => {
            let offsets = column.as_string::<i64>().value_offsets();
            lengths(&mut offsets.iter().map(|offset| *offset as usize))
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let offsets = lists.value_offsets().iter();
            let longest = lengths(&mut offsets.map(|offset| *offset as usize));
            of_items(lists.values(), longest)
        }
        // Rare types: as if one value were everything.
        _ if column.len() == 1 => column.get_buffer_memory_size(),
        _ => 0,
    }
}

fn too_wide(bytes: usize) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::OutOfMemory,
        format!("a value of {bytes} bytes is too large to be repeated by a join"),
    )
    .hint("join without it, and look it up afterwards")
    .of_wide_rows(bytes);
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn the_largest_value_is_found() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(10), "b".repeat(300)]));
        assert_eq!(widest(&texts, 100), 300);
        assert_eq!(widest(&texts.slice(0, 1), 100), 10);
        assert_eq!(widest(&texts, 100_000), 0);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1; 1_000]));
        assert_eq!(widest(&numbers, 100), 0);
    }
}
