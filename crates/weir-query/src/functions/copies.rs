//! `EXCEPT ALL` and `INTERSECT ALL`, where a row counts as often as it is there.
//!
//! The engine removes or keeps all copies of a row that is on the other side. Here the copies are
//! numbered on both sides, so that each meets one.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::logical_plan::Join;
use datafusion::logical_expr::{Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;

/// The rule; it runs before anything else makes joins of that kind.
#[derive(Debug)]
pub(crate) struct CountCopies;

impl AnalyzerRule for CountCopies {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) if is_of_all(&join) => counted(join).map(Transformed::yes),
            plan => Ok(Transformed::no(plan)),
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "count_copies"
    }
}

/// The planner makes such joins of set operations only, and of those without ALL over distinct rows.
fn is_of_all(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && !join.on.is_empty()
        && !matches!(*join.left, LogicalPlan::Distinct(_))
}

fn counted(join: Join) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = all_of(&join.left);
    let (left, right) = (numbered(join.left, LEFT)?, numbered(join.right, RIGHT)?);
    let (mut on_left, mut on_right): (Vec<Expr>, Vec<Expr>) = join.on.into_iter().unzip();
    on_left.push(Expr::Column(Column::from_name(LEFT)));
    on_right.push(Expr::Column(Column::from_name(RIGHT)));
    LogicalPlanBuilder::from(left)
        .join_with_expr_keys(right, join.join_type, (on_left, on_right), join.filter)?
        .build()
        .map(|plan| match plan {
            LogicalPlan::Join(new) => LogicalPlan::Join(Join {
                null_equality: NullEquality::NullEqualsNull,
                ..new
            }),
            plan => plan,
        })
        .and_then(|plan| LogicalPlanBuilder::from(plan).project(columns)?.build())
}

const LEFT: &str = "weir_copy_left";
const RIGHT: &str = "weir_copy_right";

fn all_of(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = plan.schema().columns();
    columns.into_iter().map(Expr::Column).collect()
}

/// Numbers equal rows from one.
fn numbered(plan: Arc<LogicalPlan>, name: &str) -> Result<LogicalPlan> {
    let mut columns = all_of(&plan);
    let number = row_number().partition_by(columns.clone()).build()?;
    let made = Column::from_name(number.schema_name().to_string());
    columns.push(Expr::Column(made).alias(name));
    LogicalPlanBuilder::from(plan)
        .window(vec![number])?
        .project(columns)?
        .build()
}
