//! Statements: everything in `{% ... %}` but the blocks that define something.

use std::sync::Arc;

use super::{
    ast::{
        Body, CallBlock, Expr, FilterBlock, FilterNode, If, LoopNode, MacroNode, SetBlock, Stmt,
        Symbol, Target, With,
    },
    lexer::Kind,
    parser::{LoopUse, Parser},
};
use crate::{Error, ErrorKind, Result};

impl<'a> Parser<'a> {
    /// Parses the statement whose name is the current token, its end included. The enders of the
    /// body around it are for messages.
    pub(super) fn statement(
        &mut self,
        tag_start: u32,
        enders: &[&str],
        body: &mut Vec<Stmt>,
    ) -> Result<()> {
        if !self.is(Kind::Name) {
            return Err(self.unexpected("the name of a tag"));
        }
        let offset = self.token.start;
        let name = self.text();
        let statement = match name {
            "if" => self.if_statement()?,
            "for" => self.for_statement()?,
            "set" => self.set_statement()?,
            "do" => {
                self.advance()?;
                Stmt::Do(self.tuple(true, &[])?)
            }
            "call" => self.call_statement()?,
            "macro" | "test" | "data_test" | "materialization" | "snapshot" => {
                let statement = self.definition(name, tag_start)?;
                body.push(statement);
                return Ok(());
            }
            "docs" => return self.docs(tag_start),
            "filter" => {
                self.advance()?;
                let filters = self.filters(true)?;
                let inner = self.scoped_body("endfilter")?;
                Stmt::FilterBlock(Box::new(FilterBlock {
                    filters,
                    body: inner,
                }))
            }
            "with" => self.with_statement()?,
            "autoescape" => {
                self.advance()?;
                self.expression()?;
                Stmt::Scope(self.scoped_body("endautoescape")?)
            }
            "print" => {
                self.advance()?;
                while !self.is(Kind::TagEnd) {
                    body.push(Stmt::Print(self.expression()?));
                    if !self.skip_if(Kind::Comma)? {
                        break;
                    }
                }
                return self.end_of_tag();
            }
            "break" | "continue" => {
                if !self.in_loop {
                    return Err(self.fail(format!("`{name}` outside of a loop")));
                }
                self.advance()?;
                if name == "break" {
                    Stmt::Break
                } else {
                    Stmt::Continue
                }
            }
            "include" | "import" | "from" | "extends" | "block" => {
                return Err(self.not_in_dbt(name, offset));
            }
            _ => return Err(self.unknown_tag(name, enders)),
        };
        self.end_of_tag()?;
        body.push(statement);
        Ok(())
    }

    fn not_in_dbt(&self, name: &str, offset: u32) -> Error {
        let hint = match name {
            "block" | "extends" => "use a macro for text that is shared",
            _ => {
                "macros of the project and its packages are known everywhere; call them as `package.macro()`"
            }
        };
        let error = Error::new(
            ErrorKind::Unsupported,
            format!("dbt projects have no `{{% {name} %}}`"),
        );
        super::parser::at(error, offset).with_hint(hint)
    }

    fn unknown_tag(&self, name: &str, enders: &[&str]) -> Error {
        const KNOWN: [&str; 18] = [
            "if",
            "elif",
            "else",
            "for",
            "set",
            "do",
            "call",
            "macro",
            "test",
            "materialization",
            "snapshot",
            "docs",
            "filter",
            "with",
            "raw",
            "break",
            "continue",
            "endif",
        ];
        if let Some(wanted) = enders.last() {
            let error = self.fail(format!(
                "unexpected tag `{name}`: `{wanted}` must come first"
            ));
            return match weir_core::did_you_mean(name, &KNOWN) {
                Some(known) if !name.starts_with("end") => {
                    error.with_hint(format!("did you mean `{known}`?"))
                }
                _ => error.with_hint("the innermost block that is still open must be closed first"),
            };
        }
        let error = self.fail(format!("unknown tag `{name}`"));
        match weir_core::did_you_mean(name, &KNOWN) {
            Some(known) => error.with_hint(format!("did you mean `{known}`?")),
            None => error,
        }
    }

    /// Goes over the end of an opening tag, before which a colon may stand as in Python, and parses
    /// the body. The closing tag's name is then behind; its end is the caller's.
    pub(super) fn block_body(&mut self, enders: &[&str]) -> Result<(Body, &'a str)> {
        self.skip_if(Kind::Colon)?;
        self.end_of_tag()?;
        let (body, ender) = self.body(enders)?;
        self.advance()?;
        Ok((body, ender.unwrap_or_default()))
    }

    fn scoped_body(&mut self, ender: &str) -> Result<Body> {
        Ok(self.block_body(&[ender])?.0)
    }

    fn if_statement(&mut self) -> Result<Stmt> {
        let mut branches = Vec::new();
        self.advance()?;
        loop {
            let test = self.tuple(false, &[])?;
            let (body, ender) = self.block_body(&["elif", "else", "endif"])?;
            branches.push((test, body));
            let otherwise = match ender {
                "elif" => continue,
                "else" => self.scoped_body("endif")?,
                _ => Body::default(),
            };
            return Ok(Stmt::If(Box::new(If {
                branches,
                otherwise,
            })));
        }
    }

    fn for_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        let target = self.target(true, &["in"])?;
        if !self.skip_name("in")? {
            return Err(self.unexpected("`in`"));
        }
        let iterable = self.tuple(false, &["recursive"])?;
        let filter = if self.skip_name("if")? {
            Some(self.expression()?)
        } else {
            None
        };
        let recursive = self.skip_name("recursive")?;
        // In its header `loop` is that of the loop around this one.
        self.loops.push(LoopUse::Nothing);
        let outer = std::mem::replace(&mut self.in_loop, true);
        let (body, ender) = self.block_body(&["else", "endfor"])?;
        self.in_loop = outer;
        let uses = self.loops.pop().unwrap_or(LoopUse::Nothing);
        let uses_loop = uses > LoopUse::Nothing || recursive;
        let looks_ahead = uses == LoopUse::Ahead;
        let otherwise = if ender == "else" {
            self.scoped_body("endfor")?
        } else {
            Body::default()
        };
        self.ast.loops.push(LoopNode {
            target,
            iterable,
            filter,
            recursive,
            uses_loop,
            looks_ahead,
            body,
            otherwise,
        });
        Ok(Stmt::For(self.ast.loops.len() - 1))
    }

    fn set_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        let target = self.target(true, &[])?;
        if self.skip_if(Kind::Assign)? {
            let value = self.tuple(true, &[])?;
            return Ok(Stmt::Set(Box::new(target), value));
        }
        let filters = self.filters(false)?;
        let body = self.scoped_body("endset")?;
        Ok(Stmt::SetBlock(Box::new(SetBlock {
            target,
            filters,
            body,
        })))
    }

    fn with_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        let mut bindings = Vec::new();
        while !self.is(Kind::TagEnd) && !self.is(Kind::Colon) {
            if !bindings.is_empty() {
                self.expect(Kind::Comma, "`,`")?;
            }
            let target = self.target(false, &[])?;
            self.expect(Kind::Assign, "`=`")?;
            bindings.push((target, self.expression()?));
        }
        let body = self.scoped_body("endwith")?;
        Ok(Stmt::With(Box::new(With { bindings, body })))
    }

    fn call_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        let parameters = if self.is(Kind::LeftParen) {
            self.parameters()?.0
        } else {
            Vec::new()
        };
        let start = self.token.start;
        let call = self.expression()?;
        if !matches!(self.ast.expressions[call as usize], Expr::Call { .. }) {
            return Err(self.fail_at(start, "a call block needs a call: `{% call name(...) %}`"));
        }
        let name = self.symbol("caller");
        let caller = self.macro_body(name, parameters, "endcall", true)?;
        Ok(Stmt::CallBlock(Box::new(CallBlock { call, caller })))
    }

    /// Parses the body of a macro up to its closing tag, whose end is the caller's.
    pub(super) fn macro_body(
        &mut self,
        name: Symbol,
        parameters: Vec<(Symbol, Option<u32>)>,
        ender: &str,
        is_caller: bool,
    ) -> Result<usize> {
        self.macros.push([false; 3]);
        // A call block is in the loop around it but for leaving it.
        let outer = std::mem::replace(&mut self.in_loop, false);
        let body = self.scoped_body(ender)?;
        self.in_loop = outer;
        let [uses_caller, uses_varargs, uses_kwargs] = self.macros.pop().unwrap_or_default();
        self.ast.macros.push(MacroNode {
            name,
            parameters,
            body,
            uses_caller,
            uses_varargs,
            uses_kwargs,
            is_caller,
        });
        Ok(self.ast.macros.len() - 1)
    }

    /// Filters in a row: `| a | b(1)`, the first without its pipe if told so.
    fn filters(&mut self, inline: bool) -> Result<Vec<FilterNode>> {
        let mut filters = Vec::new();
        while inline && filters.is_empty() || self.is(Kind::Pipe) {
            self.skip_if(Kind::Pipe)?;
            let offset = self.token.start;
            let name = self.dotted_name("the name of a filter")?;
            let arguments = if self.is(Kind::LeftParen) {
                self.arguments()?
            } else {
                Default::default()
            };
            filters.push(FilterNode {
                name,
                arguments,
                offset,
            });
        }
        Ok(filters)
    }

    /// What is assigned to: a name, `namespace.attribute`, or several of them.
    pub(super) fn target(&mut self, with_tuple: bool, enders: &[&str]) -> Result<Target> {
        let offset = self.token.start;
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            if self.is(Kind::TagEnd)
                || self.is(Kind::RightParen)
                || enders.iter().any(|name| self.is_name(name))
            {
                break;
            }
            targets.push(self.nested(Self::one_target)?);
            if !with_tuple || !self.skip_if(Kind::Comma)? {
                break;
            }
            is_tuple = true;
        }
        match targets.pop() {
            Some(target) if !is_tuple => Ok(target),
            Some(last) => {
                targets.push(last);
                Ok(Target::Tuple(targets, offset))
            }
            None => Err(self.unexpected("a name to assign to")),
        }
    }

    fn one_target(&mut self) -> Result<Target> {
        let offset = self.token.start;
        if self.skip_if(Kind::LeftParen)? {
            let target = self.target(true, &[])?;
            self.expect(Kind::RightParen, "`)`")?;
            return Ok(target);
        }
        let name = self.expect_name("a name to assign to")?;
        if matches!(name, "true" | "false" | "none" | "True" | "False" | "None") {
            return Err(self.fail_at(offset, format!("cannot assign to `{name}`")));
        }
        if self.skip_if(Kind::Dot)? {
            let attribute = self.expect_name("the name of an attribute")?;
            let (name, attribute) = (self.read(name), self.symbol(attribute));
            return Ok(Target::Attribute(name, attribute, offset));
        }
        if self.is(Kind::LeftBracket) {
            return Err(self.fail("items cannot be assigned to").with_hint(format!(
                "write `{{% do {name}.update({{key: value}}) %}}`, or `{name}.__setitem__(key, value)`"
            )));
        }
        Ok(Target::Name(self.assigned(name)))
    }

    /// A name that may have dots in it.
    pub(super) fn dotted_name(&mut self, what: &str) -> Result<Symbol> {
        let name = self.expect_name(what)?;
        if !self.is(Kind::Dot) {
            return Ok(self.symbol(name));
        }
        let mut dotted = name.to_owned();
        while self.skip_if(Kind::Dot)? {
            dotted.push('.');
            dotted.push_str(self.expect_name(what)?);
        }
        Ok(self.made_symbol(dotted))
    }

    pub(super) fn source_between(&self, start: u32, end: u32) -> Arc<str> {
        self.lexer
            .source
            .get(start as usize..end as usize)
            .unwrap_or_default()
            .trim()
            .into()
    }
}
