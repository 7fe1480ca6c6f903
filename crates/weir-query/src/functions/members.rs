//! Rewrites of expressions whose names stay: each member of a grouping set is one of its own.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::NamePreserver;

/// Rewrites `expr` and gives it back the name it had, on which the plan above depends.
///
/// A name around a whole grouping set would make a plain expression of it.
pub(super) fn renamed_back(
    expr: Expr,
    names: &NamePreserver,
    rewrite: &mut impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<Expr>> {
    if matches!(expr, Expr::GroupingSet(_)) {
        return expr.map_children(|member| renamed_back(member, names, rewrite));
    }
    let name = names.save(&expr);
    Ok(rewrite(expr)?.update_data(|expr| name.restore(expr)))
}
