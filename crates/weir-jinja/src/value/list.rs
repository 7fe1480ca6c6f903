//! Lists, which are shared and mutable, and tuples, which are not.

use std::{ops::Deref, sync::Arc};

use parking_lot::RwLock;

use super::{Value, trash::bury};

/// A Python list: clones are the same list.
#[derive(Clone, Default)]
pub struct List(Arc<Items>);

#[derive(Default)]
struct Items(RwLock<Vec<Value>>);

impl Drop for Items {
    fn drop(&mut self) {
        bury(std::mem::take(self.0.get_mut()));
    }
}

impl List {
    /// Makes a list of its items.
    pub fn new(items: Vec<Value>) -> Self {
        Self(Arc::new(Items(RwLock::new(items))))
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.0.0.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at an index.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.0.0.read().get(index).cloned()
    }

    /// Adds an item at the end.
    pub fn push(&self, value: impl Into<Value>) {
        self.0.0.write().push(value.into());
    }

    /// The items as they are now.
    pub fn items(&self) -> Vec<Value> {
        self.0.0.read().clone()
    }

    /// Whether both are the same list.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Changes the items. Values must not be compared, printed or called meanwhile.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Vec<Value>) -> T) -> T {
        change(&mut self.0.0.write())
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// A Python tuple.
#[derive(Clone)]
pub struct Tuple(Arc<Fixed>);

struct Fixed(Vec<Value>);

impl Drop for Fixed {
    fn drop(&mut self) {
        bury(std::mem::take(&mut self.0));
    }
}

impl Tuple {
    /// Makes a tuple of its items.
    pub fn new(items: Vec<Value>) -> Self {
        Self(Arc::new(Fixed(items)))
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl Deref for Tuple {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.0
    }
}
