//! Singer: taps as programs, and their messages as changelogs.

mod batch;
mod catalog;
mod kept;
mod message;
mod metric;
mod nested;
mod program;
mod schema;
mod seal;
mod since;
mod tap;
mod target;

pub use batch::BatchRecords;
pub use catalog::Offered;
pub use nested::MOST_LEVELS;
pub use program::SourceFolder;

pub(crate) use message::Members;
pub(crate) use since::moment;
pub(crate) use tap::{Tap, Work};
pub(crate) use target::{Expected, Target};
