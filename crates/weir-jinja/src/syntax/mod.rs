//! From text to [`Ast`].

mod ast;
mod blocks;
mod expressions;
mod lexer;
mod parser;
mod postfix;
mod statements;
mod tags;

use std::sync::Arc;

pub(crate) use self::{ast::*, lexer::is_space};
use crate::{Result, template::Parsed};

/// Parses a text.
pub(crate) fn parse(name: Arc<str>, text: &str) -> Result<Parsed> {
    parser::parse(name, text)
}
