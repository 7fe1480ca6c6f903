//! The ledger of datums: what succeeded is not done again, whatever became of the job around it.

mod sqlite;

use std::collections::HashSet;
use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use self::sqlite::SqliteLedger;
use crate::error::StepError;
use crate::manifest::{ContentHash, DatumKey};
use crate::scratch::DatumOutput;

/// Keeps datums.
///
/// # Contract
/// - Every call that changes something is one transaction, durable when it returns.
/// - Calls may overlap; two jobs of one step do not (the scheduler sees to that).
#[async_trait]
pub trait Ledger: Send + Sync + Debug {
    /// Returns all datums of a step, as far as skipping them goes, by key.
    async fn known(&self, step: &str) -> Result<Vec<KnownDatum>, StepError>;

    /// Returns what the datums of a step that succeeded wrote, by label.
    async fn outputs(&self, step: &str) -> Result<Vec<WrittenDatum>, StepError>;

    /// Writes down how datums ended, in place of what was known of them.
    async fn record(&self, step: &str, datums: &[DatumRecord]) -> Result<(), StepError>;

    /// Forgets datums whose inputs are gone, and notes what was published from the rest.
    async fn finish(
        &self,
        step: &str,
        gone: &[DatumKey],
        published: [u8; 32],
        published_as: &str,
    ) -> Result<(), StepError>;

    /// Returns what the latest publication of a step was made of, and what it was.
    async fn published(&self, step: &str) -> Result<Option<([u8; 32], String)>, StepError>;

    /// Lists datums for people, of one step or all, with those that failed first.
    async fn list(&self, step: Option<&str>, most: u32) -> Result<Vec<DatumRow>, StepError>;

    /// Returns the blobs that datums wrote: they are kept from collection.
    async fn blobs(&self) -> Result<HashSet<ContentHash>, StepError>;
}

/// Where a datum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatumState {
    /// The command succeeded.
    Succeeded,
    /// The command failed, and what was to recover it succeeded: it has no outputs.
    Recovered,
    /// Both failed.
    Failed,
}

impl DatumState {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Recovered => "recovered",
            Self::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Succeeded, Self::Recovered, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl fmt::Display for DatumState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What skipping a datum depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDatum {
    /// Which it is.
    pub key: DatumKey,
    /// The hash of its inputs when it was last tried.
    pub fingerprint: [u8; 32],
    /// The hash of the step when it was last tried.
    pub code: [u8; 32],
    /// How that ended.
    pub state: DatumState,
    /// Grows with every try.
    pub revision: i64,
}

/// What a datum wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenDatum {
    /// Which it is.
    pub key: DatumKey,
    /// What people call it.
    pub label: String,
    /// The files.
    pub outputs: Vec<DatumOutput>,
}

/// How a datum ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatumRecord {
    /// Which it is.
    pub key: DatumKey,
    /// The hash of its inputs.
    pub fingerprint: [u8; 32],
    /// The hash of the step.
    pub code: [u8; 32],
    /// How it ended.
    pub state: DatumState,
    /// Everything else.
    pub details: DatumDetails,
}

/// What people ask about a datum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatumDetails {
    /// What people call it: its inputs with their paths.
    pub label: String,
    /// The run that tried it.
    pub run: String,
    /// How often that tried it.
    pub tries: u32,
    /// The files it wrote.
    pub outputs: Vec<DatumOutput>,
    /// How many bytes were written, as opposed to linked.
    pub bytes: u64,
    /// How long the last try took.
    pub ms: u64,
    /// How long that was on the CPU.
    pub cpu_ms: u64,
    /// The most memory it was seen with, in bytes.
    pub memory: u64,
    /// With what its command exited, if it did.
    pub exit_code: Option<i32>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What is kept of what it printed.
    pub log: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
}

/// A datum for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatumRow {
    /// The step it belongs to.
    pub step: String,
    /// Which it is.
    pub key: DatumKey,
    /// How it ended.
    pub state: DatumState,
    /// Everything else.
    pub details: DatumDetails,
}
