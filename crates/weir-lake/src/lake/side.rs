use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use super::Lake;

impl Lake {
    /// Returns where in its store the lake begins; empty if it has the store to itself.
    pub fn prefix(&self) -> &Path {
        &self.inner.root.prefix
    }

    /// Returns the store and a folder in it for files that are no table, beside the tables. Names
    /// that begin with `_` are nobody's schema. What is put there is durable when the put returns.
    pub fn side_folder(&self, name: &'static str) -> (Arc<dyn ObjectStore>, Path) {
        let root = &self.inner.root;
        (
            root.store.clone(),
            root.prefix.clone().join(format!("_{name}")),
        )
    }
}
