//! What only the whole project can tell: names taken twice, groups that are not there, circles.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::resolve::circle;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{Manifest, Node, ResourceKind, UniqueId};

/// Finds what only the whole project can tell.
pub(super) fn check(manifest: &Manifest, errors: &mut Vec<ModelError>) {
    let mut relations: BTreeMap<&str, &Arc<Node>> = BTreeMap::new();
    let mut names: HashMap<(&str, &str), &Arc<Node>> = HashMap::new();
    let groups: HashSet<&str> = manifest
        .groups
        .values()
        .map(|group| group.name.as_str())
        .collect();
    for node in manifest.nodes.values() {
        let place = || Place::file(node.original_path.as_str());
        if let Some(relation) = node.relation_name.as_deref().filter(|_| node.is_refable())
            && let Some(first) = relations.insert(relation, node)
        {
            let message = format!(
                "`{}` and `{}` would both be the relation {relation}",
                first.id, node.id
            );
            let error = ModelError::new(ModelErrorKind::Duplicate, message)
                .at(place())
                .of(node.id.as_str());
            errors.push(error.hint("give one of them another `alias` or `schema`"));
        }
        if node.is_refable()
            && node.version().is_none()
            && let Some(first) = names.insert((&*node.package, node.name.as_str()), node)
        {
            let message = format!("`{}` and `{}` have the same name", first.id, node.id);
            let error = ModelError::new(ModelErrorKind::Duplicate, message)
                .at(place())
                .of(node.id.as_str());
            errors.push(error.hint(format!(
                "ref('{}') would mean either; rename one",
                node.name
            )));
        }
        if let Some(group) = node
            .group
            .as_deref()
            .filter(|group| !groups.contains(group))
        {
            let message = format!(
                "`{}` belongs to group `{group}`, which is not there",
                node.id
            );
            let mut known: Vec<&str> = groups.iter().copied().collect();
            known.sort_unstable();
            let hint = match weir_core::did_you_mean(group, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "define it under `groups:` in a properties file".to_owned(),
            };
            let error = ModelError::new(ModelErrorKind::Properties, message)
                .at(place())
                .of(node.id.as_str());
            errors.push(error.hint(hint));
        }
    }
    let nodes: Vec<Arc<Node>> = manifest.nodes.values().cloned().collect();
    if let Some(ids) = circle(&nodes) {
        let shown: Vec<&str> = ids.iter().map(UniqueId::as_str).collect();
        let message = format!("nodes need each other in a circle: {}", shown.join(" -> "));
        let mut error = ModelError::new(ModelErrorKind::Cycle, message);
        let mut along = ids.iter().filter_map(|id| manifest.nodes.get(id));
        if let (Some(node), Some(needed)) = (along.next(), along.next()) {
            error = error.at(ref_of(node, &needed.name));
        }
        errors.push(error.hint("take one `ref()` of the circle out"));
    }
}

/// Returns where a node names another; its file alone where a macro or a property does that.
fn ref_of(node: &Node, name: &str) -> Place {
    let (file, code) = (node.original_path.as_str(), &*node.raw_code);
    let is_ref = |at: &usize| {
        let Some(before) = code[..*at].strip_suffix(['\'', '"']) else {
            return false;
        };
        // `ref('a')`, `ref('package', 'a')`, `dbt.ref("a")`.
        let call = before.rfind("ref").map(|call| &before[call..]);
        call.is_some_and(|call| call.contains('(') && !call.contains([')', '\n']))
    };
    let mut places = code.match_indices(name).map(|(at, _)| at).filter(is_ref);
    // What is cut out of a file does not know its lines.
    match places.next().filter(|_| node.kind == ResourceKind::Model) {
        None => Place::file(file),
        Some(at) => {
            let line = code[..at].matches('\n').count() + 1;
            let column = code[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            Place::at(file, number(line), number(column))
        }
    }
}
