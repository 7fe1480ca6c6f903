//! profiles.yml: where relations are built.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use weir_core::did_you_mean;
use weir_jinja::Environment;

use super::load::LoadOptions;
use super::package::Target;
use super::render::{render_names, render_tree};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::JsonMap;
use crate::yaml::{Yaml, read};

/// Targets of these names are for everybody.
const PRODUCTION: [&str; 3] = ["default", "prod", "production"];

/// The target of a project without profiles: this Weir.
pub(super) fn default_target(profile: &str, options: &LoadOptions) -> Target {
    let mut fields = JsonMap::new();
    fields.insert("type".to_owned(), "weir".into());
    let target = Target {
        profile_name: profile.to_owned(),
        name: "default".to_owned(),
        kind: "weir".to_owned(),
        database: Some("weir".to_owned()),
        schema: "main".to_owned(),
        threads: options.threads.unwrap_or(4),
        fields,
        production: PRODUCTION.map(str::to_owned).to_vec(),
    };
    match options.target.as_deref() {
        None => target,
        Some(name) if PRODUCTION.contains(&name) => Target {
            name: name.to_owned(),
            ..target
        },
        Some(name) => target.environment(name),
    }
}

/// Finds the target: the named profile's output of profiles.yml, or this Weir where there is none.
pub(super) fn target(
    options: &LoadOptions,
    named: Option<&str>,
    warnings: &mut Vec<ModelError>,
) -> Result<Target, Vec<ModelError>> {
    let profile = options.profile.as_deref().or(named).unwrap_or("default");
    let Some(path) = find(options)? else {
        return Ok(default_target(profile, options));
    };
    let shown = shown_path(options, &path);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        vec![
            ModelError::new(ModelErrorKind::File, "cannot read profiles.yml")
                .at(Place::file(shown.as_str()))
                .caused_by(error),
        ]
    })?;
    let document = read(&shown, &text).map_err(|error| vec![error])?;
    warnings.extend(document.warnings);
    let reader = Reader {
        options,
        shown: &shown,
        text: &text,
    };
    reader.target(&document.root, profile, warnings)
}

fn find(options: &LoadOptions) -> Result<Option<PathBuf>, Vec<ModelError>> {
    let named = options.profiles_dir.clone().or_else(|| {
        options
            .env
            .get("DBT_PROFILES_DIR")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    });
    if let Some(folder) = named {
        let path = folder.join("profiles.yml");
        if path.is_file() {
            return Ok(Some(path));
        }
        let error = ModelError::new(
            ModelErrorKind::Project,
            "there is no profiles.yml in the given folder",
        )
        .at(Place::file(path.display().to_string()))
        .hint("check --profiles-dir and DBT_PROFILES_DIR");
        return Err(vec![error]);
    }
    let home = options.home.as_ref().map(|home| home.join(".dbt"));
    Ok([Some(options.project_dir.clone()), home]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("profiles.yml"))
        .find(|path| path.is_file()))
}

fn shown_path(options: &LoadOptions, path: &Path) -> String {
    path.strip_prefix(&options.project_dir)
        .unwrap_or(path)
        .display()
        .to_string()
}

struct Reader<'r> {
    options: &'r LoadOptions,
    shown: &'r str,
    text: &'r str,
}

impl Reader<'_> {
    fn target(
        &self,
        root: &Yaml,
        profile: &str,
        warnings: &mut Vec<ModelError>,
    ) -> Result<Target, Vec<ModelError>> {
        let Some(found) = root.get(profile) else {
            if self.options.profile.is_some() {
                let error = self.error(root, format!("there is no profile `{profile}`"));
                return Err(vec![error.hint(self.known(root, profile))]);
            }
            let warning = self.error(
                root,
                format!("there is no profile `{profile}`; this Weir is the target"),
            );
            warnings.push(warning.hint(self.known(root, profile)));
            return Ok(default_target(profile, self.options));
        };
        let environment = &self.options.environment;
        let outputs = found.get("outputs").unwrap_or(found);
        // Only what is chosen is rendered: other outputs may need variables that nobody set.
        let usual = || -> Result<String, Vec<ModelError>> {
            match found.get("target") {
                Some(target) => {
                    let mut target = target.clone();
                    self.render(&mut target, environment)?;
                    Ok(target.scalar_text().unwrap_or_default())
                }
                None => Ok("default".to_owned()),
            }
        };
        let named = self.options.target.as_ref();
        let is_output = |name: &&String| outputs.get(name).is_some();
        let chosen = match named.filter(is_output) {
            Some(name) => name.clone(),
            None => usual()?,
        };
        let output = outputs.get(&chosen).map(|output| {
            let mut output = output.clone();
            self.render(&mut output, environment)?;
            self.read(&output, profile, &chosen)
        });
        let missing = |name: &str| {
            let error = self.error(found, format!("profile `{profile}` has no output `{name}`"));
            vec![error.hint(self.known(outputs, name))]
        };
        let mut target = output.ok_or_else(|| missing(named.unwrap_or(&chosen)))??;
        let known = PRODUCTION.iter().filter(|name| outputs.get(name).is_some());
        target.production = known.map(|name| (*name).to_owned()).collect();
        if target.production.is_empty() {
            target.production = vec![usual()?];
        }
        match named {
            Some(name) if *name != chosen => {
                // On a server of their own people's schemas are for its outputs to say.
                let is_ours = target.kind != "postgres" || self.options.here;
                match is_ours {
                    true => Ok(target.environment(name)),
                    false => Err(missing(name)),
                }
            }
            _ => Ok(target),
        }
    }

    fn read(&self, output: &Yaml, profile: &str, name: &str) -> Result<Target, Vec<ModelError>> {
        let Json::Object(mut fields) = output.to_json() else {
            return Err(vec![
                self.error(output, format!("output `{name}` is no mapping")),
            ]);
        };
        let text = |fields: &JsonMap, key: &str| {
            fields
                .get(key)
                .filter(|value| !value.is_null())
                .map(crate::python::str_of)
        };
        let Some(kind) = text(&fields, "type") else {
            let error = self.error(output, format!("output `{name}` does not say its `type`"));
            return Err(vec![error.hint("add `type: weir`, or `type: postgres`")]);
        };
        let database = text(&fields, "database")
            .or_else(|| text(&fields, "dbname"))
            .or_else(|| text(&fields, "project"))
            .or_else(|| text(&fields, "catalog"))
            .or_else(|| default_database(&kind, text(&fields, "path").as_deref()));
        let schema = text(&fields, "schema").or_else(|| text(&fields, "dataset"));
        let schema = match schema {
            Some(schema) => schema,
            None if matches!(&*kind, "weir" | "duckdb") => "main".to_owned(),
            None => {
                let error =
                    self.error(output, format!("output `{name}` does not say its `schema`"));
                return Err(vec![error.hint("add `schema: your_schema`")]);
            }
        };
        let threads = self.options.threads.or_else(|| {
            fields
                .get("threads")
                .and_then(Json::as_u64)
                .and_then(|count| usize::try_from(count).ok())
        });
        if kind == "duckdb" && !fields.contains_key("path") {
            fields.insert("path".to_owned(), ":memory:".into());
        }
        Ok(Target {
            profile_name: profile.to_owned(),
            name: name.to_owned(),
            database,
            schema,
            threads: threads.unwrap_or(if kind == "weir" { 4 } else { 1 }).max(1),
            kind,
            fields,
            production: Vec::new(),
        })
    }

    fn render(
        &self,
        yaml: &mut Yaml,
        environment: &Arc<Environment>,
    ) -> Result<(), Vec<ModelError>> {
        let names = render_names(
            Arc::clone(&self.options.env),
            &self.options.vars,
            None,
            true,
        );
        let errors = render_tree(yaml, self.shown, self.text, environment, &names, &|_| true);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn known(&self, map: &Yaml, wanted: &str) -> String {
        let known: Vec<&str> = map
            .as_map()
            .map(|map| {
                map.iter()
                    .map(|entry| entry.key.as_str())
                    .filter(|key| *key != "config")
                    .collect()
            })
            .unwrap_or_default();
        match did_you_mean(wanted, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "add it".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        }
    }

    fn error(&self, at: &Yaml, message: String) -> ModelError {
        ModelError::new(ModelErrorKind::Project, message)
            .at(Place::at(self.shown, at.line, at.column))
            .excerpt(excerpt(self.text, at.line, at.column))
    }
}

fn default_database(kind: &str, path: Option<&str>) -> Option<String> {
    match kind {
        "weir" => Some("weir".to_owned()),
        // DuckDB names a database after its file.
        "duckdb" => Some(match path {
            None | Some(":memory:") => "memory".to_owned(),
            Some(path) => {
                let file = path.rsplit('/').next().unwrap_or(path);
                file.rsplit_once('.')
                    .map_or(file, |(stem, _)| stem)
                    .to_owned()
            }
        }),
        _ => None,
    }
}
