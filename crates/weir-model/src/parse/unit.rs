//! Unit tests: a model, the rows it is given and the rows it should give.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::merge::{Layers, configure};
use super::properties::{Entry, json_map};
use super::raw::fqn;
use super::read::ReadFile;
use super::work::Work;
use crate::error::ModelError;
use crate::node::{ConfigKind, DependsOn, JsonMap, ResourceKind, UniqueId, UnitTest, Version};
use crate::project::TreeKind;
use crate::python::str_of;
use crate::yaml::Yaml;

/// The fixture files of a project, by package and name.
pub(super) type Fixtures<'f> = HashMap<(Arc<str>, String), &'f ReadFile>;

/// Builds a unit test; rows of CSV are read, inputs and the model are looked up later.
pub(super) fn unit_test(
    work: &Work,
    entry: &Entry,
    fixtures: &Fixtures<'_>,
    errors: &mut Vec<ModelError>,
) -> Option<UnitTest> {
    let package = &entry.file.package;
    let Some(model) = entry.text("model") else {
        let error = entry.error(
            &entry.yaml,
            format!(
                "unit test `{}` does not say which model it tests",
                entry.name
            ),
        );
        errors.push(error.hint("add `model: your_model`"));
        return None;
    };
    let original = entry.file.file.original.to_string();
    let below = original
        .split_once('/')
        .map_or(&*original, |(_, below)| below);
    let mut fqn = fqn(&package.name, below, &model);
    fqn.push(entry.name.clone());
    let patch = json_map(entry.get("config"));
    let empty = JsonMap::new();
    let layers = Layers {
        kind: ConfigKind::UnitTest,
        tree: TreeKind::UnitTests,
        fqn: &fqn,
        patch: Some(&patch),
        call: &empty,
    };
    let (config, _) = configure(work.project(), package, &layers);
    let mut reader = Rows {
        entry,
        fixtures,
        errors,
    };
    let given = entry
        .get("given")
        .and_then(Yaml::as_list)
        .unwrap_or_default();
    let given: Vec<JsonMap> = given
        .iter()
        .filter_map(|input| reader.input(input))
        .collect();
    let expect = match entry.get("expect") {
        Some(expect) => reader.rows(expect),
        None => {
            let error = entry.error(
                &entry.yaml,
                format!("unit test `{}` expects nothing", entry.name),
            );
            reader.errors.push(error.hint("add `expect:` with `rows:`"));
            JsonMap::new()
        }
    };
    let overrides = entry.json("overrides").map(|given| {
        let part = |key: &str| {
            given
                .get(key)
                .filter(|value| !value.is_null())
                .cloned()
                .unwrap_or_else(|| json!({}))
        };
        json!({ "macros": part("macros"), "vars": part("vars"), "env_vars": part("env_vars") })
    });
    let (name, version) = versioned(&model);
    let mut made = UnitTest {
        id: UniqueId::from_text(format!(
            "{}.{}.{model}.{}",
            ResourceKind::UnitTest,
            package.name,
            entry.name
        )),
        name: entry.name.clone(),
        package: Arc::clone(&package.name),
        path: entry.file.file.path.clone(),
        original_path: original,
        fqn,
        model: name,
        version,
        versions: entry.json("versions"),
        given,
        expect,
        overrides,
        description: entry.text("description").unwrap_or_default(),
        schema: None,
        config,
        depends_on: DependsOn::default(),
        tested_node: None,
        checksum: None,
        created_at: work.created_at,
    };
    made.checksum = Some(checksum(&made));
    Some(made)
}

/// `orders.v2` names a version of a model.
fn versioned(model: &str) -> (String, Option<Version>) {
    match model.rsplit_once(".v") {
        Some((name, version)) if !version.is_empty() => {
            let version = version
                .parse()
                .map_or_else(|_| Version::Text(version.to_owned()), Version::Int);
            (name.to_owned(), Some(version))
        }
        _ => (model.to_owned(), None),
    }
}

fn checksum(test: &UnitTest) -> String {
    let all = json!([
        test.model,
        test.versions,
        test.given,
        test.expect,
        test.overrides
    ]);
    crate::hash::sha256_hex(all.to_string().as_bytes())
}

struct Rows<'r> {
    entry: &'r Entry,
    fixtures: &'r Fixtures<'r>,
    errors: &'r mut Vec<ModelError>,
}

impl Rows<'_> {
    fn input(&mut self, yaml: &Yaml) -> Option<JsonMap> {
        let Some(input) = yaml.get("input").and_then(Yaml::scalar_text) else {
            let error = self.entry.error(
                yaml,
                format!("an input of unit test `{}` has no name", self.entry.name),
            );
            self.errors
                .push(error.hint("write `- input: ref('model')`"));
            return None;
        };
        let mut all = JsonMap::new();
        all.insert("input".to_owned(), input.into());
        all.extend(self.rows(yaml));
        Some(all)
    }

    /// Reads `rows` or the fixture, in the format they say they have.
    fn rows(&mut self, yaml: &Yaml) -> JsonMap {
        let format = yaml
            .get("format")
            .and_then(Yaml::scalar_text)
            .unwrap_or_else(|| "dict".to_owned());
        let fixture = yaml.get("fixture").and_then(Yaml::scalar_text);
        let written = yaml.get("rows").filter(|rows| !rows.is_null());
        let text = match (&fixture, written) {
            (Some(fixture), _) => self.fixture(yaml, fixture),
            (None, Some(rows)) => rows.as_str().map(Arc::from),
            (None, None) => None,
        };
        let rows = match (&*format, text, written) {
            ("csv", Some(text), _) => csv_rows(&text),
            ("sql", Some(text), _) => Json::String(text.to_string()),
            ("dict", _, Some(rows)) if rows.as_list().is_some() => rows.to_json(),
            ("dict", None, None) => Json::Null,
            ("csv", None, None) | ("sql", None, None) if fixture.is_some() => Json::Null,
            (format, ..) => {
                let message = format!(
                    "rows of unit test `{}` are not in the format `{format}`",
                    self.entry.name
                );
                let hint = match format {
                    "csv" | "sql" => "write them as one text after `rows: |`, or name a `fixture`",
                    "dict" => "write a list of mappings, or say `format: csv` or `format: sql`",
                    _ => "formats are `dict`, `csv` and `sql`",
                };
                self.errors.push(
                    self.entry
                        .error(written.unwrap_or(yaml), message)
                        .hint(hint),
                );
                Json::Null
            }
        };
        let mut all = JsonMap::new();
        all.insert("rows".to_owned(), first_whole_row_first(rows));
        all.insert("format".to_owned(), format.into());
        all.insert(
            "fixture".to_owned(),
            fixture.map_or(Json::Null, Json::String),
        );
        all
    }

    fn fixture(&mut self, yaml: &Yaml, name: &str) -> Option<Arc<str>> {
        let key = (Arc::clone(&self.entry.file.package.name), name.to_owned());
        if let Some(file) = self.fixtures.get(&key) {
            return Some(Arc::clone(&file.text));
        }
        let known: Vec<&str> = self
            .fixtures
            .keys()
            .map(|(_, name)| name.as_str())
            .collect();
        let error = self
            .entry
            .error(yaml, format!("there is no fixture `{name}`"));
        self.errors
            .push(match weir_core::did_you_mean(name, &known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("put its rows into tests/fixtures/{name}.csv")),
            });
        None
    }
}

/// Reads CSV with a header; an empty value is null.
fn csv_rows(text: &str) -> Json {
    let mut records = records(text.trim()).into_iter();
    let Some(header) = records.next() else {
        return json!([]);
    };
    records
        .filter(|record| record.len() > 1 || record.first().is_some_and(|value| !value.is_empty()))
        .map(|record| {
            let mut record = record.into_iter();
            let row: JsonMap = header
                .iter()
                .map(|name| {
                    let value = record.next().filter(|value| !value.is_empty());
                    (name.clone(), value.map_or(Json::Null, Json::String))
                })
                .collect();
            Json::Object(row)
        })
        .collect()
}

fn records(text: &str) -> Vec<Vec<String>> {
    let mut all = vec![vec![String::new()]];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let Some(record) = all.last_mut() else {
            return all;
        };
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(value) = record.last_mut() {
                    value.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\n' if !quoted => all.push(vec![String::new()]),
            '\r' if !quoted => {}
            c => {
                if let Some(value) = record.last_mut() {
                    value.push(c);
                }
            }
        }
    }
    all
}

/// Warehouses guess types from the first row, so one without nulls is put there.
fn first_whole_row_first(mut rows: Json) -> Json {
    if let Json::Array(items) = &mut rows {
        let whole = items.iter().position(|row| {
            row.as_object().is_some_and(|row| {
                row.values()
                    .all(|value| !value.is_null() && !str_of(value).is_empty())
            })
        });
        if let Some(whole) = whole {
            items.swap(0, whole);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_quotes_and_nulls() {
        let rows = csv_rows("id,name\n1,\"a, \"\"b\"\"\"\n2,\n");
        assert_eq!(
            rows,
            json!([{ "id": "1", "name": "a, \"b\"" }, { "id": "2", "name": null }])
        );
    }
}
