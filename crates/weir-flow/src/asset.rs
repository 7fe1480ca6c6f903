use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AssetId, PoolName};
use crate::partition::Partitioning;
use crate::retry::{RetryPolicy, Timeouts};

/// Something a run can bring up to date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    /// Its id, unique in the graph.
    pub id: AssetId,
    /// What it is; decides who does the work.
    pub kind: AssetKind,
    /// The assets that must be up to date before it.
    #[serde(default)]
    pub inputs: Vec<AssetId>,
    /// Where its attempts take their slots.
    #[serde(default)]
    pub pool: Option<PoolName>,
    /// Which of two waiting steps goes first: -100 to 100, the higher the sooner.
    #[serde(default)]
    pub priority: i32,
    /// What is tried again, how often and when.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Into which parts it is divided, if it is.
    #[serde(default)]
    pub partitioning: Option<Partitioning>,
}

impl Asset {
    /// Makes an asset with the usual settings.
    pub fn new(id: impl Into<AssetId>, kind: AssetKind) -> Self {
        Self {
            id: id.into(),
            kind,
            inputs: Vec::new(),
            pool: None,
            priority: 0,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            partitioning: None,
        }
    }

    /// Adds assets that must be up to date before this one.
    #[must_use]
    pub fn after<I: Into<AssetId>>(mut self, inputs: impl IntoIterator<Item = I>) -> Self {
        self.inputs.extend(inputs.into_iter().map(Into::into));
        self
    }

    /// Puts the asset's attempts into a pool.
    #[must_use]
    pub fn in_pool(mut self, pool: impl Into<PoolName>) -> Self {
        self.pool = Some(pool.into());
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets what is tried again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long things may take.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

/// What an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssetKind {
    /// Rows that come from elsewhere.
    Source,
    /// A model, seed or snapshot.
    Model,
    /// A test of data.
    Test,
    /// A saved query.
    Query,
    /// A program that reads tables and writes tables.
    Command,
    /// Rows that go elsewhere.
    Sync,
    /// A dashboard.
    Dashboard,
}

impl AssetKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Model,
        Self::Test,
        Self::Query,
        Self::Command,
        Self::Sync,
        Self::Dashboard,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Model => "model",
            Self::Test => "test",
            Self::Query => "query",
            Self::Command => "command",
            Self::Sync => "sync",
            Self::Dashboard => "dashboard",
        }
    }

    /// Returns the kind that `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for AssetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
