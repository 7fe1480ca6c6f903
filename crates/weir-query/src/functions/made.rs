use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayData, make_array};
use datafusion::arrow::buffer::Buffer;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;

use crate::error::{QueryError, QueryErrorKind};

/// What weighs less in one batch is not counted.
const SMALL: usize = 256 << 10;

/// What functions have made that is still in memory. The engine's pool does not hear of what is
/// computed row by row, and a hundred columns of large texts are a hundred times what one may be.
#[derive(Debug)]
pub(super) struct Made {
    bytes: AtomicU64,
    limit: u64,
}

impl Made {
    pub(super) fn up_to(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            limit,
        })
    }

    /// Counts an answer for as long as anybody holds it.
    pub(super) fn counted(self: &Arc<Self>, answer: ColumnarValue) -> Result<ColumnarValue> {
        let ColumnarValue::Array(array) = answer else {
            return Ok(answer);
        };
        if array.get_buffer_memory_size() < SMALL {
            return Ok(ColumnarValue::Array(array));
        }
        let data = self.held(&array.to_data())?;
        Ok(ColumnarValue::Array(make_array(data)))
    }

    fn held(self: &Arc<Self>, data: &ArrayData) -> Result<ArrayData> {
        let buffers = data.buffers().iter().map(|buffer| self.hold(buffer));
        let children = data.child_data().iter().map(|child| self.held(child));
        let held = data
            .clone()
            .into_builder()
            .buffers(buffers.collect::<Result<_>>()?)
            .child_data(children.collect::<Result<_>>()?);
        Ok(held.build()?)
    }

    fn hold(self: &Arc<Self>, buffer: &Buffer) -> Result<Buffer> {
        let bytes = buffer.capacity() as u64;
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let held = Held {
            buffer: buffer.clone(),
            bytes,
            made: self.clone(),
        };
        match total > self.limit {
            true => Err(too_much(total, self.limit)),
            false => Ok(Buffer::from(bytes::Bytes::from_owner(held))),
        }
    }
}

/// A part of an answer, counted until it is dropped.
struct Held {
    buffer: Buffer,
    bytes: u64,
    made: Arc<Made>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.made.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn too_much(bytes: u64, limit: u64) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::OutOfMemory,
        format!("functions made values of {bytes} bytes, and may hold {limit} at one time"),
    )
    .hint("ask for shorter values, or for fewer of them in one row");
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};

    use super::*;

    #[test]
    fn what_is_held_counts_and_what_is_dropped_does_not() {
        let made = Made::up_to(3 << 20);
        let text = || -> ArrayRef { Arc::new(StringArray::from(vec!["x".repeat(1 << 20)])) };
        let count = |array| made.counted(ColumnarValue::Array(array));
        let first = count(text()).unwrap();
        let second = count(text()).unwrap();
        assert!(count(text()).is_err());
        drop(first);
        let ColumnarValue::Array(third) = count(text()).unwrap() else {
            panic!("an array stays one");
        };
        assert_eq!(third.as_string::<i32>().value(0).len(), 1 << 20);
        drop((second, third));
        assert_eq!(made.bytes.load(Ordering::Relaxed), 0);
    }
}
