//! What properties files say of models, seeds, snapshots and analyses, ready to be laid over them.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::properties::{DescribedColumn, Entry, columns, constraints, json_map, tests, texts};
use super::read::ReadFile;
use crate::error::ModelError;
use crate::node::{Column, Constraint, JsonMap, Version};
use crate::yaml::{Map, Yaml};

/// What a properties file says of one node, or of one version of a model.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) section: &'static str,
    /// The name described: the model's, whatever file a version is in.
    pub(super) name: String,
    pub(super) file: Arc<ReadFile>,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) description: String,
    pub(super) columns: Vec<DescribedColumn>,
    pub(super) tests: Vec<Yaml>,
    pub(super) config: JsonMap,
    pub(super) constraints: Vec<Constraint>,
    pub(super) deprecation_date: Option<String>,
    pub(super) time_spine: Option<Json>,
    pub(super) version: Option<Version>,
    pub(super) latest_version: Option<Version>,
    pub(super) quote_columns: Option<bool>,
    /// Names of files that may hold it, the first that exists counts.
    pub(super) defined_in: Vec<String>,
}

impl Patch {
    /// Returns the columns by name, the last description of each counting.
    pub(super) fn column_map(&self) -> IndexMap<String, Column> {
        self.columns
            .iter()
            .map(|found| (found.column.name.clone(), found.column.clone()))
            .collect()
    }
}

/// Keys that may stand beside `config` and mean the same as in it.
const MOVED: [&str; 5] = ["meta", "docs", "group", "contract", "access"];

/// Reads an entry of models, seeds, snapshots or analyses: one patch, or one for each version.
pub(super) fn patches(entry: &Entry, errors: &mut Vec<ModelError>) -> Vec<Patch> {
    let base = base(entry, errors);
    let Some(versions) = entry.get("versions").filter(|_| entry.section == "models") else {
        return vec![base];
    };
    let Some(items) = versions.as_list().filter(|items| !items.is_empty()) else {
        return vec![base];
    };
    let mut numbered: Vec<(Version, &Map, &Yaml)> = Vec::new();
    for item in items {
        let version = item.get("v").and_then(|v| Version::from_json(&v.to_json()));
        match (version, item.as_map()) {
            (Some(version), Some(map)) => {
                if numbered.iter().any(|(known, ..)| known.same(&version)) {
                    errors.push(entry.error(
                        item,
                        format!("version {version} of `{}` is given twice", entry.name),
                    ));
                }
                numbered.push((version, map, item));
            }
            _ => {
                let error = entry.error(
                    item,
                    format!("a version of `{}` does not say which", entry.name),
                );
                errors.push(error.hint("add `v: 1`"));
            }
        }
    }
    let latest = match entry
        .get("latest_version")
        .and_then(|latest| Version::from_json(&latest.to_json()))
    {
        Some(latest) => {
            if !numbered.iter().any(|(version, ..)| version.same(&latest)) {
                let message = format!(
                    "`latest_version` {latest} of `{}` is none of its versions",
                    entry.name
                );
                let known: Vec<String> = numbered
                    .iter()
                    .map(|(version, ..)| version.to_string())
                    .collect();
                let error =
                    entry.error(entry.get("latest_version").unwrap_or(&entry.yaml), message);
                errors.push(error.hint(format!("the versions are: {}", known.join(", "))));
            }
            Some(latest)
        }
        None => numbered
            .iter()
            .map(|(version, ..)| version)
            .max_by(|a, b| order(a, b))
            .cloned(),
    };
    numbered
        .into_iter()
        .map(|(version, map, item)| {
            one_version(entry, &base, &version, latest.as_ref(), map, item, errors)
        })
        .collect()
}

/// Orders versions: numbers by size, and anything else by its text.
fn order(a: &Version, b: &Version) -> std::cmp::Ordering {
    let number = |version: &Version| version.to_string().parse::<f64>().ok();
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.to_string().cmp(&b.to_string()),
    }
}

fn base(entry: &Entry, errors: &mut Vec<ModelError>) -> Patch {
    let map = entry.map();
    let mut config = json_map(map.get("config"));
    for key in MOVED {
        if let Some(value) = entry.get(key) {
            if config.contains_key(key) {
                let error =
                    entry.error(value, format!("`{key}` of `{}` is given twice", entry.name));
                errors.push(error.hint("keep the one under `config`"));
            }
            config.insert(key.to_owned(), value.to_json());
        }
    }
    // A few keys of seeds and snapshots were always allowed beside `config` too.
    let quote_columns = map.get("quote_columns").and_then(Yaml::as_bool);
    Patch {
        section: entry.section,
        name: entry.name.clone(),
        file: Arc::clone(&entry.file),
        line: entry.yaml.line,
        column: entry.yaml.column,
        description: entry.text("description").unwrap_or_default(),
        columns: columns(&entry.file, map.get("columns"), errors),
        tests: tests(&entry.file, map, errors),
        config,
        constraints: constraints(&entry.file, map.get("constraints"), errors),
        deprecation_date: entry.text("deprecation_date"),
        time_spine: entry.json("time_spine").map(time_spine),
        version: None,
        latest_version: None,
        quote_columns,
        defined_in: vec![entry.name.clone()],
    }
}

fn time_spine(mut written: Json) -> Json {
    if let Json::Object(map) = &mut written {
        map.entry("custom_granularities")
            .or_insert_with(|| Json::Array(Vec::new()));
        if let Some(Json::Array(items)) = map.get_mut("custom_granularities") {
            for item in items.iter_mut().filter_map(Json::as_object_mut) {
                item.entry("column_name").or_insert(Json::Null);
            }
        }
    }
    written
}

fn one_version(
    entry: &Entry,
    base: &Patch,
    version: &Version,
    latest: Option<&Version>,
    map: &Map,
    item: &Yaml,
    errors: &mut Vec<ModelError>,
) -> Patch {
    let file = &entry.file;
    let text = |key: &str| {
        map.get(key)
            .filter(|yaml| !yaml.is_null())
            .and_then(Yaml::scalar_text)
    };
    let mut config = base.config.clone();
    for (key, value) in json_map(map.get("config")) {
        deep_merge(&mut config, key, value);
    }
    for key in ["access", "docs", "group", "contract", "meta"] {
        if let Some(value) = map.get(key).filter(|value| !value.is_null()) {
            config.insert(key.to_owned(), value.to_json());
        }
    }
    let suffix = format!("v{version}");
    let mut defined_in =
        vec![text("defined_in").unwrap_or_else(|| format!("{}_{suffix}", entry.name))];
    if latest.is_some_and(|latest| latest.same(version)) {
        defined_in.push(entry.name.clone());
    }
    let own_tests = ["tests", "data_tests"]
        .iter()
        .any(|key| map.get(key).is_some_and(|tests| !tests.is_null()));
    let own_constraints = map.get("constraints").is_some_and(|yaml| !yaml.is_null());
    Patch {
        description: text("description")
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| base.description.clone()),
        columns: version_columns(file, base, map.get("columns"), errors),
        tests: if own_tests {
            tests(file, map, errors)
        } else {
            base.tests.clone()
        },
        constraints: if own_constraints {
            constraints(file, map.get("constraints"), errors)
        } else {
            base.constraints.clone()
        },
        deprecation_date: text("deprecation_date"),
        config,
        version: Some(version.clone()),
        latest_version: latest.cloned(),
        line: item.line,
        column: item.column,
        defined_in,
        ..base.clone()
    }
}

/// Takes the model's columns that a version includes, and adds or replaces those it describes itself.
fn version_columns(
    file: &ReadFile,
    base: &Patch,
    own: Option<&Yaml>,
    errors: &mut Vec<ModelError>,
) -> Vec<DescribedColumn> {
    let elements = own.and_then(Yaml::as_list).unwrap_or_default();
    let choice = elements
        .iter()
        .find(|element| element.get("include").is_some() || element.get("exclude").is_some());
    let list = |key: &str| choice.and_then(|choice| choice.get(key)).map(texts);
    let include = list("include").unwrap_or_else(|| vec!["*".to_owned()]);
    let exclude = list("exclude").unwrap_or_default();
    let everything = include.iter().any(|name| name == "*" || name == "all");
    let mut found: Vec<DescribedColumn> = base
        .columns
        .iter()
        .filter(|described| {
            let name = &described.column.name;
            (everything || include.contains(name)) && !exclude.contains(name)
        })
        .cloned()
        .collect();
    for described in columns(file, own, errors) {
        found.retain(|known| known.column.name != described.column.name);
        found.push(described);
    }
    found
}

fn deep_merge(into: &mut JsonMap, key: String, value: Json) {
    match (into.get_mut(&key), value) {
        (Some(Json::Object(below)), Json::Object(more)) => {
            for (key, value) in more {
                deep_merge(below, key, value);
            }
        }
        (_, value) => {
            into.insert(key, value);
        }
    }
}
