//! The names that templates of a project see.
//!
//! A [`Context`] belongs to one node (or one macro that is called by itself) and answers names in this
//! order: what its stage says ([`Names`] given by whoever makes it: parsing records `ref()` and
//! `config()`, compiling and running resolve them), what every stage has, then macros. A stage lets
//! macros of the project cover its own names, see [`MacroTable::covering`]. A context borrows nothing,
//! so that it can be sent to the thread that runs the node.
//!
//! What needs no node at all (`tojson`, `zip`, `exceptions`, ...) is in the [`environment`] that all
//! templates share.

mod adapter;
mod adapter_objects;
mod builtins;
mod column;
mod exceptions;
mod flags;
mod macros;
pub(crate) mod python;
mod relation;
mod relation_path;
mod results;
mod session;
mod shared;
mod table;

use std::fmt;
use std::sync::{Arc, Weak};

use weir_jinja::{Call, Function, Interpreter, Names, Object, Result, Value};

use crate::project::env_var;

pub(crate) use adapter::Adapter;
pub use builtins::environment;
pub(crate) use builtins::rendered_var;
pub(crate) use builtins::var;
pub(crate) use column::Column as ColumnObject;
pub(crate) use exceptions::node_error;
pub use flags::Flags;
pub use macros::MacroTable;
pub(crate) use relation::{EventTimeFilter, Relation};
pub(crate) use results::Results;
pub use session::Cancellation;
pub(crate) use session::{
    RelationCache, Session, SessionParts, StatementComment, carried, warehouse_error,
};
pub use shared::{Clock, Invocation, LogLine, LogSink, Shared, SharedParts, SystemClock};
pub(crate) use table::AgateTable;

/// The names of one node's templates.
pub struct Context {
    me: Weak<Context>,
    shared: Arc<Shared>,
    /// The package whose macros come first: the node's.
    package: Arc<str>,
    stage: Arc<dyn Names>,
    session: Option<Arc<Session>>,
    results: Results,
}

impl Context {
    /// Makes the context of a node of `package`.
    ///
    /// Without a session `execute` is false and the adapter answers as it does while parsing.
    pub(crate) fn new(
        shared: Arc<Shared>,
        package: Arc<str>,
        stage: Arc<dyn Names>,
        session: Option<Arc<Session>>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            shared,
            package,
            stage,
            session,
            results: Results::default(),
        })
    }

    /// Returns what all contexts of an invocation share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the results that statements stored under names.
    pub(crate) fn results(&self) -> &Results {
        &self.results
    }

    /// Returns the connection, if templates of this context may run SQL.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// Returns the package whose macros come first.
    pub(crate) fn package(&self) -> &Arc<str> {
        &self.package
    }

    /// Returns what every stage has under a name, macros left out.
    pub(crate) fn base_value(&self, name: &str) -> Option<Value> {
        let interpreter = Interpreter::new(Arc::clone(&self.shared.environment));
        self.base(name, &interpreter).ok().flatten()
    }

    fn base(&self, name: &str, interpreter: &Interpreter) -> Result<Option<Value>> {
        let shared = &self.shared;
        let value = match name {
            "execute" => Value::Bool(self.session.is_some()),
            "target" => shared.target_value(),
            "env" => shared.target_value(),
            "project_name" => Value::str(Arc::clone(&shared.project.name)),
            "flags" => shared.flags_value(),
            "invocation_args_dict" => shared.flags.to_value(),
            "invocation_id" => Value::str(shared.invocation.id.as_str()),
            "run_started_at" => python::moment(shared.invocation.started_at),
            "dbt_version" => Value::str(crate::DBT_VERSION),
            "dbt_metadata_envs" => shared.metadata_envs(),
            "thread_id" => Value::str(match &self.session {
                Some(session) => session.thread.as_str(),
                None => "MainThread",
            }),
            "modules" => python::modules(&shared.invocation.clock),
            "var" => builtins::var(
                Arc::clone(shared),
                Arc::clone(&self.package),
                self.session.is_some(),
            ),
            "env_var" => env_var(Arc::clone(&shared.env), false),
            "adapter" => Value::Object(Arc::new(Adapter::new(Weak::clone(&self.me)))),
            "api" => adapter_objects::api(shared),
            "validation" => adapter_objects::validation(),
            "log" => self.logger("log"),
            "print" => self.logger("print"),
            "debug" => Function::value("debug", |_| Ok(Value::str(""))),
            "context" => Value::Object(Arc::new(ContextObject(Weak::clone(&self.me)))),
            "builtins" => Value::Object(Arc::new(Builtins(Weak::clone(&self.me)))),
            "context_macro_stack" => macros::stack_value(interpreter),
            "selected_resources" => shared.selected_value(),
            "store_result" => self.results.store(),
            "store_raw_result" => self.results.store_raw(),
            "load_result" => self.results.load(),
            "try_or_compiler_error" => exceptions::try_or_compiler_error(),
            "exceptions" => exceptions::exceptions(Weak::clone(&self.me)),
            "submit_python_job" => exceptions::no_python(),
            "render" => self.renderer(),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    /// `log(text, info=false)` and `print(text)`.
    fn logger(&self, kind: &'static str) -> Value {
        let shared = Arc::clone(&self.shared);
        let quiet = self.session.is_none();
        Function::value(kind, move |call: &mut Call<'_>| {
            let message = call.required("msg")?;
            let info = kind == "print" || call.optional_bool("info", false)?;
            if !quiet || kind == "log" {
                shared.log.line(LogLine {
                    text: message.to_str().to_string(),
                    shown: info,
                    plain: kind == "print",
                });
            }
            Ok(Value::str(""))
        })
    }

    /// `render(text)`: a template within a template, as hooks are.
    fn renderer(&self) -> Value {
        Function::value("render", |call: &mut Call<'_>| {
            let text = call.required("string")?.to_str();
            call.finish()?;
            let template = weir_jinja::Template::parse("hook", &text)?;
            let names = call.names;
            call.interpreter.render(&template, names).map(Value::str)
        })
    }
}

impl Names for Context {
    fn lookup(&self, name: &str, interpreter: &Interpreter) -> Result<Option<Value>> {
        if let Some(value) = self.stage.lookup(name, interpreter)? {
            return Ok(Some(value));
        }
        if let Some(value) = self.base(name, interpreter)? {
            return Ok(Some(value));
        }
        Ok(self.shared.macros.lookup(&self.package, name))
    }

    fn known(&self) -> Vec<String> {
        let mut known = self.stage.known();
        known.extend(BASE_NAMES.iter().map(|name| (*name).to_owned()));
        known.extend(self.shared.macros.names(&self.package));
        known
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("package", &self.package)
            .finish_non_exhaustive()
    }
}

/// What [`Context::base`] answers, for hints.
const BASE_NAMES: &[&str] = &[
    "execute",
    "target",
    "project_name",
    "flags",
    "invocation_args_dict",
    "invocation_id",
    "run_started_at",
    "dbt_version",
    "dbt_metadata_envs",
    "thread_id",
    "modules",
    "var",
    "env_var",
    "adapter",
    "api",
    "validation",
    "log",
    "print",
    "context",
    "builtins",
    "context_macro_stack",
    "selected_resources",
    "store_result",
    "store_raw_result",
    "load_result",
    "try_or_compiler_error",
    "exceptions",
    "render",
];

/// `context`: all names as a mapping.
#[derive(Debug)]
struct ContextObject(Weak<Context>);

impl ContextObject {
    fn find(&self, name: &str) -> Result<Option<Value>> {
        let Some(context) = self.0.upgrade() else {
            return Ok(None);
        };
        let interpreter = Interpreter::new(Arc::clone(&context.shared.environment));
        context.lookup(name, &interpreter)
    }
}

impl Object for ContextObject {
    fn type_name(&self) -> &str {
        "dict"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        self.find(name)
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.find(name))
    }

    fn contains(&self, value: &Value) -> Result<bool> {
        Ok(self.item(value)?.is_some())
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if name != "get" {
            return Ok(None);
        }
        let key = call.required_str("key")?;
        let default = call.optional("default")?;
        Ok(Some(self.find(&key)?.or(default).unwrap_or(Value::None)))
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `builtins`: the functions that projects may have covered by macros of the same name.
#[derive(Debug)]
struct Builtins(Weak<Context>);

impl Object for Builtins {
    fn type_name(&self) -> &str {
        "dict"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let Some(context) = self.0.upgrade() else {
            return Ok(None);
        };
        let interpreter = Interpreter::new(Arc::clone(&context.shared.environment));
        match context.stage.lookup(name, &interpreter)? {
            Some(value) => Ok(Some(value)),
            None => context.base(name, &interpreter),
        }
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if name == "get" {
            let key = call.required_str("key")?;
            return Ok(Some(self.attr(&key)?.unwrap_or(Value::None)));
        }
        Ok(None)
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
