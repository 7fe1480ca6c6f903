//! What each method of a selection chooses.

use serde_json::Value as Json;
use weir_core::did_you_mean;

use super::compare;
use super::definition::Selectors;
use super::glob::{fits, path_fits};
use super::spec::{Criteria, Spec, error};
use crate::artifact::PreviousState;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{JsonMap, Manifest, Node, NodeConfig, NodeDetail, UniqueId, Version};

const METHODS: [&str; 22] = [
    "fqn",
    "tag",
    "group",
    "access",
    "source",
    "path",
    "file",
    "package",
    "config",
    "test_name",
    "test_type",
    "resource_type",
    "state",
    "exposure",
    "metric",
    "result",
    "source_status",
    "version",
    "semantic_model",
    "saved_query",
    "unit_test",
    "selector",
];

/// Finds what methods choose among everything of a manifest.
pub(super) struct Methods<'m> {
    manifest: &'m Manifest,
    selectors: &'m Selectors,
    previous: Option<&'m PreviousState>,
}

/// What methods may ask of anything that can be chosen.
struct Thing<'m> {
    id: &'m UniqueId,
    fqn: &'m [String],
    name: &'m str,
    package: &'m str,
    original_path: &'m str,
    patch_path: Option<&'m str>,
    tags: &'m [String],
    config: &'m NodeConfig,
    node: Option<&'m Node>,
    versioned: bool,
}

impl<'m> Methods<'m> {
    pub(super) fn new(
        manifest: &'m Manifest,
        selectors: &'m Selectors,
        previous: Option<&'m PreviousState>,
    ) -> Self {
        Self {
            manifest,
            selectors,
            previous,
        }
    }

    /// Returns what a named selector says.
    pub(super) fn selector(&self, criteria: &Criteria) -> Result<&'m Spec, ModelError> {
        self.selectors.get(&criteria.value)
    }

    /// Says that a part of a selection chose nothing.
    pub(super) fn nothing(&self, criteria: &Criteria) -> ModelError {
        let warning = ModelError::new(
            ModelErrorKind::Selection,
            format!("the selection `{}` chooses nothing", criteria.raw),
        );
        if criteria.method == "fqn" {
            let names: Vec<&str> = self.things().map(|thing| thing.name).collect();
            if let Some(near) = did_you_mean(&criteria.value, &names) {
                return warning.hint(format!("did you mean `{near}`?"));
            }
        }
        warning.hint("`weir ls` shows what there is")
    }

    /// Finds what `criteria` chooses, without relatives.
    pub(super) fn search(&self, criteria: &Criteria) -> Result<Vec<UniqueId>, ModelError> {
        let value = criteria.value.as_str();
        let keep = |test: &dyn Fn(&Thing<'_>) -> bool| -> Vec<UniqueId> {
            self.things()
                .filter(|thing| test(thing))
                .map(|thing| thing.id.clone())
                .collect()
        };
        Ok(match criteria.method.as_str() {
            "fqn" => {
                keep(&|thing| !thing.id.as_str().starts_with("source.") && fqn_fits(thing, value))
            }
            "tag" => keep(&|thing| thing.tags.iter().any(|tag| fits(tag, value))),
            "group" => keep(&|thing| thing.config.group().is_some_and(|group| fits(group, value))),
            "access" => keep(&|thing| {
                thing
                    .node
                    .and_then(Node::model)
                    .is_some_and(|model| model.access.as_str() == value)
            }),
            "path" => keep(&|thing| path_chosen(thing, value)),
            "file" => keep(&|thing| {
                let file = thing
                    .original_path
                    .rsplit('/')
                    .next()
                    .unwrap_or(thing.original_path);
                let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                fits(file, value) || fits(stem, value)
            }),
            "package" => {
                let value = if value == "this" {
                    self.manifest.metadata.project_name.as_str()
                } else {
                    value
                };
                keep(&|thing| fits(thing.package, value))
            }
            "config" => keep(&|thing| {
                (thing.node.is_some() || thing.id.as_str().starts_with("source."))
                    && config_fits(thing.config, &criteria.arguments, value)
            }),
            "test_name" => keep(&|thing| {
                let test = thing.node.and_then(Node::generic_test);
                test.is_some_and(|test| fits(&test.metadata.name, value))
            }),
            "test_type" => keep(&|thing| test_type(thing, value)),
            "resource_type" => keep(&|thing| thing.id.as_str().split('.').next() == Some(value)),
            "version" => keep(&|thing| version_fits(thing.node, value)),
            "source" => self.sources(value)?,
            "exposure" | "metric" | "semantic_model" | "saved_query" | "unit_test" => {
                self.named(&criteria.method, value)
            }
            "state" => self.state(criteria)?,
            "result" => {
                let previous = self.previous(criteria)?;
                keep(&|thing| previous.result(thing.id.as_str()) == Some(value))
            }
            "source_status" => self.source_status(criteria)?,
            other => {
                let hint = match did_you_mean(other, &METHODS) {
                    Some(near) => format!("did you mean `{near}:`?"),
                    None => format!("methods are: {}", METHODS.join(", ")),
                };
                return Err(error(format!("`{other}` is no method of selections"), hint));
            }
        })
    }

    fn things(&self) -> impl Iterator<Item = Thing<'m>> + use<'m> {
        let manifest = self.manifest;
        let nodes = manifest.nodes.values().map(|node| Thing {
            id: &node.id,
            fqn: &node.fqn,
            name: &node.name,
            package: &node.package,
            original_path: &node.original_path,
            patch_path: node.patch_path.as_deref(),
            tags: &node.tags,
            config: &node.config,
            node: Some(&**node),
            versioned: node.version().is_some(),
        });
        let sources = manifest.sources.values().map(|source| Thing {
            id: &source.id,
            fqn: &source.fqn,
            name: &source.name,
            package: &source.package,
            original_path: &source.original_path,
            patch_path: source.patch_path.as_deref(),
            tags: &source.tags,
            config: &source.config,
            node: None,
            versioned: false,
        });
        macro_rules! others {
            ($from:ident, $tags:expr) => {
                manifest.$from.values().map(|one| Thing {
                    id: &one.id,
                    fqn: &one.fqn,
                    name: &one.name,
                    package: &one.package,
                    original_path: &one.original_path,
                    patch_path: None,
                    tags: $tags(&**one),
                    config: &one.config,
                    node: None,
                    versioned: false,
                })
            };
        }
        nodes
            .chain(sources)
            .chain(others!(exposures, |one: &'m crate::node::Exposure| one
                .tags
                .as_slice()))
            .chain(others!(metrics, |one: &'m crate::node::Metric| one
                .tags
                .as_slice()))
            .chain(others!(
                semantic_models,
                |_: &'m crate::node::SemanticModel| -> &'m [String] { &[] }
            ))
            .chain(others!(
                saved_queries,
                |one: &'m crate::node::SavedQuery| one.tags.as_slice()
            ))
            .chain(others!(
                unit_tests,
                |_: &'m crate::node::UnitTest| -> &'m [String] { &[] }
            ))
            .chain(others!(
                functions,
                |_: &'m crate::node::Function| -> &'m [String] { &[] }
            ))
    }

    fn sources(&self, value: &str) -> Result<Vec<UniqueId>, ModelError> {
        let parts: Vec<&str> = value.split('.').collect();
        let (package, source, table) = match &*parts {
            [source] => ("*", *source, "*"),
            [source, table] => ("*", *source, *table),
            [package, source, table] => (*package, *source, *table),
            _ => {
                return Err(error(
                    format!("`source:{value}` has too many parts"),
                    "write `source:name`, `source:name.table` or `source:package.name.table`",
                ));
            }
        };
        let found = self.manifest.sources.values().filter(|one| {
            fits(&one.package, package) && fits(&one.source_name, source) && fits(&one.name, table)
        });
        Ok(found.map(|one| one.id.clone()).collect())
    }

    /// Finds things of one kind by name, or by package and name.
    fn named(&self, kind: &str, value: &str) -> Vec<UniqueId> {
        let (package, name) = value.split_once('.').unwrap_or(("*", value));
        self.things()
            .filter(|thing| thing.id.as_str().split('.').next() == Some(kind))
            .filter(|thing| fits(thing.package, package) && fits(thing.name, name))
            .map(|thing| thing.id.clone())
            .collect()
    }

    fn previous(&self, criteria: &Criteria) -> Result<&'m PreviousState, ModelError> {
        self.previous.ok_or_else(|| {
            error(
                format!(
                    "`{}` compares with an earlier run, and none was named",
                    criteria.raw
                ),
                "name the folder of its artifacts by --state",
            )
        })
    }

    fn state(&self, criteria: &Criteria) -> Result<Vec<UniqueId>, ModelError> {
        let previous = self.previous(criteria)?;
        if !previous.has_manifest() {
            return Err(error(
                "there is no manifest.json of an earlier run",
                "check --state",
            ));
        }
        let (word, part) = match criteria.value.split_once('.') {
            Some((word, part)) => (word, Some(part)),
            None => (criteria.value.as_str(), None),
        };
        let aspect = match part {
            None => None,
            Some(part) => Some(compare::Aspect::parse(part).ok_or_else(|| {
                error(
                    format!(
                        "`state:{}` names no part that can be modified",
                        criteria.value
                    ),
                    "parts are: body, configs, relation, persisted_descriptions, macros, contract",
                )
            })?),
        };
        let comparer = compare::Comparer::new(self.manifest, previous);
        let test: Box<dyn Fn(&UniqueId) -> bool> = match word {
            "new" => Box::new(|id| previous.node(id.as_str()).is_none()),
            "old" => Box::new(|id| previous.node(id.as_str()).is_some()),
            "modified" => Box::new(|id| comparer.modified(id, aspect)),
            "unmodified" => {
                Box::new(|id| previous.node(id.as_str()).is_some() && !comparer.modified(id, None))
            }
            other => {
                let known = ["new", "old", "modified", "unmodified"];
                let hint = match did_you_mean(other, &known) {
                    Some(near) => format!("did you mean `state:{near}`?"),
                    None => format!("states are: {}", known.join(", ")),
                };
                return Err(error(format!("`state:{other}` is no state"), hint));
            }
        };
        Ok(self.manifest.ids().filter(|id| test(id)).cloned().collect())
    }

    /// Finds sources that became fresher, or whose freshness came out in a certain way.
    fn source_status(&self, criteria: &Criteria) -> Result<Vec<UniqueId>, ModelError> {
        let previous = self.previous(criteria)?;
        let value = criteria.value.as_str();
        let found = self.manifest.sources.values().filter(|source| {
            let Some((status, moment)) = previous.freshness(source.id.as_str()) else {
                return false;
            };
            match value {
                // The newer figures are given by whoever ran freshness just now.
                "fresher" => moment.is_some() && previous.is_fresher(source.id.as_str()),
                _ => status == value,
            }
        });
        Ok(found.map(|source| source.id.clone()).collect())
    }
}

/// Says whether a name chooses a thing: its last part, its whole name, or the folders above it.
fn fqn_fits(thing: &Thing<'_>, value: &str) -> bool {
    is_chosen(thing.fqn, value, thing.versioned)
        || thing
            .fqn
            .get(1..)
            .is_some_and(|unscoped| is_chosen(unscoped, value, thing.versioned))
}

fn is_chosen(fqn: &[String], value: &str, versioned: bool) -> bool {
    let Some(last) = fqn.last() else { return false };
    if versioned && fqn.len() >= 2 {
        let name = &fqn[fqn.len() - 2];
        let parts: Vec<&str> = value.split('.').collect();
        let tail = parts[parts.len().saturating_sub(2)..].join("_");
        if name == value || tail == format!("{name}_{last}") {
            return true;
        }
    } else if last == value {
        return true;
    }
    let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
    let parts: Vec<&str> = value.split('.').collect();
    if flat.len() < parts.len() {
        return false;
    }
    for (at, part) in parts.iter().enumerate() {
        if part.contains(['*', '?', '[', ']']) {
            return fits(&flat[at..].join("."), &parts[at..].join("."));
        }
        if flat[at] != *part {
            return false;
        }
    }
    true
}

fn path_chosen(thing: &Thing<'_>, value: &str) -> bool {
    let described = thing
        .patch_path
        .and_then(|path| path.split_once("://"))
        .map(|(_, path)| path);
    if described.is_some_and(|path| path_fits(path, value)) {
        return true;
    }
    let mut path = thing.original_path;
    loop {
        if path_fits(path, value) {
            return true;
        }
        match path.rsplit_once('/') {
            Some((above, _)) => path = above,
            None => return false,
        }
    }
}

fn test_type(thing: &Thing<'_>, value: &str) -> bool {
    let kind = match thing.node.map(|node| &node.detail) {
        Some(NodeDetail::GenericTest(_)) => "generic",
        Some(NodeDetail::SingularTest) => "singular",
        _ if thing.id.as_str().starts_with("unit_test.") => "unit",
        _ => return false,
    };
    match value {
        // The old words for the two kinds of tests of data.
        "schema" => kind == "generic",
        "data" => kind != "unit",
        _ => kind == value,
    }
}

fn version_fits(node: Option<&Node>, value: &str) -> bool {
    let Some(model) = node.and_then(Node::model) else {
        return false;
    };
    let (Some(version), latest) = (&model.version, &model.latest_version) else {
        return value == "none";
    };
    let Some(latest) = latest else {
        return value == "none";
    };
    let number = |version: &Version| version.to_string().parse::<f64>();
    let order = match (number(version), number(latest)) {
        (Ok(own), Ok(latest)) => own.total_cmp(&latest),
        _ => version.to_string().cmp(&latest.to_string()),
    };
    match value {
        "latest" => order.is_eq(),
        "prerelease" => order.is_gt(),
        "old" => order.is_lt(),
        _ => false,
    }
}

/// Says whether the configuration has `value` under the keys: equal, in a list, or as a key.
fn config_fits(config: &NodeConfig, keys: &[String], value: &str) -> bool {
    let Some((first, rest)) = keys.split_first() else {
        return false;
    };
    let Some(mut found) = config.get(first) else {
        return false;
    };
    for key in rest {
        match found.get(key) {
            Some(deeper) => found = deeper,
            None => return false,
        }
    }
    let caseless = keys == ["severity"];
    let equal = |found: &Json| match found {
        Json::Bool(flag) => flag.to_string().eq_ignore_ascii_case(value),
        Json::String(text) if caseless => text.eq_ignore_ascii_case(value),
        Json::Null => false,
        other => crate::python::str_of(other) == value,
    };
    match found {
        Json::Array(items) => items.iter().any(equal),
        Json::Object(map) => has_key(map, value),
        one => equal(one),
    }
}

fn has_key(map: &JsonMap, value: &str) -> bool {
    map.contains_key(value)
}
