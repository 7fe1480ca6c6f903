//! JSON the way intake needs it: strict, without recursion, without a tree.
//!
//! Events come from anyone, so reading them must not depend on the stack or on a parser's unsafe
//! code, and what a string holds beyond Unicode (lone surrogates, NUL) has to be told apart from
//! what is no JSON at all. One pass at the door checks an event and finds its first-level members
//! ([`Head`]); one pass behind it places the values.

mod cursor;
mod head;
mod scan;
mod text;

pub(crate) use cursor::{Bad, BadKind, Cursor, Number};
pub(crate) use head::{Head, RawValue};
pub(crate) use scan::lenient_end;
pub(crate) use text::{Flaws, Text, minify};
