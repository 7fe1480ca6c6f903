//! The ground all connectors share: from values to typed changelogs, in whole commits that carry the state
//! they are true of.

mod cell;
mod column;
mod declare;
mod destination;
mod entry;
mod instant;
mod rules;
mod session;
mod shape;
mod table;

pub use cell::Cell;
pub use column::{Column, ColumnType, KEY};
pub use destination::{Commit, Destination, StandingTable, TableCommit, TableHistory};
pub use session::table_name;
pub use table::{ACTIVE, CHANGE_COLUMNS, Operation, PARTIAL};

pub(crate) use rules::LoadRules;
pub(crate) use session::Session;
pub(crate) use table::Row;
