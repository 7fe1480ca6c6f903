use std::sync::Arc;

use weir_jinja::{Call, Dict, Error, Interpreter, MacroDef, Object, Result, Value};

use crate::library::LIBRARY_PACKAGE;
use crate::parse::MacroIndex;
use crate::project::Project;

/// The adapters' own macros are in the library; projects may name them by these packages.
const ADAPTER_PACKAGES: [&str; 3] = ["dbt_postgres", "dbt_duckdb", "dbt_weir"];

/// Returns a macro or a package as nodes of `package` see it.
pub(super) fn lookup(index: &Arc<MacroIndex>, root: &str, package: &str, name: &str) -> Option<Value> {
    if let Some(found) = index.in_package(package, name).or_else(|| index.in_package(root, name)) {
        return Some(Value::Macro(found.clone()));
    }
    if let Some(namespace) = namespace(index, name) {
        return Some(namespace);
    }
    Some(Value::Macro(index.in_package(LIBRARY_PACKAGE, name)?.clone()))
}

/// Returns what `name` in `{{ name.macro() }}` is, if it is a package.
fn namespace(index: &Arc<MacroIndex>, name: &str) -> Option<Value> {
    let package = if ADAPTER_PACKAGES.contains(&name) { LIBRARY_PACKAGE } else { name };
    index.has_package(package).then(|| {
        Value::Object(Arc::new(Namespace { index: Arc::clone(index), package: package.into() }))
    })
}

/// Returns the macro that `adapter.dispatch(name, namespace)` means to nodes of `package`.
pub(super) fn dispatch(
    index: &MacroIndex,
    project: &Project,
    chain: &[String],
    package: &str,
    name: &str,
    namespace: Option<&str>,
) -> Result<MacroDef> {
    if let Some((namespace, name)) = name.split_once('.') {
        return Err(Error::custom(format!("adapter.dispatch cannot find `{namespace}.{name}`"))
            .with_hint(format!("write adapter.dispatch('{name}', '{namespace}')")));
    }
    index.dispatch(project, package, name, namespace, chain).cloned().map_err(|tried| {
        let namespace = namespace.unwrap_or("None");
        Error::custom(format!(
            "In dispatch: No macro named '{name}' found within namespace: '{namespace}'"
        ))
        .with_hint(format!("searched for: {}", tried.join(", ")))
    })
}

/// A package as templates see it.
#[derive(Debug)]
struct Namespace {
    index: Arc<MacroIndex>,
    package: Arc<str>,
}

impl Namespace {
    fn find(&self, name: &str) -> Option<Value> {
        self.index.in_package(&self.package, name).map(|found| Value::Macro(found.clone()))
    }
}

impl Object for Namespace {
    fn type_name(&self) -> &str {
        "package"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.find(name))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(key.as_str().and_then(|name| self.find(name)))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if let Some(found) = self.find(name) {
            let args = call.take_all();
            return call.call(&found, args).map(Some);
        }
        if name != "get" {
            return Ok(None);
        }
        let key = call.required_str("key")?;
        let default = call.optional("default")?.unwrap_or(Value::None);
        Ok(Some(self.find(&key).unwrap_or(default)))
    }

    fn attributes(&self) -> Vec<String> {
        self.index.names(&self.package).iter().map(|name| name.to_string()).collect()
    }

    fn contains(&self, value: &Value) -> Result<bool> {
        Ok(value.as_str().is_some_and(|name| self.find(name).is_some()))
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn repr(&self) -> String {
        format!("<package {}>", self.package)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `context_macro_stack`: what is running, by unique ids.
pub(super) fn stack_value(interpreter: &Interpreter) -> Value {
    let ids: Vec<Value> = interpreter
        .stack()
        .iter()
        .map(|running| {
            let definition = &running.definition;
            Value::Str(definition.id().map_or_else(|| Arc::clone(definition.name()), Arc::clone))
        })
        .collect();
    let stack = Dict::new();
    stack.set_str("depth", Value::Int(i64::try_from(ids.len()).unwrap_or(i64::MAX)));
    stack.set_str("call_stack", Value::list(ids));
    Value::Dict(stack)
}
