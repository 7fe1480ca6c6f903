use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use parking_lot::Mutex;

/// What one function over windows has made and its operator still keeps.
#[derive(Debug, Default)]
pub(crate) struct Account {
    held: Mutex<Held>,
    /// Rows its operator was given.
    rows: AtomicUsize,
}

#[derive(Debug, Default)]
struct Held {
    reservation: Option<MemoryReservation>,
    readers: usize,
}

impl Account {
    /// Counts in `pool` from now on, until the last reader is dropped.
    pub(crate) fn open(self: &Arc<Self>, pool: &Arc<dyn MemoryPool>) -> Reader {
        let mut held = self.held.lock();
        held.readers += 1;
        if held.reservation.is_none() {
            held.reservation = Some(MemoryConsumer::new("Window values").register(pool));
        }
        Reader(self.clone())
    }

    /// Returns how many rows its operator was given.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Counts `times` copies of a value.
    pub(super) fn add_value(&self, value: &ScalarValue, times: usize) -> Result<()> {
        self.add(weight(value).saturating_mul(times))
    }

    /// Counts an array.
    pub(super) fn add_array(&self, array: &ArrayRef) -> Result<()> {
        self.add(array.get_array_memory_size())
    }

    fn add(&self, bytes: usize) -> Result<()> {
        match &self.held.lock().reservation {
            Some(reservation) => reservation.try_grow(bytes),
            None => Ok(()),
        }
    }
}

/// One stream of rows that a function's values are made for.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Account>);

impl Reader {
    /// Notes rows that were read.
    pub(crate) fn read(&self, rows: usize) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Notes that the values made so far were handed on.
    pub(crate) fn handed_on(&self) {
        if let Some(reservation) = &self.0.held.lock().reservation {
            reservation.free();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut held = self.0.held.lock();
        held.readers -= 1;
        if held.readers == 0 {
            held.reservation = None;
        }
    }
}

/// Returns what a value takes once it is part of a column.
fn weight(value: &ScalarValue) -> usize {
    let list = |list: &dyn Array| {
        list.to_data()
            .get_slice_memory_size()
            .unwrap_or(usize::MAX / 2)
    };
    match value {
        // Lists may share their memory with others until then.
        ScalarValue::List(array) => list(array.as_ref()),
        ScalarValue::LargeList(array) => list(array.as_ref()),
        ScalarValue::Struct(array) => list(array.as_ref()),
        value => value.size(),
    }
}
