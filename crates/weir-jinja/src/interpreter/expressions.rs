//! Expressions.

use std::{cmp::Ordering, sync::Arc};

use super::{Context, Interpreter, binary, contains, operators};
use crate::{
    Args, Dict, Error, ErrorKind, Result, Undefined, UndefinedPolicy, Value, builtins,
    syntax::{Arguments, Comparison, Expr, ExprId, Symbol},
    value::{compare, str_within},
};

impl Interpreter {
    pub(crate) fn evaluate(&mut self, context: &Context<'_>, id: ExprId) -> Result<Value> {
        let ast = &context.template.0.ast;
        let result = match &ast.expressions[id as usize] {
            Expr::Const(value) => return Ok(value.clone()),
            Expr::Name(symbol) => self.name(context, *symbol),
            other => self
                .check_stack()
                .and_then(|()| self.compound(context, id, other)),
        };
        result.map_err(|error| error.placed(context.template, ast.offsets[id as usize]))
    }

    pub(crate) fn is_true(&mut self, context: &Context<'_>, id: ExprId) -> Result<bool> {
        Ok(self.evaluate(context, id)?.is_true())
    }

    /// The value of a name: of a variable, of the host, or a global.
    pub(crate) fn name(&mut self, context: &Context<'_>, symbol: Symbol) -> Result<Value> {
        let ast = &context.template.0.ast;
        if ast.assigned[symbol as usize]
            && let Some(value) = context.scope.find(symbol)
        {
            return Ok(value);
        }
        let name = ast.symbol(symbol);
        if let Some(value) = context.names.lookup(name, self)? {
            return Ok(value);
        }
        if let Some(value) = self.environment().globals.get(name) {
            return Ok(value.clone());
        }
        if let Some(value) = builtins::global(name) {
            return Ok(value);
        }
        let undefined = match context.scope.policy() {
            UndefinedPolicy::Lenient => Undefined::name(Arc::clone(name)),
            UndefinedPolicy::Chainable => Undefined::chainable(Arc::clone(name)),
            UndefinedPolicy::Strict => {
                let error = Undefined::name(Arc::clone(name)).error();
                return Err(self.suggest(error, Some(name), context.names));
            }
        };
        Ok(Value::Undefined(undefined))
    }

    fn compound(&mut self, context: &Context<'_>, id: ExprId, expression: &Expr) -> Result<Value> {
        match expression {
            Expr::Const(value) => Ok(value.clone()),
            Expr::Name(symbol) => self.name(context, *symbol),
            Expr::Tuple(items) => Ok(Value::tuple(self.all(context, items)?)),
            Expr::List(items) => Ok(Value::list(self.all(context, items)?)),
            Expr::Dict(entries) => {
                let dict = Dict::new();
                for (key, value) in entries {
                    let key = self.evaluate(context, *key)?;
                    dict.set(key, self.evaluate(context, *value)?)?;
                }
                Ok(Value::Dict(dict))
            }
            Expr::Conditional { test, yes, no } => {
                if self.is_true(context, *test)? {
                    return self.evaluate(context, *yes);
                }
                match no {
                    Some(no) => self.evaluate(context, *no),
                    None => Ok(Value::Undefined(Undefined::message(
                        "the inline if-expression evaluated to false and no else section was defined.",
                    ))),
                }
            }
            Expr::And(left, right) => {
                let left = self.evaluate(context, *left)?;
                if left.is_true() {
                    self.evaluate(context, *right)
                } else {
                    Ok(left)
                }
            }
            Expr::Or(left, right) => {
                let left = self.evaluate(context, *left)?;
                if left.is_true() {
                    Ok(left)
                } else {
                    self.evaluate(context, *right)
                }
            }
            Expr::Not(operand) => Ok(Value::Bool(!self.is_true(context, *operand)?)),
            Expr::Negative(operand) => {
                let value = self.evaluate(context, *operand)?;
                operators::negative(&value)
            }
            Expr::Positive(operand) => {
                let value = self.evaluate(context, *operand)?;
                operators::positive(&value)
            }
            Expr::Compare { first, rest } => self.comparison(context, *first, rest),
            Expr::Binary { .. } => self.binary_chain(context, id),
            Expr::Concat(items) => self.concat(context, items),
            Expr::Attribute { object, name } => {
                let object = self.evaluate(context, *object)?;
                let name = context.template.0.ast.symbol(*name);
                self.attribute(context, &object, name)
            }
            Expr::Item { object, key } => {
                let object = self.evaluate(context, *object)?;
                if let Expr::Slice(parts) = &context.template.0.ast.expressions[*key as usize] {
                    return self.slice(context, &object, parts);
                }
                let key = self.evaluate(context, *key)?;
                match &object {
                    Value::Undefined(undefined) if !undefined.is_chainable() => {
                        Err(self.suggest(undefined.error(), undefined.asked(), context.names))
                    }
                    _ => object.get_item(&key),
                }
            }
            Expr::Slice(_) => Err(Error::new(
                ErrorKind::Type,
                "a slice cannot be part of a tuple",
            )),
            Expr::Call { callee, arguments } => {
                let offset = context.template.0.ast.offsets[id as usize];
                self.call_expression(context, *callee, arguments, offset, None)
            }
            Expr::Filter {
                value,
                name,
                arguments,
            } => {
                let value = self.evaluate(context, *value)?;
                let args = self.optional_arguments(context, arguments.as_deref(), value)?;
                let ast = &context.template.0.ast;
                let from = Some((context.template, ast.offsets[id as usize]));
                self.apply_filter(ast.symbol(*name), args, context.names, from)
            }
            Expr::Test {
                value,
                name,
                arguments,
            } => {
                let value = self.evaluate(context, *value)?;
                let args = self.optional_arguments(context, arguments.as_deref(), value)?;
                let ast = &context.template.0.ast;
                let from = Some((context.template, ast.offsets[id as usize]));
                self.apply_test(ast.symbol(*name), args, context.names, from)
                    .map(Value::Bool)
            }
        }
    }

    fn all(&mut self, context: &Context<'_>, items: &[ExprId]) -> Result<Vec<Value>> {
        items
            .iter()
            .map(|item| self.evaluate(context, *item))
            .collect()
    }

    pub(crate) fn attribute(
        &mut self,
        context: &Context<'_>,
        object: &Value,
        name: &Arc<str>,
    ) -> Result<Value> {
        match object {
            Value::Undefined(undefined) if !undefined.is_chainable() => {
                Err(self.suggest(undefined.error(), undefined.asked(), context.names))
            }
            _ => object.get_attr(name),
        }
    }

    fn slice(
        &mut self,
        context: &Context<'_>,
        object: &Value,
        parts: &[Option<ExprId>; 3],
    ) -> Result<Value> {
        let mut bounds = [Value::None, Value::None, Value::None];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            if let Some(part) = part {
                *bound = self.evaluate(context, *part)?;
            }
        }
        self.charge(object.length().unwrap_or(0) as u64 / 8)?;
        object.slice(&bounds[0], &bounds[1], &bounds[2])
    }

    fn comparison(
        &mut self,
        context: &Context<'_>,
        first: ExprId,
        rest: &[(Comparison, ExprId)],
    ) -> Result<Value> {
        let mut left = self.evaluate(context, first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(context, *right)?;
            if !compared(*comparison, &left, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    /// `a + b + c ...`: the left sides are nested, and taken in a row so that long sums are fine.
    fn binary_chain(&mut self, context: &Context<'_>, id: ExprId) -> Result<Value> {
        let ast = &context.template.0.ast;
        let mut chain = Vec::new();
        let mut first = id;
        while let Expr::Binary {
            operator,
            left,
            right,
        } = &ast.expressions[first as usize]
        {
            chain.push((first, *operator, *right));
            first = *left;
        }
        let mut value = self.evaluate(context, first)?;
        for (id, operator, right) in chain.into_iter().rev() {
            let right = self.evaluate(context, right)?;
            value = binary(self, operator, &value, &right)
                .map_err(|error| error.placed(context.template, ast.offsets[id as usize]))?;
        }
        Ok(value)
    }

    fn concat(&mut self, context: &Context<'_>, items: &[ExprId]) -> Result<Value> {
        let limit = self.environment().limits.text_bytes;
        let mut text = String::new();
        for item in items {
            let value = self.evaluate(context, *item)?;
            str_within(&value, &mut text, limit);
            self.check_text(text.len())?;
        }
        Ok(Value::from(text))
    }

    fn optional_arguments(
        &mut self,
        context: &Context<'_>,
        arguments: Option<&Arguments>,
        first: Value,
    ) -> Result<Args> {
        match arguments {
            Some(arguments) => self.arguments(context, arguments, Some(first)),
            None => Ok(Args::from(vec![first])),
        }
    }

    /// The values of arguments, behind a first one if there is one.
    pub(crate) fn arguments(
        &mut self,
        context: &Context<'_>,
        arguments: &Arguments,
        first: Option<Value>,
    ) -> Result<Args> {
        let mut args = Args::none();
        args.positional.reserve(arguments.positional.len() + 1);
        args.positional.extend(first);
        for argument in &arguments.positional {
            args.positional.push(self.evaluate(context, *argument)?);
        }
        for (name, value) in &arguments.named {
            let value = self.evaluate(context, *value)?;
            args.named
                .push((Arc::clone(context.template.0.ast.symbol(*name)), value));
        }
        if let Some(spread) = arguments.spread {
            let items = self.evaluate(context, spread)?.items()?;
            self.check_items(items.len())?;
            args.positional.extend(items);
        }
        if let Some(spread) = arguments.spread_named {
            self.spread_named(context, spread, &mut args)?;
        }
        Ok(args)
    }

    fn spread_named(
        &mut self,
        context: &Context<'_>,
        spread: ExprId,
        args: &mut Args,
    ) -> Result<()> {
        let value = self.evaluate(context, spread)?;
        let entries = builtins::mapping_entries(&value)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Type,
                format!(
                    "argument after ** must be a mapping, not {}",
                    value.type_name()
                ),
            )
        })?;
        for (key, value) in entries {
            let Value::Str(name) = key else {
                return Err(Error::new(ErrorKind::Type, "keywords must be strings"));
            };
            if args.named.iter().any(|(other, _)| *other == name) {
                return Err(Error::new(
                    ErrorKind::Type,
                    format!("got multiple values for keyword argument '{name}'"),
                ));
            }
            args.named.push((name, value));
        }
        Ok(())
    }
}

fn compared(comparison: Comparison, left: &Value, right: &Value) -> Result<bool> {
    let order = |operator| compare(left, right, operator);
    Ok(match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::In => contains(right, left)?,
        Comparison::NotIn => !contains(right, left)?,
        _ if matches!((left, right), (Value::Set(_), Value::Set(_))) => {
            operators::compare_sets(comparison, left, right)
        }
        Comparison::Less => order("<")? == Some(Ordering::Less),
        Comparison::LessEqual => matches!(order("<=")?, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order(">")? == Some(Ordering::Greater),
        Comparison::GreaterEqual => {
            matches!(order(">=")?, Some(Ordering::Greater | Ordering::Equal))
        }
    })
}
