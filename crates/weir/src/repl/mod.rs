//! `weir sql`: statements to a running server, answers to the terminal.

mod answer;
mod complete;
mod meta;
mod prompt;
mod session;
pub(crate) mod split;
mod table;

pub(crate) use answer::Format;
pub(crate) use prompt::interactive;
pub(crate) use session::Session;
pub(crate) use table::grid;
