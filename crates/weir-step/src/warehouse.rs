//! The seam to tables.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use weir_flow::PublishToken;

use crate::declare::TableFormat;
use crate::error::StepError;
use crate::manifest::{ContentHash, DatumKey};

/// Gives tables to steps as files, and takes files as tables.
///
/// # Contract
/// - A version of a table never changes: equal calls give equal files.
/// - [`Warehouse::load`] changes all its tables in one commit, or none, and follows the contract of
///   [`PublishToken`]: what an earlier attempt has loaded is not loaded again.
/// - Files of a load stay where they are until the call returns, and are not changed.
/// - Calls may overlap.
#[async_trait]
pub trait Warehouse: Send + Sync + Debug {
    /// Returns the newest version of a table; none when there is no such table.
    async fn version(&self, table: &str) -> Result<Option<i64>, StepError>;

    /// Lists the files in which [`Self::export`] would write a version of a table.
    async fn files(
        &self,
        table: &str,
        version: i64,
        format: TableFormat,
    ) -> Result<Vec<TableFile>, StepError>;

    /// Writes files of a version of a table into `folder`, under their names.
    async fn export(
        &self,
        table: &str,
        version: i64,
        format: TableFormat,
        names: &[String],
        folder: &Path,
    ) -> Result<(), StepError>;

    /// Makes the tables have the rows of these files and no others; returns what was published, such
    /// as `mart.sales@12`.
    async fn load(&self, loads: &[TableLoad], token: &PublishToken) -> Result<String, StepError>;
}

/// A file that a version of a table can be written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFile {
    /// Its name, with the ending of its format.
    pub name: String,
    /// Equal for equal contents. What a table is made of is enough; nothing need be written for it.
    pub fingerprint: String,
    /// About how many bytes it has.
    pub size: u64,
}

/// The rows a table is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLoad {
    /// Its name, with its schema.
    pub table: String,
    /// The files they are in, by datum and path.
    pub files: Vec<LoadFile>,
}

/// A file with rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadFile {
    /// Where it is.
    pub path: PathBuf,
    /// What the step called it.
    pub name: String,
    /// How its rows are written.
    pub format: TableFormat,
    /// The hash of its bytes: files of earlier loads that are there again have the same.
    pub hash: ContentHash,
    /// How many bytes it has.
    pub size: u64,
    /// The datum that wrote it.
    pub datum: DatumKey,
}
