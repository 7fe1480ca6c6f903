//! Calls: of macros, objects, methods, filters and tests.

use std::sync::{Arc, LazyLock};

use super::{Context, Interpreter, Running, scope::Scope, statements::Output};
use crate::{
    Args, Dict, Error, ErrorKind, Frame, MacroDef, Names, Result, Template, Undefined, Value,
    builtins,
    syntax::{Arguments, CALLER, Expr, ExprId, KWARGS, MacroNode, VARARGS},
};

/// What is called without a name; functions put their own here.
static UNNAMED: LazyLock<Arc<str>> = LazyLock::new(|| "object".into());

/// The template and offset of a call.
pub(crate) type From<'a> = Option<(&'a Template, u32)>;

impl Interpreter {
    /// `callee(arguments)`; a call block gives its body as `caller`.
    pub(crate) fn call_expression(
        &mut self,
        context: &Context<'_>,
        callee: ExprId,
        arguments: &Arguments,
        offset: u32,
        caller: Option<Value>,
    ) -> Result<Value> {
        self.charge(1)?;
        let ast = &context.template.0.ast;
        let from = Some((context.template, offset));
        let with_caller = |mut args: Args| {
            args.named
                .extend(caller.map(|caller| (Arc::clone(ast.symbol(CALLER)), caller)));
            args
        };
        if let Expr::Attribute { object, name } = &ast.expressions[callee as usize] {
            let object = self.evaluate(context, *object)?;
            let name = ast.symbol(*name);
            if let Value::Undefined(undefined) = &object
                && !undefined.is_chainable()
            {
                return Err(self.suggest(undefined.error(), undefined.asked(), context.names));
            }
            let args = with_caller(self.arguments(context, arguments, None)?);
            return self.method_of(&object, name, args, context.names, from);
        }
        let callee = self.evaluate(context, callee)?;
        let args = with_caller(self.arguments(context, arguments, None)?);
        self.call_value(&callee, args, context.names, from)
    }

    pub(crate) fn call_value(
        &mut self,
        callee: &Value,
        args: Args,
        names: &dyn Names,
        from: From<'_>,
    ) -> Result<Value> {
        match callee {
            Value::Macro(definition) => self.invoke(definition, args, names, from),
            Value::Object(object) => {
                self.check_stack()?;
                let object = Arc::clone(object);
                let name = UNNAMED.clone();
                let mut call = self.host_call(name, args, names, from);
                object.call(&mut call)
            }
            Value::Undefined(undefined) if undefined.is_chainable() => Ok(callee.clone()),
            Value::Undefined(undefined) => {
                Err(self.suggest(undefined.error(), undefined.asked(), names))
            }
            other => Err(Error::new(
                ErrorKind::Type,
                format!("'{}' object is not callable", other.type_name()),
            )),
        }
    }

    /// `object.name(args)`
    pub(crate) fn method_of(
        &mut self,
        object: &Value,
        name: &Arc<str>,
        args: Args,
        names: &dyn Names,
        from: From<'_>,
    ) -> Result<Value> {
        let mut args = args;
        match object {
            Value::Undefined(undefined) if undefined.is_chainable() => return Ok(object.clone()),
            Value::Undefined(undefined) => {
                return Err(self.suggest(undefined.error(), undefined.asked(), names));
            }
            Value::Object(host) => {
                self.check_stack()?;
                let mut call = self.host_call(Arc::clone(name), args, names, from);
                if let Some(value) = host.method(name, &mut call)? {
                    return Ok(value);
                }
                args = call.take_all();
                if let Some(attribute) = host.attr(name)? {
                    return self.call_value(&attribute, args, names, from);
                }
            }
            _ if builtins::method_names(object).contains(&&**name) => {
                let mut call = self.host_call(Arc::clone(name), args, names, from);
                return builtins::call_method(object, name, &mut call);
            }
            _ => {}
        }
        match object.get_attr(name)? {
            Value::Undefined(undefined) => Err(no_method(object, name, undefined)),
            found => self.call_value(&found, args, names, from),
        }
    }

    pub(crate) fn apply_filter(
        &mut self,
        name: &Arc<str>,
        args: Args,
        names: &dyn Names,
        from: From<'_>,
    ) -> Result<Value> {
        self.charge(1)?;
        if !self.environment().filters.is_empty()
            && let Some(filter) = self.environment().filters.get(&**name).cloned()
        {
            return filter(&mut self.host_call(Arc::clone(name), args, names, from));
        }
        match builtins::filter(name) {
            Some(filter) => filter(&mut self.host_call(Arc::clone(name), args, names, from)),
            None => {
                let mut known: Vec<&str> = builtins::filter_names().collect();
                let own: Vec<Arc<str>> = self.environment().filters.keys().cloned().collect();
                known.extend(own.iter().map(|name| &**name));
                Err(missing("filter", name, &known))
            }
        }
    }

    pub(crate) fn apply_test(
        &mut self,
        name: &Arc<str>,
        args: Args,
        names: &dyn Names,
        from: From<'_>,
    ) -> Result<bool> {
        self.charge(1)?;
        if let Some(test) = self.environment().tests.get(&**name).cloned() {
            return Ok(test(&mut self.host_call(Arc::clone(name), args, names, from))?.is_true());
        }
        match builtins::test(name) {
            Some(test) => test(&mut self.host_call(Arc::clone(name), args, names, from)),
            None => Err(missing(
                "test",
                name,
                &builtins::test_names().collect::<Vec<_>>(),
            )),
        }
    }

    /// Runs a macro.
    pub(crate) fn invoke(
        &mut self,
        definition: &MacroDef,
        args: Args,
        names: &dyn Names,
        from: From<'_>,
    ) -> Result<Value> {
        self.charge(1)?;
        self.check_stack()?;
        self.check_calls()?;
        let node = definition.node();
        self.owners.push(definition.owner().cloned());
        if !node.is_caller {
            self.stack.push(Running {
                definition: definition.clone(),
                from: from.map(|(template, offset)| (template.clone(), offset)),
            });
        }
        // A macro of a file has the text filters; one within a template is part of it.
        let outer_native = self.native;
        self.native &= definition.0.scope.is_some();
        let result = self.run_macro(definition, node, args, names);
        self.native = outer_native;
        self.owners.pop();
        let running = if node.is_caller {
            None
        } else {
            self.stack.pop()
        };
        match result {
            Ok(text) => Ok(Value::from(text)),
            Err(error) => left(error, running),
        }
    }

    fn check_calls(&self) -> Result<()> {
        let limit = self.environment().limits.calls;
        if self.owners.len() < limit {
            return Ok(());
        }
        let message = format!("more than {limit} macros call one another");
        Err(Error::new(ErrorKind::Recursion, message)
            .with_hint("look for a macro that calls itself without an end"))
    }

    #[inline(never)]
    fn run_macro(
        &mut self,
        definition: &MacroDef,
        node: &MacroNode,
        args: Args,
        names: &dyn Names,
    ) -> Result<String> {
        let template = definition.template();
        let scope = match &definition.0.scope {
            Some(outer) => Scope::inside(outer),
            None => Scope::outermost(self.environment().undefined),
        };
        let context = Context {
            template,
            names,
            scope,
        };
        self.bind(&context, node, args)?;
        let mut output = Output::default();
        self.body(&context, &node.body, &mut output)?;
        Ok(output.text)
    }

    /// Gives the parameters their values.
    #[inline(never)]
    fn bind(&mut self, context: &Context<'_>, node: &MacroNode, args: Args) -> Result<()> {
        let ast = &context.template.0.ast;
        let Args {
            mut positional,
            mut named,
        } = args;
        let extra = if positional.len() > node.parameters.len() {
            positional.split_off(node.parameters.len())
        } else {
            Vec::new()
        };
        let mut given = positional.into_iter();
        let mut has_caller = false;
        for (symbol, default) in &node.parameters {
            let name = ast.symbol(*symbol);
            has_caller |= *symbol == CALLER;
            let value = given.next().or_else(|| take_named(&mut named, name));
            let value = match (value, default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.evaluate(context, *default)?,
                (None, None) => Value::Undefined(Undefined::message(format!(
                    "parameter '{name}' was not provided"
                ))),
            };
            context.scope.set(*symbol, value);
        }
        if node.uses_caller && !has_caller {
            let caller = take_named(&mut named, ast.symbol(CALLER))
                .unwrap_or_else(|| Value::Undefined(Undefined::message("No caller defined")));
            context.scope.set(CALLER, caller);
        }
        let name = ast.symbol(node.name);
        let is_parameter = |symbol| node.parameters.iter().any(|(own, _)| *own == symbol);
        if node.uses_kwargs && !is_parameter(KWARGS) {
            context.scope.set(
                KWARGS,
                Value::Dict(named.into_iter().fold(Dict::new(), |dict, (name, value)| {
                    dict.set_str(name, value);
                    dict
                })),
            );
        } else if let Some((unknown, _)) = named.first() {
            let parameters: Vec<&str> = node
                .parameters
                .iter()
                .map(|(symbol, _)| &**ast.symbol(*symbol))
                .collect();
            let error = Error::new(
                ErrorKind::Type,
                format!("macro '{name}' takes no keyword argument '{unknown}'"),
            );
            return Err(match weir_core::did_you_mean(unknown, &parameters) {
                Some(known) if **unknown != *known => {
                    error.with_hint(format!("did you mean `{known}`?"))
                }
                _ => error,
            });
        }
        if node.uses_varargs && !is_parameter(VARARGS) {
            context.scope.set(VARARGS, Value::tuple(extra));
        } else if !extra.is_empty() {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "macro '{name}' takes not more than {} argument(s)",
                    node.parameters.len()
                ),
            ));
        }
        Ok(())
    }
}

/// What an error makes of a macro that it leaves: its value if it is a `return`, else the error
/// with the macro on its way.
#[cold]
fn left(error: Error, running: Option<Running>) -> Result<Value> {
    // The body of a call block is part of the macro around it, which it ends.
    let Some(running) = running else {
        return Err(error);
    };
    error.into_returned().map_err(|mut error| {
        error.push_frame(Frame {
            name: Arc::clone(running.definition.name()),
            owner: running.definition.owner().cloned(),
            called_at: running.called_at(),
        });
        error
    })
}

fn take_named(named: &mut Vec<(Arc<str>, Value)>, name: &str) -> Option<Value> {
    let at = named.iter().position(|(own, _)| &**own == name)?;
    Some(named.remove(at).1)
}

fn no_method(object: &Value, name: &str, undefined: Undefined) -> Error {
    let error = undefined.error();
    let known: Vec<&str> = match object {
        Value::Object(host) => host.methods().to_vec(),
        other => builtins::method_names(other).to_vec(),
    };
    match weir_core::did_you_mean(name, &known) {
        Some(known) => error.with_hint(format!("did you mean `{known}`?")),
        None => error,
    }
}

fn missing(what: &str, name: &str, known: &[&str]) -> Error {
    let error = Error::new(ErrorKind::Unsupported, format!("No {what} named '{name}'."));
    match weir_core::did_you_mean(name, known) {
        Some(known) => error.with_hint(format!("did you mean `{known}`?")),
        None => error,
    }
}
