//! Rows of other systems: connectors that read them, and the ground they share, on which rows become
//! changelogs whose commits carry the state they are true of.
//!
//! What this crate is not: it opens no table and answers no query. Where rows go is behind a
//! [`Destination`]; it speaks no HTTP of its own, and reads no files of a project.

mod error;
mod spec;

mod load;
mod progress;

mod budget;
mod gate;
mod health;
mod http;

mod files;
mod mysql;
mod postgres;
mod singer;

mod room;
mod sync;

pub use error::{ExtractError, ExtractErrorKind};
pub use gate::Gate;
pub use health::{Attention, Looked, SourceHealth, Stale};
pub use http::{Http, HttpAnswer, HttpError, HttpRequest};
pub use load::{
    ACTIVE, CHANGE_COLUMNS, COUNTED, Cell, Column, ColumnDefault, ColumnType, Commit, CurrentRows,
    DEFAULT, DEFAULT_BEFORE, Destination, KEY, Operation, PARTIAL, StandingTable, TableCommit,
    TableHistory, table_name,
};
pub use postgres::{Lag, TableScore};
pub use progress::{Progress, Shown};
pub use room::{Discovered, Extracts, Listed, NamedSource, Running, SourceFiles, Turn};
pub use singer::{BatchRecords, MOST_LEVELS, Offered, SourceFolder};
pub use spec::{
    Budget, Cron, Deletes, FileFormat, FileStream, FilesSpec, MysqlSpec, PostgresSpec, Replication,
    SchemaChanges, Secret, SingerSpec, SourceKind, SourceSpec, StreamRules,
};
pub use sync::{Loading, PlannedStream, SyncRequest};
