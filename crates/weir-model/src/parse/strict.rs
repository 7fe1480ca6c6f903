//! What dbt's second version refuses and Weir does not: said once for each kind, never an error.

use serde_json::Value as Json;

use super::generic::TestJob;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{ConfigKind, JsonMap};
use crate::project::{Project, TreeKind};
use crate::yaml::Yaml;

/// Notes configuration keys without `+` in the root's dbt_project.yml.
pub(super) fn warn(project: &Project, warnings: &mut Vec<ModelError>) {
    let mut bare = Vec::new();
    for kind in TreeKind::ALL {
        if let Some(tree) = project.root().configs.get(&kind) {
            bare_keys(kind, &tree.unrendered, kind.key(), 0, &mut bare);
        }
    }
    if let Some(first) = bare.first() {
        let message = format!(
            "{} configuration keys have no `+`, the first is `{first}`",
            bare.len()
        );
        warnings.push(
            ModelError::new(ModelErrorKind::Project, message)
                .at(Place::file("dbt_project.yml"))
                .hint("write `+key`: dbt 2 refuses keys without it; Weir takes both"),
        );
    }
}

fn bare_keys(kind: TreeKind, tree: &JsonMap, path: &str, depth: usize, found: &mut Vec<String>) {
    if depth > 32 {
        return;
    }
    let known = match kind {
        TreeKind::Seeds => ConfigKind::Seed,
        TreeKind::Snapshots => ConfigKind::Snapshot,
        TreeKind::DataTests => ConfigKind::Test,
        TreeKind::Sources => ConfigKind::Source,
        _ => ConfigKind::Model,
    };
    for (key, value) in tree {
        let here = format!("{path}.{key}");
        if key.starts_with('+') {
            continue;
        }
        match value {
            Json::Object(below) => bare_keys(kind, below, &here, depth + 1, found),
            _ if known.defaults().contains_key(key) => found.push(here),
            _ => {}
        }
    }
}

/// Notes tests of the root project whose arguments stand beside `arguments:`.
pub(super) fn warn_tests(root: &str, jobs: &[TestJob], warnings: &mut Vec<ModelError>) {
    let own = jobs.iter().filter(|job| &*job.file.package.name == root);
    let mut beside = own.filter(|job| has_arguments_beside(&job.test));
    let Some(first) = beside.next() else { return };
    let message = format!(
        "{} tests have arguments that are not under `arguments:`",
        beside.count() + 1
    );
    warnings.push(
        ModelError::new(ModelErrorKind::Properties, message)
            .at(first.file.place(first.test.line, first.test.column))
            .hint("write them below `arguments:`: dbt 2 refuses them elsewhere; Weir takes both"),
    );
}

fn has_arguments_beside(test: &Yaml) -> bool {
    const OWN: [&str; 5] = ["arguments", "config", "name", "description", "test_name"];
    let Some(map) = test.as_map() else {
        return false;
    };
    let arguments = match map.get("test_name") {
        Some(_) => Some(map),
        None => map.iter().next().and_then(|entry| entry.value.as_map()),
    };
    arguments.is_some_and(|arguments| {
        arguments
            .iter()
            .any(|entry| !OWN.contains(&entry.key.as_str()))
    })
}
