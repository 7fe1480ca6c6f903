//! Keeps operators from holding a thread: cancelling, deadlines and fairness need tasks that yield.

mod again;
mod held;
mod kept;
mod portions;
mod through;
mod wide;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use self::again::AgainExec;
use self::held::{HeldExec, Keeps};
use self::kept::{KeptExec, Tallies};
use self::portions::PortionsExec;
use self::wide::WideExec;
use crate::functions::windowed;

pub(crate) use self::wide::NAME as WIDE;

/// Makes operators yield that turn few rows into many.
///
/// The engine lets tasks yield where they read; a join makes a million rows of one batch read, and
/// whatever consumes them would neither notice that its query was cancelled nor let others run.
#[derive(Debug)]
pub(crate) struct YieldAfterJoins;

impl PhysicalOptimizerRule for YieldAfterJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan: Arc<dyn ExecutionPlan>| {
            if let Some(counted) = count_windows(&plan)? {
                return Ok(Transformed::yes(counted));
            }
            if let Some(limited) = spill_large_limit(&plan) {
                return Ok(Transformed::yes(limited));
            }
            let plan = probe_in_portions(plan)?;
            let multiplies = matches!(
                plan.name(),
                "NestedLoopJoinExec"
                    | "CrossJoinExec"
                    | "HashJoinExec"
                    | "SortMergeJoinExec"
                    | "PiecewiseMergeJoinExec"
                    | "SymmetricHashJoinExec"
                    | "UnnestExec"
            );
            let plan = match multiplies {
                true => look_for_wide(plan)?,
                false => plan,
            };
            Ok(if multiplies {
                Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(plan)
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "yield_after_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Rows of a limit that a sort keeps in memory; more are sorted as all rows would be, which spills.
const KEPT_ROWS: usize = 100_000;

/// Sorts before a large limit in a way that spills; keeping the first rows only does not.
fn spill_large_limit(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let sort = plan.downcast_ref::<SortExec>()?;
    let rows = sort.fetch().filter(|rows| *rows > KEPT_ROWS)?;
    let all = SortExec::new(sort.expr().clone(), Arc::clone(sort.input()))
        .with_preserve_partitioning(sort.preserve_partitioning());
    let all: Arc<dyn ExecutionPlan> = Arc::new(all);
    Some(match sort.preserve_partitioning() {
        true => Arc::new(LocalLimitExec::new(all, rows)),
        false => Arc::new(GlobalLimitExec::new(all, 0, Some(rows))),
    })
}

/// Has the rows counted that windows over all of them keep, and the values they make.
fn count_windows(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (input, keeps, accounts) = if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        let input = window.input();
        let added = plan.schema().fields().len();
        let added = added.saturating_sub(input.schema().fields().len());
        // Results are numbers, copies of what is there, or counted by themselves.
        let row_bytes = added * 16;
        let accounts = windowed::accounts(window.window_expr());
        (input, Keeps::All { row_bytes }, accounts)
    } else if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        let accounts = windowed::accounts(window.window_expr());
        (window.input(), Keeps::Some, accounts)
    } else {
        return Ok(None);
    };
    if accounts.is_empty() && matches!(keeps, Keeps::Some) {
        return Ok(None);
    }
    let tallies = Arc::new(Tallies::default());
    let counted = HeldExec::over(Arc::clone(input), keeps, accounts, tallies.clone());
    let window = replace_children_if_necessary(Arc::clone(plan), vec![Arc::new(counted)])?;
    Ok(Some(Arc::new(KeptExec::over(window, tallies))))
}

/// Has the rows looked at that an operator may repeat.
fn look_for_wide(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children().into_iter();
    let children = children.map(|input| WideExec::over(Arc::clone(input)));
    let children = children.collect();
    replace_children_if_necessary(plan, children)
}

/// Hands the rows of all sources on in batches of the query's own size.
pub(crate) fn in_small_batches(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|plan: Arc<dyn ExecutionPlan>| {
        Ok(match plan.children().is_empty() {
            true => Transformed::yes(Arc::new(PortionsExec::over(plan)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(plan),
        })
    })
    .data()
}

/// Feeds a nested-loop join's probe side in portions: the join compares each probe batch with all
/// rows of the other side in one go, and does not look up before it finds a match.
///
/// Where the join has to spill, its build side is read once more, and each partition of the probe side
/// takes rows of the build side that it finds no match for as having none in the others either: joins
/// that are about such rows get one partition.
fn probe_in_portions(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() else {
        return Ok(plan);
    };
    let (build, mut probe) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let tells_unmatched = matches!(
        join.join_type(),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
    );
    if tells_unmatched && probe.output_partitioning().partition_count() > 1 {
        probe = Arc::new(CoalescePartitionsExec::new(probe));
    }
    let (build, probe) = (AgainExec::over(build), PortionsExec::over(probe));
    replace_children_if_necessary(plan, vec![Arc::new(build), Arc::new(probe)])
}
