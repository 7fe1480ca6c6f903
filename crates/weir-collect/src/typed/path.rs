//! Where keys lead: the column name of every path of keys seen, worked out once.

use hashbrown::HashTable;

use super::names::column_name;

/// A place in the tree of keys.
pub(crate) type PathId = u32;

/// The properties or traits of an event: their keys are column names as they are.
pub(crate) const PROPERTIES: PathId = 0;
/// The context of an event: its keys get the prefix `context_`.
pub(crate) const CONTEXT: PathId = 1;

/// A sender that invents keys makes this many cost memory, then the cache starts over.
const MOST: usize = 32_768;
const NONE: PathId = PathId::MAX;

struct Node {
    parent: PathId,
    key: Box<str>,
    /// `None` when nothing of the key can be spelt.
    name: Option<Box<str>>,
    /// The key that came after this one last time. SDKs write keys in one order, so it mostly does
    /// again, and a comparison is cheaper than a hash.
    next: PathId,
    /// The first key of the object last time.
    first: PathId,
}

/// The paths seen so far.
pub(crate) struct Paths {
    nodes: Vec<Node>,
    index: HashTable<PathId>,
    generation: u32,
    /// Against senders who choose keys that collide.
    seed: u64,
}

impl Paths {
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let seed = RandomState::new().hash_one(0u8);
        let mut paths = Self {
            nodes: Vec::new(),
            index: HashTable::new(),
            generation: 0,
            seed,
        };
        paths.clear();
        paths
    }

    fn clear(&mut self) {
        self.index.clear();
        self.nodes.clear();
        for name in ["", "context"] {
            self.nodes.push(Node {
                parent: NONE,
                key: name.into(),
                name: Some(name.into()),
                next: NONE,
                first: NONE,
            });
        }
        self.generation = self.generation.wrapping_add(1);
    }

    /// Starts over when the cache has grown too large; to be called between events. Ids of another
    /// [`Self::generation`] mean nothing.
    pub(crate) fn trim(&mut self) {
        if self.nodes.len() > MOST {
            self.clear();
        }
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns the column name of a path.
    pub(crate) fn name(&self, path: PathId) -> Option<&str> {
        self.nodes[path as usize].name.as_deref()
    }

    /// Whether a path lies below the context.
    pub(crate) fn in_context(&self, mut path: PathId) -> bool {
        while self.nodes[path as usize].parent != NONE {
            path = self.nodes[path as usize].parent;
        }
        path == CONTEXT
    }

    /// Returns a path as the sender spells it, keys joined by dots.
    pub(crate) fn spelt(&self, path: PathId) -> String {
        let node = &self.nodes[path as usize];
        if node.parent == NONE || (node.parent == PROPERTIES) {
            return node.key.to_string();
        }
        format!("{}.{}", self.spelt(node.parent), node.key)
    }

    /// Returns the path of `key` below `parent`. `before` is the key that came before it in the
    /// same object, or the parent for the first one.
    #[inline]
    pub(crate) fn child(&mut self, parent: PathId, before: PathId, key: &str) -> PathId {
        let hint = &self.nodes[before as usize];
        let guess = if before == parent {
            hint.first
        } else {
            hint.next
        };
        if let Some(node) = self.nodes.get(guess as usize)
            && node.parent == parent
            && *node.key == *key
        {
            return guess;
        }
        let id = self.look_up(parent, key);
        let hint = &mut self.nodes[before as usize];
        *(if before == parent {
            &mut hint.first
        } else {
            &mut hint.next
        }) = id;
        id
    }

    fn look_up(&mut self, parent: PathId, key: &str) -> PathId {
        let seed = self.seed;
        let hash = |parent: PathId, key: &str| {
            xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), seed ^ u64::from(parent))
        };
        let nodes = &self.nodes;
        let wanted = hash(parent, key);
        let found = self.index.find(wanted, |&id| {
            let node = &nodes[id as usize];
            node.parent == parent && *node.key == *key
        });
        if let Some(&id) = found {
            return id;
        }
        let id = self.nodes.len() as PathId;
        let prefix = self.nodes[parent as usize].name.as_deref();
        let name = prefix
            .and_then(|prefix| column_name(prefix, key))
            .map(Into::into);
        self.nodes.push(Node {
            parent,
            key: key.into(),
            name,
            next: NONE,
            first: NONE,
        });
        let nodes = &self.nodes;
        self.index.insert_unique(wanted, id, |&id| {
            let node = &nodes[id as usize];
            hash(node.parent, &node.key)
        });
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_once() {
        let mut paths = Paths::new();
        let page = paths.child(CONTEXT, CONTEXT, "page");
        let url = paths.child(page, page, "URLPath");
        let title = paths.child(page, url, "title");
        assert_eq!(paths.name(url), Some("context_page_url_path"));
        assert_eq!(paths.name(title), Some("context_page_title"));
        assert_eq!(paths.child(page, page, "URLPath"), url);
        assert_eq!(paths.child(page, page, "title"), title);
        assert_eq!(paths.child(page, page, "URLPath"), url);
        assert!(paths.in_context(url));
        let odd = paths.child(PROPERTIES, PROPERTIES, "$$$");
        let below = paths.child(odd, odd, "a");
        assert_eq!((paths.name(odd), paths.name(below)), (None, None));
        assert_eq!(paths.spelt(below), "$$$.a");
        assert_eq!(paths.spelt(url), "context.page.URLPath");
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut paths = Paths::new();
        for n in 0..2 * MOST {
            paths.trim();
            paths.child(PROPERTIES, PROPERTIES, &format!("key{n}"));
        }
        assert!(paths.nodes.len() <= MOST + 1);
    }
}
