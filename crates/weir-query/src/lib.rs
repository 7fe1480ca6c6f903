//! SQL over the lake: one engine, many short sessions, each pinned to one instant of all tables.
//!
//! What this crate is not: it speaks no HTTP and knows no events. A query runs on
//! threads of its own, under limits of its own, so that no SQL text can take intake down with it.

mod access_statements;
mod caller;
mod catalog;
mod check;
mod constants;
mod dependent;
mod dialect;
mod engine;
mod error;
mod explain;
mod frugal;
mod functions;
mod guard;
mod idle;
mod interval;
mod logical;
mod memory;
mod options;
mod params;
mod past;
mod plan;
mod queue;
mod registry;
mod results;
mod run;
mod secured;
mod session;
mod settings;
mod statement;
mod stream;
mod system;
mod threads;
mod transaction;
mod travel;
mod types;
mod write;
mod yielding;

pub use caller::Caller;
pub use catalog::Instant;
pub use check::{
    Around, BrokenView, Candidate, CheckFailure, CheckOutcome, Checked, CheckedColumn,
    ColumnLineage, SourceColumn, Touch,
};
pub use datafusion::common::ScalarValue;
pub use engine::{Engine, QueryRequest};
pub use error::{Position, QueryError, QueryErrorKind};
pub use interval::{as_intervals, write_interval};
pub use options::EngineOptions;
pub use params::{Parameter, elements as array_elements};
pub use registry::{QueryId, QueryState, QuerySummary};
pub use results::{
    AnswerFacts, NamedParameter, NamedStatement, ParameterType, ResultStore, ResultWriter,
    StoredRowsStream, answer_identity, bind_named, with_literals,
};
pub use session::CATALOG;
pub use settings::Settings;
pub use stream::{Command, Description, PinnedVersion, QueryResult, QueryStream};
pub use system::pg_catalog::SERVER_VERSION;
pub use system::pg_catalog::types::{
    array_element, arrow_type, type_length, type_modifier, type_name_of, type_oid,
};
pub use system::{RunCell, RunRecords, RunTable, RunType};
pub use transaction::{BuildNote, PublishRequest, Published, Resting, StandingBuild, Transaction};
pub use types::type_name;
pub use write::{TableLoad, TableRows};
