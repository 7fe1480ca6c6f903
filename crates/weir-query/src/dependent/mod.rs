//! Subqueries that name columns of the rows around them, where the engine cannot take them apart.
//!
//! The engine turns `b.k = a.k` into a join, and little else. Here the subquery is asked once for all the
//! different values that are around it: each of its operators hands them on ([`push`]), and the rows around
//! are joined with the answers. After "Unnesting Arbitrary Queries" (Neumann, Kemper, BTW 2015).

mod around;
mod known;
mod lateral;
mod limit;
mod push;
mod shared;
mod value;

use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::AnalyzerRule;

use crate::error::{QueryError, QueryErrorKind};

pub(crate) use shared::Shared;

/// The rule. It runs when all types are settled: what it makes is not looked at again.
#[derive(Debug)]
pub(crate) struct DependentSubqueries;

impl AnalyzerRule for DependentSubqueries {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let numbers = Numbers::default();
        let plan = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) => lateral::joined(join, &numbers),
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Sort(_) => value::joined(plan, &numbers),
            plan => Ok(Transformed::no(plan)),
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "dependent_subqueries"
    }
}

/// Gives names that are in no other place of a plan.
#[derive(Debug, Default)]
struct Numbers(AtomicUsize);

impl Numbers {
    fn name(&self, what: &str) -> String {
        format!("__weir_{what}_{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn unsupported(what: &str) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::Unsupported,
        format!("a subquery cannot name columns around it {what}"),
    )
    .hint("join the tables instead, and use row_number() or GROUP BY on the joined rows");
    DataFusionError::External(Box::new(error))
}
