//! Keeps operators from holding a thread: cancelling, deadlines and fairness need tasks that yield.

mod held;
mod portions;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;

use self::held::HeldExec;
use self::portions::PortionsExec;

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
            if plan.name() == "WindowAggExec" {
                return Ok(Transformed::yes(hold_rows(plan)?));
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

/// Has the rows counted that a window over all of them keeps.
fn hold_rows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let fields = plan.schema().fields().len();
    let inputs = plan
        .children()
        .iter()
        .map(|input| input.schema().fields().len())
        .sum::<usize>();
    // Results of windows are numbers, or copies of what is there.
    let added = fields.saturating_sub(inputs) * 16;
    let children: Vec<Arc<dyn ExecutionPlan>> = plan
        .children()
        .into_iter()
        .map(|input| Arc::new(HeldExec::over(Arc::clone(input), added)) as Arc<dyn ExecutionPlan>)
        .collect();
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
fn probe_in_portions(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if plan.name() != "NestedLoopJoinExec" {
        return Ok(plan);
    }
    let children = plan.children();
    let [build, probe] = children.as_slice() else {
        return Ok(plan);
    };
    let (build, probe) = (Arc::clone(build), PortionsExec::over(Arc::clone(probe)));
    replace_children_if_necessary(plan, vec![build, Arc::new(probe)])
}
