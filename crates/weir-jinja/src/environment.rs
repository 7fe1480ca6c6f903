//! What all templates share: globals, filters, tests and limits; and the names a host answers.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::{Call, Dict, Function, Interpreter, Result, Value};

/// What may be used up by one interpreter before it gives up with an error.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Statements, loop turns and calls, and work on large values by its size.
    pub steps: u64,
    /// Macros that are running inside of one another.
    pub calls: usize,
    /// Bytes of the thread's stack that nested evaluation may take. Threads of two mebibytes are
    /// the rule; raise it together with them.
    pub stack_bytes: usize,
    /// Bytes of one text, the output included.
    pub text_bytes: usize,
    /// Members of one list, tuple, dictionary or set.
    pub items: usize,
    /// Members of one `range`: the sandbox that dbt uses has the same limit.
    pub range: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            calls: 200,
            stack_bytes: 1 << 20,
            text_bytes: 256 << 20,
            items: 10_000_000,
            range: 100_000,
        }
    }
}

/// What using a name that nobody knows does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UndefinedPolicy {
    /// It prints as nothing, is false and empty; its attributes and calling it are errors. This is
    /// Jinja's default and what dbt has while it compiles and runs, and always inside macros.
    #[default]
    Lenient,
    /// As [`Self::Lenient`], but attributes, items and calls are undefined in turn: what dbt has
    /// for a model's own text while it parses.
    Chainable,
    /// Any use but testing it is an error.
    Strict,
}

/// Answers the names that no scope of a template has.
///
/// Lookups come lazily, once per use, so a host with a large context computes what is asked for.
pub trait Names: Send + Sync {
    /// The value of a name, or `None` when it is not known here (the environment's globals are
    /// asked next). [`Interpreter::owner`] tells which package's macro is asking.
    fn lookup(&self, name: &str, interpreter: &Interpreter) -> Result<Option<Value>>;

    /// All names that could be asked for, for hints.
    fn known(&self) -> Vec<String> {
        Vec::new()
    }
}

/// No names at all.
impl Names for () {
    fn lookup(&self, _: &str, _: &Interpreter) -> Result<Option<Value>> {
        Ok(None)
    }
}

impl Names for Dict {
    fn lookup(&self, name: &str, _: &Interpreter) -> Result<Option<Value>> {
        Ok(self.get_str(name))
    }

    fn known(&self) -> Vec<String> {
        self.keys()
            .iter()
            .filter_map(|key| key.as_str().map(str::to_owned))
            .collect()
    }
}

impl<S: std::hash::BuildHasher + Send + Sync> Names for HashMap<String, Value, S> {
    fn lookup(&self, name: &str, _: &Interpreter) -> Result<Option<Value>> {
        Ok(self.get(name).cloned())
    }

    fn known(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

pub(crate) type HostFilter = Arc<dyn Fn(&mut Call<'_>) -> Result<Value> + Send + Sync>;

/// What all templates share. Built once, then shared by interpreters.
#[derive(Default)]
pub struct Environment {
    /// What may be used up.
    pub limits: Limits,
    /// What names that nobody knows do, unless a rendering says otherwise.
    pub undefined: UndefinedPolicy,
    pub(crate) globals: HashMap<Arc<str>, Value>,
    pub(crate) filters: HashMap<Arc<str>, HostFilter>,
    pub(crate) tests: HashMap<Arc<str>, HostFilter>,
}

impl Environment {
    /// An environment with Jinja's own filters, tests and globals, and `return`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a global value; names of the host come before it.
    pub fn add_global(&mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) {
        self.globals.insert(name.into(), value.into());
    }

    /// Adds a global function.
    pub fn add_function(
        &mut self,
        name: impl Into<Arc<str>>,
        body: impl Fn(&mut Call<'_>) -> Result<Value> + Send + Sync + 'static,
    ) {
        let name = name.into();
        self.globals
            .insert(Arc::clone(&name), Function::value(name, body));
    }

    /// Adds a filter, or replaces one; what is filtered is the first argument.
    pub fn add_filter(
        &mut self,
        name: impl Into<Arc<str>>,
        body: impl Fn(&mut Call<'_>) -> Result<Value> + Send + Sync + 'static,
    ) {
        self.filters.insert(name.into(), Arc::new(body));
    }

    /// Adds a test, or replaces one; what is tested is the first argument.
    pub fn add_test(
        &mut self,
        name: impl Into<Arc<str>>,
        body: impl Fn(&mut Call<'_>) -> Result<Value> + Send + Sync + 'static,
    ) {
        self.tests.insert(name.into(), Arc::new(body));
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("limits", &self.limits)
            .field("undefined", &self.undefined)
            .field("globals", &self.globals.len())
            .finish_non_exhaustive()
    }
}
