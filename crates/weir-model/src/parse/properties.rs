//! Properties files: YAML that describes what other files define, and defines some things itself.

use std::sync::Arc;

use serde_json::Value as Json;
use weir_jinja::{Interpreter, Names, Result, Value};

use super::read::ReadFile;
use super::unused;
use super::work::Work;
use crate::context::{Context, Shared, var};
use crate::error::{ModelError, ModelErrorKind, excerpt};
use crate::node::{Column, Constraint, JsonMap};
use crate::project::render_tree;
use crate::yaml::{Map, Yaml, read};

/// The sections of a properties file that list things.
pub(super) const SECTIONS: [&str; 14] = [
    "models",
    "seeds",
    "snapshots",
    "sources",
    "macros",
    "analyses",
    "exposures",
    "metrics",
    "groups",
    "semantic_models",
    "saved_queries",
    "unit_tests",
    "data_tests",
    "functions",
];

/// One thing that a properties file describes, rendered where it is rendered early.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) section: &'static str,
    pub(super) name: String,
    pub(super) file: Arc<ReadFile>,
    pub(super) yaml: Yaml,
    pub(super) unrendered_database: Option<String>,
    pub(super) unrendered_schema: Option<String>,
}

impl Entry {
    /// Makes an error about `at`, a part of this entry.
    pub(super) fn error(&self, at: &Yaml, message: impl Into<String>) -> ModelError {
        problem(&self.file, at.line, at.column, message)
    }

    pub(super) fn map(&self) -> &Map {
        static EMPTY: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::default);
        self.yaml.as_map().unwrap_or(&EMPTY)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Yaml> {
        self.map().get(key).filter(|yaml| !yaml.is_null())
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Yaml::scalar_text)
    }

    pub(super) fn json(&self, key: &str) -> Option<Json> {
        self.get(key).map(Yaml::to_json)
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.get(key).map(texts).unwrap_or_default()
    }
}

/// Makes an error at a place in a properties file.
pub(super) fn problem(
    file: &ReadFile,
    line: u32,
    column: u32,
    message: impl Into<String>,
) -> ModelError {
    ModelError::new(ModelErrorKind::Properties, message)
        .at(file.place(line, column))
        .excerpt(excerpt(&file.text, line, column))
}

/// Returns the texts of a list, or the one text.
pub(super) fn texts(yaml: &Yaml) -> Vec<String> {
    match yaml.as_list() {
        Some(items) => items.iter().filter_map(Yaml::scalar_text).collect(),
        None => yaml.scalar_text().into_iter().collect(),
    }
}

/// Returns a mapping as JSON, or an empty one.
pub(super) fn json_map(yaml: Option<&Yaml>) -> JsonMap {
    yaml.and_then(Yaml::as_map)
        .map(Map::to_json)
        .unwrap_or_default()
}

/// What one file gives: entries, errors, warnings.
pub(super) type FromFile = (Vec<Entry>, Vec<ModelError>, Vec<ModelError>);

/// Reads one properties file and renders what is rendered early.
pub(super) fn entries(work: &Work, file: &Arc<ReadFile>) -> FromFile {
    let mut errors = Vec::new();
    let document = match read(&file.shown, &file.text) {
        Ok(document) => document,
        Err(error) => return (Vec::new(), vec![error], Vec::new()),
    };
    let mut warnings = document.warnings;
    if document.root.is_null() {
        return (Vec::new(), errors, warnings);
    }
    let Some(root) = document.root.as_map() else {
        let what = document.root.what();
        let error = problem(
            file,
            1,
            1,
            format!("a properties file should be a mapping, but this is {what}"),
        );
        return (
            Vec::new(),
            vec![error.hint("begin it with a section like `models:`")],
            warnings,
        );
    };
    let mut found = Vec::new();
    let templates = may_have_templates(&file.text);
    // What a package's author should change is no business of who uses it.
    let own = file.package.name == work.project().name;
    if own {
        unused::warn_sections(file, root, &mut warnings);
    }
    for section in SECTIONS {
        let Some(list) = root.get(section).filter(|list| !list.is_null()) else {
            continue;
        };
        let Some(items) = list.as_list() else {
            let message = format!("`{section}` should be a list, but is {}", list.what());
            let error = problem(file, list.line, list.column, message);
            errors.push(error.hint("begin each entry with `- name:`"));
            continue;
        };
        for item in items {
            if let Some(map) = item.as_map().filter(|_| own) {
                unused::warn_keys(file, section, map, &mut warnings);
            }
            match entry(work, file, section, item, templates, &mut errors) {
                Ok(entry) => found.push(entry),
                Err(error) => errors.push(error),
            }
        }
    }
    (found, errors, warnings)
}

fn entry(
    work: &Work,
    file: &Arc<ReadFile>,
    section: &'static str,
    item: &Yaml,
    templates: bool,
    errors: &mut Vec<ModelError>,
) -> std::result::Result<Entry, ModelError> {
    let Some(map) = item.as_map() else {
        let message = format!(
            "an entry of `{section}` should be a mapping, but this is {}",
            item.what()
        );
        return Err(problem(file, item.line, item.column, message).hint("write `- name: ...`"));
    };
    let unrendered = |key: &str| map.get(key).and_then(Yaml::scalar_text);
    let (unrendered_database, unrendered_schema) = (unrendered("database"), unrendered("schema"));
    let mut yaml = item.clone();
    if templates {
        let names = yaml_context(&work.shared, &file.package.name);
        let wanted = |path: &[&str]| is_rendered(section, path);
        let environment = &work.shared.environment;
        errors.extend(render_tree(
            &mut yaml,
            &file.shown,
            &file.text,
            environment,
            &*names,
            &wanted,
        ));
    }
    if let Some(name) = yaml.get("name").filter(|name| name.as_bool().is_some()) {
        let message = format!("the name of this entry of `{section}` is read as a truth value");
        return Err(problem(file, name.line, name.column, message)
            .hint("quote it: in YAML `on`, `off`, `yes`, `no` without quotes are true or false"));
    }
    let Some(name) = yaml.get("name").and_then(Yaml::scalar_text) else {
        let error = problem(
            file,
            item.line,
            item.column,
            format!("this entry of `{section}` has no name"),
        );
        return Err(error.hint("add `name:`"));
    };
    Ok(Entry {
        section,
        name,
        file: Arc::clone(file),
        yaml,
        unrendered_database,
        unrendered_schema,
    })
}

fn may_have_templates(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"{{").is_some()
        || memchr::memmem::find(text.as_bytes(), b"{%").is_some()
}

/// Says whether the value that `path` leads to is rendered when the file is read. Descriptions, arguments
/// of tests, hooks, filters and queries are rendered later, by whoever uses them.
fn is_rendered(section: &str, path: &[&str]) -> bool {
    // Lists add no key here, so what is below a list is one key nearer than written.
    let Some(first) = path.first() else {
        return true;
    };
    let late = |key: &str| {
        matches!(
            key,
            "tests" | "data_tests" | "description" | "loaded_at_query"
        )
    };
    let within = |path: &[&str]| {
        path.first().is_some_and(|key| late(key)) || path.get(1).is_some_and(|key| late(key))
    };
    let hook = *first == "config"
        && path.get(1).is_some_and(|key| {
            matches!(
                *key,
                "pre_hook" | "post_hook" | "pre-hook" | "post-hook" | "loaded_at_query"
            )
        });
    if hook || within(path) {
        return false;
    }
    match section {
        "sources" if *first == "tables" => {
            !within(&path[1..])
                && !path.get(1).is_some_and(|key| {
                    *key == "columns" && path.get(2).is_some_and(|key| late(key))
                })
        }
        "models" if *first == "versions" => !path.iter().any(|key| late(key)),
        "metrics" => !path.contains(&"filter"),
        "saved_queries" => !(*first == "query_params" && path.get(1) == Some(&"where")),
        _ => true,
    }
}

/// Makes the names that properties files of `package` may use.
pub(super) fn yaml_context(shared: &Arc<Shared>, package: &Arc<str>) -> Arc<Context> {
    let stage = YamlStage {
        shared: Arc::clone(shared),
        package: Arc::clone(package),
    };
    Context::new(
        Arc::clone(shared),
        Arc::clone(package),
        Arc::new(stage),
        None,
    )
}

struct YamlStage {
    shared: Arc<Shared>,
    package: Arc<str>,
}

impl Names for YamlStage {
    fn lookup(&self, name: &str, _: &Interpreter) -> Result<Option<Value>> {
        if name != "var" {
            return Ok(None);
        }
        // Unlike in models, a variable without a value is an error already now.
        let value = var(Arc::clone(&self.shared), Arc::clone(&self.package), true);
        Ok(Some(value))
    }
}

/// One column of an entry, with its tests as written.
#[derive(Debug, Clone)]
pub(super) struct DescribedColumn {
    pub(super) column: Column,
    pub(super) tests: Vec<Yaml>,
}

/// Reads the columns of an entry.
pub(super) fn columns(
    file: &ReadFile,
    list: Option<&Yaml>,
    errors: &mut Vec<ModelError>,
) -> Vec<DescribedColumn> {
    let Some(list) = list.filter(|list| !list.is_null()) else {
        return Vec::new();
    };
    let Some(items) = list.as_list() else {
        let message = format!("`columns` should be a list, but is {}", list.what());
        let error = problem(file, list.line, list.column, message);
        errors.push(error.hint("begin each column with `- name:`"));
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| column(file, item, errors))
        .collect()
}

const COLUMN_KEYS: [&str; 15] = [
    "name",
    "description",
    "meta",
    "data_type",
    "constraints",
    "quote",
    "tags",
    "granularity",
    "config",
    "tests",
    "data_tests",
    "docs",
    "policy_tags",
    "dimension",
    "entity",
];

fn column(file: &ReadFile, item: &Yaml, errors: &mut Vec<ModelError>) -> Option<DescribedColumn> {
    let map = item.as_map()?;
    // Elements of a version's columns may only include and exclude.
    let name = map.get("name").and_then(Yaml::scalar_text)?;
    let text = |key: &str| map.get(key).and_then(Yaml::scalar_text);
    let config = json_map(map.get("config"));
    let mut meta = json_map(map.get("meta"));
    if let Some(Json::Object(more)) = config.get("meta") {
        meta.extend(more.clone());
    }
    let mut tags = map.get("tags").map(texts).unwrap_or_default();
    match config.get("tags") {
        Some(Json::String(tag)) => tags.push(tag.clone()),
        Some(Json::Array(more)) => tags.extend(
            more.iter()
                .filter_map(|tag| tag.as_str().map(str::to_owned)),
        ),
        _ => {}
    }
    let constraints = constraints(file, map.get("constraints"), errors);
    let extra = map
        .iter()
        .filter(|entry| !COLUMN_KEYS.contains(&&*entry.key) || entry.key == "policy_tags")
        .map(|entry| (entry.key.clone(), entry.value.to_json()))
        .collect();
    Some(DescribedColumn {
        column: Column {
            name,
            description: text("description").unwrap_or_default(),
            meta,
            data_type: text("data_type"),
            constraints,
            quote: map.get("quote").and_then(Yaml::as_bool),
            tags,
            granularity: text("granularity"),
            config,
            extra,
        },
        tests: tests(file, map, errors),
    })
}

/// Returns the tests of an entry, a column or a version, under either name.
pub(super) fn tests(file: &ReadFile, map: &Map, errors: &mut Vec<ModelError>) -> Vec<Yaml> {
    let get = |key: &str| map.entry(key).filter(|entry| !entry.value.is_null());
    let entry = match (get("tests"), get("data_tests")) {
        (Some(old), Some(_)) => {
            let error = problem(
                file,
                old.line,
                old.column,
                "both `tests` and `data_tests` are given",
            );
            errors.push(error.hint("keep `data_tests`, and move the others into it"));
            return Vec::new();
        }
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Vec::new(),
    };
    match entry.value.as_list() {
        Some(items) => items.to_vec(),
        None => {
            let message = format!(
                "`{}` should be a list, but is {}",
                entry.key,
                entry.value.what()
            );
            let error = problem(file, entry.line, entry.column, message);
            errors.push(error.hint("begin each test with `- `"));
            Vec::new()
        }
    }
}

/// Reads constraints of a column or a model.
pub(super) fn constraints(
    file: &ReadFile,
    list: Option<&Yaml>,
    errors: &mut Vec<ModelError>,
) -> Vec<Constraint> {
    const KINDS: [&str; 6] = [
        "check",
        "not_null",
        "unique",
        "primary_key",
        "foreign_key",
        "custom",
    ];
    let mut found = Vec::new();
    for item in list.and_then(Yaml::as_list).unwrap_or_default() {
        let text = |key: &str| item.get(key).and_then(Yaml::scalar_text);
        let flag = |key: &str| item.get(key).and_then(Yaml::as_bool).unwrap_or(true);
        let kind = text("type").unwrap_or_default();
        if !KINDS.contains(&&*kind) {
            let message = format!("`{kind}` is no type of constraint");
            let error = problem(file, item.line, item.column, message);
            errors.push(error.hint(format!("there are: {}", KINDS.join(", "))));
            continue;
        }
        found.push(Constraint {
            kind,
            name: text("name"),
            expression: text("expression"),
            warn_unenforced: flag("warn_unenforced"),
            warn_unsupported: flag("warn_unsupported"),
            to: text("to"),
            to_columns: item.get("to_columns").map(texts).unwrap_or_default(),
            columns: item.get("columns").map(texts).unwrap_or_default(),
        });
    }
    found
}
