use std::sync::Weak;

use serde_json::{Value as Json, json};
use weir_jinja::{Call, Error, Object, Result, Value};

use super::stage::Stage;
use crate::context::Shared;
use crate::convert::to_value;
use crate::node::JsonMap;

/// `ref`: a function, and the way by which packages get at the project's configuration.
#[derive(Debug)]
pub(super) struct Reference(pub(super) Weak<Stage>);

impl Object for Reference {
    fn type_name(&self) -> &str {
        "RuntimeRefResolver"
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        match self.0.upgrade() {
            Some(stage) => stage.reference(call),
            None => Err(Error::custom("`ref` outlived its node")),
        }
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let Some(stage) = self.0.upgrade() else {
            return Ok(None);
        };
        let shared = stage.shared();
        Ok(match name {
            "config" => Some(to_value(&configuration(shared))),
            "current_project" => Some(Value::str(std::sync::Arc::clone(&shared.project.name))),
            _ => None,
        })
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The project's configuration as packages read it that look behind `ref`: names, versions, the target
/// and the command line.
fn configuration(shared: &Shared) -> Json {
    let project = &shared.project;
    let packages: JsonMap = project
        .packages
        .iter()
        .map(|(name, package)| {
            let json = json!({ "project_name": &**name, "version": package.version, "vars": package.vars });
            (name.to_string(), json)
        })
        .collect();
    let target = &project.target;
    json!({
        "project_name": &*project.name,
        "version": project.root().version,
        "profile_name": target.profile_name,
        "target_name": target.name,
        "threads": target.threads,
        "target_path": project.root().target_path,
        "credentials": { "type": target.kind, "schema": target.schema, "database": target.database },
        "cli_vars": project.cli_vars,
        "vars": project.vars_of(&project.name),
        "dependencies": packages,
        "args": shared.flags.to_json(),
    })
}
