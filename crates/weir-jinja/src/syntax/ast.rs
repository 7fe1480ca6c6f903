//! The parsed form: expressions in one vector, names as numbers, texts as spans of the source.

use std::sync::Arc;

use crate::{Block, Span, Value};

/// A name of the template, as a position in [`Ast::symbols`].
pub(crate) type Symbol = u32;
/// A position in [`Ast::expressions`].
pub(crate) type ExprId = u32;

/// `loop`, which every loop defines.
pub(crate) const LOOP: Symbol = 0;
/// `caller`, which a call block gives.
pub(crate) const CALLER: Symbol = 1;
/// `varargs`: positional arguments without a parameter.
pub(crate) const VARARGS: Symbol = 2;
/// `kwargs`: named arguments without a parameter.
pub(crate) const KWARGS: Symbol = 3;
/// The names that have those numbers in every template.
pub(super) const FIXED_SYMBOLS: [&str; 4] = ["loop", "caller", "varargs", "kwargs"];

#[derive(Default)]
pub(crate) struct Ast {
    pub(crate) symbols: Vec<Arc<str>>,
    /// By symbol: whether the template assigns the name anywhere.
    pub(crate) assigned: Vec<bool>,
    /// By symbol: whether the template reads the name as a variable.
    pub(crate) read: Vec<bool>,
    pub(crate) expressions: Vec<Expr>,
    /// By expression: its offset in the source.
    pub(crate) offsets: Vec<u32>,
    pub(crate) macros: Vec<MacroNode>,
    pub(crate) loops: Vec<LoopNode>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) body: Body,
}

impl Ast {
    pub(crate) fn is_plain(&self) -> bool {
        self.body
            .iter()
            .all(|statement| matches!(statement, Stmt::Text(_)))
    }

    pub(crate) fn free_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.symbols
            .iter()
            .enumerate()
            .skip(FIXED_SYMBOLS.len())
            .filter(|(at, _)| self.read[*at] && !self.assigned[*at])
            .map(|(_, name)| name)
    }

    pub(crate) fn symbol(&self, symbol: Symbol) -> &Arc<str> {
        &self.symbols[symbol as usize]
    }
}

pub(crate) type Body = Box<[Stmt]>;

pub(crate) enum Stmt {
    Text(Span),
    Print(ExprId),
    If(Box<If>),
    For(usize),
    Set(Box<Target>, ExprId),
    SetBlock(Box<SetBlock>),
    With(Box<With>),
    /// Defines the macro of that number.
    Macro(usize),
    CallBlock(Box<CallBlock>),
    FilterBlock(Box<FilterBlock>),
    /// A body with a scope of its own.
    Scope(Body),
    Do(ExprId),
    Break,
    Continue,
}

pub(crate) struct If {
    pub(crate) branches: Vec<(ExprId, Body)>,
    pub(crate) otherwise: Body,
}

/// A loop, apart from the statements so that `loop(...)` can run it again.
pub(crate) struct LoopNode {
    pub(crate) target: Target,
    pub(crate) iterable: ExprId,
    pub(crate) filter: Option<ExprId>,
    pub(crate) recursive: bool,
    /// Whether anything in the loop reads `loop`.
    pub(crate) uses_loop: bool,
    /// Whether that may be about turns to come, or about how many there are.
    pub(crate) looks_ahead: bool,
    pub(crate) body: Body,
    pub(crate) otherwise: Body,
}

pub(crate) enum Target {
    Name(Symbol),
    /// `namespace.attribute`, with the offset of the name.
    Attribute(Symbol, Symbol, u32),
    Tuple(Vec<Target>, u32),
}

pub(crate) struct SetBlock {
    pub(crate) target: Target,
    pub(crate) filters: Vec<FilterNode>,
    pub(crate) body: Body,
}

pub(crate) struct FilterBlock {
    pub(crate) filters: Vec<FilterNode>,
    pub(crate) body: Body,
}

pub(crate) struct FilterNode {
    pub(crate) name: Symbol,
    pub(crate) arguments: Arguments,
    pub(crate) offset: u32,
}

pub(crate) struct With {
    pub(crate) bindings: Vec<(Target, ExprId)>,
    pub(crate) body: Body,
}

pub(crate) struct CallBlock {
    /// The call, which gets the body as `caller`.
    pub(crate) call: ExprId,
    /// The body as a macro.
    pub(crate) caller: usize,
}

pub(crate) struct MacroNode {
    /// The name as it is called: see [`Block::macro_name`].
    pub(crate) name: Symbol,
    pub(crate) parameters: Vec<(Symbol, Option<ExprId>)>,
    pub(crate) body: Body,
    pub(crate) uses_caller: bool,
    pub(crate) uses_varargs: bool,
    pub(crate) uses_kwargs: bool,
    /// Whether it is the body of a call block.
    pub(crate) is_caller: bool,
}

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) positional: Box<[ExprId]>,
    pub(crate) named: Box<[(Symbol, ExprId)]>,
    pub(crate) spread: Option<ExprId>,
    pub(crate) spread_named: Option<ExprId>,
}

pub(crate) enum Expr {
    Const(Value),
    Name(Symbol),
    Tuple(Box<[ExprId]>),
    List(Box<[ExprId]>),
    Dict(Box<[(ExprId, ExprId)]>),
    /// `yes if test else no`
    Conditional {
        test: ExprId,
        yes: ExprId,
        no: Option<ExprId>,
    },
    And(ExprId, ExprId),
    Or(ExprId, ExprId),
    Not(ExprId),
    Negative(ExprId),
    Positive(ExprId),
    Compare {
        first: ExprId,
        rest: Box<[(Comparison, ExprId)]>,
    },
    Binary {
        operator: Operator,
        left: ExprId,
        right: ExprId,
    },
    Concat(Box<[ExprId]>),
    Attribute {
        object: ExprId,
        name: Symbol,
    },
    Item {
        object: ExprId,
        key: ExprId,
    },
    /// What stands in brackets with colons.
    Slice(Box<[Option<ExprId>; 3]>),
    Call {
        callee: ExprId,
        arguments: Box<Arguments>,
    },
    Filter {
        value: ExprId,
        name: Symbol,
        arguments: Option<Box<Arguments>>,
    },
    Test {
        value: ExprId,
        name: Symbol,
        arguments: Option<Box<Arguments>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

impl Operator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Modulo => "%",
            Self::Power => "**",
        }
    }
}
