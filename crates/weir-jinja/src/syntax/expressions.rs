//! Expressions, with Jinja's precedence: `if`, `or`, `and`, `not`, comparisons, sums, `~`,
//! products, powers, signs, then subscripts, calls, filters and tests.

use super::{
    ast::{Comparison, Expr, ExprId, LOOP, Operator},
    lexer::{Kind, unescape},
    parser::{LoopUse, Parser, at},
};
use crate::{
    Result, Value,
    value::{parse_float, parse_int},
};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<ExprId> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Result<ExprId> {
        let offset = self.token.start;
        let mut yes = self.or()?;
        while self.skip_name("if")? {
            let test = self.or()?;
            let no = if self.skip_name("else")? {
                Some(self.expression()?)
            } else {
                None
            };
            yes = self.push(Expr::Conditional { test, yes, no }, offset);
        }
        Ok(yes)
    }

    /// One expression, or several with commas as a tuple.
    pub(super) fn tuple(&mut self, conditional: bool, enders: &[&str]) -> Result<ExprId> {
        self.tuple_in(conditional, enders, false)
    }

    fn tuple_in(
        &mut self,
        conditional: bool,
        enders: &[&str],
        parentheses: bool,
    ) -> Result<ExprId> {
        let offset = self.token.start;
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if self.is(Kind::TagEnd)
                || self.is(Kind::RightParen)
                || enders.iter().any(|name| self.is_name(name))
            {
                break;
            }
            items.push(if conditional {
                self.expression()?
            } else {
                self.nested(Self::or)?
            });
            if !self.skip_if(Kind::Comma)? {
                break;
            }
            is_tuple = true;
        }
        if !is_tuple {
            if let Some(item) = items.pop() {
                return Ok(item);
            }
            if !parentheses {
                return Err(self.unexpected("an expression"));
            }
        }
        Ok(self.push(Expr::Tuple(items.into()), offset))
    }

    fn or(&mut self) -> Result<ExprId> {
        let offset = self.token.start;
        let mut left = self.and()?;
        while self.skip_name("or")? {
            let right = self.and()?;
            left = self.push(Expr::Or(left, right), offset);
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<ExprId> {
        let offset = self.token.start;
        let mut left = self.not()?;
        while self.skip_name("and")? {
            let right = self.not()?;
            left = self.push(Expr::And(left, right), offset);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<ExprId> {
        if self.is_name("not") {
            let offset = self.advance()?.start;
            let operand = self.nested(Self::not)?;
            return Ok(self.push(Expr::Not(operand), offset));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<ExprId> {
        let offset = self.token.start;
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.token.kind {
                Kind::Equal => Comparison::Equal,
                Kind::NotEqual => Comparison::NotEqual,
                Kind::Less => Comparison::Less,
                Kind::LessEqual => Comparison::LessEqual,
                Kind::Greater => Comparison::Greater,
                Kind::GreaterEqual => Comparison::GreaterEqual,
                Kind::Name if self.text() == "in" => Comparison::In,
                Kind::Name if self.text() == "not" && self.peek() == (Kind::Name, "in") => {
                    self.advance()?;
                    Comparison::NotIn
                }
                _ => break,
            };
            self.advance()?;
            rest.push((comparison, self.sum()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(self.push(
            Expr::Compare {
                first,
                rest: rest.into(),
            },
            offset,
        ))
    }

    fn sum(&mut self) -> Result<ExprId> {
        let mut left = self.concat()?;
        loop {
            let operator = match self.token.kind {
                Kind::Plus => Operator::Add,
                Kind::Minus => Operator::Subtract,
                _ => return Ok(left),
            };
            let offset = self.advance()?.start;
            let right = self.concat()?;
            left = self.push(
                Expr::Binary {
                    operator,
                    left,
                    right,
                },
                offset,
            );
        }
    }

    fn concat(&mut self) -> Result<ExprId> {
        let offset = self.token.start;
        let first = self.product()?;
        if !self.is(Kind::Tilde) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_if(Kind::Tilde)? {
            items.push(self.product()?);
        }
        Ok(self.push(Expr::Concat(items.into()), offset))
    }

    fn product(&mut self) -> Result<ExprId> {
        let mut left = self.power()?;
        loop {
            let operator = match self.token.kind {
                Kind::Star => Operator::Multiply,
                Kind::Slash => Operator::Divide,
                Kind::FloorSlash => Operator::FloorDivide,
                Kind::Percent => Operator::Modulo,
                _ => return Ok(left),
            };
            let offset = self.advance()?.start;
            let right = self.power()?;
            left = self.push(
                Expr::Binary {
                    operator,
                    left,
                    right,
                },
                offset,
            );
        }
    }

    fn power(&mut self) -> Result<ExprId> {
        let mut left = self.unary(true)?;
        while self.is(Kind::Power) {
            let offset = self.advance()?.start;
            let right = self.unary(true)?;
            left = self.push(
                Expr::Binary {
                    operator: Operator::Power,
                    left,
                    right,
                },
                offset,
            );
        }
        Ok(left)
    }

    fn unary(&mut self, with_filters: bool) -> Result<ExprId> {
        let offset = self.token.start;
        let node = match self.token.kind {
            Kind::Minus => {
                self.advance()?;
                let operand = self.nested(|parser| parser.unary(false))?;
                self.push(Expr::Negative(operand), offset)
            }
            Kind::Plus => {
                self.advance()?;
                let operand = self.nested(|parser| parser.unary(false))?;
                self.push(Expr::Positive(operand), offset)
            }
            _ => self.primary()?,
        };
        let node = self.postfix(node)?;
        if with_filters {
            self.filters_and_tests(node)
        } else {
            Ok(node)
        }
    }

    pub(super) fn primary(&mut self) -> Result<ExprId> {
        let token = self.token;
        let offset = token.start;
        let text = self.text();
        match token.kind {
            Kind::Name => {
                let value = match text {
                    "true" | "True" => Value::Bool(true),
                    "false" | "False" => Value::Bool(false),
                    "none" | "None" => Value::None,
                    _ => {
                        let symbol = self.read(text);
                        self.advance()?;
                        if symbol == LOOP {
                            self.looks_ahead();
                        }
                        return Ok(self.push(Expr::Name(symbol), offset));
                    }
                };
                self.advance()?;
                Ok(self.push(Expr::Const(value), offset))
            }
            Kind::String => {
                let mut value = unescape(text).map_err(|error| at(error, offset))?;
                self.advance()?;
                while self.is(Kind::String) {
                    value.push_str(
                        &unescape(self.text()).map_err(|error| at(error, self.token.start))?,
                    );
                    self.advance()?;
                }
                Ok(self.push(Expr::Const(Value::Str(value.into())), offset))
            }
            Kind::Integer | Kind::Float => {
                let value = self.number()?;
                Ok(self.push(Expr::Const(value), offset))
            }
            Kind::LeftParen => {
                self.advance()?;
                let inner = self.nested(|parser| parser.tuple_in(true, &[], true))?;
                self.expect(Kind::RightParen, "`)`")?;
                Ok(inner)
            }
            Kind::LeftBracket => {
                self.advance()?;
                let mut items = Vec::new();
                while !self.is(Kind::RightBracket) {
                    items.push(self.expression()?);
                    if !self.is(Kind::RightBracket) {
                        self.expect(Kind::Comma, "`,` or `]`")?;
                    }
                }
                self.advance()?;
                Ok(self.push(Expr::List(items.into()), offset))
            }
            Kind::LeftBrace => self.dict(),
            _ => Err(self.unexpected("an expression")),
        }
    }

    /// Notes whether what follows `loop` asks about turns to come.
    fn looks_ahead(&mut self) {
        const PAST: [&str; 8] = [
            "index", "index0", "first", "previtem", "depth", "depth0", "cycle", "changed",
        ];
        let past = match self.token.kind {
            Kind::Dot => PAST.contains(&self.peek().1),
            // `loop(...)` runs the loop again.
            kind => kind == Kind::LeftParen,
        };
        if let Some(uses) = self.loops.last_mut()
            && !past
        {
            *uses = LoopUse::Ahead;
        }
    }

    pub(super) fn number(&mut self) -> Result<Value> {
        let digits = self.text().replace('_', "");
        let value = if self.is(Kind::Float) {
            parse_float(&digits).map(Value::Float)
        } else {
            parse_int(&digits, 0)
        };
        let Some(value) = value else {
            return Err(self
                .fail("this number is too large")
                .with_hint("integers have up to 127 bits"));
        };
        self.advance()?;
        Ok(value)
    }

    fn dict(&mut self) -> Result<ExprId> {
        let offset = self.advance()?.start;
        let mut items = Vec::new();
        while !self.is(Kind::RightBrace) {
            let key = self.expression()?;
            self.expect(Kind::Colon, "`:`")?;
            items.push((key, self.expression()?));
            if !self.is(Kind::RightBrace) {
                self.expect(Kind::Comma, "`,` or `}`")?;
            }
        }
        self.advance()?;
        Ok(self.push(Expr::Dict(items.into()), offset))
    }
}
