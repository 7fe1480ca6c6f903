//! The intake of events: the HTTP APIs of Segment and RudderStack, from the bytes of a request to
//! a record of the log, and from the record to rows of tables.
//!
//! What this crate is not: it opens no socket (the server hands it requests), it knows no SQL, and
//! it decides nothing about an event twice: what needs a clock, a key or chance is decided at the
//! door and written down, the rest follows from the record.

mod collector;
mod intake;

mod address;
mod front;
mod limits;
mod live;
mod log;
mod metrics;
mod rates;

mod door;
mod json;
pub mod record;
mod typed;

pub use collector::Collector;
pub use door::Reason;
pub use front::{Scheme, Verifier};
pub use limits::{Limits, Rate};
pub use live::{LiveEvent, LiveEvents, LiveFilter, LiveItem, LiveStream};
pub use metrics::IntakeCounts;
pub use typed::{
    ApplyCounts, EventApply, EventDerive, RawEvent, Sink, Typer, event_apply, event_derive,
};

/// What the fuzzers call: the decoders of foreign bytes, without a server around them.
#[doc(hidden)]
pub mod fuzzing {
    /// Decompresses, splits and judges a body; panics are the findings.
    pub fn body(bytes: &[u8], encoding: &str) {
        crate::door::fuzz(bytes, encoding);
    }
}
