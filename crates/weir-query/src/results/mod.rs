//! Answers that last: their rows in the lake, what they depend on, and parameters by name.
//!
//! What an answer is called and who may see it is the catalog's and the doors' business.

mod identity;
mod named;
mod store;

pub use identity::{AnswerFacts, answer_identity};
pub use named::{NamedParameter, NamedStatement, ParameterType, bind_named, with_literals};
pub use store::{ResultStore, ResultWriter, StoredRowsStream};
