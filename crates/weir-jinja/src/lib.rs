//! Jinja as dbt projects are written in it: a parser and an evaluator with Python's values.
//!
//! A [`Template`] is parsed once and shared; an [`Interpreter`] renders it, or calls one of its
//! macros, against the [`Names`] of whoever asks. Nothing here knows what a model or a warehouse
//! is, opens a file or a socket, or prints.
//!
//! Why not an existing engine: list and dict mutation, `%` formatting, `varargs`, early
//! `return()`, tuple subscripts and dbt's block tags would each have to be bolted onto immutable
//! values and a closed grammar, after parsing every expression a second time, and positions would
//! be lost on the way.
//!
//! Every text, hostile ones included, ends in a value or an [`Error`]: steps, nesting, output and
//! ranges have [`Limits`].

mod builtins;
mod call;
mod environment;
mod error;
mod interpreter;
mod object;
mod syntax;
mod template;
mod value;

pub use call::{Args, Call};
pub use environment::{Environment, Limits, Names, UndefinedPolicy};
pub use error::{BoxError, Error, ErrorKind, Frame, Place, Result};
pub use interpreter::{Interpreter, Rendering, Running};
pub use object::{Function, Object};
pub use template::{Block, BlockKind, MacroDef, Parameter, Span, Template};
pub use value::{Dict, List, Set, Tuple, Undefined, Value};
