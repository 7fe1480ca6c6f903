//! Configuration of dbt_project.yml that applies to nothing, and keys of properties files that mean
//! nothing: mostly slips of the pen.

use serde_json::Value as Json;
use weir_core::did_you_mean;

use super::properties::{SECTIONS, problem};
use super::read::ReadFile;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{Disabled, JsonMap, Manifest, ResourceKind};
use crate::project::{Project, TreeKind};
use crate::yaml::Map;

/// Warns of branches of the root's config trees that lead to no node.
pub(super) fn warn_paths(project: &Project, manifest: &Manifest, warnings: &mut Vec<ModelError>) {
    for kind in [
        TreeKind::Models,
        TreeKind::Seeds,
        TreeKind::Snapshots,
        TreeKind::DataTests,
        TreeKind::Sources,
    ] {
        let Some(tree) = project.root().configs.get(&kind) else {
            continue;
        };
        if tree.rendered.values().all(|value| !value.is_object()) {
            continue;
        }
        let fqns = fqns(kind, manifest);
        branches(&tree.rendered, &fqns, &mut Vec::new(), &mut |path, near| {
            let shown = path.join(".");
            let warning = ModelError::new(
                ModelErrorKind::Project,
                format!("`{}.{shown}` configures nothing", kind.key()),
            )
            .at(Place::file("dbt_project.yml"));
            warnings.push(match near {
                Some(near) => warning.hint(format!("did you mean `{near}`?")),
                None => warning.hint("no package or folder of that name has such nodes; remove it"),
            });
        });
    }
}

fn fqns(kind: TreeKind, manifest: &Manifest) -> Vec<&[String]> {
    let wanted = match kind {
        TreeKind::Seeds => ResourceKind::Seed,
        TreeKind::Snapshots => ResourceKind::Snapshot,
        TreeKind::DataTests => ResourceKind::Test,
        _ => ResourceKind::Model,
    };
    if kind == TreeKind::Sources {
        let off = manifest
            .disabled
            .values()
            .flatten()
            .filter_map(|off| match off {
                Disabled::Source(source) => Some(&*source.fqn),
                _ => None,
            });
        return manifest
            .sources
            .values()
            .map(|source| &*source.fqn)
            .chain(off)
            .collect();
    }
    let off = manifest
        .disabled
        .values()
        .flatten()
        .filter_map(|off| match off {
            Disabled::Node(node) => Some(node),
            _ => None,
        });
    // Analyses and operations are configured by the models' tree too.
    let fits = |found: ResourceKind| {
        found == wanted
            || (wanted == ResourceKind::Model
                && matches!(found, ResourceKind::Analysis | ResourceKind::Operation))
    };
    manifest
        .nodes
        .values()
        .chain(off)
        .filter(|node| fits(node.kind))
        .map(|node| &*node.fqn)
        .collect()
}

/// Calls `unused` for each outermost branch to which no name leads.
fn branches(
    tree: &JsonMap,
    fqns: &[&[String]],
    path: &mut Vec<String>,
    unused: &mut impl FnMut(&[String], Option<&str>),
) {
    for (key, value) in tree {
        let Json::Object(below) = value else { continue };
        // Without `+` a mapping may still be configuration, as `meta` or `persist_docs`.
        if key.starts_with('+') || is_mapping_key(key) || path.len() > 64 {
            continue;
        }
        let depth = path.len();
        let under: Vec<&[String]> = fqns
            .iter()
            .copied()
            .filter(|fqn| fqn.get(depth) == Some(key))
            .collect();
        path.push(key.clone());
        if under.is_empty() {
            let mut known: Vec<&str> = fqns
                .iter()
                .filter_map(|fqn| fqn.get(depth).map(String::as_str))
                .collect();
            known.sort_unstable();
            known.dedup();
            unused(path, did_you_mean(key, &known));
        } else {
            branches(below, &under, path, unused);
        }
        path.pop();
    }
}

fn is_mapping_key(key: &str) -> bool {
    const KEYS: [&str; 10] = [
        "meta",
        "persist_docs",
        "quoting",
        "column_types",
        "grants",
        "docs",
        "contract",
        "freshness",
        "snapshot_meta_column_names",
        "labels",
    ];
    KEYS.contains(&key)
}

/// Warns of keys of a properties file that are nearly a section's name.
pub(super) fn warn_sections(file: &ReadFile, root: &Map, warnings: &mut Vec<ModelError>) {
    const OTHERS: [&str; 3] = ["version", "anchors", "catalogs"];
    for entry in root {
        let key = entry.key.as_str();
        if SECTIONS.contains(&key) || OTHERS.contains(&key) {
            continue;
        }
        if let Some(near) = did_you_mean(key, &SECTIONS) {
            let message = format!("`{key}` means nothing in a properties file");
            let warning = problem(file, entry.line, entry.column, message);
            warnings.push(warning.hint(format!("did you mean `{near}`?")));
        }
    }
}

/// Warns of keys of an entry that are nearly ones that mean something.
pub(super) fn warn_keys(file: &ReadFile, section: &str, map: &Map, warnings: &mut Vec<ModelError>) {
    const KNOWN: [&str; 24] = [
        "name",
        "description",
        "config",
        "columns",
        "tests",
        "data_tests",
        "meta",
        "tags",
        "docs",
        "group",
        "access",
        "contract",
        "constraints",
        "versions",
        "latest_version",
        "deprecation_date",
        "time_spine",
        "tables",
        "schema",
        "database",
        "loader",
        "freshness",
        "loaded_at_field",
        "quoting",
    ];
    if !matches!(section, "models" | "seeds" | "snapshots" | "sources") {
        return;
    }
    let columns = map
        .get("columns")
        .and_then(|columns| columns.as_list())
        .unwrap_or_default();
    for part in std::iter::once(map).chain(columns.iter().filter_map(|column| column.as_map())) {
        for entry in part {
            let key = entry.key.as_str();
            if KNOWN.contains(&key) || is_own(key) {
                continue;
            }
            // Only what is a letter or two off: other keys may be somebody's own.
            let near = did_you_mean(key, &KNOWN).filter(|near| key.len().abs_diff(near.len()) <= 2);
            if let Some(near) = near {
                let message = format!("`{key}` means nothing here");
                let warning = problem(file, entry.line, entry.column, message);
                warnings.push(warning.hint(format!("did you mean `{near}`?")));
            }
        }
    }
}

/// Keys that mean something, though few use them.
fn is_own(key: &str) -> bool {
    const KEYS: [&str; 14] = [
        "data_type",
        "quote",
        "quote_columns",
        "granularity",
        "relation",
        "overrides",
        "catalog",
        "loaded_at_query",
        "policy_tags",
        "dimension",
        "entity",
        "event_time",
        "external",
        "identifier",
    ];
    KEYS.contains(&key)
}
