//! The ground all connectors share: from values to typed changelogs, in whole commits that carry the state
//! they are true of.

mod cell;
mod column;
mod declare;
mod destination;
mod entry;
mod guess;
mod instant;
mod rules;
mod session;
mod shape;
mod table;

pub use cell::Cell;
pub use column::{Column, ColumnDefault, ColumnType, DEFAULT, DEFAULT_BEFORE, KEY};
pub use destination::{Commit, CurrentRows, Destination, StandingTable, TableCommit, TableHistory};
pub use session::table_name;
pub use table::{ACTIVE, CHANGE_COLUMNS, COUNTED, Operation, PARTIAL};

pub(crate) use guess::{type_of_json, type_of_text};
pub(crate) use rules::LoadRules;
pub(crate) use session::Session;
pub(crate) use table::{Changed, Row};
