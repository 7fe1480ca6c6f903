//! What the parsers of statements and expressions share: tokens, names, nesting, errors.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use super::{
    ast::{Ast, CALLER, Expr, ExprId, FIXED_SYMBOLS, KWARGS, LOOP, Symbol, VARARGS},
    lexer::{Kind, Lexer, Tag, Token},
};
use crate::{Error, ErrorKind, Place, Result, Span, Template, template::Parsed};

/// How deeply expressions and statements may nest: far more than anybody writes, far less than
/// would use up a thread's stack.
const MAX_DEPTH: u32 = 120;

static FIXED: LazyLock<[Arc<str>; 4]> = LazyLock::new(|| FIXED_SYMBOLS.map(Arc::from));

/// What a loop asks of `loop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LoopUse {
    Nothing,
    /// Only what is known of the turns so far.
    Past,
    /// Anything.
    Ahead,
}

pub(super) struct Parser<'a> {
    pub(super) lexer: Lexer<'a>,
    /// The token to be looked at.
    pub(super) token: Token,
    /// Where the token before it ended.
    pub(super) previous_end: u32,
    pub(super) ast: Ast,
    symbols: HashMap<&'a str, Symbol>,
    depth: u32,
    /// Of each enclosing loop, whether it reads `loop`.
    pub(super) loops: Vec<LoopUse>,
    /// Whether a loop is open whose body this is.
    pub(super) in_loop: bool,
    /// Of each enclosing macro, whether it reads `caller`, `varargs` and `kwargs`.
    pub(super) macros: Vec<[bool; 3]>,
    /// Where the tag being read begins.
    pub(super) tag_start: u32,
    /// Text of a `raw` block that was just read.
    pub(super) raw_text: Option<Span>,
    /// Up to which byte lines have been counted, and how many there were.
    pub(super) counted_lines: (usize, usize),
}

pub(super) fn parse(name: Arc<str>, text: &str) -> Result<Parsed> {
    let source: Arc<str> = normalize(text).into();
    let mut parser = Parser::new(&source);
    match parser.template() {
        Ok(()) => {
            let ast = parser.ast;
            Ok(Parsed { name, source, ast })
        }
        Err((error, offset)) => {
            let parsed = Parsed {
                name,
                source: Arc::clone(&source),
                ast: Ast::default(),
            };
            let place = Template(Arc::new(parsed)).place(offset);
            Err(error.with_place(|| place))
        }
    }
}

/// One kind of line end, and none at the very end: as Jinja's `keep_trailing_newline=False`.
fn normalize(text: &str) -> Cow<'_, str> {
    let one_kind = if memchr::memchr(b'\r', text.as_bytes()).is_some() {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    match one_kind {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix('\n').unwrap_or(text)),
        Cow::Owned(mut text) => {
            if text.ends_with('\n') {
                text.pop();
            }
            Cow::Owned(text)
        }
    }
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Self {
        let mut ast = Ast::default();
        ast.symbols.extend(FIXED.iter().cloned());
        ast.assigned.resize(FIXED_SYMBOLS.len(), true);
        ast.read.resize(FIXED_SYMBOLS.len(), false);
        Self {
            lexer: Lexer {
                source,
                position: 0,
                tag: Tag::Block,
                brackets: Vec::new(),
            },
            token: Token {
                kind: Kind::End,
                start: 0,
                end: 0,
            },
            previous_end: 0,
            ast,
            symbols: FIXED_SYMBOLS
                .iter()
                .zip(0..)
                .map(|(name, at)| (*name, at))
                .collect(),
            depth: 0,
            loops: Vec::new(),
            in_loop: false,
            macros: Vec::new(),
            tag_start: 0,
            raw_text: None,
            counted_lines: (0, 0),
        }
    }

    /// Parses everything; an error comes with its offset.
    fn template(&mut self) -> Result<(), (Error, u32)> {
        if u32::try_from(self.lexer.source.len()).is_err() {
            return Err((
                Error::new(ErrorKind::Limit, "a template is larger than 4 GiB"),
                0,
            ));
        }
        match self.body(&[]) {
            Ok((body, _)) => {
                self.ast.body = body;
                Ok(())
            }
            Err(error) => {
                // Errors without a place are about where the parser stands.
                let offset = error.place().map_or(self.token.start, |place| place.column);
                Err((error.without_place(), offset))
            }
        }
    }

    // Tokens.

    pub(super) fn advance(&mut self) -> Result<Token> {
        let token = self.token;
        self.previous_end = token.end;
        match self.lexer.next() {
            Ok(next) => self.token = next,
            Err(error) => return Err(at(error, self.lexer.position as u32)),
        }
        Ok(token)
    }

    pub(super) fn text(&self) -> &'a str {
        self.lexer.text(self.token)
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.token.kind == kind
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.token.kind == Kind::Name && self.text() == name
    }

    pub(super) fn skip_if(&mut self, kind: Kind) -> Result<bool> {
        let found = self.is(kind);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn skip_name(&mut self, name: &str) -> Result<bool> {
        let found = self.is_name(name);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, kind: Kind, what: &str) -> Result<Token> {
        if self.is(kind) {
            self.advance()
        } else {
            Err(self.unexpected(what))
        }
    }

    pub(super) fn expect_name(&mut self, what: &str) -> Result<&'a str> {
        let text = self.text();
        self.expect(Kind::Name, what)?;
        Ok(text)
    }

    /// The kind of the token after the current one, and its text.
    pub(super) fn peek(&self) -> (Kind, &'a str) {
        let mut ahead = self.lexer.clone();
        match ahead.next() {
            Ok(token) => (token.kind, ahead.text(token)),
            Err(_) => (Kind::End, ""),
        }
    }

    // Nodes.

    pub(super) fn symbol(&mut self, name: &'a str) -> Symbol {
        if let Some(symbol) = self.symbols.get(name) {
            return *symbol;
        }
        self.new_symbol(name, name.into())
    }

    /// A name that is not written in the source like this.
    pub(super) fn made_symbol(&mut self, name: String) -> Symbol {
        if let Some(symbol) = self.symbols.get(name.as_str()) {
            return *symbol;
        }
        let symbol = self.ast.symbols.len() as Symbol;
        self.push_symbol(name.into());
        symbol
    }

    fn new_symbol(&mut self, key: &'a str, name: Arc<str>) -> Symbol {
        let symbol = self.ast.symbols.len() as Symbol;
        self.symbols.insert(key, symbol);
        self.push_symbol(name);
        symbol
    }

    fn push_symbol(&mut self, name: Arc<str>) {
        self.ast.symbols.push(name);
        self.ast.assigned.push(false);
        self.ast.read.push(false);
    }

    pub(super) fn assigned(&mut self, name: &'a str) -> Symbol {
        let symbol = self.symbol(name);
        self.ast.assigned[symbol as usize] = true;
        symbol
    }

    pub(super) fn read(&mut self, name: &'a str) -> Symbol {
        let symbol = self.symbol(name);
        self.ast.read[symbol as usize] = true;
        match symbol {
            LOOP => {
                if let Some(uses) = self.loops.last_mut() {
                    *uses = (*uses).max(LoopUse::Past);
                }
            }
            CALLER | VARARGS | KWARGS => {
                for uses in &mut self.macros {
                    uses[(symbol - CALLER) as usize] = true;
                }
            }
            _ => {}
        }
        symbol
    }

    pub(super) fn push(&mut self, expression: Expr, offset: u32) -> ExprId {
        let id = self.ast.expressions.len() as ExprId;
        self.ast.expressions.push(expression);
        self.ast.offsets.push(offset);
        id
    }

    // Nesting.

    /// Runs a part of the parser one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self
                .fail("this is nested too deeply")
                .with_hint("split it up with `set`"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    // Errors.

    pub(super) fn fail(&self, message: impl Into<String>) -> Error {
        at(Error::new(ErrorKind::Syntax, message), self.token.start)
    }

    pub(super) fn fail_at(&self, offset: u32, message: impl Into<String>) -> Error {
        at(Error::new(ErrorKind::Syntax, message), offset)
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.token.kind {
            Kind::End => "the end of the template".to_owned(),
            Kind::TagEnd => "the end of the tag".to_owned(),
            _ => format!("`{}`", self.text()),
        };
        self.fail(format!("expected {wanted}, found {found}"))
    }
}

/// Notes the offset of an error; the line is counted once, at the end.
pub(super) fn at(error: Error, offset: u32) -> Error {
    error.with_place(|| Place {
        template: Arc::clone(&FIXED[0]),
        line: 0,
        column: offset,
    })
}
