use std::fmt::Debug;

use async_trait::async_trait;

use crate::error::BoxError;
use crate::id::TableId;

/// Tells the versions of tables.
///
/// # Contract
/// A version that readers can see is told by the next call, and told again when asked from an
/// earlier mark. Marks need not outlive the process: after a restart all tables are asked for.
#[async_trait]
pub trait Versions: Send + Sync + Debug {
    /// Returns the tables whose version has changed since `mark`; all tables since 0.
    async fn changes(&self, mark: u64) -> Result<Changes, BoxError>;
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The mark to ask from next.
    pub mark: u64,
    /// Tables and their versions.
    pub tables: Vec<(TableId, i64)>,
}

/// Nothing ever changes.
#[async_trait]
impl Versions for () {
    async fn changes(&self, mark: u64) -> Result<Changes, BoxError> {
        Ok(Changes {
            mark,
            tables: Vec::new(),
        })
    }
}
