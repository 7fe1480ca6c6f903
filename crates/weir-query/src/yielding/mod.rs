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

/// Has the rows counted that a window over all of them keeps.
fn hold_rows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let children: Vec<Arc<dyn ExecutionPlan>> = plan
        .children()
        .into_iter()
        .map(|input| Arc::new(HeldExec::over(Arc::clone(input))) as Arc<dyn ExecutionPlan>)
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
