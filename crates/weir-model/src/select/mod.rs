//! Choosing nodes: `--select`, `--exclude`, selectors.yml and what their words mean.

mod compare;
mod definition;
mod glob;
mod list;
mod method;
mod spec;

use std::collections::HashSet;

pub use definition::Selectors;
pub use list::{Listing, list};
pub use spec::{Criteria, Indirect, Spec};

use crate::artifact::PreviousState;
use crate::error::ModelError;
use crate::graph::Graph;
use crate::node::{Manifest, NodeDetail, ResourceKind, UniqueId};
use method::Methods;

/// Chooses nodes of one manifest.
pub struct Selector<'s> {
    manifest: &'s Manifest,
    graph: &'s Graph,
    methods: Methods<'s>,
}

/// What was chosen, and what asks for attention.
#[derive(Debug, Default)]
pub struct Selected {
    /// In the order of parsing.
    pub ids: Vec<UniqueId>,
    /// Parts of the selection that chose nothing.
    pub warnings: Vec<ModelError>,
}

impl<'s> Selector<'s> {
    /// Makes a selector; `previous` is what `state:`, `result:` and `source_status:` compare with.
    pub fn new(
        manifest: &'s Manifest,
        graph: &'s Graph,
        selectors: &'s Selectors,
        previous: Option<&'s PreviousState>,
    ) -> Self {
        Self {
            manifest,
            graph,
            methods: Methods::new(manifest, selectors, previous),
        }
    }

    /// Chooses what `spec` says, of the resource kinds that `wanted` accepts.
    ///
    /// # Errors
    ///
    /// A method that does not exist, or that needs earlier artifacts when there are none.
    pub fn select(
        &self,
        spec: &Spec,
        wanted: impl Fn(ResourceKind) -> bool,
    ) -> Result<Selected, ModelError> {
        let mut warnings = Vec::new();
        let (direct, _) = self.choose(spec, &mut warnings, 0)?;
        let ids = self
            .graph
            .ids()
            .iter()
            .filter(|id| direct.contains(*id))
            .filter(|id| id.kind().is_some_and(&wanted))
            .cloned()
            .collect();
        Ok(Selected { ids, warnings })
    }

    /// Returns what is chosen for sure, and tests that may still be, once their other parents are.
    fn choose(
        &self,
        spec: &Spec,
        warnings: &mut Vec<ModelError>,
        depth: usize,
    ) -> Result<(HashSet<UniqueId>, HashSet<UniqueId>), ModelError> {
        if depth > 64 {
            return Err(spec::error(
                "selectors refer to one another without end",
                "check selectors.yml for a circle",
            ));
        }
        match spec {
            Spec::Criteria(criteria) => self.criteria(criteria, warnings, depth),
            Spec::Union(parts, indirect)
            | Spec::Intersection(parts, indirect)
            | Spec::Difference(parts, indirect) => {
                let mut direct = Vec::new();
                let mut all = Vec::new();
                for part in parts {
                    let (chosen, pending) = self.choose(part, warnings, depth + 1)?;
                    all.push(chosen.union(&pending).cloned().collect());
                    direct.push(chosen);
                }
                let direct = spec.combined(direct);
                let all = spec.combined(all);
                let chosen = self.settle(direct, &all, *indirect);
                Ok((chosen, all))
            }
        }
    }

    fn criteria(
        &self,
        criteria: &Criteria,
        warnings: &mut Vec<ModelError>,
        depth: usize,
    ) -> Result<(HashSet<UniqueId>, HashSet<UniqueId>), ModelError> {
        if criteria.method == "selector" {
            let inner = self.methods.selector(criteria)?;
            let (chosen, pending) = self.choose(inner, warnings, depth + 1)?;
            if !criteria.has_relatives() {
                return Ok((chosen, pending));
            }
            return Ok(self.relatives(criteria, chosen));
        }
        let chosen: HashSet<UniqueId> = self
            .methods
            .search(criteria)?
            .into_iter()
            .filter(|id| self.graph.contains(id))
            .collect();
        if chosen.is_empty() && criteria.value != "*" {
            warnings.push(self.methods.nothing(criteria));
        }
        Ok(self.relatives(criteria, chosen))
    }

    fn relatives(
        &self,
        criteria: &Criteria,
        mut chosen: HashSet<UniqueId>,
    ) -> (HashSet<UniqueId>, HashSet<UniqueId>) {
        let mut more = HashSet::new();
        if criteria.childrens_parents {
            let mut below = self.graph.descendants(&chosen, None);
            below.extend(chosen.iter().cloned());
            more.extend(self.graph.ancestors(&below, None));
            more.extend(below);
        }
        if let Some(depth) = criteria.parents {
            more.extend(self.graph.ancestors(&chosen, depth));
        }
        if let Some(depth) = criteria.children {
            more.extend(self.graph.descendants(&chosen, depth));
        }
        chosen.extend(more);
        self.expand(chosen, criteria.indirect)
    }

    /// Adds tests of what is chosen, as far as `indirect` says.
    fn expand(
        &self,
        chosen: HashSet<UniqueId>,
        indirect: Indirect,
    ) -> (HashSet<UniqueId>, HashSet<UniqueId>) {
        if indirect == Indirect::Empty {
            return (chosen, HashSet::new());
        }
        let within = self.within(&chosen, indirect);
        let mut direct = chosen.clone();
        let mut pending = HashSet::new();
        for id in self.graph.descendants(&chosen, Some(1)) {
            if !self.is_indirect(&id) {
                continue;
            }
            if indirect == Indirect::Eager
                || self
                    .graph
                    .parents_of(&id)
                    .all(|parent| within.contains(parent))
            {
                direct.insert(id);
            } else {
                pending.insert(id);
            }
        }
        (direct, pending)
    }

    /// Returns where all parents of a test must be for the test to be chosen.
    fn within(&self, chosen: &HashSet<UniqueId>, indirect: Indirect) -> HashSet<UniqueId> {
        let mut within = chosen.clone();
        if indirect == Indirect::Buildable {
            within.extend(self.graph.ancestors(chosen, None));
            within.extend(self.manifest.sources.keys().cloned());
        }
        within
    }

    /// Adds those pending tests whose parents are all there now.
    fn settle(
        &self,
        direct: HashSet<UniqueId>,
        all: &HashSet<UniqueId>,
        indirect: Indirect,
    ) -> HashSet<UniqueId> {
        if !matches!(indirect, Indirect::Cautious | Indirect::Buildable) || direct == *all {
            return direct;
        }
        let within = self.within(&direct, indirect);
        let mut settled = direct;
        for id in all {
            if self.is_indirect(id)
                && self
                    .graph
                    .parents_of(id)
                    .all(|parent| within.contains(parent))
            {
                settled.insert(id.clone());
            }
        }
        settled
    }

    /// Tests come with what they test; singular tests too.
    fn is_indirect(&self, id: &UniqueId) -> bool {
        match self.manifest.nodes.get(id) {
            Some(node) => matches!(
                node.detail,
                NodeDetail::GenericTest(_) | NodeDetail::SingularTest
            ),
            None => self.manifest.unit_tests.contains_key(id),
        }
    }
}
