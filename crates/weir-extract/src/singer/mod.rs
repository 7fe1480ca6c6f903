//! Singer: taps as programs, and their messages as changelogs.

mod batch;
mod catalog;
mod kept;
mod message;
mod metric;
mod program;
mod schema;
mod seal;
mod since;
mod tap;
mod target;

pub use batch::expand;
pub use catalog::Offered;
pub use program::SourceFolder;

pub(crate) use message::Members;
pub(crate) use since::moment;
pub(crate) use tap::{Tap, Work};
pub(crate) use target::{Expected, Target};
