//! Who needs whom, and in what order things can be done.

mod queue;

use std::collections::{BTreeSet, HashMap, HashSet};

pub use queue::Queue;

use crate::node::{Manifest, ResourceKind, UniqueId};

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

    /// Keeps `chosen` only, joined where a way between them led over others.
    #[must_use]
    pub fn subset(&self, chosen: &HashSet<UniqueId>) -> Self {
        let order = self.order();
        // The nearest chosen things that each thing needs, by way of things that are not chosen.
        let mut nearest: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.ids.len()];
        for &at in &order {
            let mut found = BTreeSet::new();
            for &parent in &self.parents[at] {
                if chosen.contains(&self.ids[parent]) {
                    found.insert(parent);
                } else {
                    found.extend(nearest[parent].iter().copied());
                }
            }
            nearest[at] = found;
        }
        let things = self
            .ids
            .iter()
            .enumerate()
            .filter(|(_, id)| chosen.contains(*id))
            .map(|(at, id)| {
                (
                    id.clone(),
                    nearest[at]
                        .iter()
                        .map(|parent| self.ids[*parent].clone())
                        .collect(),
                )
            });
        Self::from_edges(things)
    }

    /// Makes everything that needs a tested thing wait for its tests too, as `build` does.
    ///
    /// A test of several things holds back only what comes after all of them, and never what the test
    /// itself waits for.
    #[must_use]
    pub fn with_test_edges(&self, is_test: impl Fn(&UniqueId) -> bool) -> Self {
        let mut needs: Vec<BTreeSet<usize>> = self
            .parents
            .iter()
            .map(|all| all.iter().copied().collect())
            .collect();
        let ancestors = self.all_ancestors();
        for (test, id) in self.ids.iter().enumerate() {
            if !is_test(id) {
                continue;
            }
            let tested: &Vec<usize> = &self.parents[test];
            for &parent in tested {
                for &child in &self.children[parent] {
                    // What the test itself waits for cannot wait for the test.
                    if is_test(&self.ids[child]) || child == test || ancestors[test].has(child) {
                        continue;
                    }
                    let all_above = tested.iter().all(|other| {
                        *other == parent
                            || self.parents[child].contains(other)
                            || ancestors[child].has(*other)
                    });
                    if all_above {
                        needs[child].insert(test);
                    }
                }
            }
        }
        let mut graph = self.clone();
        graph.parents = needs
            .into_iter()
            .map(|all| all.into_iter().collect())
            .collect();
        graph.link_children();
        graph
    }

    fn all_ancestors(&self) -> Vec<Bits> {
        let mut all: Vec<Bits> = vec![Bits::default(); self.ids.len()];
        for at in self.order() {
            let mut found = Bits::of(self.ids.len());
            for &parent in &self.parents[at] {
                found.set(parent);
                found.join(&all[parent]);
            }
            all[at] = found;
        }
        all
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

    /// Returns ids by level: the first need nothing, each next only what came before.
    pub fn levels(&self) -> Vec<Vec<UniqueId>> {
        let mut level = vec![0usize; self.ids.len()];
        let mut levels: Vec<Vec<UniqueId>> = Vec::new();
        for at in self.order() {
            level[at] = self.parents[at]
                .iter()
                .map(|parent| level[*parent] + 1)
                .max()
                .unwrap_or(0);
            if levels.len() <= level[at] {
                levels.resize(level[at] + 1, Vec::new());
            }
            levels[level[at]].push(self.ids[at].clone());
        }
        levels
    }
}

/// A set of places, one bit for each: projects have thousands, and every thing has such a set.
#[derive(Debug, Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn of(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn join(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// Says whether an id is a test's, of data or of a unit.
pub fn is_test(id: &UniqueId) -> bool {
    matches!(id.kind(), Some(ResourceKind::Test | ResourceKind::UnitTest))
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
    fn ways_over_what_is_left_out_remain() {
        let all = graph(&[
            ("model.a", &[]),
            ("model.b", &["model.a"]),
            ("model.c", &["model.b"]),
        ]);
        let some = all.subset(&set(&["model.a", "model.c"]));
        assert_eq!(
            some.parents_of(&"model.c".into()).collect::<Vec<_>>(),
            [&UniqueId::from("model.a")]
        );
        assert_eq!(
            all.ancestors(&set(&["model.c"]), Some(1)),
            set(&["model.b"])
        );
        assert_eq!(
            all.descendants(&set(&["model.a"]), None),
            set(&["model.b", "model.c"])
        );
        assert_eq!(all.levels().len(), 3);
    }

    #[test]
    fn tests_hold_back_what_comes_after_and_nothing_else() {
        let all = graph(&[
            ("model.a", &[]),
            ("model.b", &["model.a"]),
            ("test.a", &["model.a"]),
            ("test.ab", &["model.a", "model.b"]),
        ])
        .with_test_edges(is_test);
        let needs: Vec<_> = all.parents_of(&"model.b".into()).collect();
        assert_eq!(
            needs,
            [&UniqueId::from("model.a"), &UniqueId::from("test.a")]
        );
    }
}
