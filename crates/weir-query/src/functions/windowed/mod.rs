//! Functions over windows whose values are counted.
//!
//! A list or text over a window is a value per row: `array_agg(x) OVER ()` is as many lists as there
//! are rows, each as long. The engine's pool does not hear of them, so each is weighed as it is made.

mod account;
mod aggregate;
mod standard;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, WindowUDF,
};
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr,
};
use datafusion::physical_plan::WindowExpr;
use datafusion::physical_plan::windows::WindowUDFExpr;

pub(crate) use account::{Account, Reader};
use aggregate::WeighedAggregate;
use standard::WeighedStandard;

/// Puts a function that weighs what it makes in place of one whose values can be of any size.
pub(super) fn weighed(
    mut call: Box<WindowFunction>,
    schema: &DFSchema,
) -> Result<(Box<WindowFunction>, bool)> {
    let known = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => {
            function.inner().is::<WeighedAggregate>()
        }
        WindowFunctionDefinition::WindowUDF(function) => function.inner().is::<WeighedStandard>(),
    };
    let whole = Expr::WindowFunction(call.clone());
    if known || !of_any_size(&whole.get_type(schema)?) {
        return Ok((call, false));
    }
    let account = Arc::new(Account::default());
    call.fun = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => {
            let shared = is_shared(&call);
            let filtered = call.params.filter.is_some();
            let weighed = WeighedAggregate::new(function, account, shared, filtered);
            WindowFunctionDefinition::AggregateUDF(Arc::new(AggregateUDF::new_from_impl(weighed)))
        }
        WindowFunctionDefinition::WindowUDF(function) => {
            let weighed = WeighedStandard::new(function, account);
            WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(weighed)))
        }
    };
    Ok((call, true))
}

fn of_any_size(kind: &DataType) -> bool {
    !(kind.is_primitive() || kind.is_null() || *kind == DataType::Boolean)
}

/// Whether all rows of a partition get one value, computed once.
fn is_shared(call: &WindowFunction) -> bool {
    let (frame, order) = (&call.params.window_frame, &call.params.order_by);
    let all = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => frame.units == WindowFrameUnits::Range && order.is_empty(),
        bound => bound.is_unbounded(),
    };
    all(&frame.start_bound) && all(&frame.end_bound)
}

/// Returns the accounts of those among `functions` that weigh what they make.
pub(crate) fn accounts(functions: &[Arc<dyn WindowExpr>]) -> Vec<Arc<Account>> {
    functions.iter().filter_map(account_of).collect()
}

fn account_of(function: &Arc<dyn WindowExpr>) -> Option<Arc<Account>> {
    let function = function.as_any();
    let aggregate = |function: &AggregateUDF| {
        let weighed = function.inner().downcast_ref::<WeighedAggregate>()?;
        Some(weighed.account().clone())
    };
    if let Some(plain) = function.downcast_ref::<PlainAggregateWindowExpr>() {
        return aggregate(plain.get_aggregate_expr().fun());
    }
    if let Some(sliding) = function.downcast_ref::<SlidingAggregateWindowExpr>() {
        return aggregate(sliding.get_aggregate_expr().fun());
    }
    let standard = function.downcast_ref::<StandardWindowExpr>()?;
    let standard = standard.get_standard_func_expr().as_any();
    let function = standard.downcast_ref::<WindowUDFExpr>()?.fun();
    let weighed = function.inner().downcast_ref::<WeighedStandard>()?;
    Some(weighed.account().clone())
}
