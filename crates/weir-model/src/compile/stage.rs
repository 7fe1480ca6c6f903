use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::json;
use weir_jinja::{Call, Error, Function, Interpreter, Names, Result, Value};

use super::config::Config;
use super::graph_value::graph;
use super::reference::Reference;
use super::{Compiler, UnitScope};
use crate::artifact::node_json;
use crate::context::{Context, EventTimeFilter, Relation, Shared, node_error, rendered_var};
use crate::convert::{to_json, to_value};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{Node, NodeConfig, ResourceKind, Source, UniqueId, Version};

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
    pub(super) fn set_test_arguments(&self, arguments: Value) {
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
    pub(super) fn shared(&self) -> &Arc<Shared> {
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

    /// `model`: the node with what compiling has found.
    fn model(&self) -> Value {
        let made = self.model.get_or_init(|| {
            let parts = &self.parts;
            let mut json = node_json(&parts.node);
            json["config"] = serde_json::Value::Object(parts.config.to_json());
            json["raw_sql"] = json["raw_code"].clone();
            json["config_call_dict"] = serde_json::Value::Object(parts.node.config_call.clone());
            if let Some(sql) = &parts.sql {
                json["compiled_code"] = json!(&**sql);
                json["compiled_sql"] = json!(&**sql);
                json["compiled"] = json!(true);
            }
            if parts.unit.is_some() {
                json["resource_type"] = json!("unit_test");
            }
            self.with_relations(&mut json);
            let value = to_value(&json);
            if let (Value::Dict(dict), Some(batch)) = (&value, &parts.batch) {
                dict.set_str(
                    "batch",
                    Value::dict([
                        ("id", Value::str(batch.id.as_str())),
                        (
                            "event_time_start",
                            crate::context::python::moment(batch.start),
                        ),
                        ("event_time_end", crate::context::python::moment(batch.end)),
                    ]),
                );
            }
            value
        });
        made.clone()
    }

    /// Foreign keys are written with `ref()`; constraints need the relation's name.
    fn with_relations(&self, json: &mut serde_json::Value) {
        let resolve = |constraint: &mut serde_json::Value| {
            if let Some(to) = constraint.get("to").and_then(serde_json::Value::as_str)
                && let Some(name) = self.compiler().named_by_text(&self.parts.node, to)
            {
                constraint["to"] = json!(name);
            }
        };
        if let Some(constraints) = json
            .get_mut("constraints")
            .and_then(serde_json::Value::as_array_mut)
        {
            constraints.iter_mut().for_each(resolve);
        }
        if let Some(columns) = json
            .get_mut("columns")
            .and_then(serde_json::Value::as_object_mut)
        {
            for column in columns.values_mut() {
                if let Some(constraints) = column
                    .get_mut("constraints")
                    .and_then(serde_json::Value::as_array_mut)
                {
                    constraints.iter_mut().for_each(resolve);
                }
            }
        }
    }

    fn this(&self) -> Value {
        let node = &self.parts.node;
        if node.kind == ResourceKind::Operation {
            return Value::None;
        }
        if let Some(unit) = self.unit() {
            return match &unit.this {
                Some(input) => {
                    self.note_cte(input);
                    Value::str(format!("__dbt__cte__{}", node.alias))
                }
                None => Value::None,
            };
        }
        self.compiler().relation(node).value()
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

    /// `ref(name)`, `ref(package, name)`, with `v=` or `version=`.
    pub(super) fn reference(&self, call: &mut Call<'_>) -> Result<Value> {
        let version = call
            .named("version")
            .or_else(|| call.named("v"))
            .filter(|value| !value.is_none());
        let version = version.and_then(|version| Version::from_json(&to_json(&version)));
        let within = call
            .named("package")
            .map(|package| package.to_str().to_string());
        let mut names: Vec<String> = call
            .rest()
            .iter()
            .map(|name| name.to_str().to_string())
            .collect();
        let name = names
            .pop()
            .ok_or_else(|| Error::custom("ref() takes one or two names (0 given)"))?;
        let within = names.pop().or(within);
        let node = &self.parts.node;
        let found = self.compiler().resolver().node(
            &node.package,
            &name,
            within.as_deref(),
            version.as_ref(),
        );
        let Some(found) = found.cloned() else {
            return Err(self.missing_node(&name));
        };
        let anything =
            self.parts.purpose == Purpose::Operation || node.kind == ResourceKind::SqlOperation;
        if !anything && !node.depends_on.nodes.contains(&found.id) {
            return Err(self.undeclared(&name));
        }
        self.note_read(&found.id);
        if let Some(unit) = self.unit()
            && unit.inputs.contains_key(&found.id)
        {
            self.note_cte(&found.id);
            return Ok(
                Relation::ephemeral(&self.compiler().shared().dialect, &found.alias).value(),
            );
        }
        if found.is_ephemeral() {
            if self.parts.purpose == Purpose::Operation {
                return Err(node_error(
                    ModelErrorKind::Access,
                    format!("Operations can not ref() ephemeral nodes, but {name} is ephemeral"),
                ));
            }
            self.note_cte(&found.id);
            let relation = Relation::ephemeral(&self.compiler().shared().dialect, &found.alias);
            return Ok(self.limited(relation, &found.config).value());
        }
        let relation = self.compiler().deferred_or_own(
            &found,
            self.context.get().and_then(Weak::upgrade).as_deref(),
            call,
        )?;
        Ok(self.limited(relation, &found.config).value())
    }

    fn missing_node(&self, name: &str) -> Error {
        let node = &self.parts.node;
        Error::from_source(
            ModelError::new(
                ModelErrorKind::MissingReference,
                format!("{} depends on a node named '{name}' which was not found or is disabled", node.id),
            )
            .hint("check the name; a node of another package may need the package before it: ref('package', 'name')"),
        )
    }

    fn undeclared(&self, name: &str) -> Error {
        Error::from_source(
            ModelError::new(
                ModelErrorKind::MissingReference,
                format!("dbt was unable to infer all dependencies for the model \"{}\": it refers to '{name}' only while running", self.parts.node.name),
            )
            .hint(format!("add this comment to the model: -- depends_on: {{{{ ref('{name}') }}}}")),
        )
    }

    /// `source(source, table)`.
    fn source(&self, call: &mut Call<'_>) -> Result<Value> {
        let source_name = call.required_str("source_name")?;
        let table = call.required_str("table_name")?;
        call.finish()?;
        let node = &self.parts.node;
        let found = self
            .compiler()
            .resolver()
            .source(&node.package, &source_name, &table)
            .cloned();
        let Some(found) = found else {
            return Err(Error::from_source(
                ModelError::new(
                    ModelErrorKind::MissingReference,
                    format!("{} depends on a source named '{source_name}.{table}' which was not found or is disabled", node.id),
                )
                .hint("check the names against the sources: in properties files"),
            ));
        };
        self.note_read(&found.id);
        if let Some(unit) = self.unit()
            && unit.inputs.contains_key(&found.id)
        {
            self.note_cte(&found.id);
            return Ok(
                Relation::ephemeral(&self.compiler().shared().dialect, &source_cte(&found)).value(),
            );
        }
        let relation = self.compiler().source_relation(&found);
        Ok(self.limited(relation, &found.config).value())
    }

    /// Restricts what is read of a relation: nothing for `--empty`, one batch, or a sample.
    fn limited(&self, mut relation: Relation, config: &NodeConfig) -> Relation {
        let options = self.compiler().options();
        let reads_rows = self.unit().is_none();
        if options.empty && reads_rows {
            relation.limit = Some(0);
        }
        let filters = matches!(
            self.parts.node.kind,
            ResourceKind::Model | ResourceKind::Snapshot
        ) && reads_rows;
        let Some(column) = config.event_time().filter(|_| filters) else {
            return relation;
        };
        let batch = self
            .parts
            .batch
            .as_ref()
            .map(|batch| (batch.start, batch.end));
        let span = match (batch, options.sample) {
            (Some((start, end)), Some((first, last))) => Some((start.max(first), end.min(last))),
            (batch, sample) => batch.or(sample),
        };
        if let Some((start, end)) = span {
            relation.event_time = Some(EventTimeFilter {
                column: column.to_owned(),
                start: Some(start),
                end: Some(end),
            });
        }
        relation
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
pub(super) fn source_cte(source: &Source) -> String {
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
