//! Keys in the order of insertion, found by hash once there are more than a few.

use hashbrown::HashTable;

use super::{Value, compare::same_key, hash_of};

/// How many keys are searched one by one.
const SMALL: usize = 8;

/// Keys with what belongs to them, in the order of insertion.
#[derive(Clone, Default)]
pub(super) struct Map<T> {
    pub(super) keys: Vec<Value>,
    pub(super) values: Vec<T>,
    /// Positions by the hash of the key; empty while there are few keys.
    index: HashTable<u32>,
}

impl<T> Map<T> {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn find(&self, key: &Value) -> Option<usize> {
        if self.index.is_empty() {
            return self.keys.iter().position(|own| same_key(own, key));
        }
        let hash = hash_of(key);
        self.index
            .find(hash, |at| same_key(&self.keys[*at as usize], key))
            .map(|at| *at as usize)
    }

    pub(super) fn find_str(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.keys.iter().position(|own| own.as_str() == Some(key));
        }
        let hash = super::compare::hash_str(key);
        self.index
            .find(hash, |at| self.keys[*at as usize].as_str() == Some(key))
            .map(|at| *at as usize)
    }

    pub(super) fn insert(&mut self, key: Value, value: T) {
        match self.find(&key) {
            Some(at) => self.values[at] = value,
            None => {
                self.keys.push(key);
                self.values.push(value);
                self.added();
            }
        }
    }

    fn added(&mut self) {
        let last = self.keys.len() - 1;
        if self.index.is_empty() {
            if self.keys.len() > SMALL {
                self.reindex();
            }
            return;
        }
        let hash = hash_of(&self.keys[last]);
        let keys = &self.keys;
        self.index
            .insert_unique(hash, last as u32, |at| hash_of(&keys[*at as usize]));
    }

    fn reindex(&mut self) {
        self.index.clear();
        if self.keys.len() <= SMALL {
            return;
        }
        let keys = &self.keys;
        for (at, key) in keys.iter().enumerate() {
            self.index
                .insert_unique(hash_of(key), at as u32, |at| hash_of(&keys[*at as usize]));
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> (Value, T) {
        let last = at + 1 == self.keys.len();
        let taken = (self.keys.remove(at), self.values.remove(at));
        if !self.index.is_empty() {
            if last && self.keys.len() > SMALL {
                let position = at as u32;
                if let Ok(entry) = self
                    .index
                    .find_entry(hash_of(&taken.0), |own| *own == position)
                {
                    entry.remove();
                }
            } else {
                self.reindex();
            }
        }
        taken
    }

    pub(super) fn clear(&mut self) -> (Vec<Value>, Vec<T>) {
        self.index.clear();
        (
            std::mem::take(&mut self.keys),
            std::mem::take(&mut self.values),
        )
    }
}
