//! Where names in `ref()`, `source()` and the like lead.

use std::collections::HashMap;
use std::sync::Arc;

use crate::node::{Node, Source, UniqueId, Version};

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Enabled(UniqueId),
    /// It is there, but configuration switched it off.
    Disabled(UniqueId),
    Missing,
    /// Several packages have it; the name alone does not say which.
    Ambiguous(Vec<UniqueId>),
}

/// Finds models, seeds, snapshots and sources by name.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    root: Arc<str>,
    refs: Names,
    disabled_refs: Names,
    sources: Names,
    disabled_sources: Names,
}

/// Ids by name and package, in the order in which they were added.
#[derive(Debug, Default)]
struct Names(HashMap<String, Vec<(Arc<str>, UniqueId)>>);

impl Names {
    fn add(&mut self, name: String, package: &Arc<str>, id: &UniqueId) {
        self.0
            .entry(name)
            .or_default()
            .push((Arc::clone(package), id.clone()));
    }

    /// Returns what `package` has under `name`, or all packages.
    fn find(&self, name: &str, package: Option<&str>) -> Vec<UniqueId> {
        let all = self.0.get(name).into_iter().flatten();
        all.filter(|(of, _)| package.is_none_or(|package| **of == *package))
            .map(|(_, id)| id.clone())
            .collect()
    }
}

impl Lookup {
    pub(super) fn new(root: Arc<str>) -> Self {
        Self {
            root,
            ..Self::default()
        }
    }

    /// Adds a node that `ref()` can name; versions are found by `name.vN`, the latest by `name` too.
    pub(super) fn add_node(&mut self, node: &Node, enabled: bool) {
        if !node.is_refable() {
            return;
        }
        let names = if enabled {
            &mut self.refs
        } else {
            &mut self.disabled_refs
        };
        match node
            .model()
            .map(|model| (&model.version, &model.latest_version))
        {
            Some((Some(version), latest)) => {
                names.add(format!("{}.v{version}", node.name), &node.package, &node.id);
                if latest.as_ref().is_some_and(|latest| latest.same(version)) {
                    names.add(node.name.clone(), &node.package, &node.id);
                }
            }
            _ => names.add(node.name.clone(), &node.package, &node.id),
        }
    }

    pub(super) fn add_source(&mut self, source: &Source, enabled: bool) {
        let names = if enabled {
            &mut self.sources
        } else {
            &mut self.disabled_sources
        };
        names.add(source.search_name(), &source.package, &source.id);
    }

    /// Finds what `ref()` of a node of `from` names.
    pub(super) fn node(
        &self,
        from: &str,
        package: Option<&str>,
        name: &str,
        version: Option<&Version>,
    ) -> Found {
        let key = match version {
            Some(version) => format!("{name}.v{version}"),
            None => name.to_owned(),
        };
        self.search(&self.refs, &self.disabled_refs, from, package, &key)
    }

    /// Finds what `source()` of a node of `from` names.
    pub(super) fn source(&self, from: &str, source: &str, table: &str) -> Found {
        let key = format!("{source}.{table}");
        self.search(&self.sources, &self.disabled_sources, from, None, &key)
    }

    fn search(
        &self,
        names: &Names,
        disabled: &Names,
        from: &str,
        package: Option<&str>,
        key: &str,
    ) -> Found {
        let places: Vec<Option<&str>> = match package {
            Some(package) => vec![Some(package)],
            None if *self.root == *from => vec![Some(from), None],
            None => vec![Some(&*self.root), Some(from), None],
        };
        let mut off = None;
        for place in places {
            let found = names.find(key, place);
            match &*found {
                [] => {}
                [id] => return Found::Enabled(id.clone()),
                _ if place.is_some() => return Found::Enabled(found[0].clone()),
                _ => return Found::Ambiguous(found),
            }
            if off.is_none() {
                off = disabled.find(key, place).into_iter().next();
            }
        }
        off.map_or(Found::Missing, Found::Disabled)
    }

    /// Returns every name that `ref()` takes, for suggestions.
    pub(super) fn ref_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.refs.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Returns every `source.table`, for suggestions.
    pub(super) fn source_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.sources.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}
