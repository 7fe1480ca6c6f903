use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use std::sync::Arc;

use crate::error::{QueryError, QueryErrorKind};

/// Smaller constants are for the engine to compute.
const SMALL: usize = 4 << 10;

/// The constants of one statement that functions make much of: computed once, here, and weighed
/// together. The engine computes them too, each by itself, and copies what it made.
pub(super) struct Constants {
    simplifier: ExprSimplifier,
    bytes: usize,
    limit: usize,
}

impl Constants {
    pub(super) fn new(options: &ConfigOptions, limit: usize) -> Self {
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(DFSchema::empty()))
            .with_config_options(Arc::new(options.clone()))
            .with_current_time()
            .build();
        Self {
            simplifier: ExprSimplifier::new(context),
            bytes: 0,
            limit,
        }
    }

    /// Puts its value in place of an expression, if it is constant and its value large.
    pub(super) fn folded(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        if expr.any_column_refs() || expr.is_volatile() || expr.contains_outer() {
            return Ok(Transformed::no(expr));
        }
        // An error may be in a branch that is never taken: it is reported when it is.
        let Ok(Expr::Literal(value, metadata)) = self.simplifier.simplify(expr.clone()) else {
            return Ok(Transformed::no(expr));
        };
        if value.size() < SMALL {
            return Ok(Transformed::no(expr));
        }
        self.bytes = self.bytes.saturating_add(value.size());
        if self.bytes > self.limit {
            return Err(too_much(self.limit));
        }
        // The statement's moment is the engine's to put in: the one here is another.
        if tells_of_now(&expr)? {
            return Ok(Transformed::no(expr));
        }
        Ok(Transformed::yes(Expr::Literal(value, metadata)))
    }
}

/// Whether there is a function in it that is constant in one statement only, like `now`.
fn tells_of_now(expr: &Expr) -> Result<bool> {
    expr.exists(|part| {
        let Expr::ScalarFunction(function) = part else {
            return Ok(false);
        };
        Ok(function.func.signature().volatility == Volatility::Stable)
    })
}

fn too_much(limit: usize) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::Value,
        format!("the constants of the statement weigh more than {limit} bytes"),
    )
    .with_sqlstate("54000")
    .hint("make long values of columns, or fewer of them");
    DataFusionError::External(Box::new(error))
}
