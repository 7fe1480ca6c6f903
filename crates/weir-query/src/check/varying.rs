//! What makes a query answer differently although nothing it reads has changed.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

/// Returns the functions of a plan, subqueries included, whose value depends on more than arguments.
pub(super) fn functions(plan: &LogicalPlan) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // An error could come from the closures only, which make none.
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && varies(call.func.name(), call.func.signature().volatility)
                {
                    found.insert(call.func.name().to_owned());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    found
}

/// Whether a function answers otherwise at another time or by chance. Weir's own functions depend on
/// settings at most, which are those of whoever builds.
fn varies(name: &str, volatility: Volatility) -> bool {
    match volatility {
        Volatility::Immutable => false,
        Volatility::Stable => !name.starts_with("weir_"),
        Volatility::Volatile => true,
    }
}
