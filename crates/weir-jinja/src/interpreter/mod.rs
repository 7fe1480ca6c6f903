//! Runs templates and calls macros.

mod calls;
mod expressions;
mod loops;
mod operators;
mod scope;
mod statements;

use std::sync::Arc;

pub(crate) use self::{
    operators::{binary, contains},
    scope::ScopeRef,
};
use self::{scope::Scope, statements::Output};
use crate::{
    Args, Call, Environment, Error, ErrorKind, MacroDef, Names, Place, Result, Template,
    UndefinedPolicy, Value, builtins,
};

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
    from: Option<(Template, u32)>,
}

impl Running {
    /// Where it was called from, when a template called it.
    pub fn called_at(&self) -> Option<Place> {
        self.from
            .as_ref()
            .map(|(template, offset)| template.place(*offset))
    }
}

/// Runs templates and macros, one at a time; made anew for each rendering, or kept.
///
/// Host functions get the same interpreter in their [`crate::Call`] and may render and call on it,
/// so that steps, nesting and the stack of running macros are counted together. They must not
/// call back through an interpreter of their own.
pub struct Interpreter {
    environment: Arc<Environment>,
    steps: u64,
    stack: Vec<Running>,
    /// By running macro, call block and nested rendering: who owns it.
    owners: Vec<Option<Arc<str>>>,
    /// How many calls from outside are under way, and the address of the first one's frame.
    entered: usize,
    stack_base: usize,
    /// Whether a value is wanted rather than text.
    native: bool,
}

/// What a piece of template runs in.
pub(crate) struct Context<'a> {
    pub(crate) template: &'a Template,
    pub(crate) names: &'a dyn Names,
    pub(crate) scope: ScopeRef,
}

impl Context<'_> {
    /// The same with a scope inside of this one.
    pub(crate) fn inner(&self) -> Context<'_> {
        Context {
            template: self.template,
            names: self.names,
            scope: Scope::inside(&self.scope),
        }
    }
}

impl Interpreter {
    /// Makes an interpreter.
    pub fn new(environment: Arc<Environment>) -> Self {
        Self {
            environment,
            steps: 0,
            stack: Vec::new(),
            owners: Vec::new(),
            entered: 0,
            stack_base: 0,
            native: false,
        }
    }

    /// The environment.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Renders a template as text.
    pub fn render(&mut self, template: &Template, names: &dyn Names) -> Result<String> {
        self.render_with(template, names, Rendering::default())
    }

    /// Renders a template as text, as told.
    pub fn render_with(
        &mut self,
        template: &Template,
        names: &dyn Names,
        rendering: Rendering,
    ) -> Result<String> {
        self.run(template, names, rendering, false)
            .map(|output| output.text)
    }

    /// Renders a template as a value: of a text that is one `{{ expression }}`, its value; else
    /// the text. The filters `as_native`, `as_bool` and `as_number` convert here, as in dbt's YAML.
    pub fn render_native(&mut self, template: &Template, names: &dyn Names) -> Result<Value> {
        self.render_native_with(template, names, Rendering::default())
    }

    /// Renders a template as a value, as told.
    pub fn render_native_with(
        &mut self,
        template: &Template,
        names: &dyn Names,
        rendering: Rendering,
    ) -> Result<Value> {
        let output = self.run(template, names, rendering, true)?;
        Ok(match output.only {
            Some(value) if output.pieces == 1 => value,
            _ => Value::from(output.text),
        })
    }

    fn run(
        &mut self,
        template: &Template,
        names: &dyn Names,
        rendering: Rendering,
        native: bool,
    ) -> Result<Output> {
        self.enter(|this| {
            let outer_native = std::mem::replace(&mut this.native, native);
            this.owners.push(None);
            let policy = rendering.undefined.unwrap_or(this.environment.undefined);
            let context = Context {
                template,
                names,
                scope: Scope::outermost(policy),
            };
            let mut output = Output {
                native,
                ..Output::default()
            };
            output.text.reserve(template.source().len());
            let result = this.body(&context, &template.0.ast.body, &mut output);
            this.owners.pop();
            this.native = outer_native;
            let outermost = this.entered == 1;
            match result {
                Ok(_) => Ok(output),
                // A `return` of a rendering within a macro is that macro's own.
                Err(error) if error.is_return() && outermost => Err(error.without_return()),
                Err(error) => Err(error),
            }
        })
    }

    /// Calls a macro: what `return(...)` gave, or its text.
    pub fn call_macro(
        &mut self,
        definition: &MacroDef,
        args: Args,
        names: &dyn Names,
    ) -> Result<Value> {
        self.enter(|this| this.invoke(definition, args, names, None))
    }

    /// Calls any value.
    pub fn call(&mut self, callee: &Value, args: Args, names: &dyn Names) -> Result<Value> {
        self.enter(|this| this.call_value(callee, args, names, None))
    }

    /// Calls a method of a value.
    pub fn call_method(
        &mut self,
        object: &Value,
        method: &str,
        args: Args,
        names: &dyn Names,
    ) -> Result<Value> {
        self.enter(|this| this.method_of(object, &method.into(), args, names, None))
    }

    /// Applies a filter by name.
    pub fn filter(
        &mut self,
        name: &str,
        value: Value,
        mut args: Args,
        names: &dyn Names,
    ) -> Result<Value> {
        args.positional.insert(0, value);
        self.enter(|this| this.apply_filter(&name.into(), args, names, None))
    }

    /// Applies a test by name.
    pub fn test(
        &mut self,
        name: &str,
        value: Value,
        mut args: Args,
        names: &dyn Names,
    ) -> Result<bool> {
        args.positional.insert(0, value);
        self.enter(|this| this.apply_test(&name.into(), args, names, None))
    }

    /// The running macros, outermost first.
    pub fn stack(&self) -> &[Running] {
        &self.stack
    }

    /// The owner of the macro whose text is running; none for the text of a template itself, also
    /// in a call block of it.
    pub fn owner(&self) -> Option<&Arc<str>> {
        self.owners.last()?.as_ref()
    }

    /// Counts work of the host's against the limit on steps.
    pub fn charge(&mut self, steps: u64) -> Result<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.environment.limits.steps {
            return Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "the template takes more than {} steps",
                    self.environment.limits.steps
                ),
            )
            .with_hint("look for a loop that never ends"));
        }
        Ok(())
    }

    pub(crate) fn is_native(&self) -> bool {
        self.native
    }

    /// An error if a text has grown too large; long texts cost steps.
    pub(crate) fn check_text(&mut self, bytes: usize) -> Result<()> {
        let limit = self.environment.limits.text_bytes;
        if bytes > limit {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("a text is larger than {limit} bytes"),
            ));
        }
        self.charge(bytes as u64 / 256)
    }

    /// An error if a collection has grown too large; its items cost steps.
    pub(crate) fn check_items(&mut self, items: usize) -> Result<()> {
        let limit = self.environment.limits.items;
        if items > limit {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("a collection has more than {limit} items"),
            ));
        }
        self.charge(items as u64)
    }

    /// As [`Self::check_items`], for a collection that grows one by one.
    pub(crate) fn check_items_once(&mut self, items: usize) -> Result<()> {
        if items > self.environment.limits.items {
            return self.check_items(items);
        }
        self.charge(1)
    }

    /// Runs a call from outside; nested ones are part of the first.
    fn enter<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.entered == 0 {
            self.stack_base = here();
            self.steps = 0;
        }
        self.entered += 1;
        let result = self.check_stack().and_then(|()| run(self));
        self.entered -= 1;
        result
    }

    /// An error if the thread's stack is used up to the limit.
    pub(crate) fn check_stack(&self) -> Result<()> {
        if self.stack_base.abs_diff(here()) > self.environment.limits.stack_bytes {
            return Err(
                Error::new(ErrorKind::Recursion, "maximum recursion depth exceeded")
                    .with_hint("look for a macro that calls itself without an end"),
            );
        }
        Ok(())
    }

    /// Adds to an error about something undefined what may have been meant.
    pub(crate) fn suggest(
        &self,
        error: Error,
        name: Option<&Arc<str>>,
        names: &dyn Names,
    ) -> Error {
        let Some(name) = name else { return error };
        let mut known = names.known();
        known.extend(self.environment.globals.keys().map(ToString::to_string));
        known.extend(builtins::global_names().map(str::to_owned));
        match weir_core::did_you_mean(name, &known) {
            Some(known) if known != &**name => error.with_hint(format!("did you mean `{known}`?")),
            _ => error,
        }
    }

    fn host_call<'a>(
        &'a mut self,
        function: Arc<str>,
        args: Args,
        names: &'a dyn Names,
        from: Option<(&Template, u32)>,
    ) -> Call<'a> {
        let mut call = Call::new(function, args, self, names);
        call.from = from.map(|(template, offset)| (template.clone(), offset));
        call
    }
}

/// About where the thread's stack stands.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&marker)).addr()
}
