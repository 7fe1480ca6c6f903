//! Variables: whose value a node sees.

use serde_json::Value as Json;

use super::package::Project;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::JsonMap;
use crate::yaml::read;

/// Reads variables, or arguments of a macro, as the command line gives them: a mapping in YAML.
///
/// # Errors
///
/// Text that is no YAML, or no mapping.
pub fn vars_of(text: &str) -> Result<JsonMap, ModelError> {
    let root = read("the command line", text)?.root;
    match root.to_json() {
        Json::Object(vars) => Ok(vars),
        Json::Null => Ok(JsonMap::new()),
        _ => Err(
            ModelError::new(ModelErrorKind::Project, format!("`{text}` is no mapping"))
                .hint("write it like '{key: value}'"),
        ),
    }
}

/// Finds `name` for nodes of `package`: the command line first, then the root's entry for that
/// package, the root's own, and last what the package itself says.
pub(super) fn find<'p>(project: &'p Project, package: &str, name: &str) -> Option<&'p Json> {
    if let Some(value) = project.cli_vars.get(name) {
        return Some(value);
    }
    let root = project.root();
    let scoped = |vars: &'p JsonMap| vars.get(package).and_then(Json::as_object);
    if let Some(value) = scoped(&root.vars).and_then(|vars| vars.get(name)) {
        return Some(value);
    }
    if let Some(value) = plain(project, &root.vars, name) {
        return Some(value);
    }
    if package == &*root.name {
        return None;
    }
    let own = &project.package(package)?.vars;
    scoped(own)
        .and_then(|vars| vars.get(name))
        .or_else(|| plain(project, own, name))
}

/// Returns every variable that nodes of `package` see.
pub(super) fn all_of(project: &Project, package: &str) -> JsonMap {
    let mut all = JsonMap::new();
    let mut lay = |vars: &JsonMap| {
        for (name, value) in vars {
            if !is_section(project, name, value) {
                all.insert(name.clone(), value.clone());
            }
        }
        if let Some(Json::Object(scoped)) = vars.get(package) {
            for (name, value) in scoped {
                all.insert(name.clone(), value.clone());
            }
        }
    };
    if let Some(own) = project.package(package)
        && package != &*project.name
    {
        lay(&own.vars);
    }
    lay(&project.root().vars);
    all.extend(project.cli_vars.clone());
    all
}

fn plain<'p>(project: &Project, vars: &'p JsonMap, name: &str) -> Option<&'p Json> {
    vars.get(name)
        .filter(|value| !is_section(project, name, value))
}

/// A mapping under a package's name holds that package's variables.
fn is_section(project: &Project, name: &str, value: &Json) -> bool {
    value.is_object() && project.packages.contains_key(name)
}
