//! Walking a config tree along a node's fully qualified name.

use serde_json::Value as Json;

use crate::node::JsonMap;

/// Calls `each` with the configuration of every level of `tree` that applies to `fqn`, the most general
/// first: the tree itself, then the branch of each part of the name.
///
/// Keys with `+` are configuration always; keys without are when they hold no mapping, since a mapping
/// is a branch.
pub(crate) fn levels(tree: &JsonMap, fqn: &[String], mut each: impl FnMut(&str, &Json)) {
    let mut level = Some(tree);
    let mut parts = fqn.iter();
    while let Some(map) = level {
        for (key, value) in map {
            if let Some(key) = key.strip_prefix('+') {
                each(key.trim(), value);
            } else if !value.is_object() {
                each(key, value);
            }
        }
        level = parts.next().and_then(|part| branch(map, part));
    }
}

/// Like [`levels`], for values as they were written.
pub(crate) fn unrendered_levels(tree: &JsonMap, fqn: &[String], into: &mut JsonMap) {
    levels(tree, fqn, |key, value| {
        into.insert(key.to_owned(), value.clone());
    });
}

fn branch<'t>(map: &'t JsonMap, part: &str) -> Option<&'t JsonMap> {
    // A part with dots, like a version or a dated name, may be nested by its pieces.
    match map.get(part) {
        Some(Json::Object(found)) => Some(found),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deeper_levels_come_later() {
        let Json::Object(tree) = json!({
            "+materialized": "view",
            "shop": { "enabled": true, "staging": { "+materialized": "table", "+meta": { "a": 1 } } },
            "other": { "+materialized": "ephemeral" },
        }) else {
            panic!("is a mapping")
        };
        let fqn = ["shop", "staging", "orders"].map(str::to_owned);
        let mut seen = Vec::new();
        levels(&tree, &fqn, |key, value| {
            seen.push(format!("{key}={value}"))
        });

        assert_eq!(
            seen,
            [
                "materialized=\"view\"",
                "enabled=true",
                "materialized=\"table\"",
                "meta={\"a\":1}"
            ]
        );
    }
}
