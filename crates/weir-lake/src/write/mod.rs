//! Tables that statements write: no log in front of them, one commit per statement.
//!
//! Rows go straight into files, which nobody sees until one commit names them. Whoever writes a
//! table has its turn until the commit: writers of one table come one after another, and files are
//! not joined meanwhile, so that what a statement read is still there when it commits.
//!
//! Statements of one run may gather their changes in a [`Stage`] instead, which is published as a
//! whole: its tables are seen, new or old, at one instant.

mod columns;
mod load;
mod matched;
mod publish;
mod sink;
mod stage;
mod target;
mod writer;

pub use columns::stored_columns;
pub use load::{LoadState, LoadedTable};
pub use matched::Matched;
pub use publish::{PublishedTable, Publishing};
pub use sink::{RowSink, StoredRows};
pub use stage::Stage;
pub use target::{FILE_COLUMN, ROW_COLUMN, TargetTable};
pub use writer::{Rewrite, TableWriter};

pub(crate) use writer::finish_renames;
