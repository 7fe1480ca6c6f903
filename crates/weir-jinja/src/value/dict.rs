//! Dictionaries and sets: shared, mutable, in the order of insertion.

use std::sync::Arc;

use parking_lot::RwLock;

use super::{Value, map::Map, trash::bury, unhashable};
use crate::Result;

/// A Python dictionary: clones are the same dictionary.
#[derive(Clone, Default)]
pub struct Dict(Arc<Entries>);

#[derive(Default)]
struct Entries(RwLock<Map<Value>>);

impl Drop for Entries {
    fn drop(&mut self) {
        let (keys, values) = self.0.get_mut().clear();
        bury(keys);
        bury(values);
    }
}

impl Dict {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.0.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key; lists and other keys that cannot be have none.
    pub fn get(&self, key: &Value) -> Option<Value> {
        let map = self.0.0.read();
        map.find(key).map(|at| map.values[at].clone())
    }

    /// The value of a key that is a string.
    pub fn get_str(&self, key: &str) -> Option<Value> {
        let map = self.0.0.read();
        map.find_str(key).map(|at| map.values[at].clone())
    }

    /// Sets the value of a key; lists, dictionaries and sets cannot be keys.
    pub fn set(&self, key: Value, value: impl Into<Value>) -> Result<()> {
        unhashable(&key)?;
        let value = value.into();
        self.0.0.write().insert(key, value);
        Ok(())
    }

    /// Sets the value of a key that is a string.
    pub fn set_str(&self, key: impl Into<Arc<str>>, value: impl Into<Value>) {
        let (key, value) = (Value::Str(key.into()), value.into());
        self.0.0.write().insert(key, value);
    }

    /// Removes a key and gives its value.
    pub fn remove(&self, key: &Value) -> Option<Value> {
        let mut map = self.0.0.write();
        let at = map.find(key)?;
        Some(map.remove(at).1)
    }

    pub(crate) fn pop_last(&self) -> Option<(Value, Value)> {
        let mut map = self.0.0.write();
        let last = map.len().checked_sub(1)?;
        Some(map.remove(last))
    }

    pub(crate) fn clear(&self) {
        let (keys, values) = self.0.0.write().clear();
        bury(keys);
        bury(values);
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Vec<Value> {
        self.0.0.read().keys.clone()
    }

    /// The values as they are now.
    pub fn values(&self) -> Vec<Value> {
        self.0.0.read().values.clone()
    }

    /// The entries as they are now.
    pub fn entries(&self) -> Vec<(Value, Value)> {
        let map = self.0.0.read();
        map.keys
            .iter()
            .cloned()
            .zip(map.values.iter().cloned())
            .collect()
    }

    /// A dictionary of its own with the same entries.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Entries(RwLock::new(self.0.0.read().clone()))))
    }

    /// Whether both are the same dictionary.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// A Python set: clones are the same set. It keeps the order of insertion, where Python keeps
/// none, so that what templates print does not change from run to run.
#[derive(Clone, Default)]
pub struct Set(Arc<Members>);

#[derive(Default)]
struct Members(RwLock<Map<()>>);

impl Drop for Members {
    fn drop(&mut self) {
        bury(self.0.get_mut().clear().0);
    }
}

impl Set {
    /// A set of the members; lists, dictionaries and sets cannot be members.
    pub fn new(members: impl IntoIterator<Item = Value>) -> Result<Self> {
        let set = Self::default();
        for member in members {
            set.add(member)?;
        }
        Ok(set)
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.0.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a member.
    pub fn add(&self, member: Value) -> Result<()> {
        unhashable(&member)?;
        self.0.0.write().insert(member, ());
        Ok(())
    }

    /// Whether it has a member.
    pub fn contains(&self, member: &Value) -> bool {
        self.0.0.read().find(member).is_some()
    }

    pub(crate) fn remove(&self, member: &Value) -> bool {
        let mut map = self.0.0.write();
        match map.find(member) {
            Some(at) => {
                map.remove(at);
                true
            }
            None => false,
        }
    }

    pub(crate) fn clear(&self) {
        let members = self.0.0.write().clear().0;
        bury(members);
    }

    /// The members as they are now.
    pub fn members(&self) -> Vec<Value> {
        self.0.0.read().keys.clone()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}
