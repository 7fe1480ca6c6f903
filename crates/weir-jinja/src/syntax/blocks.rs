//! The blocks that define something: macros, and dbt's materializations, tests, snapshots and docs.

use std::sync::Arc;

use super::{
    ast::{Expr, ExprId, Stmt, Symbol},
    lexer::Kind,
    parser::Parser,
};
use crate::{Block, BlockKind, Parameter, Result, Span, Value};

/// Parameters for the evaluator, and the same for whoever indexes the file.
type Parameters = (Vec<(Symbol, Option<ExprId>)>, Vec<Parameter>);

impl Parser<'_> {
    /// Parses a block that defines a macro, from its name on to the end of its closing tag.
    pub(super) fn definition(&mut self, tag: &str, tag_start: u32) -> Result<Stmt> {
        let (kind, ender) = match tag {
            "macro" => (BlockKind::Macro, "endmacro"),
            "test" => (BlockKind::Test, "endtest"),
            "data_test" => (BlockKind::Test, "enddata_test"),
            "materialization" => (BlockKind::Materialization, "endmaterialization"),
            _ => (BlockKind::Snapshot, "endsnapshot"),
        };
        self.advance()?;
        let name = self.expect_name("a name")?;
        let mut block = Block {
            kind,
            name: name.into(),
            adapter: None,
            supported_languages: None,
            parameters: Vec::new(),
            span: Span {
                start: tag_start,
                end: 0,
            },
            body: Span::default(),
            line: 0,
            definition: 0,
        };
        let parameters = match kind {
            BlockKind::Macro | BlockKind::Test => {
                let (parameters, described) = self.parameters()?;
                block.parameters = described;
                parameters
            }
            BlockKind::Materialization => self.materialization(&mut block)?,
            _ => Vec::new(),
        };
        if !self.is(Kind::TagEnd) && !self.is(Kind::Colon) {
            return Err(self.unexpected("`%}`"));
        }
        block.body.start = if self.is(Kind::TagEnd) {
            self.token.end
        } else {
            self.lexer.position as u32
        };
        let outermost = self.macros.is_empty();
        let symbol = if kind == BlockKind::Macro {
            self.assigned(name)
        } else {
            let symbol = self.made_symbol(block.macro_name());
            self.ast.assigned[symbol as usize] = true;
            symbol
        };
        block.definition = self.macro_body(symbol, parameters, ender, false)?;
        block.body.end = self.tag_start;
        let definition = block.definition;
        self.close(block, outermost)?;
        Ok(Stmt::Macro(definition))
    }

    fn close(&mut self, mut block: Block, outermost: bool) -> Result<()> {
        self.end_of_tag()?;
        block.span.end = self.previous_end;
        if outermost {
            let before = &self.lexer.source.as_bytes()[..block.span.start as usize];
            let (counted, lines) = self.counted_lines;
            let new = before[counted.min(before.len())..]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            self.counted_lines = (before.len(), lines + new);
            block.line = u32::try_from(lines + new + 1).unwrap_or(u32::MAX);
            self.ast.blocks.push(block);
        }
        Ok(())
    }

    /// `(name: type = default, ...)`
    pub(super) fn parameters(&mut self) -> Result<Parameters> {
        let mut parameters = Vec::new();
        let mut described: Vec<Parameter> = Vec::new();
        self.expect(Kind::LeftParen, "`(`")?;
        while !self.is(Kind::RightParen) {
            if !parameters.is_empty() {
                self.expect(Kind::Comma, "`,`")?;
                if self.is(Kind::RightParen) {
                    break;
                }
            }
            let offset = self.token.start;
            let name = self.expect_name("the name of a parameter")?;
            let mut annotation = None;
            if self.skip_if(Kind::Colon)? {
                let start = self.token.start;
                self.nested(Self::annotation)?;
                annotation = Some(self.source_between(start, self.previous_end));
            }
            let mut default = None;
            let mut default_source = None;
            if self.skip_if(Kind::Assign)? {
                let start = self.token.start;
                default = Some(self.expression()?);
                default_source = Some(self.source_between(start, self.previous_end));
            } else if parameters
                .iter()
                .any(|(_, default)| Option::is_some(default))
            {
                return Err(self
                    .fail_at(offset, "non-default argument follows default argument")
                    .with_hint(format!("give `{name}` a default, or move it forward")));
            }
            let symbol = self.assigned(name);
            parameters.push((symbol, default));
            let name = Arc::clone(&self.ast.symbols[symbol as usize]);
            described.push(Parameter {
                name,
                default: default_source,
                annotation,
            });
        }
        self.expect(Kind::RightParen, "`)`")?;
        Ok((parameters, described))
    }

    /// A type: `name` or `name[type, ...]`.
    fn annotation(&mut self) -> Result<()> {
        self.expect_name("a type")?;
        if self.skip_if(Kind::LeftBracket)? {
            let mut first = true;
            while !self.is(Kind::RightBracket) {
                if !std::mem::take(&mut first) {
                    self.expect(Kind::Comma, "`,`")?;
                }
                self.nested(Self::annotation)?;
            }
            self.expect(Kind::RightBracket, "`]`")?;
        }
        Ok(())
    }

    /// `, default` or `, adapter='x'`, and `, supported_languages=[...]`
    fn materialization(&mut self, block: &mut Block) -> Result<Vec<(Symbol, Option<ExprId>)>> {
        let mut parameters = Vec::new();
        block.adapter = Some("default".into());
        while self.skip_if(Kind::Comma)? {
            let offset = self.token.start;
            match self.expect_name("`default`, `adapter` or `supported_languages`")? {
                "default" => {}
                "adapter" => {
                    self.expect(Kind::Assign, "`=`")?;
                    let value = self.expression()?;
                    match self.literal(value) {
                        Some(adapter) => block.adapter = Some(adapter),
                        None => return Err(self.fail_at(offset, "the adapter must be a string")),
                    }
                }
                "supported_languages" => {
                    self.expect(Kind::Assign, "`=`")?;
                    let start = self.token.start;
                    let value = self.expression()?;
                    block.supported_languages = self.literals(value);
                    let symbol = self.assigned("supported_languages");
                    parameters.push((symbol, Some(value)));
                    block.parameters.push(Parameter {
                        name: Arc::clone(&self.ast.symbols[symbol as usize]),
                        default: Some(self.source_between(start, self.previous_end)),
                        annotation: None,
                    });
                }
                other => {
                    return Err(self
                        .fail_at(
                            offset,
                            format!("a materialization has no argument `{other}`"),
                        )
                        .with_hint(
                            "it takes `default`, `adapter='...'` and `supported_languages=[...]`",
                        ));
                }
            }
        }
        Ok(parameters)
    }

    fn literal(&self, id: ExprId) -> Option<Arc<str>> {
        match &self.ast.expressions[id as usize] {
            Expr::Const(Value::Str(text)) => Some(Arc::clone(text)),
            _ => None,
        }
    }

    fn literals(&self, id: ExprId) -> Option<Vec<Arc<str>>> {
        match &self.ast.expressions[id as usize] {
            Expr::List(items) | Expr::Tuple(items) => {
                items.iter().map(|item| self.literal(*item)).collect()
            }
            _ => None,
        }
    }

    /// `docs name ... enddocs`, whose text is not parsed.
    pub(super) fn docs(&mut self, tag_start: u32) -> Result<()> {
        self.advance()?;
        let name = self.expect_name("a name")?;
        if !self.is(Kind::TagEnd) {
            return Err(self.unexpected("`%}`"));
        }
        let start = self.token.end;
        let Some(end) = self.find_end_tag(start as usize, "enddocs") else {
            return Err(self
                .fail_at(tag_start, format!("the docs block `{name}` is not closed"))
                .with_hint("add `{% enddocs %}`"));
        };
        let block = Block {
            kind: BlockKind::Docs,
            name: name.into(),
            adapter: None,
            supported_languages: None,
            parameters: Vec::new(),
            span: Span {
                start: tag_start,
                end: end.end as u32,
            },
            body: Span {
                start,
                end: end.start as u32,
            },
            line: 0,
            definition: usize::MAX,
        };
        let sign = u32::from(end.strip_after);
        self.token.kind = Kind::TagEnd;
        self.token.start = end.end as u32 - 2 - sign;
        self.token.end = end.end as u32;
        let outermost = self.macros.is_empty();
        self.close(block, outermost)
    }
}
