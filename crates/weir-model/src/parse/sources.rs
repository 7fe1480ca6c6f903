//! Sources: tables that somebody else fills.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::generic::{TestJob, Tested};
use super::merge::{Layers, configure};
use super::properties::{DescribedColumn, Entry, columns, json_map, problem, tests, texts};
use super::raw::fqn;
use super::work::Work;
use crate::error::ModelError;
use crate::node::{ConfigKind, JsonMap, ResourceKind, Source, UniqueId};
use crate::project::TreeKind;
use crate::yaml::{Map, Yaml};

/// A source's or table's entry with what another package lays over it.
#[derive(Clone, Copy)]
struct Described<'d> {
    base: &'d Map,
    over: Option<&'d Map>,
}

impl<'d> Described<'d> {
    /// Returns what is given, even if it is null.
    fn given(self, key: &str) -> Option<&'d Yaml> {
        self.over
            .and_then(|over| over.get(key))
            .or_else(|| self.base.get(key))
    }

    fn get(self, key: &str) -> Option<&'d Yaml> {
        self.given(key).filter(|yaml| !yaml.is_null())
    }

    fn text(self, key: &str) -> Option<String> {
        self.get(key).and_then(Yaml::scalar_text)
    }

    fn config(self, key: &str) -> Option<&'d Yaml> {
        self.get("config").and_then(|config| config.get(key))
    }

    /// Returns a setting from beside `config` or from within it.
    fn setting(self, key: &str) -> Option<String> {
        self.text(key)
            .or_else(|| self.config(key).and_then(Yaml::scalar_text))
    }
}

/// Builds the tables of all sources, and lists their tests.
pub(super) fn build(
    work: &Work,
    entries: &[Entry],
    jobs: &mut Vec<TestJob>,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) -> Vec<Source> {
    let is_override = |entry: &&Entry| entry.get("overrides").is_some();
    let mut overrides: HashMap<(String, String), (&Entry, bool)> = HashMap::new();
    for entry in entries.iter().filter(is_override) {
        let key = (
            entry.text("overrides").unwrap_or_default(),
            entry.name.clone(),
        );
        if let Some((first, _)) = overrides.get(&key) {
            let message = format!("source `{}` of `{}` is overridden twice", key.1, key.0);
            let error = entry.error(&entry.yaml, message);
            errors.push(error.hint(format!("the other one is in {}", first.file.shown)));
            continue;
        }
        overrides.insert(key, (entry, false));
    }
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !is_override(entry)) {
        let key = (entry.file.package.name.to_string(), entry.name.clone());
        let over = overrides.get_mut(&key).map(|(over, used)| {
            *used = true;
            &**over
        });
        one(work, entry, over, &mut found, jobs, errors);
    }
    let mut unused: Vec<_> = overrides.iter().filter(|(_, (_, used))| !used).collect();
    unused.sort_by(|a, b| a.0.cmp(b.0));
    for ((package, source), (entry, _)) in unused {
        let message = format!("package `{package}` has no source `{source}` to override");
        warnings.push(
            entry
                .error(&entry.yaml, message)
                .hint("check `overrides` and `name`"),
        );
    }
    found
}

fn one(
    work: &Work,
    entry: &Entry,
    over: Option<&Entry>,
    found: &mut Vec<Source>,
    jobs: &mut Vec<TestJob>,
    errors: &mut Vec<ModelError>,
) {
    let source = Described {
        base: entry.map(),
        over: over.map(Entry::map),
    };
    let Some(tables) = entry.get("tables") else {
        return;
    };
    let Some(tables) = tables.as_list() else {
        let error = entry.error(
            tables,
            format!("`tables` of source `{}` should be a list", entry.name),
        );
        errors.push(error.hint("begin each table with `- name:`"));
        return;
    };
    let over_tables = over
        .and_then(|over| over.get("tables"))
        .and_then(Yaml::as_list)
        .unwrap_or_default();
    for table in tables {
        let (Some(map), Some(name)) = (
            table.as_map(),
            table.get("name").and_then(Yaml::scalar_text),
        ) else {
            let error = entry.error(
                table,
                format!("a table of source `{}` has no name", entry.name),
            );
            errors.push(error.hint("write `- name: ...`"));
            continue;
        };
        let laid = over_tables
            .iter()
            .find(|over| over.get("name").and_then(Yaml::scalar_text).as_deref() == Some(&name))
            .and_then(Yaml::as_map);
        let table = Described {
            base: map,
            over: laid,
        };
        let columns = columns(&entry.file, table.given("columns"), errors);
        list_tests(work, entry, source, table, &name, &columns, jobs, errors);
        let patch_path = over.map(|over| over.file.file_id());
        found.push(table_node(
            work, entry, source, table, name, columns, patch_path, errors,
        ));
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place calls it, and each is another part of the same entry"
)]
fn list_tests(
    work: &Work,
    entry: &Entry,
    source: Described<'_>,
    table: Described<'_>,
    name: &str,
    columns: &[DescribedColumn],
    jobs: &mut Vec<TestJob>,
    errors: &mut Vec<ModelError>,
) {
    let tested = Tested::Source {
        source: entry.name.clone(),
        table: name.to_owned(),
    };
    let tags_of = |described: Described<'_>| described.get("tags").map(texts).unwrap_or_default();
    let mut tags = tags_of(source);
    tags.extend(tags_of(table));
    let job = |test: &Yaml, column: Option<String>, tags: Vec<String>| TestJob {
        tested: tested.clone(),
        section: "sources",
        test: test.clone(),
        column,
        tags,
        file: Arc::clone(&entry.file),
    };
    let own = match table
        .over
        .filter(|over| over.get("tests").is_some() || over.get("data_tests").is_some())
    {
        Some(over) => tests(&entry.file, over, errors),
        None => tests(&entry.file, table.base, errors),
    };
    for test in &own {
        jobs.push(job(test, None, tags.clone()));
    }
    let quoted = table
        .get("quoting")
        .or_else(|| source.get("quoting"))
        .and_then(|quoting| quoting.get("column"));
    let quoted = quoted.and_then(Yaml::as_bool).unwrap_or(false);
    for described in columns {
        let column = &described.column;
        let written = if column.quote.unwrap_or(quoted) {
            work.naming.quote(&column.name)
        } else {
            column.name.clone()
        };
        let mut all = tags.clone();
        all.extend(column.tags.iter().cloned());
        for test in &described.tests {
            jobs.push(job(test, Some(written.clone()), all.clone()));
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place calls it, and each is another part of the same entry"
)]
fn table_node(
    work: &Work,
    entry: &Entry,
    source: Described<'_>,
    table: Described<'_>,
    name: String,
    columns: Vec<DescribedColumn>,
    patch_path: Option<String>,
    errors: &mut Vec<ModelError>,
) -> Source {
    let file = &entry.file;
    let package = &file.package;
    let mut fqn = fqn(&package.name, &file.file.path, &entry.name);
    fqn.push(name.clone());
    let settings = settings(entry, source, table, errors);
    let empty = JsonMap::new();
    let layers = Layers {
        kind: ConfigKind::Source,
        tree: TreeKind::Sources,
        fqn: &fqn,
        patch: Some(&settings),
        call: &empty,
    };
    let (config, unrendered_config) = configure(work.project(), package, &layers);
    let target = &work.project().target;
    let database = source
        .text("database")
        .or_else(|| source.text("catalog"))
        .or_else(|| target.database.clone());
    let schema = source.text("schema").unwrap_or_else(|| entry.name.clone());
    let identifier = table.text("identifier").unwrap_or_else(|| name.clone());
    let mut quoting = JsonMap::new();
    for key in ["database", "schema", "identifier", "column"] {
        let own = [table, source].into_iter().find_map(|described| {
            described
                .get("quoting")
                .and_then(|quoting| quoting.get(key))
                .and_then(Yaml::as_bool)
        });
        quoting.insert(key.to_owned(), own.map_or(Json::Null, Json::Bool));
    }
    let mut source_meta = json_map(source.get("meta"));
    source_meta.extend(json_map(source.config("meta")));
    Source {
        id: UniqueId::from_text(format!(
            "{}.{}.{}.{name}",
            ResourceKind::Source,
            package.name,
            entry.name
        )),
        source_name: entry.name.clone(),
        package: Arc::clone(&package.name),
        path: file.file.original.to_string(),
        original_path: file.file.original.to_string(),
        relation_name: work
            .naming
            .full(database.as_deref(), &schema, &identifier, &quoting),
        fqn,
        database,
        schema,
        identifier,
        source_description: source.text("description").unwrap_or_default(),
        source_meta,
        description: table.text("description").unwrap_or_default(),
        loader: source.text("loader").unwrap_or_default(),
        loaded_at_field: config.text("loaded_at_field").map(str::to_owned),
        loaded_at_query: config.text("loaded_at_query").map(str::to_owned),
        freshness: config
            .get("freshness")
            .filter(|freshness| !freshness.is_null())
            .cloned(),
        quoting,
        columns: columns
            .into_iter()
            .map(|described| (described.column.name.clone(), described.column))
            .collect(),
        meta: config.meta().clone(),
        tags: config.tags(),
        external: table.get("external").map(Yaml::to_json),
        unrendered_database: entry.unrendered_database.clone(),
        unrendered_schema: entry.unrendered_schema.clone(),
        config,
        unrendered_config,
        patch_path,
        created_at: work.created_at,
        name,
    }
}

/// Joins the settings of source and table, from beside `config` and from within it.
fn settings(
    entry: &Entry,
    source: Described<'_>,
    table: Described<'_>,
    errors: &mut Vec<ModelError>,
) -> JsonMap {
    let mut all = json_map(source.get("config"));
    all.extend(json_map(table.get("config")));
    match freshness(source, table) {
        Some(Some(freshness)) => {
            all.insert("freshness".to_owned(), freshness);
        }
        Some(None) => {
            all.insert("freshness".to_owned(), Json::Null);
        }
        None => {
            all.shift_remove("freshness");
        }
    }
    for (described, level) in [(source, "source"), (table, "table")] {
        if described.setting("loaded_at_field").is_some()
            && described.setting("loaded_at_query").is_some()
        {
            let message = format!(
                "both `loaded_at_field` and `loaded_at_query` are given for a {level} of `{}`",
                entry.name
            );
            let at = described.get("loaded_at_query").unwrap_or(&entry.yaml);
            errors.push(problem(&entry.file, at.line, at.column, message).hint("keep one of them"));
        }
    }
    // A table that says null wants its warehouse to tell, not the source's column.
    let own_field =
        table.given("loaded_at_field").is_some() || table.config("loaded_at_field").is_some();
    let field = if own_field {
        table.setting("loaded_at_field")
    } else {
        source.setting("loaded_at_field")
    };
    let query = match table.setting("loaded_at_query") {
        Some(query) => Some(query),
        None if own_field => None,
        None => source.setting("loaded_at_query"),
    };
    all.insert(
        "loaded_at_field".to_owned(),
        field.map_or(Json::Null, Json::String),
    );
    all.insert(
        "loaded_at_query".to_owned(),
        query.map_or(Json::Null, Json::String),
    );
    let mut meta = JsonMap::new();
    let mut tags = Vec::new();
    for described in [source, table] {
        meta.extend(json_map(described.get("meta")));
        meta.extend(json_map(described.config("meta")));
        tags.extend(described.get("tags").map(texts).unwrap_or_default());
        tags.extend(described.config("tags").map(texts).unwrap_or_default());
    }
    tags.sort();
    tags.dedup();
    all.insert("meta".to_owned(), Json::Object(meta));
    all.insert("tags".to_owned(), tags.into());
    all
}

/// Merges what source and table say of freshness: nothing at all, switched off, or thresholds.
fn freshness(source: Described<'_>, table: Described<'_>) -> Option<Option<Json>> {
    let given = [
        source.given("freshness"),
        source.config("freshness"),
        table.given("freshness"),
        table.config("freshness"),
    ];
    let mut said = false;
    let mut merged: Option<JsonMap> = Some(JsonMap::new());
    for level in given {
        let Some(level) = level else { continue };
        said = true;
        merged = match (merged, level.as_map()) {
            (_, None) => None,
            (None, Some(map)) => Some(map.to_json()),
            (Some(mut below), Some(map)) => {
                for (key, value) in map.to_json() {
                    match (below.get_mut(&key), value) {
                        (Some(Json::Object(below)), Json::Object(more)) => below.extend(more),
                        (_, value) => {
                            below.insert(key, value);
                        }
                    }
                }
                Some(below)
            }
        };
    }
    if !said {
        return None;
    }
    let Some(map) = merged else { return Some(None) };
    let after = |key: &str| match map.get(key) {
        Some(Json::Null) => Json::Null,
        given => {
            let part = |part: &str| {
                given
                    .and_then(|given| given.get(part))
                    .cloned()
                    .unwrap_or(Json::Null)
            };
            json!({ "count": part("count"), "period": part("period") })
        }
    };
    let filter = map.get("filter").cloned().unwrap_or(Json::Null);
    Some(Some(
        json!({ "warn_after": after("warn_after"), "error_after": after("error_after"), "filter": filter }),
    ))
}
