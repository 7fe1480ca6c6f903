//! How configuration from several places becomes one.

use serde_json::{Value as Json, json};

use crate::node::{ConfigKind, JsonMap, NodeConfig};
use crate::project::{Package, Project, TreeKind, levels, unrendered_levels};

/// Lays `value` over what `set` has under `key`: tags, hooks and packages are added, mappings that
/// describe are merged, grants by role where they begin with `+`, and everything else is replaced.
pub(super) fn lay(set: &mut JsonMap, kind: ConfigKind, key: &str, value: &Json) {
    let key = match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        key => key,
    };
    match key {
        "tags" | "packages" | "pre-hook" | "post-hook" => {
            let mut all = listed(set.get(key));
            all.extend(listed(Some(value)));
            set.insert(key.to_owned(), Json::Array(all));
        }
        "meta" | "quoting" | "column_types" | "docs" | "contract" => {
            let below = set.get(key).or_else(|| kind.defaults().get(key));
            let mut all = below.and_then(Json::as_object).cloned().unwrap_or_default();
            match value {
                Json::Object(more) => all.extend(more.clone()),
                Json::Null => {}
                // Kept as it is, for whoever checks types to find.
                other => {
                    set.insert(key.to_owned(), other.clone());
                    return;
                }
            }
            set.insert(key.to_owned(), Json::Object(all));
        }
        "grants" => {
            let mut all = set
                .get(key)
                .and_then(Json::as_object)
                .cloned()
                .unwrap_or_default();
            for (role, grantees) in value.as_object().into_iter().flatten() {
                let (role, mut list) = match role.strip_prefix('+') {
                    Some(role) => (role, listed(all.get(role))),
                    None => (role.as_str(), Vec::new()),
                };
                list.extend(listed(Some(grantees)));
                all.insert(role.to_owned(), Json::Array(list));
            }
            set.insert(key.to_owned(), Json::Object(all));
        }
        _ => {
            set.insert(key.to_owned(), value.clone());
        }
    }
}

/// Adds what one `config()` call says to what earlier calls of the same file said.
pub(super) fn add_call(set: &mut JsonMap, kind: ConfigKind, call: JsonMap) {
    for (key, value) in call {
        // Grants of one file keep their `+`, which is meant for what lies below the file.
        if key == "grants" {
            set.insert(key, value);
        } else {
            if set.contains_key(canonical(&key)) {
                lay(set, kind, &key, &value);
            } else {
                set.insert(canonical(&key).to_owned(), value);
            }
        }
    }
}

fn canonical(key: &str) -> &str {
    match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        key => key,
    }
}

fn listed(value: Option<&Json>) -> Vec<Json> {
    match value {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    }
}

/// What a node's configuration is made of, besides the trees of the projects.
pub(super) struct Layers<'l> {
    pub(super) kind: ConfigKind,
    pub(super) tree: TreeKind,
    pub(super) fqn: &'l [String],
    /// What the properties file says.
    pub(super) patch: Option<&'l JsonMap>,
    /// What the node's own file says.
    pub(super) call: &'l JsonMap,
}

/// Makes the configuration of a node of `package`, and what it was before rendering.
///
/// From weakest to strongest: the package's tree, the properties file, the node's own file, and for
/// nodes of other packages the root project's tree.
pub(super) fn configure(
    project: &Project,
    package: &Package,
    layers: &Layers<'_>,
) -> (NodeConfig, JsonMap) {
    let kind = layers.kind;
    let mut set = JsonMap::new();
    let mut unrendered = JsonMap::new();
    let empty = JsonMap::new();
    let own = package.configs.get(&layers.tree);
    if let Some(tree) = own {
        levels(&tree.rendered, layers.fqn, |key, value| {
            lay(&mut set, kind, key, value)
        });
        unrendered_levels(&tree.unrendered, layers.fqn, &mut unrendered);
    }
    for map in [layers.patch.unwrap_or(&empty), layers.call] {
        for (key, value) in map {
            lay(&mut set, kind, key.trim(), value);
            unrendered.insert(key.clone(), value.clone());
        }
    }
    let root = project.root();
    if package.name != root.name
        && let Some(tree) = root.configs.get(&layers.tree)
    {
        levels(&tree.rendered, layers.fqn, |key, value| {
            lay(&mut set, kind, key, value)
        });
        unrendered_levels(&tree.unrendered, layers.fqn, &mut unrendered);
    }
    finish(&mut set, kind);
    (NodeConfig::from_set(kind, set), unrendered)
}

/// Puts what may be written in several ways into one form.
fn finish(set: &mut JsonMap, kind: ConfigKind) {
    for key in ["pre-hook", "post-hook"] {
        if let Some(Json::Array(hooks)) = set.get_mut(key) {
            for hook in hooks {
                *hook = hook_form(hook);
            }
        }
    }
    if kind == ConfigKind::Test {
        failures_form(set);
        if let Some(Json::String(severity)) = set.get("severity") {
            let upper = severity.clone();
            set.insert("severity".to_owned(), Json::String(upper));
        }
    }
    if kind == ConfigKind::Model {
        let build_after = set
            .get("freshness")
            .is_some_and(|freshness| freshness.get("build_after").is_some());
        if !build_after {
            set.shift_remove("freshness");
        }
    }
    if let Some(Json::Bool(flag)) = set.get("static_analysis") {
        let word = if *flag { "on" } else { "off" };
        set.insert("static_analysis".to_owned(), word.into());
    }
}

/// A hook is a text, a mapping, or a text that is JSON of a mapping.
fn hook_form(hook: &Json) -> Json {
    let map = match hook {
        Json::Object(map) => map.clone(),
        Json::String(text) => {
            let parsed = text
                .trim_start()
                .starts_with('{')
                .then(|| serde_json::from_str(text).ok());
            match parsed.flatten() {
                Some(Json::Object(map)) => map,
                _ => JsonMap::from_iter([("sql".to_owned(), Json::String(text.clone()))]),
            }
        }
        _ => return hook.clone(),
    };
    json!({
        "sql": map.get("sql").cloned().unwrap_or_else(|| "".into()),
        "transaction": map.get("transaction").cloned().unwrap_or(Json::Bool(true)),
        "index": map.get("index").cloned().unwrap_or(Json::Null),
    })
}

/// `store_failures_as` decides over `store_failures`, and follows from it where it is not given.
fn failures_form(set: &mut JsonMap) {
    let stored_as = set
        .get("store_failures_as")
        .filter(|value| !value.is_null())
        .cloned();
    match stored_as {
        Some(stored_as) => {
            let stored = stored_as != "ephemeral";
            set.insert("store_failures".to_owned(), Json::Bool(stored));
        }
        None => match set.get("store_failures") {
            Some(Json::Bool(true)) => {
                set.insert("store_failures_as".to_owned(), "table".into());
            }
            Some(Json::Bool(false)) => {
                set.insert("store_failures_as".to_owned(), "ephemeral".into());
            }
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(values: &[(&str, Json)]) -> JsonMap {
        let mut set = JsonMap::new();
        for (key, value) in values {
            lay(&mut set, ConfigKind::Model, key, value);
        }
        set
    }

    #[test]
    fn each_key_merges_in_its_own_way() {
        let set = laid(&[
            ("tags", json!("a")),
            ("tags", json!(["b", "c"])),
            ("meta", json!({ "x": 1, "y": 1 })),
            ("meta", json!({ "y": 2 })),
            ("pre_hook", json!("one")),
            ("pre-hook", json!(["two"])),
            ("grants", json!({ "select": ["anna"] })),
            ("grants", json!({ "+select": "bert", "insert": "cora" })),
            ("persist_docs", json!({ "relation": true })),
            ("persist_docs", json!({ "columns": true })),
            ("docs", json!({ "node_color": "red" })),
        ]);
        assert_eq!(set["tags"], json!(["a", "b", "c"]));
        assert_eq!(set["meta"], json!({ "x": 1, "y": 2 }));
        assert_eq!(set["pre-hook"], json!(["one", "two"]));
        assert_eq!(
            set["grants"],
            json!({ "select": ["anna", "bert"], "insert": ["cora"] })
        );
        assert_eq!(set["persist_docs"], json!({ "columns": true }));
        assert_eq!(set["docs"], json!({ "show": true, "node_color": "red" }));
    }
}
