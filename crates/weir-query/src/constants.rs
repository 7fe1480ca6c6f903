//! What an operator makes of each row of a batch that is not there before: large constants, which it
//! writes out, and the columns of many grouping sets. Batches have to be small where that is much.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan};

/// What is made for all rows of one batch.
const BATCH_BYTES: usize = 64 << 20;

/// Smaller constants are not counted: there may be many thousands in a list.
const LARGE: usize = 1 << 10;

/// Returns how many rows a batch of the optimised plan may have, `usual` at most.
pub(crate) fn batch_rows(plan: &LogicalPlan, usual: usize) -> Result<usize> {
    let mut widest = 0;
    plan.apply_with_subqueries(|node| {
        let mut constants = 0;
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr
                    && value.size() >= LARGE
                {
                    constants += value.size();
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if matches!(node, LogicalPlan::Values(_)) {
            // Each is written out once.
            constants = 0;
        }
        widest = widest.max(constants).max(grouped(node));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((BATCH_BYTES / widest.max(1)).clamp(1, usual))
}

/// Returns what grouping makes of each row: its columns, for every set of them.
fn grouped(node: &LogicalPlan) -> usize {
    let LogicalPlan::Aggregate(aggregate) = node else {
        return 0;
    };
    let sets = aggregate.group_expr.iter().map(|expr| match expr {
        Expr::GroupingSet(GroupingSet::Rollup(columns)) => (columns.len() + 1, columns.len()),
        Expr::GroupingSet(GroupingSet::Cube(columns)) => {
            let sets = 1_usize.checked_shl(columns.len() as u32);
            (sets.unwrap_or(usize::MAX), columns.len())
        }
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
            (sets.len(), sets.iter().map(Vec::len).max().unwrap_or(0))
        }
        _ => (1, 1),
    });
    let (sets, columns) = sets.fold((1_usize, 0), |(sets, columns), (more, wide)| {
        (sets.saturating_mul(more), columns + wide)
    });
    match sets {
        1 => 0,
        // A view of a text takes 16 bytes.
        sets => sets.saturating_mul(columns * 16),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{LogicalPlanBuilder, lit};

    use super::*;

    #[test]
    fn large_constants_make_small_batches() {
        let rows = |text: String| {
            let plan = LogicalPlanBuilder::empty(true)
                .project(vec![lit(text)])
                .unwrap();
            batch_rows(&plan.build().unwrap(), 8_192).unwrap()
        };
        assert_eq!(rows("x".to_owned()), 8_192);
        assert!((60..=64).contains(&rows("x".repeat(1 << 20))));
        assert_eq!(rows("x".repeat(100 << 20)), 1);
    }
}
