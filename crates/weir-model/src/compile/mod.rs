//! From templates to SQL: what nodes are when their references are resolved.
//!
//! [`Compiler`] renders a node's text with everything known of the project, and puts ephemeral models in
//! as common table expressions. Rendering may ask the warehouse, so a compiler works with a session and
//! blocks; it is for threads that are not the runtime's.

mod comment;
mod compiler;
mod config;
mod cte;
mod graph_value;
mod reference;
mod resolve;
mod stage;
mod unit;

pub(crate) use compiler::{CompileOptions, Compiled, Compiler, CompilerParts, Deferred, failure};
pub(crate) use stage::{Batch, Purpose, StageParts};
pub(crate) use unit::{Input, UnitScope};
