//! dbt_project.yml, key by key.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;
use weir_core::did_you_mean;

use super::package::{ConfigTree, Dispatch, Package, Paths, TreeKind};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::JsonMap;
use crate::yaml::{Map, Yaml};

/// Every key that means something, for suggestions.
const KEYS: [&str; 46] = [
    "name",
    "version",
    "config-version",
    "profile",
    "require-dbt-version",
    "model-paths",
    "seed-paths",
    "test-paths",
    "snapshot-paths",
    "analysis-paths",
    "macro-paths",
    "docs-paths",
    "asset-paths",
    "function-paths",
    "source-paths",
    "data-paths",
    "target-path",
    "log-path",
    "packages-install-path",
    "modules-path",
    "clean-targets",
    "query-comment",
    "on-run-start",
    "on-run-end",
    "dispatch",
    "quoting",
    "vars",
    "flags",
    "restrict-access",
    "models",
    "seeds",
    "snapshots",
    "analyses",
    "tests",
    "data_tests",
    "unit_tests",
    "sources",
    "exposures",
    "metrics",
    "semantic-models",
    "saved-queries",
    "functions",
    "dbt-cloud",
    "packages",
    "state",
    "catalogs",
];

/// Names that a project may not have, since templates use them.
const RESERVED: [&str; 12] = [
    "adapter",
    "api",
    "config",
    "context",
    "env_var",
    "exceptions",
    "flags",
    "graph",
    "ref",
    "source",
    "target",
    "var",
];

/// What reading one dbt_project.yml needs to say things well.
pub(super) struct ProjectFile<'f> {
    /// The path to show.
    pub(super) file: &'f str,
    pub(super) text: &'f str,
    pub(super) errors: Vec<ModelError>,
    pub(super) warnings: Vec<ModelError>,
}

impl ProjectFile<'_> {
    /// Takes a package out of its file, `rendered` and as written.
    pub(super) fn package(
        &mut self,
        root: &Path,
        rendered: &Yaml,
        unrendered: &Yaml,
    ) -> Option<Package> {
        let Some(map) = rendered.as_map() else {
            let error = self.error(rendered.line, rendered.column, "this file holds no mapping");
            self.errors
                .push(error.hint("it should begin with `name: your_project`"));
            return None;
        };
        self.unknown_keys(map);
        let name = self.name(map)?;
        let paths = self.paths(map);
        let target_path = self
            .text(map, "target-path")
            .unwrap_or_else(|| "target".to_owned());
        let install = self
            .text(map, "packages-install-path")
            .or_else(|| self.text(map, "modules-path"));
        let clean = self.texts(map, "clean-targets");
        let mut configs = IndexMap::new();
        let none = Map::default();
        for kind in TreeKind::ALL {
            let tree = self.tree(map, unrendered.as_map().unwrap_or(&none), kind);
            configs.insert(kind, tree);
        }
        Some(Package {
            name: name.into(),
            root: root.to_owned(),
            version: map.get("version").and_then(Yaml::scalar_text),
            profile: self.text(map, "profile"),
            paths,
            clean_targets: clean.unwrap_or_else(|| vec![target_path.clone()]),
            target_path,
            log_path: self
                .text(map, "log-path")
                .unwrap_or_else(|| "logs".to_owned()),
            packages_install_path: install.unwrap_or_else(|| "dbt_packages".to_owned()),
            require_dbt_version: self.texts(map, "require-dbt-version").unwrap_or_default(),
            require_dbt_version_at: map
                .entry("require-dbt-version")
                .map(|entry| (entry.line, entry.column)),
            configs,
            vars: self.map(map, "vars"),
            on_run_start: self.texts(map, "on-run-start").unwrap_or_default(),
            on_run_end: self.texts(map, "on-run-end").unwrap_or_default(),
            dispatch: self.dispatch(map),
            quoting: self.map(map, "quoting"),
            query_comment: map.get("query-comment").map(Yaml::to_json),
            flags: self.map(map, "flags"),
            restrict_access: map
                .get("restrict-access")
                .and_then(Yaml::as_bool)
                .unwrap_or(false),
            packages: Vec::new(),
            projects: Vec::new(),
        })
    }

    fn name(&mut self, map: &Map) -> Option<String> {
        let Some(yaml) = map.get("name") else {
            let error = self.error(1, 1, "the project has no `name`");
            self.errors
                .push(error.hint("add a line `name: your_project`"));
            return None;
        };
        let name = yaml.scalar_text().unwrap_or_default();
        let mut characters = name.chars();
        let begins = characters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_');
        if !begins || !characters.all(|c| c.is_alphanumeric() || c == '_') {
            let message = format!("`{name}` cannot be a project's name");
            let error = self.error(yaml.line, yaml.column, message);
            self.errors.push(
                error.hint("use letters, digits and underscores, not beginning with a digit"),
            );
            return None;
        }
        if RESERVED.contains(&&*name) {
            let message = format!("`{name}` is a word of templates and cannot name a project");
            let error = self.error(yaml.line, yaml.column, message);
            self.errors.push(error.hint("choose another name"));
        }
        Some(name)
    }

    fn paths(&mut self, map: &Map) -> Paths {
        let mut of = |key: &str, old: Option<&str>, default: &str| -> Vec<String> {
            if let Some(old) = old
                && let Some(entry) = map.entry(old)
            {
                let message = format!("`{old}` is the old name of `{key}`");
                let warning = self.error(entry.line, entry.column, message);
                self.warnings
                    .push(warning.hint(format!("rename it to `{key}`")));
                if map.get(key).is_none() {
                    return self.texts(map, old).unwrap_or_default();
                }
            }
            self.texts(map, key).unwrap_or_else(|| {
                if default.is_empty() {
                    Vec::new()
                } else {
                    vec![default.to_owned()]
                }
            })
        };
        Paths {
            models: of("model-paths", Some("source-paths"), "models"),
            seeds: of("seed-paths", Some("data-paths"), "seeds"),
            tests: of("test-paths", None, "tests"),
            snapshots: of("snapshot-paths", None, "snapshots"),
            analyses: of("analysis-paths", None, "analyses"),
            macros: of("macro-paths", None, "macros"),
            docs: of("docs-paths", None, ""),
            assets: of("asset-paths", None, ""),
            functions: of("function-paths", None, "functions"),
        }
    }

    fn tree(&mut self, map: &Map, unrendered: &Map, kind: TreeKind) -> ConfigTree {
        let old = match kind {
            TreeKind::DataTests => "tests",
            TreeKind::SemanticModels => "semantic_models",
            TreeKind::SavedQueries => "saved_queries",
            _ => kind.key(),
        };
        let key = if map.get(kind.key()).is_some() {
            kind.key()
        } else {
            old
        };
        ConfigTree {
            rendered: self.map(map, key),
            unrendered: json_map(unrendered.get(key)),
        }
    }

    fn dispatch(&mut self, map: &Map) -> Vec<Dispatch> {
        let Some(yaml) = map.get("dispatch") else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for entry in yaml.as_list().unwrap_or_default() {
            let namespace = entry.get("macro_namespace").and_then(Yaml::as_str);
            let order = entry.get("search_order").and_then(Yaml::as_list);
            match (namespace, order) {
                (Some(namespace), Some(order)) => out.push(Dispatch {
                    macro_namespace: namespace.to_owned(),
                    search_order: order.iter().filter_map(Yaml::scalar_text).collect(),
                }),
                _ => {
                    let error = self.error(
                        entry.line,
                        entry.column,
                        "this dispatch entry is incomplete",
                    );
                    self.errors.push(
                        error.hint("write `macro_namespace: name` and `search_order: [list]`"),
                    );
                }
            }
        }
        out
    }

    fn unknown_keys(&mut self, map: &Map) {
        for entry in map {
            if KEYS.contains(&&*entry.key)
                || matches!(&*entry.key, "semantic_models" | "saved_queries")
            {
                continue;
            }
            let message = format!("`{}` means nothing in dbt_project.yml", entry.key);
            let warning = self.error(entry.line, entry.column, message);
            self.warnings.push(match did_you_mean(&entry.key, &KEYS) {
                Some(known) => warning.hint(format!("did you mean `{known}`?")),
                None => warning.hint("it is ignored; remove it"),
            });
        }
    }

    fn text(&mut self, map: &Map, key: &str) -> Option<String> {
        map.get(key).and_then(Yaml::scalar_text)
    }

    /// Returns one text or several as a list; `None` when the key is absent or empty.
    fn texts(&mut self, map: &Map, key: &str) -> Option<Vec<String>> {
        let yaml = map.get(key)?;
        if yaml.is_null() {
            return None;
        }
        if let Some(items) = yaml.as_list() {
            return Some(items.iter().filter_map(Yaml::scalar_text).collect());
        }
        match yaml.scalar_text() {
            Some(text) => Some(vec![text]),
            None => {
                let message = format!("`{key}` should be a list, but is {}", yaml.what());
                let error = self.error(yaml.line, yaml.column, message);
                self.errors
                    .push(error.hint(format!("write `{key}: [\"...\"]`")));
                None
            }
        }
    }

    fn map(&mut self, map: &Map, key: &str) -> JsonMap {
        match map.get(key) {
            Some(yaml) if yaml.as_map().is_none() && !yaml.is_null() => {
                let message = format!("`{key}` should be a mapping, but is {}", yaml.what());
                let error = self.error(yaml.line, yaml.column, message);
                self.errors
                    .push(error.hint(format!("write `{key}:` and its keys below, indented")));
                JsonMap::new()
            }
            yaml => json_map(yaml),
        }
    }

    pub(super) fn error(&self, line: u32, column: u32, message: impl Into<String>) -> ModelError {
        ModelError::new(ModelErrorKind::Project, message)
            .at(Place::at(Arc::from(self.file), line, column))
            .excerpt(excerpt(self.text, line, column))
    }
}

fn json_map(yaml: Option<&Yaml>) -> JsonMap {
    match yaml.map(Yaml::to_json) {
        Some(Json::Object(map)) => map,
        _ => JsonMap::new(),
    }
}

/// Says whether the value that `path` leads to is rendered when the file is read: hooks, variables
/// and the query comment are not.
pub(super) fn is_rendered(path: &[&str]) -> bool {
    let Some(first) = path.first() else {
        return true;
    };
    if matches!(
        *first,
        "on-run-start" | "on-run-end" | "query-comment" | "vars"
    ) {
        return false;
    }
    let tree = matches!(
        *first,
        "seeds" | "models" | "snapshots" | "tests" | "data_tests"
    );
    let hook = |key: &&str| {
        matches!(
            key.trim_start_matches(['+', ' ']),
            "pre-hook" | "post-hook" | "pre_hook" | "post_hook"
        )
    };
    !(tree && path.iter().any(hook))
}
