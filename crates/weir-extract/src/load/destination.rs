//! What connectors need of the lake.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::stream::BoxStream;
use weir_core::SourceName;

use crate::error::ExtractError;

/// A table of a source as it stands.
#[derive(Clone, Debug)]
pub struct StandingTable {
    pub name: String,
    pub columns: SchemaRef,
    /// Grows with every change of the table.
    pub version: u64,
    /// What was handed over with the last commit of the table: see [`TableCommit::entry`].
    pub entry: String,
}

/// What one commit adds to one table.
#[derive(Clone, Debug)]
pub struct TableCommit {
    pub name: String,
    /// The columns from now on.
    pub columns: SchemaRef,
    pub rows: Vec<RecordBatch>,
    /// What is remembered with these rows, as of this version of the table.
    pub entry: String,
    /// How far the source has been read, where its positions are numbers.
    pub position: Option<i64>,
}

/// A commit of several tables.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The sync it belongs to.
    pub run: String,
    /// Different for each commit of a source.
    pub number: u64,
    pub tables: Vec<TableCommit>,
}

/// Rows as they are read, batch by batch.
pub type CurrentRows = BoxStream<'static, Result<RecordBatch, ExtractError>>;

/// A version of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHistory {
    pub version: u64,
    /// The sync it is of; none for a version that changed no rows, or took some back.
    pub run: Option<String>,
    /// The version whose rows it gives back, or that there was no table; none for any other commit.
    pub restores: Option<Option<u64>>,
}

/// Where the rows of sources go: tables `raw_<source>.<stream>`, each a changelog.
///
/// The contract:
/// - **Whole.** A commit changes all of its tables, columns, rows and entries, or none of them, whenever
///   the process ends. Readers see them change at one instant.
/// - **Durable on return.** What [`Destination::commit`] returned from survives the loss of power.
/// - **Once.** A commit whose answer was lost may be found done; it is never done twice, since whoever
///   goes on reads [`Destination::standing`] first.
/// - **One at a time.** Calls for one source never overlap; calls for different sources may.
/// - **Stopping.** A call that is dropped leaves a whole commit or none.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Returns the tables of a source.
    async fn standing(&self, source: &SourceName) -> Result<Vec<StandingTable>, ExtractError>;

    /// Commits, and returns the versions that the tables have since, by name.
    async fn commit(
        &self,
        source: &SourceName,
        commit: Commit,
    ) -> Result<Vec<(String, u64)>, ExtractError>;

    /// Reads the rows that the changes of a table amount to, with these of its columns, in any order. Rows
    /// that are committed meanwhile are not among them.
    async fn current(
        &self,
        source: &SourceName,
        table: &str,
        columns: &[String],
    ) -> Result<CurrentRows, ExtractError>;

    /// Returns the versions of a table, newest first.
    async fn history(
        &self,
        source: &SourceName,
        table: &str,
    ) -> Result<Vec<TableHistory>, ExtractError>;

    /// Gives tables the rows, columns and entries of an older version back, as one commit of `run`; none
    /// for tables that were not there.
    async fn restore(
        &self,
        source: &SourceName,
        run: &str,
        tables: Vec<(String, Option<u64>)>,
    ) -> Result<(), ExtractError>;
}
