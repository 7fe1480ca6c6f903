//! Statements.

use std::sync::Arc;

use super::{Context, Interpreter, scope::Scope};
use crate::{
    Error, ErrorKind, MacroDef, Result, Value,
    syntax::{Body, CallBlock, Expr, FilterNode, Stmt, Symbol, Target, With},
    template::Definition,
    value::str_within,
};

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

/// What is written; and, if a value is wanted, the value as long as it is the only thing written.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) native: bool,
    pub(crate) pieces: u32,
    pub(crate) only: Option<Value>,
}

impl Interpreter {
    pub(crate) fn body(
        &mut self,
        context: &Context<'_>,
        body: &Body,
        output: &mut Output,
    ) -> Result<Flow> {
        for statement in body {
            let flow = match statement {
                Stmt::Text(span) => {
                    output.text.push_str(span.of(context.template.source()));
                    output.pieces = output.pieces.saturating_add(1);
                    self.check_output(output)?;
                    continue;
                }
                Stmt::Print(expression) => {
                    self.charge(1)?;
                    let value = self.evaluate(context, *expression)?;
                    self.print(value, output)?;
                    continue;
                }
                other => self.statement(context, other, output)?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn check_output(&self, output: &Output) -> Result<()> {
        let limit = self.environment().limits.text_bytes;
        if output.text.len() > limit {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("the output is larger than {limit} bytes"),
            ));
        }
        Ok(())
    }

    pub(crate) fn print(&mut self, value: Value, output: &mut Output) -> Result<()> {
        let limit = self.environment().limits.text_bytes;
        output.pieces = output.pieces.saturating_add(1);
        match &value {
            Value::Str(text) => output.text.push_str(text),
            other => {
                let before = output.text.len();
                str_within(other, &mut output.text, limit);
                self.charge((output.text.len() - before) as u64 / 256)?;
            }
        }
        if output.native {
            output.only = (output.pieces == 1).then_some(value);
        }
        self.check_output(output)
    }

    /// Kept out of `body`, whose frame nests most deeply.
    #[inline(never)]
    fn statement(
        &mut self,
        context: &Context<'_>,
        statement: &Stmt,
        output: &mut Output,
    ) -> Result<Flow> {
        self.charge(1)?;
        self.check_stack()?;
        match statement {
            Stmt::Text(_) | Stmt::Print(_) => {}
            Stmt::If(branches) => {
                for (test, body) in &branches.branches {
                    if self.is_true(context, *test)? {
                        return self.body(context, body, output);
                    }
                }
                return self.body(context, &branches.otherwise, output);
            }
            Stmt::For(index) => return self.run_loop(context, *index, output),
            Stmt::Set(target, value) => {
                let value = self.evaluate(context, *value)?;
                self.assign(context, target, value)?;
            }
            Stmt::SetBlock(block) => {
                let text = self.captured(context, &block.body)?;
                let value = self.filtered(context, &block.filters, Value::from(text))?;
                self.assign(context, &block.target, value)?;
            }
            Stmt::With(with) => return self.with(context, with, output),
            Stmt::Macro(index) => {
                let name = context.template.0.ast.macros[*index].name;
                context
                    .scope
                    .set(name, Value::Macro(self.close_over(context, *index)));
            }
            Stmt::CallBlock(block) => self.call_block(context, block, output)?,
            Stmt::FilterBlock(block) => {
                let text = self.captured(context, &block.body)?;
                let value = self.filtered(context, &block.filters, Value::from(text))?;
                self.print(value, output)?;
            }
            Stmt::Scope(body) => return self.body(&context.inner(), body, output),
            Stmt::Do(expression) => {
                self.evaluate(context, *expression)?;
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// The text of a body in a scope of its own.
    fn captured(&mut self, context: &Context<'_>, body: &Body) -> Result<String> {
        let mut inner = Output::default();
        self.body(&context.inner(), body, &mut inner)?;
        self.charge(inner.text.len() as u64 / 256)?;
        Ok(inner.text)
    }

    fn filtered(
        &mut self,
        context: &Context<'_>,
        filters: &[FilterNode],
        value: Value,
    ) -> Result<Value> {
        filters.iter().try_fold(value, |value, filter| {
            let name = context.template.0.ast.symbol(filter.name);
            self.arguments(context, &filter.arguments, Some(value))
                .and_then(|args| {
                    self.apply_filter(
                        name,
                        args,
                        context.names,
                        Some((context.template, filter.offset)),
                    )
                })
                .map_err(|error| error.placed(context.template, filter.offset))
        })
    }

    fn with(&mut self, context: &Context<'_>, with: &With, output: &mut Output) -> Result<Flow> {
        let inner = context.inner();
        for (target, value) in &with.bindings {
            let value = self.evaluate(context, *value)?;
            self.assign(&inner, target, value)?;
        }
        self.body(&inner, &with.body, output)
    }

    /// A macro of the template as a value that sees the variables around it.
    pub(crate) fn close_over(&self, context: &Context<'_>, index: usize) -> MacroDef {
        MacroDef(Arc::new(Definition {
            template: context.template.clone(),
            index,
            owner: self.owner().cloned(),
            id: None,
            scope: Some(Arc::clone(&context.scope)),
        }))
    }

    fn call_block(
        &mut self,
        context: &Context<'_>,
        block: &CallBlock,
        output: &mut Output,
    ) -> Result<()> {
        let ast = &context.template.0.ast;
        let Expr::Call { callee, arguments } = &ast.expressions[block.call as usize] else {
            return Ok(());
        };
        let caller = Value::Macro(self.close_over(context, block.caller));
        let offset = ast.offsets[block.call as usize];
        let value = self
            .call_expression(context, *callee, arguments, offset, Some(caller))
            .map_err(|error| error.placed(context.template, offset))?;
        self.print(value, output)
    }

    pub(crate) fn assign(
        &mut self,
        context: &Context<'_>,
        target: &Target,
        value: Value,
    ) -> Result<()> {
        match target {
            Target::Name(symbol) => {
                context.scope.set(*symbol, value);
                Ok(())
            }
            Target::Attribute(name, attribute, offset) => self
                .assign_attribute(context, *name, *attribute, value)
                .map_err(|error| error.placed(context.template, *offset)),
            Target::Tuple(targets, offset) => {
                let items = unpacked(&value, targets.len())
                    .map_err(|error| error.placed(context.template, *offset))?;
                targets
                    .iter()
                    .zip(items)
                    .try_for_each(|(target, item)| self.assign(context, target, item))
            }
        }
    }

    fn assign_attribute(
        &mut self,
        context: &Context<'_>,
        name: Symbol,
        attribute: Symbol,
        value: Value,
    ) -> Result<()> {
        let ast = &context.template.0.ast;
        match self.name(context, name)? {
            Value::Object(object) => object.set_attr(ast.symbol(attribute), value),
            Value::Undefined(undefined) => Err(undefined.error()),
            _ => Err(Error::new(
                ErrorKind::Type,
                "cannot assign attribute on non-namespace object",
            )
            .with_hint(format!(
                "make it one: `{{% set {0} = namespace({1}=...) %}}`",
                ast.symbol(name),
                ast.symbol(attribute)
            ))),
        }
    }

    /// The scope for one turn of a loop.
    pub(crate) fn renewed<'a>(context: &Context<'a>, scope: &mut super::ScopeRef) -> Context<'a> {
        Scope::renew(scope);
        Context {
            template: context.template,
            names: context.names,
            scope: Arc::clone(scope),
        }
    }
}

fn unpacked(value: &Value, wanted: usize) -> Result<Vec<Value>> {
    if let Value::Undefined(undefined) = value {
        return Err(undefined.error());
    }
    let items = value.items().map_err(|_| {
        Error::new(
            ErrorKind::Type,
            format!("cannot unpack non-iterable {} object", value.type_name()),
        )
    })?;
    if items.len() < wanted {
        return Err(Error::new(
            ErrorKind::Value,
            format!(
                "not enough values to unpack (expected {wanted}, got {})",
                items.len()
            ),
        ));
    }
    if items.len() > wanted {
        return Err(Error::new(
            ErrorKind::Value,
            format!("too many values to unpack (expected {wanted})"),
        ));
    }
    Ok(items)
}
