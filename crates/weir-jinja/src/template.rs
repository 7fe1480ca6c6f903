//! Parsed templates, the blocks in them and macros as something to call.

use std::{fmt, sync::Arc};

use crate::{Place, Result, syntax};

/// A range of bytes of a template's [`Template::source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The text of the span.
    pub fn of(self, source: &str) -> &str {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// The tags that define something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// `{% macro name(...) %}`
    Macro,
    /// `{% materialization name, adapter='x' %}` or `default`
    Materialization,
    /// `{% test name(...) %}` and `{% data_test name(...) %}`: a generic test.
    Test,
    /// `{% snapshot name %}`
    Snapshot,
    /// `{% docs name %}`: raw text.
    Docs,
}

/// A parameter of a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// The source of its default, if it has one.
    pub default: Option<Arc<str>>,
    /// The source of its type annotation, if it has one.
    pub annotation: Option<Arc<str>>,
}

/// Something that a template defines: found without running anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which tag defines it.
    pub kind: BlockKind,
    /// The name as written.
    pub name: Arc<str>,
    /// A materialization's adapter, `default` unless given.
    pub adapter: Option<Arc<str>>,
    /// A materialization's `supported_languages`, when they are written as literals.
    pub supported_languages: Option<Vec<Arc<str>>>,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// From the opening tag's first byte to the closing tag's last.
    pub span: Span,
    /// What is between the tags.
    pub body: Span,
    /// The line of the opening tag, from 1.
    pub line: u32,
    pub(crate) definition: usize,
}

impl Block {
    /// The name as dbt has it for a macro: `name`, `test_name`, `materialization_name_adapter`.
    pub fn macro_name(&self) -> String {
        match self.kind {
            BlockKind::Test => format!("test_{}", self.name),
            BlockKind::Materialization => format!(
                "materialization_{}_{}",
                self.name,
                self.adapter.as_deref().unwrap_or("default")
            ),
            _ => self.name.to_string(),
        }
    }
}

/// A parsed template; cheap to clone and to share between threads.
#[derive(Clone)]
pub struct Template(pub(crate) Arc<Parsed>);

pub(crate) struct Parsed {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) ast: syntax::Ast,
}

impl Template {
    /// Parses a text; the name is for places in messages.
    pub fn parse(name: impl Into<Arc<str>>, text: &str) -> Result<Self> {
        syntax::parse(name.into(), text).map(|parsed| Self(Arc::new(parsed)))
    }

    /// The name it was parsed with.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The text, line ends normalised to `\n`: what spans refer to.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The macros, materializations, tests, snapshots and docs that the template defines outside
    /// of other such blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.0.ast.blocks
    }

    /// The text between the tags of a block.
    pub fn body_of(&self, block: &Block) -> &str {
        block.body.of(self.source())
    }

    /// Whether there is nothing to evaluate: rendering gives the text as it is.
    pub fn is_plain(&self) -> bool {
        self.0.ast.is_plain()
    }

    /// The names that the template (its macros included) uses without defining them anywhere, each
    /// once, in order of first use.
    pub fn free_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.ast.free_names()
    }

    /// A block as a macro that can be called. Docs have nothing to call: `None`.
    ///
    /// The owner is what [`crate::Interpreter::owner`] says while the macro runs, the id what
    /// [`crate::Interpreter::stack`] says: a package's name and a unique id.
    pub fn macro_def(
        &self,
        block: &Block,
        owner: impl Into<Arc<str>>,
        id: impl Into<Arc<str>>,
    ) -> Option<MacroDef> {
        if block.kind == BlockKind::Docs || block.definition >= self.0.ast.macros.len() {
            return None;
        }
        Some(MacroDef(Arc::new(Definition {
            template: self.clone(),
            index: block.definition,
            owner: Some(owner.into()),
            id: Some(id.into()),
            scope: None,
        })))
    }

    pub(crate) fn place(&self, offset: u32) -> Place {
        let source = &*self.0.source;
        let mut end = (offset as usize).min(source.len());
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        let before = &source[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Place {
            template: Arc::clone(&self.0.name),
            line: number(before.bytes().filter(|byte| *byte == b'\n').count()),
            column: number(before[line_start..].chars().count()),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// A macro that can be called: its template and where in it, and who owns it.
#[derive(Clone)]
pub struct MacroDef(pub(crate) Arc<Definition>);

pub(crate) struct Definition {
    pub(crate) template: Template,
    pub(crate) index: usize,
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) id: Option<Arc<str>>,
    /// What a macro defined while a template runs sees around it.
    pub(crate) scope: Option<crate::interpreter::ScopeRef>,
}

impl MacroDef {
    /// The macro's name: see [`Block::macro_name`].
    pub fn name(&self) -> &Arc<str> {
        let ast = &self.0.template.0.ast;
        &ast.symbols[ast.macros[self.0.index].name as usize]
    }

    /// The template that defines it.
    pub fn template(&self) -> &Template {
        &self.0.template
    }

    /// Who owns it, if anybody said so.
    pub fn owner(&self) -> Option<&Arc<str>> {
        self.0.owner.as_ref()
    }

    /// Its unique id, if it was given one.
    pub fn id(&self) -> Option<&Arc<str>> {
        self.0.id.as_ref()
    }

    pub(crate) fn node(&self) -> &syntax::MacroNode {
        &self.0.template.0.ast.macros[self.0.index]
    }
}

impl fmt::Debug for MacroDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacroDef({} in {})", self.name(), self.0.template.name())
    }
}
