//! Running nodes: building models, seeds and snapshots, testing, and what else asks the warehouse.
//!
//! A [`Runner`] belongs to one invocation. Its calls block while threads of its own work, so they are
//! for threads that are not the runtime's; the runtime is given to it for talking to the warehouse.

mod batches;
mod catalog;
mod csv;
mod earlier;
mod foresee;
mod freshness;
mod fused;
mod hooks;
mod node;
mod observer;
mod operation;
mod outlook;
mod plan;
mod pool;
mod recipe;
mod result;
mod retry;
mod runner;
mod seed;
mod test;
mod unit;

pub use batches::BatchSize;
pub use catalog::CatalogTable;
pub use earlier::{Earlier, EarlierBuild};
pub use foresee::Foreseen;
pub use freshness::{FreshnessResult, FreshnessStatus};
pub use node::Rendered;
pub use observer::{Observer, PerModel, Publication};
pub use operation::Shown;
pub use outlook::Outlook;
pub use recipe::recipes;
pub use result::{NodeResult, Provenance, Report, Status, Timing};
pub use retry::Retry;
pub use runner::{Command, RunOptions, Runner, RunnerParts, Span};
pub(crate) use seed::read as read_seed;
