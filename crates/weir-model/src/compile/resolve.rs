use std::collections::HashMap;
use std::sync::Arc;

use crate::node::{Manifest, Node, Source, Version};

/// Finds what `ref()` and `source()` name.
#[derive(Debug)]
pub(crate) struct Resolver {
    root: Arc<str>,
    refables: HashMap<String, Vec<Arc<Node>>>,
    sources: HashMap<(String, String), Vec<Arc<Source>>>,
}

impl Resolver {
    /// Indexes a manifest.
    pub(crate) fn new(manifest: &Manifest, root: Arc<str>) -> Self {
        let mut refables: HashMap<String, Vec<Arc<Node>>> = HashMap::new();
        for node in manifest.nodes.values().filter(|node| node.is_refable()) {
            refables
                .entry(node.name.clone())
                .or_default()
                .push(Arc::clone(node));
        }
        let mut sources: HashMap<(String, String), Vec<Arc<Source>>> = HashMap::new();
        for source in manifest.sources.values() {
            sources
                .entry((source.source_name.clone(), source.name.clone()))
                .or_default()
                .push(Arc::clone(source));
        }
        Self {
            root,
            refables,
            sources,
        }
    }

    /// Packages in the order they are searched for nodes of `package`; none stands for all.
    fn order<'p>(&'p self, package: &'p str) -> Vec<Option<&'p str>> {
        if package == &*self.root {
            vec![Some(package), None]
        } else {
            vec![Some(package), Some(&self.root), None]
        }
    }

    /// Finds the model, seed or snapshot that a node of `package` means.
    ///
    /// Without a version it is the latest of a model that has several.
    pub(crate) fn node(
        &self,
        package: &str,
        name: &str,
        within: Option<&str>,
        version: Option<&Version>,
    ) -> Option<&Arc<Node>> {
        let candidates = self.refables.get(name)?;
        let fits = |node: &Node| match (version, node.version()) {
            (None, None) => true,
            (None, Some(own)) => node
                .model()
                .and_then(|model| model.latest_version.as_ref())
                .is_none_or(|latest| latest.same(own)),
            (Some(wanted), Some(own)) => wanted.same(own),
            (Some(_), None) => false,
        };
        let order = within.map_or_else(|| self.order(package), |within| vec![Some(within)]);
        order.into_iter().find_map(|searched| {
            candidates.iter().find(|node| {
                searched.is_none_or(|searched| &*node.package == searched) && fits(node)
            })
        })
    }

    /// Finds the source table that a node of `package` means.
    pub(crate) fn source(&self, package: &str, source: &str, table: &str) -> Option<&Arc<Source>> {
        let candidates = self.sources.get(&(source.to_owned(), table.to_owned()))?;
        self.order(package).into_iter().find_map(|searched| {
            candidates
                .iter()
                .find(|found| searched.is_none_or(|searched| &*found.package == searched))
        })
    }
}
