//! Quotients of whole numbers, which other engines compute otherwise.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

/// Tells whether a plan, subqueries included, divides a whole number by one: the quotient is whole here.
pub(super) fn divides_whole(plan: &LogicalPlan) -> bool {
    let mut found = false;
    // An error could come from the closures only, which make none.
    let _ = plan.apply_with_subqueries(|node| {
        let mut columns = DFSchema::empty();
        for input in node.inputs() {
            columns.merge(input.schema());
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                found |= is_whole(part, &columns);
                Ok(if found {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            })
        })
    });
    found
}

fn is_whole(expr: &Expr, columns: &DFSchema) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return false;
    };
    let whole = |side: &Expr| side.get_type(columns).is_ok_and(|kind| kind.is_integer());
    *op == Operator::Divide && whole(left) && whole(right)
}
