//! `LATERAL`: rows joined with what a subquery gives for each of them.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{JoinType, Result};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, SubqueryAlias};

use super::around::{Around, shaped};
use super::{Numbers, push, unsupported};

/// Joins `LATERAL` subqueries with the rows around them.
pub(super) fn joined(join: Join, numbers: &Numbers) -> Result<Transformed<LogicalPlan>> {
    let Some(subquery) = dependent(&join.right) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err(unsupported("on the right side of this join"));
    }
    let (around, rows) = Around::of(join.left.clone(), &subquery, numbers)?;
    let found = push::pushed(&subquery, &around)?;
    let (width, lefts) = (around.width(), rows.schema().fields().len());
    let rights = found.schema().fields().len() - width;
    let on = join
        .on
        .iter()
        .map(|(left, right)| left.clone().eq(right.clone()));
    let filter = on.chain(join.filter.clone()).reduce(Expr::and);
    let plan = around.join(rows, found, join.join_type, filter)?;
    let plan = shaped(plan, 0..lefts + rights, [], &join.schema)?;
    Ok(Transformed::yes(plan))
}

/// Returns the subquery of a `LATERAL`, under its alias.
fn dependent(plan: &Arc<LogicalPlan>) -> Option<LogicalPlan> {
    match plan.as_ref() {
        LogicalPlan::Subquery(subquery) => Some(subquery.subquery.as_ref().clone()),
        LogicalPlan::SubqueryAlias(alias) => {
            let inner = dependent(&alias.input)?;
            let alias = SubqueryAlias::try_new(Arc::new(inner), alias.alias.clone()).ok()?;
            Some(LogicalPlan::SubqueryAlias(alias))
        }
        LogicalPlan::Projection(projection) => {
            let inner = dependent(&projection.input)?;
            let mut projection = projection.clone();
            projection.input = Arc::new(inner);
            Some(LogicalPlan::Projection(projection))
        }
        _ => None,
    }
}
