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
//! It gives what Jinja2 3.1 with the extensions `do` and `loopcontrols` gives, but for this:
//!
//! - `include`, `import`, `extends` and `block` are refused, as projects have no templates to name;
//!   `random` is refused, as it would make every run different.
//! - Integers have up to 127 bits, beyond which they are an error. Sets keep the order of insertion.
//! - `map`, `select` and their like apply at once and not when somebody goes through what they give,
//!   which can be gone through once all the same. What Python shows as an address is left out.
//! - `escape` and `safe` give plain strings: nothing escapes automatically in SQL. `pprint` writes
//!   one line.
//! - `__setitem__` and the like are allowed, where the sandbox of dbt refuses them.
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
