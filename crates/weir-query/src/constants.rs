//! Large constants in a plan: an operator writes them out once for each row of a batch, so the
//! batches have to be small where a constant is large.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// What one constant may weigh in all rows of one batch.
const BATCH_BYTES: usize = 64 << 20;

/// Returns how many rows a batch of the optimised plan may have, `usual` at most.
pub(crate) fn batch_rows(plan: &LogicalPlan, usual: usize) -> Result<usize> {
    let mut widest = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr {
                    widest = widest.max(value.size());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok((BATCH_BYTES / widest.max(1)).clamp(1, usual))
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
