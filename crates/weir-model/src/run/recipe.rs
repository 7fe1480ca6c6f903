//! What nodes are made of, whatever the environment they are built in.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::earlier::building_macros;
use crate::context::Shared;
use crate::graph::Graph;
use crate::node::{Manifest, Node, ResourceKind, UniqueId};

/// Returns for each model, seed and snapshot a hash of its code, its configuration, the macros and
/// variables it may use, and the ephemeral models in it. It is the same in every environment.
pub fn recipes(shared: &Shared) -> HashMap<UniqueId, String> {
    let manifest = shared.manifest();
    let building = building_macros(&shared.macros);
    let mut vars: HashMap<&str, String> = HashMap::new();
    let mut recipes: HashMap<UniqueId, String> = HashMap::new();
    for id in Graph::new(&manifest).sorted() {
        let Some(node) = manifest.nodes.get(&id).filter(|node| has_recipe(node)) else {
            continue;
        };
        let vars = vars.entry(&*node.package).or_insert_with(|| {
            let all = shared.project.vars_of(&node.package);
            serde_json::Value::from(all).to_string()
        });
        let inlined: Vec<&String> = node
            .depends_on
            .nodes
            .iter()
            .filter(|parent| {
                let parent = manifest.nodes.get(*parent);
                parent.is_some_and(|parent| parent.is_ephemeral())
            })
            .filter_map(|parent| recipes.get(parent))
            .collect();
        let mut config = node.config.to_json();
        for told in ["tags", "meta", "docs", "group", "enabled"] {
            config.remove(told);
        }
        let parts = json!([
            node.checksum.value,
            &*node.raw_code,
            config,
            macros_of(&manifest, node),
            building,
            vars,
            inlined,
        ]);
        let hash = crate::hash::sha256_hex(parts.to_string().as_bytes());
        recipes.insert(id, hash);
    }
    recipes
}

fn has_recipe(node: &Node) -> bool {
    matches!(
        node.kind,
        ResourceKind::Model | ResourceKind::Seed | ResourceKind::Snapshot
    )
}

/// Returns the code of the macros a node uses, those that they use included.
fn macros_of(manifest: &Manifest, node: &Node) -> Vec<String> {
    let mut seen: BTreeSet<&UniqueId> = BTreeSet::new();
    let mut waiting: Vec<&UniqueId> = node.depends_on.macros.iter().collect();
    while let Some(id) = waiting.pop() {
        if let Some(found) = manifest.macros.get(id)
            && seen.insert(id)
        {
            waiting.extend(&found.depends_on.macros);
        }
    }
    let found = seen.into_iter().filter_map(|id| manifest.macros.get(id));
    found
        .map(|found| format!("{}\n{}", found.id, found.code))
        .collect()
}
