//! What a sync asks before it commits.

use std::sync::Arc;

use async_trait::async_trait;
use weir_core::SourceName;

use crate::error::ExtractError;
use crate::load::{Commit, CurrentRows, Destination, StandingTable, TableHistory};

/// Says whether a sync may still change tables: whoever had it begun may have lost the right to.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Fails where it may not.
    async fn pass(&self) -> Result<(), ExtractError>;
}

/// A destination whose every change passes a gate first.
pub(crate) struct Gated {
    pub inner: Arc<dyn Destination>,
    pub gate: Arc<dyn Gate>,
}

#[async_trait]
impl Destination for Gated {
    async fn standing(&self, source: &SourceName) -> Result<Vec<StandingTable>, ExtractError> {
        self.inner.standing(source).await
    }

    async fn commit(
        &self,
        source: &SourceName,
        commit: Commit,
    ) -> Result<Vec<(String, u64)>, ExtractError> {
        self.gate.pass().await?;
        self.inner.commit(source, commit).await
    }

    async fn current(
        &self,
        source: &SourceName,
        table: &str,
        columns: &[String],
    ) -> Result<CurrentRows, ExtractError> {
        self.inner.current(source, table, columns).await
    }

    async fn history(
        &self,
        source: &SourceName,
        table: &str,
    ) -> Result<Vec<TableHistory>, ExtractError> {
        self.inner.history(source, table).await
    }

    async fn restore(
        &self,
        source: &SourceName,
        run: &str,
        tables: Vec<(String, Option<u64>)>,
    ) -> Result<(), ExtractError> {
        self.gate.pass().await?;
        self.inner.restore(source, run, tables).await
    }
}
