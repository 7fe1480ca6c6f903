//! From the bytes of a body to events and what is no event, in one pass.

mod element;
mod inflate;
mod judge;
mod reason;
mod split;

pub(crate) use element::{member, write_key_of};
pub(crate) use inflate::{Inflated, inflate};
pub(crate) use judge::{Expected, Judged, judge};
pub use reason::Reason;
pub(crate) use split::{Element, Parts, split};

/// Takes any bytes the way a body goes, as every kind of path.
pub(crate) fn fuzz(bytes: &[u8], encoding: &str) {
    let limits = crate::limits::Limits {
        batch_events: 50,
        ..Default::default()
    };
    let Inflated::Plain(body) = inflate(bytes, encoding, &limits) else {
        return;
    };
    let Some(parts) = split(body.trim_ascii(), &limits) else {
        return;
    };
    let _ = write_key_of(&parts.members);
    for element in parts.elements.unwrap_or_default() {
        let _ = judge(element, Expected::Any, &limits);
    }
}
