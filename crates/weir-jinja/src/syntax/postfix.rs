//! What stands behind a value: subscripts, calls, filters and tests.

use super::{
    ast::{Arguments, Expr, ExprId, Symbol},
    lexer::Kind,
    parser::Parser,
};
use crate::Result;

impl Parser<'_> {
    /// Attributes, items and calls behind a value.
    pub(super) fn postfix(&mut self, mut node: ExprId) -> Result<ExprId> {
        loop {
            node = match self.token.kind {
                Kind::Dot => self.attribute(node)?,
                Kind::LeftBracket => self.subscript(node)?,
                Kind::LeftParen => self.call(node)?,
                _ => return Ok(node),
            };
        }
    }

    fn attribute(&mut self, object: ExprId) -> Result<ExprId> {
        self.advance()?;
        let offset = self.token.start;
        match self.token.kind {
            Kind::Name => {
                let name = self.symbol(self.text());
                self.advance()?;
                Ok(self.push(Expr::Attribute { object, name }, offset))
            }
            Kind::Integer => {
                let value = self.number()?;
                let key = self.push(Expr::Const(value), offset);
                Ok(self.push(Expr::Item { object, key }, offset))
            }
            _ => Err(self.unexpected("the name of an attribute")),
        }
    }

    fn subscript(&mut self, object: ExprId) -> Result<ExprId> {
        let offset = self.advance()?.start;
        let mut keys = Vec::new();
        let mut is_tuple = false;
        while !self.is(Kind::RightBracket) {
            keys.push(self.nested(Self::subscribed)?);
            if !self.is(Kind::RightBracket) {
                self.expect(Kind::Comma, "`,` or `]`")?;
                is_tuple = true;
                if self.is(Kind::RightBracket) {
                    return Err(self.unexpected("an expression"));
                }
            }
        }
        self.advance()?;
        let key = match keys.as_slice() {
            [key] if !is_tuple => *key,
            _ => self.push(Expr::Tuple(keys.into()), offset),
        };
        Ok(self.push(Expr::Item { object, key }, offset))
    }

    /// A key in brackets: an expression or a slice.
    fn subscribed(&mut self) -> Result<ExprId> {
        let offset = self.token.start;
        let mut parts = [None; 3];
        let mut at = 0;
        let mut colons = 0;
        loop {
            match self.token.kind {
                Kind::Colon if colons < 2 => {
                    self.advance()?;
                    colons += 1;
                    at += 1;
                }
                Kind::RightBracket | Kind::Comma if colons > 0 => break,
                _ if parts[at].is_none() => parts[at] = Some(self.expression()?),
                _ => break,
            }
            if colons == 0 && !self.is(Kind::Colon) {
                break;
            }
        }
        match parts[0] {
            Some(key) if colons == 0 => Ok(key),
            _ => Ok(self.push(Expr::Slice(Box::new(parts)), offset)),
        }
    }

    fn call(&mut self, callee: ExprId) -> Result<ExprId> {
        // Errors of a call are shown where its name stands.
        let offset = self.ast.offsets[callee as usize];
        let arguments = Box::new(self.arguments()?);
        Ok(self.push(Expr::Call { callee, arguments }, offset))
    }

    /// `(a, *b, c=d, **e)`
    pub(super) fn arguments(&mut self) -> Result<Arguments> {
        self.expect(Kind::LeftParen, "`(`")?;
        let mut positional = Vec::new();
        let mut named: Vec<(Symbol, ExprId)> = Vec::new();
        let (mut spread, mut spread_named) = (None, None);
        while !self.is(Kind::RightParen) {
            match self.token.kind {
                Kind::Star if spread.is_none() && spread_named.is_none() => {
                    self.advance()?;
                    spread = Some(self.expression()?);
                }
                Kind::Power if spread_named.is_none() => {
                    self.advance()?;
                    spread_named = Some(self.expression()?);
                }
                Kind::Name if spread_named.is_none() && self.peek().0 == Kind::Assign => {
                    let name = self.symbol(self.text());
                    if named.iter().any(|(other, _)| *other == name) {
                        return Err(
                            self.fail(format!("the argument `{}` is given twice", self.text()))
                        );
                    }
                    self.advance()?;
                    self.advance()?;
                    named.push((name, self.expression()?));
                }
                _ if named.is_empty() && spread.is_none() && spread_named.is_none() => {
                    positional.push(self.expression()?);
                }
                _ => {
                    return Err(self
                        .fail("a positional argument stands behind a named one")
                        .with_hint("move it forward, or give it its name"));
                }
            }
            if !self.is(Kind::RightParen) {
                self.expect(Kind::Comma, "`,` or `)`")?;
            }
        }
        self.advance()?;
        Ok(Arguments {
            positional: positional.into(),
            named: named.into(),
            spread,
            spread_named,
        })
    }

    pub(super) fn filters_and_tests(&mut self, mut node: ExprId) -> Result<ExprId> {
        loop {
            node = match self.token.kind {
                Kind::Pipe => {
                    self.advance()?;
                    let offset = self.token.start;
                    let name = self.dotted_name("the name of a filter")?;
                    let arguments = if self.is(Kind::LeftParen) {
                        Some(Box::new(self.arguments()?))
                    } else {
                        None
                    };
                    self.push(
                        Expr::Filter {
                            value: node,
                            name,
                            arguments,
                        },
                        offset,
                    )
                }
                Kind::Name if self.text() == "is" => self.test(node)?,
                Kind::LeftParen => self.call(node)?,
                _ => return Ok(node),
            };
        }
    }

    fn test(&mut self, value: ExprId) -> Result<ExprId> {
        self.advance()?;
        let negated = self.is_name("not");
        if negated {
            self.advance()?;
        }
        let offset = self.token.start;
        let name = self.dotted_name("the name of a test")?;
        let arguments = match self.token.kind {
            Kind::LeftParen => Some(Box::new(self.arguments()?)),
            Kind::Name if matches!(self.text(), "else" | "or" | "and") => None,
            Kind::Name if self.text() == "is" => {
                return Err(self
                    .fail("tests cannot be chained")
                    .with_hint("join them with `and`"));
            }
            // Words that go on with the expression or the tag are no arguments of the test.
            Kind::Name if matches!(self.text(), "if" | "not" | "in" | "recursive") => None,
            Kind::Name
            | Kind::String
            | Kind::Integer
            | Kind::Float
            | Kind::LeftBracket
            | Kind::LeftBrace => {
                let argument = self.primary()?;
                let argument = self.postfix(argument)?;
                Some(Box::new(Arguments {
                    positional: Box::new([argument]),
                    ..Arguments::default()
                }))
            }
            _ => None,
        };
        let node = self.push(
            Expr::Test {
                value,
                name,
                arguments,
            },
            offset,
        );
        Ok(if negated {
            self.push(Expr::Not(node), offset)
        } else {
            node
        })
    }
}
