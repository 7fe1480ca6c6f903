//! selectors.yml: selections with names.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;
use weir_core::did_you_mean;

use super::spec::{Criteria, Indirect, Spec};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::JsonMap;
use crate::yaml::{Yaml, YamlValue, read};

/// The selectors of a project by name.
#[derive(Debug, Clone, Default)]
pub struct Selectors {
    all: IndexMap<String, Spec>,
    /// What is chosen when nothing is said.
    default: Option<String>,
    /// As artifacts hold them.
    definitions: JsonMap,
}

impl Selectors {
    /// Reads selectors.yml of the project in `root`; a project without one has none.
    ///
    /// # Errors
    ///
    /// Everything in the file that is no selection.
    pub fn read(root: &Path, indirect: Indirect) -> Result<Self, Vec<ModelError>> {
        Self::read_with(root, indirect, &|_, _| Vec::new())
    }

    /// Reads selectors.yml; `render` renders its templates, given the tree and the file's text.
    pub(crate) fn read_with(
        root: &Path,
        indirect: Indirect,
        render: &dyn Fn(&mut Yaml, &str) -> Vec<ModelError>,
    ) -> Result<Self, Vec<ModelError>> {
        let Ok(text) = std::fs::read_to_string(root.join("selectors.yml")) else {
            return Ok(Self::default());
        };
        let mut yaml = read("selectors.yml", &text)
            .map_err(|error| vec![error])?
            .root;
        let errors = render(&mut yaml, &text);
        let mut reader = Reader {
            text: &text,
            indirect,
            errors,
            out: Self::default(),
        };
        reader.all(&yaml);
        if reader.errors.is_empty() {
            Ok(reader.out)
        } else {
            Err(reader.errors)
        }
    }

    /// Returns the selector called `name`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&Spec, ModelError> {
        self.all.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.all.keys().map(String::as_str).collect();
            let hint = match did_you_mean(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "define it in selectors.yml".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            };
            super::spec::error(format!("there is no selector `{name}`"), hint)
        })
    }

    /// Returns what is chosen when a command says nothing, if the file says that.
    pub fn default_spec(&self) -> Option<&Spec> {
        self.default.as_ref().and_then(|name| self.all.get(name))
    }

    /// Returns the definitions as manifest.json holds them.
    pub fn definitions(&self) -> &JsonMap {
        &self.definitions
    }
}

struct Reader<'r> {
    text: &'r str,
    indirect: Indirect,
    errors: Vec<ModelError>,
    out: Selectors,
}

impl Reader<'_> {
    fn all(&mut self, root: &Yaml) {
        for item in root
            .get("selectors")
            .and_then(Yaml::as_list)
            .unwrap_or_default()
        {
            let Some(name) = item.get("name").and_then(Yaml::scalar_text) else {
                self.fail(item, "a selector has no name", "add `name:`");
                continue;
            };
            let Some(definition) = item.get("definition") else {
                self.fail(
                    item,
                    format!("selector `{name}` has no definition"),
                    "add `definition:`",
                );
                continue;
            };
            if self.out.all.contains_key(&name) {
                self.fail(
                    item,
                    format!("selector `{name}` is defined twice"),
                    "rename one",
                );
                continue;
            }
            if let Some(spec) = self.definition(definition, 0) {
                let mut whole = JsonMap::new();
                whole.insert("name".to_owned(), name.as_str().into());
                whole.insert(
                    "description".to_owned(),
                    item.get("description")
                        .map_or(Json::from(""), Yaml::to_json),
                );
                whole.insert("definition".to_owned(), definition.to_json());
                self.out
                    .definitions
                    .insert(name.clone(), Json::Object(whole));
                self.out.all.insert(name.clone(), spec);
            }
            // A text here may be a template that was rendered to one.
            let is_default = item.get("default").is_some_and(|value| {
                value.as_bool() == Some(true)
                    || value
                        .as_str()
                        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
            });
            if is_default {
                match &self.out.default {
                    Some(first) => {
                        let message =
                            format!("both `{first}` and `{name}` are the default selector");
                        self.fail(item, message, "keep `default: true` at one of them");
                    }
                    None => self.out.default = Some(name),
                }
            }
        }
    }

    fn definition(&mut self, yaml: &Yaml, depth: usize) -> Option<Spec> {
        if depth > 32 {
            self.fail(
                yaml,
                "this definition nests too deeply",
                "name parts of it, and use `method: selector`",
            );
            return None;
        }
        match &yaml.value {
            YamlValue::Text(text) => match Criteria::read(text, self.indirect) {
                Ok(criteria) => Some(Spec::Criteria(criteria)),
                Err(error) => {
                    let hint = error.hint_text().unwrap_or_default().to_owned();
                    self.fail(yaml, error.message().to_owned(), hint);
                    None
                }
            },
            YamlValue::Map(map) => {
                if let Some(parts) = map.get("union") {
                    return self.joined(
                        parts,
                        depth,
                        Spec::Union as fn(Vec<Spec>, Indirect) -> Spec,
                    );
                }
                if let Some(parts) = map.get("intersection") {
                    return self.joined(
                        parts,
                        depth,
                        Spec::Intersection as fn(Vec<Spec>, Indirect) -> Spec,
                    );
                }
                if map.get("method").is_some() {
                    return self.criteria(yaml, depth);
                }
                // `tag: nightly`, the short form.
                let mut entries = map.iter();
                if let (Some(entry), None) = (entries.next(), entries.next())
                    && let Some(value) = entry.value.scalar_text()
                {
                    return Some(Spec::Criteria(self.method(yaml, &entry.key, &value)));
                }
                self.fail(
                    yaml,
                    "this is no definition",
                    "write `method:` and `value:`, `union:` or `intersection:`",
                );
                None
            }
            _ => {
                self.fail(
                    yaml,
                    "this is no definition",
                    "write a selection as text, or `method:` and `value:`",
                );
                None
            }
        }
    }

    /// Joins a list, without what its `exclude` names.
    fn joined(
        &mut self,
        parts: &Yaml,
        depth: usize,
        join: fn(Vec<Spec>, Indirect) -> Spec,
    ) -> Option<Spec> {
        let mut chosen = Vec::new();
        let mut excluded = Vec::new();
        for part in parts.as_list().unwrap_or_default() {
            let exclude = part
                .as_map()
                .filter(|map| map.len() == 1)
                .and_then(|map| map.get("exclude"));
            match exclude {
                Some(list) => {
                    for item in list.as_list().unwrap_or_default() {
                        excluded.extend(self.definition(item, depth + 1));
                    }
                }
                None => chosen.extend(self.definition(part, depth + 1)),
            }
        }
        if chosen.is_empty() {
            self.fail(
                parts,
                "nothing is joined here",
                "list at least one definition",
            );
            return None;
        }
        Some(self.without(join(chosen, self.indirect), excluded))
    }

    fn without(&self, chosen: Spec, excluded: Vec<Spec>) -> Spec {
        if excluded.is_empty() {
            return chosen;
        }
        let mut parts = vec![chosen];
        parts.extend(excluded);
        Spec::Difference(parts, self.indirect)
    }

    fn method(&self, yaml: &Yaml, method: &str, value: &str) -> Criteria {
        let mut words = method.split('.');
        let flag = |key: &str| yaml.get(key).and_then(Yaml::as_bool).unwrap_or(false);
        let depth = |key: &str| {
            yaml.get(key)
                .and_then(Yaml::scalar_text)
                .and_then(|text| text.parse::<usize>().ok())
        };
        let indirect = yaml
            .get("indirect_selection")
            .and_then(Yaml::as_str)
            .and_then(Indirect::parse);
        Criteria {
            raw: format!("{method}:{value}"),
            method: words.next().unwrap_or_default().to_owned(),
            arguments: words.map(str::to_owned).collect(),
            value: value.to_owned(),
            childrens_parents: flag("childrens_parents"),
            parents: flag("parents").then(|| depth("parents_depth")),
            children: flag("children").then(|| depth("children_depth")),
            indirect: indirect.unwrap_or(self.indirect),
        }
    }

    fn criteria(&mut self, yaml: &Yaml, depth: usize) -> Option<Spec> {
        let text = |key: &str| yaml.get(key).and_then(Yaml::scalar_text);
        let (Some(method), Some(value)) = (text("method"), text("value")) else {
            self.fail(
                yaml,
                "a definition by `method` needs a `value`",
                "add `value:`",
            );
            return None;
        };
        let chosen = Spec::Criteria(self.method(yaml, &method, &value));
        let mut excluded = Vec::new();
        for item in yaml
            .get("exclude")
            .and_then(Yaml::as_list)
            .unwrap_or_default()
        {
            excluded.extend(self.definition(item, depth + 1));
        }
        Some(self.without(chosen, excluded))
    }

    fn fail(&mut self, at: &Yaml, message: impl Into<String>, hint: impl Into<String>) {
        let file: Arc<str> = "selectors.yml".into();
        self.errors.push(
            ModelError::new(ModelErrorKind::Selection, message)
                .at(Place::at(file, at.line, at.column))
                .excerpt(excerpt(self.text, at.line, at.column))
                .hint(hint),
        );
    }
}
