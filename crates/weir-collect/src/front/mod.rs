//! What a client sees: paths, keys, replies, settings, and the browser snippet.

mod auth;
mod pixel;
mod reply;
mod route;
mod settings;
mod signature;

pub(crate) use auth::Keys;
pub(crate) use pixel::{event_of_query, pixel_data};
pub(crate) use reply::Reply;
pub(crate) use route::{Form, Route, route};
pub(crate) use signature::Verified;
pub use signature::{Scheme, Verifier};

pub(crate) use settings::{Base, script, segment_settings, source_config};
