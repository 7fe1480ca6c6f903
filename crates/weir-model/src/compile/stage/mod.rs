mod model;
mod references;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::json;
use weir_jinja::{Call, Error, Function, Interpreter, Names, Result, Value};

use crate::compile::config::Config;
use crate::compile::graph_value::graph;
use crate::compile::reference::Reference;
use crate::compile::{Compiler, UnitScope};
use crate::context::{Context, Shared, node_error, rendered_var};
use crate::convert::to_value;
use crate::error::ModelErrorKind;
use crate::node::{Node, NodeConfig, ResourceKind, Source, UniqueId};

/// What templates of a node are rendered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The node's own SQL.
    Compile,
    /// The macro that builds the node.
    Build,
    /// A hook or a macro called by itself, which may read whatever it names.
    Operation,
}

/// The time of one batch of a microbatch model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The start, as short as the size allows: `20240301`.
    pub(crate) id: String,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
}

/// What a stage is made of.
#[derive(Clone, Debug)]
pub(crate) struct StageParts {
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) node: Arc<Node>,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) purpose: Purpose,
    /// The node's SQL, once it is known.
    pub(crate) sql: Option<Arc<str>>,
    pub(crate) batch: Option<Batch>,
    pub(crate) unit: Option<Arc<UnitScope>>,
    /// Names of this rendering alone, such as `results`.
    pub(crate) extra: Vec<(&'static str, Value)>,
}

impl StageParts {
    /// Describes the rendering of a node for `purpose`.
    pub(crate) fn new(compiler: Arc<Compiler>, node: Arc<Node>, purpose: Purpose) -> Self {
        Self {
            compiler,
            config: Arc::new(node.config.clone()),
            node,
            purpose,
            sql: None,
            batch: None,
            unit: None,
            extra: Vec::new(),
        }
    }
}

/// The names of one node while it is compiled or built.
pub(crate) struct Stage {
    me: Weak<Stage>,
    parts: StageParts,
    context: OnceLock<Weak<Context>>,
    /// Ephemeral nodes that were referred to, in order.
    ctes: Mutex<Vec<UniqueId>>,
    /// Everything that was referred to.
    reads: Mutex<Vec<UniqueId>>,
    set: Arc<Mutex<HashMap<String, Value>>>,
    test_arguments: OnceLock<Value>,
    model: OnceLock<Value>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({})", self.parts.node.id)
    }
}

impl Stage {
    pub(crate) fn new(parts: StageParts) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            parts,
            context: OnceLock::new(),
            ctes: Mutex::default(),
            reads: Mutex::default(),
            set: Arc::default(),
            test_arguments: OnceLock::new(),
            model: OnceLock::new(),
        })
    }

    /// Says which context asks this stage.
    pub(crate) fn set_context(&self, context: &Arc<Context>) {
        // Set once by whoever makes both.
        let _ = self.context.set(Arc::downgrade(context));
    }

    /// Gives a test's template the arguments it passes on.
    pub(in crate::compile) fn set_test_arguments(&self, arguments: Value) {
        let _ = self.test_arguments.set(arguments);
    }

    /// Returns the ephemeral nodes that were referred to, each once, in order.
    pub(crate) fn ctes(&self) -> Vec<UniqueId> {
        self.ctes.lock().clone()
    }

    /// Returns everything that was referred to, each once, in order.
    pub(crate) fn reads(&self) -> Vec<UniqueId> {
        self.reads.lock().clone()
    }

    fn function(
        &self,
        name: &'static str,
        body: fn(&Self, &mut Call<'_>) -> Result<Value>,
    ) -> Value {
        let me = Weak::clone(&self.me);
        Function::value(name, move |call| match me.upgrade() {
            Some(stage) => body(&stage, call),
            None => Err(Error::custom(format!("`{name}` outlived its node"))),
        })
    }

    /// Returns what all contexts of the invocation share.
    pub(in crate::compile) fn shared(&self) -> &Arc<Shared> {
        self.parts.compiler.shared()
    }

    fn compiler(&self) -> &Arc<Compiler> {
        &self.parts.compiler
    }

    fn own(&self, name: &str) -> Result<Option<Value>> {
        let node = &self.parts.node;
        Ok(Some(match name {
            "ref" => Value::object(Reference(Weak::clone(&self.me))),
            "source" => self.function("source", Self::source),
            "metric" | "function" => Function::value("metric", |call: &mut Call<'_>| {
                Ok(call.rest().pop().unwrap_or(Value::None))
            }),
            "config" => Value::object(Config {
                node: node.id.as_str().to_owned(),
                config: Arc::clone(&self.parts.config),
                set: Arc::clone(&self.set),
                model: self.model(),
            }),
            "doc" => self.function("doc", Self::doc),
            "this" => self.this(),
            "model" => self.model(),
            "graph" => graph(self.compiler().shared()),
            "database" => to_value(&json!(node.database)),
            "schema" => Value::str(node.schema.as_str()),
            "pre_hooks" => self.hooks(&node.config.pre_hooks()),
            "post_hooks" => self.hooks(&node.config.post_hooks()),
            "sql" | "compiled_code" => self.sql(),
            "defer_relation" => self.defer_relation(),
            "write" => self.function("write", Self::write),
            "load_agate_table" => self.function("load_agate_table", Self::load_seed),
            crate::parse::TEST_ARGUMENTS => match self.test_arguments.get() {
                Some(arguments) => arguments.clone(),
                None => return Ok(None),
            },
            "var" if self.unit().is_some() => self.unit_var(),
            "env_var" if self.unit().is_some() => self.unit_env_var(),
            _ => {
                let extra = self.parts.extra.iter().find(|(known, _)| *known == name);
                return Ok(extra.map(|(_, value)| value.clone()));
            }
        }))
    }

    fn unit(&self) -> Option<&Arc<UnitScope>> {
        self.parts.unit.as_ref()
    }

    fn sql(&self) -> Value {
        let sql = self
            .parts
            .sql
            .as_ref()
            .filter(|_| self.parts.node.language == "sql");
        sql.map_or(Value::None, |sql| Value::Str(Arc::clone(sql)))
    }

    fn hooks(&self, hooks: &[crate::node::Hook]) -> Value {
        if matches!(
            self.parts.node.kind,
            ResourceKind::Test | ResourceKind::Source
        ) {
            return Value::list(Vec::<Value>::new());
        }
        Value::list(hooks.iter().map(|hook| {
            Value::dict([
                ("sql", Value::str(hook.sql.as_str())),
                ("transaction", Value::Bool(hook.transaction)),
                (
                    "index",
                    hook.index.map_or(Value::None, |index| {
                        Value::Int(i64::try_from(index).unwrap_or(0))
                    }),
                ),
            ])
        }))
    }

    fn defer_relation(&self) -> Value {
        let deferred = self.compiler().deferred(&self.parts.node.id);
        deferred.map_or(Value::None, |deferred| {
            self.compiler().deferred_relation(deferred).value()
        })
    }

    fn note_cte(&self, id: &UniqueId) {
        let mut ctes = self.ctes.lock();
        if !ctes.contains(id) {
            ctes.push(id.clone());
        }
    }

    fn note_read(&self, id: &UniqueId) {
        let mut reads = self.reads.lock();
        if !reads.contains(id) {
            reads.push(id.clone());
        }
    }

    /// `doc(name)`: the text of a block of documentation.
    fn doc(&self, call: &mut Call<'_>) -> Result<Value> {
        let mut names: Vec<String> = call
            .rest()
            .iter()
            .map(|name| name.to_str().to_string())
            .collect();
        let name = names.pop().unwrap_or_default();
        let manifest = self.compiler().shared().manifest();
        let package = names.pop();
        let own: [&str; 2] = [
            &self.parts.node.package,
            &self.compiler().shared().project.name,
        ];
        let fits = |searched: &str| {
            manifest
                .docs
                .values()
                .find(|doc| doc.name == name && &*doc.package == searched)
        };
        let found = match &package {
            Some(package) => fits(package),
            None => own
                .iter()
                .find_map(|package| fits(package))
                .or_else(|| manifest.docs.values().find(|doc| doc.name == name)),
        };
        found
            .map(|doc| Value::str(doc.contents.as_str()))
            .ok_or_else(|| {
                node_error(
                    ModelErrorKind::MissingReference,
                    format!("there is no block of documentation called '{name}'"),
                )
            })
    }

    /// `write(text)`: what is run, for people to look at.
    fn write(&self, call: &mut Call<'_>) -> Result<Value> {
        let text = call.required("payload")?.to_str();
        self.compiler()
            .write_run(&self.parts.node, self.parts.batch.as_ref(), &text);
        Ok(Value::str(""))
    }

    /// `load_agate_table()`: the rows of a seed.
    fn load_seed(&self, call: &mut Call<'_>) -> Result<Value> {
        call.finish()?;
        let node = &self.parts.node;
        if node.kind != ResourceKind::Seed {
            return Err(node_error(
                ModelErrorKind::Template,
                format!(
                    "can only load_agate_table for seeds (got a {})",
                    node.kind.as_str()
                ),
            ));
        }
        let table =
            crate::run::read_seed(self.compiler().shared(), node).map_err(Error::from_source)?;
        Ok(crate::context::AgateTable::new(table).value())
    }

    fn unit_var(&self) -> Value {
        self.function("var", |stage, call| {
            let name = call.required_str("var_name")?;
            let default = call.optional("default")?;
            let overridden = stage.unit().and_then(|unit| unit.vars.get(&*name));
            let project = &stage.compiler().shared().project;
            let known = match overridden.or_else(|| project.var(&stage.parts.node.package, &name)) {
                Some(value) => Some(rendered_var(value, call)?),
                None => default,
            };
            known.ok_or_else(|| Error::custom(format!("Required var '{name}' not found in config")))
        })
    }

    fn unit_env_var(&self) -> Value {
        self.function("env_var", |stage, call| {
            let name = call.required_str("var")?;
            let default = call.optional("default")?;
            let overridden = stage
                .unit()
                .and_then(|unit| unit.env_vars.get(&*name))
                .map(to_value);
            let env = &stage.compiler().shared().env;
            let known = overridden
                .or_else(|| env.get(&*name).map(|value| Value::str(value.as_str())))
                .or(default);
            known.ok_or_else(|| {
                Error::custom(format!("Env var required but not provided: '{name}'"))
            })
        })
    }
}

/// The name of the stand-in of a source table.
pub(in crate::compile) fn source_cte(source: &Source) -> String {
    format!("{}__{}", source.source_name, source.identifier)
}

impl Names for Stage {
    fn lookup(&self, name: &str, _: &Interpreter) -> Result<Option<Value>> {
        if let Some(unit) = self.unit()
            && let Some(value) = unit.overridden(
                name,
                &self.compiler().shared().macros,
                &self.parts.node.package,
            )
        {
            return Ok(Some(value));
        }
        // A project may cover any name by a macro, `ref` included; `builtins` has the original.
        let macros = &self.compiler().shared().macros;
        if let Some(found) = macros.covering(&self.parts.node.package, name) {
            return Ok(Some(Value::Macro(found.clone())));
        }
        if name == "builtins" {
            return Ok(Some(self.builtins()));
        }
        self.own(name)
    }

    fn known(&self) -> Vec<String> {
        [
            "ref",
            "source",
            "metric",
            "config",
            "this",
            "model",
            "graph",
            "builtins",
            "doc",
            "sql",
            "compiled_code",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

impl Stage {
    /// `builtins`: what macros may have covered.
    fn builtins(&self) -> Value {
        let mut all = Vec::new();
        for name in ["ref", "source", "metric", "config", "doc"] {
            if let Ok(Some(value)) = self.own(name) {
                all.push((name, value));
            }
        }
        if let Some(context) = self.context.get().and_then(Weak::upgrade) {
            for name in [
                "var",
                "env_var",
                "log",
                "print",
                "adapter",
                "api",
                "target",
                "exceptions",
                "modules",
                "flags",
            ] {
                if let Some(value) = context.base_value(name) {
                    all.push((name, value));
                }
            }
        }
        Value::dict(all)
    }
}
