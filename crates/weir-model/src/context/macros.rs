use std::collections::HashMap;
use std::sync::Arc;

use weir_jinja::{Call, Dict, Error, Interpreter, MacroDef, Object, Result, Value};

use crate::library::LIBRARY_PACKAGE;
use crate::project::Project;

/// The adapters' own macros are in the library; projects may name them by these packages.
const ADAPTER_PACKAGES: [&str; 3] = ["dbt_postgres", "dbt_duckdb", "dbt_weir"];

/// All macros of a project that can be called, by package.
#[derive(Debug, Default)]
pub struct MacroTable {
    root: Arc<str>,
    packages: HashMap<Arc<str>, Arc<HashMap<Arc<str>, MacroDef>>>,
}

impl MacroTable {
    /// Makes a table for a project whose root package is `root`.
    pub fn new(root: impl Into<Arc<str>>) -> Self {
        Self {
            root: root.into(),
            packages: HashMap::new(),
        }
    }

    /// Adds a macro of `package` under its own name; a later one replaces an earlier.
    pub fn add(&mut self, package: impl Into<Arc<str>>, definition: MacroDef) {
        let package = self.packages.entry(package.into()).or_default();
        Arc::make_mut(package).insert(Arc::clone(definition.name()), definition);
    }

    /// Returns the macro of exactly this package.
    pub fn in_package(&self, package: &str, name: &str) -> Option<&MacroDef> {
        let package = if ADAPTER_PACKAGES.contains(&package) {
            LIBRARY_PACKAGE
        } else {
            package
        };
        self.packages.get(package)?.get(name)
    }

    /// Returns the macro that a plain name means to nodes of `package`: their package's, the root's, or
    /// the library's.
    pub fn find(&self, package: &str, name: &str) -> Option<&MacroDef> {
        self.in_package(package, name)
            .or_else(|| self.in_package(&self.root, name))
            .or_else(|| self.in_package(LIBRARY_PACKAGE, name))
    }

    /// Returns a macro or a package as templates of nodes of `package` see it.
    pub(crate) fn lookup(&self, package: &str, name: &str) -> Option<Value> {
        if let Some(found) = self
            .in_package(package, name)
            .or_else(|| self.in_package(&self.root, name))
        {
            return Some(Value::Macro(found.clone()));
        }
        if let Some(namespace) = self.namespace(name) {
            return Some(namespace);
        }
        Some(Value::Macro(
            self.in_package(LIBRARY_PACKAGE, name)?.clone(),
        ))
    }

    /// Returns the macro of a project or package that covers `name`, if there is one: those of the
    /// library are covered by everything.
    pub(crate) fn covering(&self, package: &str, name: &str) -> Option<&MacroDef> {
        let found = self
            .in_package(package, name)
            .or_else(|| self.in_package(&self.root, name))?;
        (found
            .owner()
            .is_none_or(|owner| &**owner != LIBRARY_PACKAGE))
        .then_some(found)
    }

    /// Returns what `name` in `{{ name.macro() }}` is, if it is a package.
    fn namespace(&self, name: &str) -> Option<Value> {
        let package = if ADAPTER_PACKAGES.contains(&name) {
            LIBRARY_PACKAGE
        } else {
            name
        };
        let (name, macros) = self.packages.get_key_value(package)?;
        Some(Value::Object(Arc::new(Namespace {
            package: Arc::clone(name),
            macros: Arc::clone(macros),
        })))
    }

    /// Returns the macro that `adapter.dispatch(name, namespace)` means to nodes of `package`.
    ///
    /// Packages are searched in the project's order for the namespace, or root first and then the
    /// namespace; in each the prefixes of `chain` in their order. What the library says of our engine to a
    /// package by name comes right before what that package says of others.
    pub fn dispatch(
        &self,
        project: &Project,
        chain: &[String],
        package: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<&MacroDef> {
        if let Some((namespace, name)) = name.split_once('.') {
            return Err(Error::custom(format!(
                "adapter.dispatch cannot find `{namespace}.{name}`"
            ))
            .with_hint(format!("write adapter.dispatch('{name}', '{namespace}')")));
        }
        let order: Vec<Option<&str>> = match namespace {
            None => vec![None],
            Some(namespace) => match project.dispatch_order(namespace) {
                Some(order) => order.iter().map(|package| Some(package.as_str())).collect(),
                None if namespace == LIBRARY_PACKAGE || project.package(namespace).is_some() => {
                    vec![Some(&*self.root), Some(namespace)]
                }
                None => vec![None],
            },
        };
        let mut tried = Vec::new();
        for searched in &order {
            if chain.iter().any(|prefix| prefix == "weir")
                && let Some(searched) = searched.filter(|searched| namespace == Some(*searched))
                && let Some(found) =
                    self.in_package(LIBRARY_PACKAGE, &format!("weir_for_{searched}__{name}"))
            {
                return Ok(found);
            }
            for prefix in chain {
                let full = format!("{prefix}__{name}");
                let found = match searched {
                    None => self.find(package, &full),
                    Some(searched) => self.in_package(searched, &full),
                };
                if let Some(found) = found {
                    return Ok(found);
                }
                tried.push(match searched {
                    None => full,
                    Some(searched) => format!("{searched}.{full}"),
                });
            }
        }
        let namespace = namespace.unwrap_or("None");
        Err(Error::custom(format!(
            "In dispatch: No macro named '{name}' found within namespace: '{namespace}'"
        ))
        .with_hint(format!("searched for: {}", tried.join(", "))))
    }

    /// Returns the macro that builds `materialized` nodes of `package`.
    ///
    /// For each prefix of `chain` in its order: the root's, the package's own, another package's, and
    /// last the library's.
    pub fn materialization(
        &self,
        chain: &[String],
        package: &str,
        materialized: &str,
    ) -> Option<&MacroDef> {
        let mut others: Vec<&Arc<str>> = self
            .packages
            .keys()
            .filter(|name| {
                **name != self.root && &***name != LIBRARY_PACKAGE && &***name != package
            })
            .collect();
        others.sort();
        let covered = |name: &str| {
            self.in_package(&self.root, name)
                .or_else(|| self.in_package(package, name))
                .or_else(|| others.iter().find_map(|other| self.in_package(other, name)))
        };
        chain.iter().find_map(|prefix| {
            let name = format!("materialization_{materialized}_{prefix}");
            covered(&name).or_else(|| {
                // A project's own default comes before the library's for an adapter.
                let default = covered(&format!("materialization_{materialized}_default"));
                default.or_else(|| self.in_package(LIBRARY_PACKAGE, &name))
            })
        })
    }

    /// Says whether a project or package has a materialization of its own by that name.
    pub(crate) fn builds_by_itself(&self, materialized: &str) -> bool {
        let prefix = format!("materialization_{materialized}_");
        self.of_projects()
            .any(|(_, found)| found.name().starts_with(&prefix))
    }

    /// Returns the macros that are not the library's, each with its package.
    pub(crate) fn of_projects(&self) -> impl Iterator<Item = (&str, &MacroDef)> {
        let packages = self.packages.iter();
        packages
            .filter(|(package, _)| &***package != LIBRARY_PACKAGE)
            .flat_map(|(package, macros)| macros.values().map(|found| (&**package, found)))
    }

    /// Returns the names that could be meant, for hints.
    pub(crate) fn names(&self, package: &str) -> Vec<String> {
        let own = [package, &*self.root, LIBRARY_PACKAGE];
        let macros = own.iter().filter_map(|package| self.packages.get(*package));
        let mut names: Vec<String> = macros
            .flat_map(|macros| macros.keys().map(|name| name.to_string()))
            .collect();
        names.extend(self.packages.keys().map(|name| name.to_string()));
        names
    }
}

/// A package as templates see it.
#[derive(Debug)]
struct Namespace {
    package: Arc<str>,
    macros: Arc<HashMap<Arc<str>, MacroDef>>,
}

impl Namespace {
    fn find(&self, name: &str) -> Option<Value> {
        self.macros
            .get(name)
            .map(|found| Value::Macro(found.clone()))
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
        self.macros.keys().map(|name| name.to_string()).collect()
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
            Value::Str(
                definition
                    .id()
                    .map_or_else(|| Arc::clone(definition.name()), Arc::clone),
            )
        })
        .collect();
    let stack = Dict::new();
    stack.set_str(
        "depth",
        Value::Int(i64::try_from(ids.len()).unwrap_or(i64::MAX)),
    );
    stack.set_str("call_stack", Value::list(ids));
    Value::Dict(stack)
}
