//! Who needs whom, and in what order things can be done.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::node::{Manifest, UniqueId};

/// Everything that can be selected, with edges from what is needed to what needs it.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    ids: Vec<UniqueId>,
    index: HashMap<UniqueId, usize>,
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
}

impl Graph {
    /// Makes the graph of a manifest.
    pub fn new(manifest: &Manifest) -> Self {
        let none = Vec::new();
        let edges = manifest.ids().map(|id| {
            (
                id.clone(),
                manifest.parent_map.get(id).unwrap_or(&none).clone(),
            )
        });
        Self::from_edges(edges)
    }

    /// Makes a graph of things and what each needs; needs that are no things themselves are left out.
    pub fn from_edges(things: impl IntoIterator<Item = (UniqueId, Vec<UniqueId>)>) -> Self {
        let mut graph = Self::default();
        let mut needs = Vec::new();
        for (id, needed) in things {
            graph.index.insert(id.clone(), graph.ids.len());
            graph.ids.push(id);
            needs.push(needed);
        }
        graph.parents = needs
            .iter()
            .map(|needed| {
                let found: BTreeSet<usize> = needed
                    .iter()
                    .filter_map(|id| graph.index.get(id).copied())
                    .collect();
                found.into_iter().collect()
            })
            .collect();
        graph.link_children();
        graph
    }

    fn link_children(&mut self) {
        self.children = vec![Vec::new(); self.ids.len()];
        for (at, parents) in self.parents.iter().enumerate() {
            for parent in parents {
                self.children[*parent].push(at);
            }
        }
    }

    /// Returns every id, in the order of parsing.
    pub fn ids(&self) -> &[UniqueId] {
        &self.ids
    }

    pub fn contains(&self, id: &UniqueId) -> bool {
        self.index.contains_key(id)
    }

    /// Returns what `id` needs directly.
    pub fn parents_of(&self, id: &UniqueId) -> impl Iterator<Item = &UniqueId> {
        let at = self.index.get(id).copied();
        at.into_iter()
            .flat_map(|at| &self.parents[at])
            .map(|at| &self.ids[*at])
    }

    /// Returns what needs `id` directly.
    pub fn children_of(&self, id: &UniqueId) -> impl Iterator<Item = &UniqueId> {
        let at = self.index.get(id).copied();
        at.into_iter()
            .flat_map(|at| &self.children[at])
            .map(|at| &self.ids[*at])
    }

    /// Returns what `from` needs, up to `depth` steps away; without what it begins with.
    pub fn ancestors(&self, from: &HashSet<UniqueId>, depth: Option<usize>) -> HashSet<UniqueId> {
        self.walk(&self.parents, from, depth)
    }

    /// Returns what needs `from`, up to `depth` steps away; without what it begins with.
    pub fn descendants(&self, from: &HashSet<UniqueId>, depth: Option<usize>) -> HashSet<UniqueId> {
        self.walk(&self.children, from, depth)
    }

    fn walk(
        &self,
        edges: &[Vec<usize>],
        from: &HashSet<UniqueId>,
        depth: Option<usize>,
    ) -> HashSet<UniqueId> {
        let mut level: Vec<usize> = from
            .iter()
            .filter_map(|id| self.index.get(id).copied())
            .collect();
        let mut seen: HashSet<usize> = level.iter().copied().collect();
        let mut found = HashSet::new();
        let mut steps = 0;
        while !level.is_empty() && depth.is_none_or(|depth| steps < depth) {
            let mut next = Vec::new();
            for at in level {
                for &neighbour in &edges[at] {
                    // What was begun with can be met again only by way of others.
                    if seen.insert(neighbour) {
                        found.insert(self.ids[neighbour].clone());
                        next.push(neighbour);
                    }
                }
            }
            level = next;
            steps += 1;
        }
        found
    }

    /// Returns places in an order in which everything comes after what it needs; among equals the order
    /// of parsing decides.
    fn order(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let mut ready: BTreeSet<usize> =
            (0..self.ids.len()).filter(|at| waiting[*at] == 0).collect();
        let mut order = Vec::with_capacity(self.ids.len());
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for &child in &self.children[at] {
                waiting[child] -= 1;
                if waiting[child] == 0 {
                    ready.insert(child);
                }
            }
        }
        order
    }

    /// Returns ids in an order in which everything comes after what it needs.
    pub fn sorted(&self) -> Vec<UniqueId> {
        self.order()
            .into_iter()
            .map(|at| self.ids[at].clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        Graph::from_edges(edges.iter().map(|(id, needs)| {
            (
                UniqueId::from(*id),
                needs.iter().map(|need| UniqueId::from(*need)).collect(),
            )
        }))
    }

    fn set(ids: &[&str]) -> HashSet<UniqueId> {
        ids.iter().map(|id| UniqueId::from(*id)).collect()
    }

    #[test]
    fn what_is_needed_comes_first() {
        let all = graph(&[
            ("model.a", &[]),
            ("model.b", &["model.a"]),
            ("model.c", &["model.b"]),
        ]);
        assert_eq!(
            all.ancestors(&set(&["model.c"]), Some(1)),
            set(&["model.b"])
        );
        assert_eq!(
            all.descendants(&set(&["model.a"]), None),
            set(&["model.b", "model.c"])
        );
        let sorted: Vec<UniqueId> = all.sorted();
        assert_eq!(
            sorted,
            ["model.a", "model.b", "model.c"].map(UniqueId::from)
        );
    }
}
