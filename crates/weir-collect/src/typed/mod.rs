//! From records of the log to rows: the unaltered tables of a source, and the warehouse layout
//! that dbt packages for Segment and RudderStack expect.
//!
//! What a row becomes depends on the records before it and on nothing else: the same log, or the
//! rows of `raw_<source>.events` in their order, give the same tables again.

mod apply;
mod derive;
mod facts;
mod flatten;
mod layout;
mod names;
mod path;
mod raw;
mod sink;
mod table;
mod time;
mod typer;

pub use apply::{ApplyCounts, EventApply, event_apply};
pub(crate) use apply::{hex, summary};
pub use derive::{EventDerive, event_derive};
pub use raw::RawEvent;
pub use sink::Sink;
pub use typer::Typer;

#[cfg(test)]
mod tests;
