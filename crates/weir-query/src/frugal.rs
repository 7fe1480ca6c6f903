//! A second way to run a query that found no room: sort-merge joins, which spill, in place of hash
//! joins, which cannot, in few partitions and small batches.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;

use crate::engine::{Parts, task_context};
use crate::error::QueryError;
use crate::memory::Share;
use crate::registry::QueryId;
use crate::yielding;

/// Rows of a batch: what sorts and merges hold grows with it.
const BATCH_ROWS: usize = 2_048;

/// What the rows of a batch may take where they are large.
const BATCH_BYTES: usize = 64 << 20;

/// What a sort keeps back for merging; many sorts share the memory.
const SORT_RESERVATION: usize = 512 << 10;

/// What is needed to plan the query once more.
pub(crate) struct Frugal {
    /// Optimised, with the same tables of the same instant.
    plan: LogicalPlan,
    state: SessionState,
    parts: Arc<Parts>,
    share: Arc<Share>,
}

impl Frugal {
    /// Keeps what `first` was made of, if there is a more frugal plan.
    pub(crate) fn for_plan(
        first: &Arc<dyn ExecutionPlan>,
        plan: LogicalPlan,
        state: SessionState,
        parts: Arc<Parts>,
        share: Arc<Share>,
    ) -> Option<Self> {
        can_save(first).then_some(Self {
            plan,
            state,
            parts,
            share,
        })
    }

    /// Plans the query once more; `row_bytes` is how large its rows are, if that is why.
    pub(crate) async fn plan(
        self,
        id: &QueryId,
        row_bytes: Option<usize>,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>), QueryError> {
        let Self {
            plan,
            mut state,
            parts,
            share,
        } = self;
        let rows = row_bytes.map_or(BATCH_ROWS, |bytes| (BATCH_BYTES / bytes.max(1)).max(1));
        let physical = physical(&mut state, &plan, rows.min(BATCH_ROWS))
            .await
            .map_err(QueryError::internal)?;
        let task = task_context(&state, &parts.runtime, share, id)?;
        Ok((physical, task))
    }
}

async fn physical(
    state: &mut SessionState,
    plan: &LogicalPlan,
    rows: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let rows = state.config().batch_size().min(rows);
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    // With one partition the planner takes hash joins whatever it is told.
    options.execution.target_partitions = 2;
    options.execution.sort_spill_reservation_bytes = SORT_RESERVATION;
    options.execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
    let planner = state.query_planner().clone();
    yielding::in_small_batches(planner.create_physical_plan(plan, state).await?)
}

/// Whether there is a join by hash, or a sort, which spills more easily in small batches.
fn can_save(plan: &Arc<dyn ExecutionPlan>) -> bool {
    matches!(plan.name(), "HashJoinExec" | "SortExec" | yielding::WIDE)
        || plan.children().into_iter().any(can_save)
}
