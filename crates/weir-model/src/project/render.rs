//! Templates in a project's own YAML files, and the little they may use.

use std::collections::HashMap;
use std::sync::Arc;

use weir_jinja::{
    Call, Environment, Error, ErrorKind, Function, Interpreter, Names, Template, Value,
};

use super::package::{Package, Project, Target};
use crate::convert::{to_json, to_value};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::JsonMap;
use crate::yaml::{Yaml, YamlValue};

/// The environment variables of whoever runs a command: given, never asked of the process.
pub type EnvVars = Arc<HashMap<String, String>>;

/// Variables that begin so are secrets: only profiles and packages may read them.
pub const SECRET_PREFIX: &str = "DBT_ENV_SECRET";

/// Makes `env_var(name, default)`.
pub fn env_var(env: EnvVars, secrets: bool) -> Value {
    Function::value("env_var", move |call: &mut Call<'_>| {
        let name = call.required_str("var")?;
        let default = call.optional("default")?;
        call.finish()?;
        if name.starts_with(SECRET_PREFIX) && !secrets {
            return Err(
                Error::custom(format!("the secret `{name}` may not be read here"))
                    .with_hint("secrets are for profiles.yml and packages.yml only"),
            );
        }
        match (env.get(&*name), default) {
            (Some(value), _) => Ok(Value::str(value.as_str())),
            (None, Some(default)) if !default.is_undefined() => Ok(default),
            (None, _) => Err(
                Error::custom(format!("Env var required but not provided: '{name}'")).with_hint(
                    format!("set it, or give a default: env_var('{name}', 'default')"),
                ),
            ),
        }
    })
}

/// Makes `var(name, default)` over a fixed set of variables.
pub(crate) fn plain_var(vars: JsonMap, needed: bool) -> Value {
    Function::value("var", move |call: &mut Call<'_>| {
        let name = call.required_str("name")?;
        let default = call.optional("default")?;
        call.finish()?;
        match (vars.get(&*name), default) {
            (Some(value), _) => Ok(to_value(value)),
            (None, Some(default)) => Ok(default),
            (None, None) if !needed => Ok(Value::None),
            (None, None) => Err(Error::custom(format!("Required var '{name}' not found"))
                .with_hint(format!(
                    "give it by --vars '{{{name}: ...}}', or give var() a default"
                ))),
        }
    })
}

/// The names that YAML of a project may use before any model is known.
pub(crate) struct YamlNames {
    names: Vec<(&'static str, Value)>,
}

/// Makes the names for dbt_project.yml, profiles.yml and packages.yml.
pub(crate) fn render_names(
    env: EnvVars,
    vars: &JsonMap,
    target: Option<&Target>,
    secrets: bool,
) -> YamlNames {
    let mut names = vec![
        ("env_var", env_var(env, secrets)),
        ("var", plain_var(vars.clone(), true)),
    ];
    if let Some(target) = target {
        names.push(("target", target.to_value()));
    }
    YamlNames { names }
}

impl Names for YamlNames {
    fn lookup(&self, name: &str, _: &Interpreter) -> weir_jinja::Result<Option<Value>> {
        Ok(self
            .names
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone()))
    }

    fn known(&self) -> Vec<String> {
        self.names
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }
}

impl Project {
    /// Returns what packages find under `builtins.ref.config`: names and versions of all packages.
    pub(crate) fn to_value(&self) -> Value {
        let one = |package: &Package| {
            vec![
                ("project_name", Value::str(Arc::clone(&package.name))),
                ("version", package.version.as_deref().into()),
                (
                    "vars",
                    to_value(&serde_json::Value::Object(package.vars.clone())),
                ),
            ]
        };
        let all = self
            .packages
            .iter()
            .map(|(name, package)| (Arc::clone(name), Value::dict(one(package))));
        let mut entries = one(self.root());
        entries.push(("dependencies", Value::dict(all)));
        entries.push(("target_name", Value::str(self.target.name.as_str())));
        entries.push((
            "profile_name",
            Value::str(self.target.profile_name.as_str()),
        ));
        Value::dict(entries)
    }
}

impl Target {
    /// Returns `target` as templates see it, without secrets.
    pub fn to_value(&self) -> Value {
        let mut map: JsonMap = self
            .fields
            .iter()
            .filter(|(key, _)| !is_secret(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        map.insert("type".to_owned(), self.kind.as_str().into());
        map.insert("threads".to_owned(), self.threads.into());
        map.insert("name".to_owned(), self.name.as_str().into());
        map.insert("target_name".to_owned(), self.name.as_str().into());
        map.insert("profile_name".to_owned(), self.profile_name.as_str().into());
        map.insert("schema".to_owned(), self.schema.as_str().into());
        let database = self
            .database
            .as_deref()
            .map_or(serde_json::Value::Null, Into::into);
        if map.contains_key("dbname") || self.kind == "postgres" {
            map.insert("dbname".to_owned(), database.clone());
        }
        map.insert("database".to_owned(), database);
        to_value(&serde_json::Value::Object(map))
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "pass",
        "password",
        "token",
        "secret",
        "private_key",
        "keyfile_json",
    ]
    .iter()
    .any(|word| key == *word || key.ends_with(&format!("_{word}")))
}

/// Renders every text of `yaml` for which `wanted` says so, given the keys that lead to it.
///
/// A text that is one expression becomes the expression's value. What fails is reported and left as
/// written.
pub(crate) fn render_tree(
    yaml: &mut Yaml,
    file: &str,
    text: &str,
    environment: &Arc<Environment>,
    names: &dyn Names,
    wanted: &dyn Fn(&[&str]) -> bool,
) -> Vec<ModelError> {
    let mut errors = Vec::new();
    let mut interpreter = Interpreter::new(Arc::clone(environment));
    let mut render = |template: &str, line: u32, column: u32| {
        render_one(&mut interpreter, names, file, template).map_err(|error| {
            errors.push(
                error
                    .at(Place::at(file, line, column))
                    .excerpt(excerpt(text, line, column)),
            );
        })
    };
    walk(yaml, &mut Vec::new(), wanted, &mut render);
    errors
}

fn walk(
    yaml: &mut Yaml,
    path: &mut Vec<String>,
    wanted: &dyn Fn(&[&str]) -> bool,
    render: &mut impl FnMut(&str, u32, u32) -> Result<serde_json::Value, ()>,
) {
    match &mut yaml.value {
        YamlValue::Text(text) => {
            let plain = !has_template(text);
            if plain && !text.ends_with('\n') {
                return;
            }
            let keys: Vec<&str> = path.iter().map(String::as_str).collect();
            if plain {
                if wanted(&keys) {
                    text.pop();
                }
                return;
            }
            if wanted(&keys)
                && let Ok(value) = render(text, yaml.line, yaml.column)
            {
                *yaml = Yaml::from_json(&value, yaml.line, yaml.column);
            }
        }
        YamlValue::List(items) => {
            for item in items {
                walk(item, path, wanted, render);
            }
        }
        YamlValue::Map(map) => {
            for entry in map.iter_mut() {
                path.push(entry.key.clone());
                walk(&mut entry.value, path, wanted, render);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Says whether rendering could change `text`.
pub(crate) fn has_template(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'{', bytes).any(|at| matches!(bytes.get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// Renders one text as a value.
pub(crate) fn render_one(
    interpreter: &mut Interpreter,
    names: &dyn Names,
    file: &str,
    template: &str,
) -> Result<serde_json::Value, ModelError> {
    // A template's last line break is no part of it, as in blocks of YAML.
    let template = template.strip_suffix('\n').unwrap_or(template);
    Template::parse(file, template)
        .and_then(|parsed| interpreter.render_native(&parsed, names))
        .map(|value| match value {
            // An undefined name prints as nothing.
            Value::Undefined(_) => serde_json::Value::String(String::new()),
            value => to_json(&value),
        })
        .map_err(|error| template_error(error, template))
}

/// Wraps an error of a template that stands in YAML.
pub(crate) fn template_error(error: Error, template: &str) -> ModelError {
    let shown: String = template.chars().take(120).collect();
    let hint = error.hint().map(str::to_owned);
    let undefined = error.kind() == ErrorKind::Undefined;
    let made = ModelError::new(
        ModelErrorKind::Template,
        format!("cannot render `{shown}`: {}", error.message()),
    );
    match hint {
        Some(hint) => made.hint(hint),
        None if undefined => {
            made.hint("here only `var`, `env_var`, `target` and plain functions exist")
        }
        None => made,
    }
}
