//! Runs templates and calls macros.

use std::sync::Arc;

use crate::{Args, Environment, MacroDef, Names, Place, Result, Template, UndefinedPolicy, Value};

/// How one template is rendered, where that differs from the environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rendering {
    /// What unknown names of the template's own text do; macros that it calls keep to the
    /// environment's policy, as dbt's do.
    pub undefined: Option<UndefinedPolicy>,
}

/// A macro that is running.
#[derive(Debug, Clone)]
pub struct Running {
    /// The macro.
    pub definition: MacroDef,
    /// Where it was called from, when that is known.
    pub called_at: Option<Place>,
}

/// Runs templates and macros, one at a time; made anew for each rendering, or kept.
///
/// Host functions get the same interpreter in their [`crate::Call`] and may render and call on it,
/// so that steps, nesting and the stack of running macros are counted together.
pub struct Interpreter {
    _environment: Arc<Environment>,
}

impl Interpreter {
    /// Makes an interpreter.
    pub fn new(environment: Arc<Environment>) -> Self;
    /// The environment.
    pub fn environment(&self) -> &Arc<Environment>;
    /// Renders a template as text.
    pub fn render(&mut self, template: &Template, names: &dyn Names) -> Result<String>;
    /// Renders a template as text, as told.
    pub fn render_with(&mut self, template: &Template, names: &dyn Names, rendering: Rendering) -> Result<String>;
    /// Renders a template as a value: of a text that is one `{{ expression }}` its value, else the text.
    /// as_native, as_bool, as_number convert here, as_text keeps text.
    pub fn render_native(&mut self, template: &Template, names: &dyn Names) -> Result<Value>;
    pub fn render_native_with(&mut self, template: &Template, names: &dyn Names, rendering: Rendering) -> Result<Value>;
    /// Calls a macro: what `return()` gave, or its text.
    pub fn call_macro(&mut self, definition: &MacroDef, args: Args, names: &dyn Names) -> Result<Value>;
    /// Calls any value.
    pub fn call(&mut self, callee: &Value, args: Args, names: &dyn Names) -> Result<Value>;
    /// Calls a method of a value.
    pub fn call_method(&mut self, object: &Value, method: &str, args: Args, names: &dyn Names) -> Result<Value>;
    /// The attribute / item of a value as templates see it (undefined when there is none).
    pub fn attr(&mut self, object: &Value, name: &str) -> Result<Value>;
    pub fn item(&mut self, object: &Value, key: &Value) -> Result<Value>;
    /// Applies a filter by name.
    pub fn filter(&mut self, name: &str, value: Value, args: Args, names: &dyn Names) -> Result<Value>;
    /// The running macros, outermost first.
    pub fn stack(&self) -> &[Running];
    /// The owner of the innermost running macro that has one.
    pub fn owner(&self) -> Option<&Arc<str>>;
    /// Counts work of the host's against the limit on steps.
    pub fn charge(&mut self, steps: u64) -> Result<()>;
}
