use std::collections::{HashMap, HashSet, VecDeque};

use crate::node::{Manifest, Node, NodeDetail, ResourceKind, UniqueId};

/// What runs after what.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What runs, in an order in which nothing comes before what it waits for.
    pub(super) order: Vec<UniqueId>,
    /// What each waits for, directly.
    pub(super) waits_for: HashMap<UniqueId, HashSet<UniqueId>>,
}

impl Plan {
    /// Orders `selected`: after what they read, also by way of what is not selected. With `build`, what
    /// reads a node also waits for that node's tests, and a model for its unit tests.
    pub(super) fn new(manifest: &Manifest, selected: &[UniqueId], build: bool) -> Self {
        let mut planner = Planner {
            manifest,
            selected: selected.iter().cloned().collect(),
            nearest: HashMap::new(),
        };
        let mut waits_for: HashMap<UniqueId, HashSet<UniqueId>> = HashMap::new();
        for id in selected {
            let parents = planner.parents(id);
            let mut waits = HashSet::new();
            for parent in parents {
                waits.extend(planner.nearest_selected(&parent));
            }
            waits.remove(id);
            waits_for.insert(id.clone(), waits);
        }
        if build {
            add_tests(manifest, selected, &mut waits_for);
        }
        Self {
            order: ordered(selected, &waits_for),
            waits_for,
        }
    }
}

struct Planner<'m> {
    manifest: &'m Manifest,
    selected: HashSet<UniqueId>,
    /// The selected nodes that one not selected leads up to.
    nearest: HashMap<UniqueId, Vec<UniqueId>>,
}

impl Planner<'_> {
    /// What a node reads. A unit test brings the rows of its model along, so it waits only for the
    /// columns of what the model reads.
    fn parents(&self, id: &UniqueId) -> Vec<UniqueId> {
        if let Some(test) = self.manifest.unit_tests.get(id) {
            let tested = test.tested_node.as_ref().or(test.depends_on.nodes.first());
            return tested
                .and_then(|tested| self.manifest.parent_map.get(tested))
                .cloned()
                .unwrap_or_default();
        }
        self.manifest
            .parent_map
            .get(id)
            .cloned()
            .unwrap_or_default()
    }

    fn nearest_selected(&mut self, id: &UniqueId) -> Vec<UniqueId> {
        if self.selected.contains(id) {
            return vec![id.clone()];
        }
        if let Some(known) = self.nearest.get(id) {
            return known.clone();
        }
        let mut found: Vec<UniqueId> = Vec::new();
        let mut seen: HashSet<UniqueId> = HashSet::new();
        let mut waiting: VecDeque<UniqueId> = self.parents(id).into();
        while let Some(next) = waiting.pop_front() {
            if !seen.insert(next.clone()) {
                continue;
            }
            if self.selected.contains(&next) {
                found.push(next);
            } else if let Some(known) = self.nearest.get(&next) {
                found.extend(known.iter().cloned());
            } else {
                waiting.extend(self.parents(&next));
            }
        }
        self.nearest.insert(id.clone(), found.clone());
        found
    }
}

/// Lets readers of tested nodes wait for the tests, and tested models for their unit tests.
fn add_tests(
    manifest: &Manifest,
    selected: &[UniqueId],
    waits_for: &mut HashMap<UniqueId, HashSet<UniqueId>>,
) {
    let known: HashSet<&UniqueId> = selected.iter().collect();
    let is_test = |id: &UniqueId| {
        matches!(
            manifest.nodes.get(id).map(|node| node.kind),
            Some(ResourceKind::Test)
        ) || manifest.unit_tests.contains_key(id)
    };
    // What each reader waits for, however far up; shared by all tests of several nodes.
    let mut above: HashMap<UniqueId, HashSet<UniqueId>> = HashMap::new();
    for id in selected {
        if let Some(unit) = manifest.unit_tests.get(id) {
            let tested = unit.tested_node.as_ref().or(unit.depends_on.nodes.first());
            if let Some(waits) = tested
                .filter(|tested| known.contains(tested))
                .and_then(|tested| waits_for.get_mut(tested))
            {
                waits.insert(id.clone());
            }
            continue;
        }
        if !is_test(id) {
            continue;
        }
        let tested: Vec<UniqueId> = manifest.parent_map.get(id).cloned().unwrap_or_default();
        let direct: Vec<UniqueId> = tested
            .iter()
            .flat_map(|parent| manifest.child_map.get(parent).cloned().unwrap_or_default())
            .filter(|child| known.contains(child) && !is_test(child))
            .collect();
        for reader in direct {
            let fits = tested.len() == 1 || {
                let all = above
                    .entry(reader.clone())
                    .or_insert_with(|| ancestors(manifest, &reader));
                tested.iter().all(|parent| all.contains(parent))
            };
            if fits && let Some(waits) = waits_for.get_mut(&reader) {
                waits.insert(id.clone());
            }
        }
    }
}

fn ancestors(manifest: &Manifest, id: &UniqueId) -> HashSet<UniqueId> {
    let mut seen = HashSet::new();
    let mut waiting = vec![id.clone()];
    while let Some(next) = waiting.pop() {
        for parent in manifest.parent_map.get(&next).into_iter().flatten() {
            if seen.insert(parent.clone()) {
                waiting.push(parent.clone());
            }
        }
    }
    seen
}

/// Puts nodes behind what they wait for, otherwise in the order given. What waits for itself by way of
/// others comes last.
fn ordered(
    selected: &[UniqueId],
    waits_for: &HashMap<UniqueId, HashSet<UniqueId>>,
) -> Vec<UniqueId> {
    let mut missing: HashMap<&UniqueId, usize> = selected
        .iter()
        .map(|id| (id, waits_for.get(id).map_or(0, HashSet::len)))
        .collect();
    let mut readers: HashMap<&UniqueId, Vec<&UniqueId>> = HashMap::new();
    for id in selected {
        for waited in waits_for.get(id).into_iter().flatten() {
            readers.entry(waited).or_default().push(id);
        }
    }
    let mut ready: VecDeque<&UniqueId> = selected.iter().filter(|id| missing[id] == 0).collect();
    let mut order = Vec::with_capacity(selected.len());
    let mut done: HashSet<&UniqueId> = HashSet::new();
    while let Some(id) = ready.pop_front() {
        done.insert(id);
        order.push(id.clone());
        for reader in readers.get(id).into_iter().flatten() {
            if let Some(count) = missing.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    ready.push_back(reader);
                }
            }
        }
    }
    order.extend(selected.iter().filter(|id| !done.contains(id)).cloned());
    order
}

/// Says whether a node is run at all by commands that build.
pub(super) fn is_run(node: &Node) -> bool {
    match &node.detail {
        NodeDetail::Model(_) => !node.is_ephemeral(),
        NodeDetail::Analysis | NodeDetail::Operation { .. } | NodeDetail::SqlOperation => false,
        _ => true,
    }
}
