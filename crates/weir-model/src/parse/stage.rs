//! What templates see while a project is parsed: `ref()`, `source()` and `config()` that take down what
//! they are told, and macros that are taken down when they are called.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use weir_jinja::{Call, Dict, Error, ErrorKind, Function, Interpreter, Names, Result, Value};

use super::merge;
use super::stage_objects::{Builtins, Config, Namespace, Reference, graph};
use crate::context::{Context, MacroTable};
use crate::convert::{to_json, to_value};
use crate::node::{ConfigKind, JsonMap, RefArgs, ResourceKind, UniqueId, Version};

/// What is known of a node before its text is rendered.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) kind: ResourceKind,
    pub(super) config_kind: ConfigKind,
    pub(super) id: UniqueId,
    pub(super) name: String,
    pub(super) package: Arc<str>,
    pub(super) path: String,
    pub(super) original_path: String,
    pub(super) fqn: Vec<String>,
    pub(super) database: Option<String>,
    pub(super) schema: String,
    pub(super) raw_code: Arc<str>,
    /// The relation the node would be if it were built as it is known so far: `this`.
    pub(super) this: Value,
}

/// What rendering took down.
#[derive(Debug, Default)]
pub(super) struct Captured {
    pub(super) config: JsonMap,
    pub(super) refs: Vec<RefArgs>,
    pub(super) sources: Vec<(String, String)>,
    pub(super) metrics: Vec<Vec<String>>,
    pub(super) functions: Vec<Vec<String>>,
    pub(super) macros: Vec<UniqueId>,
    seen: HashSet<UniqueId>,
}

impl Captured {
    /// Takes a macro down, once.
    pub(super) fn add_macro(&mut self, id: UniqueId) {
        if self.seen.insert(id.clone()) {
            self.macros.push(id);
        }
    }
}

/// The names of one node while it is parsed.
pub(super) struct Stage {
    me: Weak<Stage>,
    pub(super) facts: Facts,
    pub(super) macros: Arc<MacroTable>,
    captured: Mutex<Captured>,
    /// The context around this stage, for `builtins`.
    pub(super) context: OnceLock<Weak<Context>>,
    /// Keyword arguments that a test's template passes on.
    test_arguments: OnceLock<Value>,
}

impl Stage {
    pub(super) fn new(facts: Facts, macros: Arc<MacroTable>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            facts,
            macros,
            captured: Mutex::default(),
            context: OnceLock::new(),
            test_arguments: OnceLock::new(),
        })
    }

    /// Says which context asks this stage.
    pub(super) fn set_context(&self, context: &Arc<Context>) {
        // Set once by whoever makes both.
        let _ = self.context.set(Arc::downgrade(context));
    }

    /// Gives a test's template the arguments it passes on.
    pub(super) fn set_test_arguments(&self, arguments: Value) {
        let _ = self.test_arguments.set(arguments);
    }

    /// Returns what was taken down.
    pub(super) fn take(&self) -> Captured {
        std::mem::take(&mut *self.lock())
    }

    /// Takes down a macro that was called otherwise than by a template.
    pub(super) fn add_macro(&self, id: UniqueId) {
        self.lock().add_macro(id);
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Captured> {
        self.captured
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Answers what belongs to the node itself, macros left out.
    pub(super) fn own(&self, name: &str) -> Option<Value> {
        Some(match name {
            "ref" => Value::Object(Arc::new(Reference(Weak::clone(&self.me)))),
            "source" => self.function("source", Self::source),
            "metric" => self.function("metric", Self::metric),
            "function" => self.function("function", Self::user_function),
            "config" => Value::Object(Arc::new(Config(Weak::clone(&self.me)))),
            "doc" => Function::value("doc", |_| Ok(Value::str(""))),
            "this" => self.facts.this.clone(),
            "model" => Value::Dict(self.model()),
            "graph" => graph(),
            "database" => to_value(&self.facts.database.as_deref().into()),
            "schema" => Value::str(self.facts.schema.as_str()),
            "pre_hooks" | "post_hooks" => Value::list(Vec::<Value>::new()),
            "sql" | "compiled_code" | "defer_relation" => Value::None,
            "write" | "caller_macro" => Function::value("write", |_| Ok(Value::str(""))),
            "load_agate_table" => Function::value("load_agate_table", |_| Ok(Value::None)),
            "builtins" => Value::Object(Arc::new(Builtins(Weak::clone(&self.me)))),
            "_dbt_generic_test_kwargs" => self.test_arguments.get()?.clone(),
            _ => return None,
        })
    }

    fn function(
        &self,
        name: &'static str,
        body: fn(&Self, &mut Call<'_>) -> Result<Value>,
    ) -> Value {
        let me = Weak::clone(&self.me);
        Function::value(name, move |call| match me.upgrade() {
            Some(stage) => body(&stage, call),
            None => Ok(Value::None),
        })
    }

    pub(super) fn reference(&self, call: &mut Call<'_>) -> Result<Value> {
        let version = call.named("version").or_else(|| call.named("v"));
        let mut texts = Vec::new();
        for value in call.rest() {
            match value {
                Value::Str(text) => texts.push(text.to_string()),
                other => return Err(call.wrong("model", "a string", &other)),
            }
        }
        if let Some(package) = call.named("package") {
            texts.insert(0, package.to_str().to_string());
        }
        let version = match version {
            None | Some(Value::None | Value::Undefined(_)) => None,
            Some(version) => Version::from_json(&to_json(&version)),
        };
        let (package, name) = match <[String; 2]>::try_from(texts) {
            Ok([package, name]) => (Some(package), name),
            Err(mut texts) => match (texts.pop(), texts.len()) {
                (Some(name), 0) => (None, name),
                (_, count) => {
                    let message = format!("ref() takes one or two names ({} given)", count + 1);
                    return Err(Error::new(ErrorKind::Type, message)
                        .with_hint("write ref('model') or ref('package', 'model')"));
                }
            },
        };
        self.lock().refs.push(RefArgs {
            package,
            name,
            version,
        });
        Ok(self.facts.this.clone())
    }

    fn source(&self, call: &mut Call<'_>) -> Result<Value> {
        let source = call.required_str("source_name");
        let table = call.required_str("table_name");
        let (Ok(source), Ok(table)) = (source, table) else {
            return Err(Error::new(
                ErrorKind::Type,
                "source() takes the source's name and the table's",
            )
            .with_hint("write source('source', 'table')"));
        };
        call.finish()?;
        self.lock()
            .sources
            .push((source.to_string(), table.to_string()));
        Ok(self.facts.this.clone())
    }

    fn metric(&self, call: &mut Call<'_>) -> Result<Value> {
        let names: Vec<String> = call
            .rest()
            .iter()
            .map(|name| name.to_str().to_string())
            .collect();
        let shown = names.last().cloned().unwrap_or_default();
        self.lock().metrics.push(names);
        Ok(Value::str(shown))
    }

    fn user_function(&self, call: &mut Call<'_>) -> Result<Value> {
        let names: Vec<String> = call
            .rest()
            .iter()
            .map(|name| name.to_str().to_string())
            .collect();
        let shown = names.last().cloned().unwrap_or_default();
        self.lock().functions.push(names);
        Ok(Value::str(shown))
    }

    pub(super) fn add_config(&self, call: &mut Call<'_>) -> Result<Value> {
        let mut all = JsonMap::new();
        for value in call.rest() {
            match to_json(&value) {
                serde_json::Value::Object(map) => all.extend(map),
                _ => return Err(call.wrong("config", "a mapping", &value)),
            }
        }
        for (key, value) in std::mem::take(&mut call.kwargs) {
            all.insert(key.to_string(), to_json(&value));
        }
        merge::add_call(&mut self.lock().config, self.facts.config_kind, all);
        Ok(Value::str(""))
    }

    fn model(&self) -> Dict {
        let facts = &self.facts;
        let dict = Dict::new();
        dict.set_str("resource_type", facts.kind.as_str());
        dict.set_str("unique_id", facts.id.as_str());
        dict.set_str("name", facts.name.as_str());
        dict.set_str("alias", facts.name.as_str());
        dict.set_str("package_name", Arc::clone(&facts.package));
        dict.set_str("path", facts.path.as_str());
        dict.set_str("original_file_path", facts.original_path.as_str());
        dict.set_str("fqn", Value::list(facts.fqn.iter().map(String::as_str)));
        dict.set_str("database", facts.database.as_deref());
        dict.set_str("schema", facts.schema.as_str());
        dict.set_str("raw_code", Arc::clone(&facts.raw_code));
        dict.set_str("language", "sql");
        dict.set_str(
            "config",
            to_value(&serde_json::Value::Object(
                facts.config_kind.defaults().clone(),
            )),
        );
        for key in ["tags", "refs", "sources", "metrics"] {
            dict.set_str(key, Value::list(Vec::<Value>::new()));
        }
        for key in ["columns", "meta"] {
            dict.set_str(key, Dict::new());
        }
        dict.set_str("description", "");
        let depends = Dict::new();
        depends.set_str("macros", Value::list(Vec::<Value>::new()));
        depends.set_str("nodes", Value::list(Vec::<Value>::new()));
        dict.set_str("depends_on", depends);
        dict
    }
}

impl Names for Stage {
    fn lookup(&self, name: &str, interpreter: &Interpreter) -> Result<Option<Value>> {
        // Projects may cover `ref` and the like by macros of their own.
        let outermost = interpreter.stack().is_empty();
        let Some(found) = self.macros.lookup(&self.facts.package, name) else {
            return Ok(self.own(name));
        };
        match &found {
            Value::Macro(definition) => {
                let core = definition
                    .owner()
                    .is_some_and(|owner| &**owner == crate::library::LIBRARY_PACKAGE);
                // What stages answer comes before the library: nothing there covers a name on purpose.
                if core && let Some(own) = self.own(name) {
                    return Ok(Some(own));
                }
                if outermost && let Some(id) = definition.id() {
                    self.add_macro(UniqueId::from_text(Arc::clone(id)));
                }
                Ok(Some(found))
            }
            _ if outermost => Ok(Some(Value::Object(Arc::new(Namespace {
                package: name.into(),
                inner: found,
                stage: Weak::clone(&self.me),
            })))),
            _ => Ok(Some(found)),
        }
    }

    fn known(&self) -> Vec<String> {
        [
            "ref", "source", "metric", "config", "this", "model", "graph", "builtins", "doc",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("node", &self.facts.id)
            .finish_non_exhaustive()
    }
}
