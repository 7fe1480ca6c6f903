//! The seam to tables.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use weir_flow::PublishToken;

use crate::declare::{DatabaseUse, TableFormat};
use crate::error::StepError;
use crate::manifest::{ContentHash, DatumKey};

/// Gives tables to steps as files, and takes files as tables, as the user `owner` may; as the owner of
/// the project when it names nobody.
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
    async fn version(&self, table: &str, owner: Option<&str>) -> Result<Option<i64>, StepError>;

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
        owner: Option<&str>,
    ) -> Result<(), StepError>;

    /// Makes the tables have the rows of these files and no others; returns what was published, such
    /// as `mart.sales@12`.
    async fn load(
        &self,
        loads: &[TableLoad],
        made: &Made,
        token: &PublishToken,
    ) -> Result<String, StepError>;

    /// Opens a way into the database for a command. It ends when what is returned is dropped.
    async fn lend(
        &self,
        step: &str,
        owner: Option<&str>,
        may: DatabaseUse,
    ) -> Result<Lent, StepError>;
}

/// How rows came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The step.
    pub step: String,
    /// The user it works for.
    pub owner: Option<String>,
    /// The run it was part of.
    pub run: String,
    /// The hash of the step: its command, code and environment.
    pub code: [u8; 32],
    /// Which versions of which inputs it read.
    pub inputs: Vec<(String, i64)>,
}

/// A way into the database.
pub struct Lent {
    /// Variables for the command.
    pub variables: Vec<(String, String)>,
    /// What of them must not be seen in logs.
    pub secrets: Vec<String>,
    /// Ends the way in when it is dropped.
    pub until: Box<dyn std::any::Any + Send + Sync>,
}

impl Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lent")
    }
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
