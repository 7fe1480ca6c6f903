//! Which subqueries the engine takes apart itself, and rightly.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, Operator};

/// Returns the columns around a subquery that it names, each once.
pub(super) fn named(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = expr
                    && !columns.contains(column)
                {
                    columns.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(columns)
}

/// Whether the engine finds the one value of a subquery: an aggregate over rows that are equal to what is
/// around them in some column. Subqueries that name nothing around them it computes once.
pub(super) fn value(plan: &LogicalPlan, around: &DFSchema) -> Result<bool> {
    let columns = named(plan)?;
    Ok(columns.is_empty() || columns_are_of(&columns, around) && aggregated(plan))
}

/// Whether the engine finds if a subquery has rows, as a condition.
pub(super) fn rows(plan: &LogicalPlan, around: &DFSchema) -> Result<bool> {
    let columns = named(plan)?;
    Ok(columns.is_empty() || columns_are_of(&columns, around) && kept(plan, compares))
}

fn columns_are_of(columns: &[Column], around: &DFSchema) -> bool {
    columns.iter().all(|column| around.has_column(column))
}

fn aggregated(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            !projection.expr.iter().any(names_around) && aggregated(&projection.input)
        }
        LogicalPlan::SubqueryAlias(alias) => aggregated(&alias.input),
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.is_empty()
                && !aggregate.aggr_expr.iter().any(names_around)
                && kept(&aggregate.input, is_equality)
        }
        _ => false,
    }
}

/// Whether a plan keeps rows by such conditions on what is around them, and does nothing else with it.
fn kept(plan: &LogicalPlan, by: fn(&Expr) -> bool) -> bool {
    if named(plan).is_ok_and(|columns| columns.is_empty()) {
        return true;
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            !projection.expr.iter().any(names_around) && kept(&projection.input, by)
        }
        LogicalPlan::SubqueryAlias(alias) => kept(&alias.input, by),
        LogicalPlan::Filter(filter) => {
            let conditions = split_conjunction(&filter.predicate);
            let known = |condition: &&Expr| !names_around(condition) || by(condition);
            conditions.iter().all(known) && kept(&filter.input, by)
        }
        _ => false,
    }
}

/// Whether a condition is about a row and what is around it, without a subquery of its own.
fn compares(expr: &Expr) -> bool {
    let subquery = expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    });
    !expr.column_refs().is_empty() && subquery.is_ok_and(|found| !found)
}

fn is_equality(expr: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = expr
    else {
        return false;
    };
    let inside = |expr: &Expr| !names_around(expr) && !expr.column_refs().is_empty();
    is_around(left) && inside(right) || inside(left) && is_around(right)
}

fn is_around(expr: &Expr) -> bool {
    match expr {
        Expr::OuterReferenceColumn(..) => true,
        Expr::Cast(Cast { expr, .. }) => is_around(expr),
        _ => false,
    }
}

pub(super) fn names_around(expr: &Expr) -> bool {
    expr.contains_outer()
}
