//! `LIMIT` in a subquery: so many rows for each of the values around it.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, Filter, Limit, LogicalPlan, Projection, SubqueryAlias, Window, cast, lit,
};

use super::around::{Around, shaped};
use super::push;

/// Numbers the rows of each of the values, and keeps those that the limit lets through.
pub(super) fn pushed(limit: &Limit, around: &Around<'_>) -> Result<LogicalPlan> {
    if let Some(plan) = inwards(limit)? {
        return push::pushed(&plan, around);
    }
    let (input, keys) = match limit.input.as_ref() {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => (&sort.input, sort.expr.as_slice()),
        _ => (&limit.input, [].as_slice()),
    };
    let input = push::pushed(input, around)?;
    let values = around.columns_of(&input);
    let keys = push::sorted(keys, around, &values)?;
    let by = values.iter().cloned().map(Expr::Column).collect();
    let mut number = row_number().partition_by(by);
    if !keys.is_empty() {
        number = number.order_by(keys);
    }
    let number = number.build()?.alias(around.numbers.name("row"));
    let width = around.width();
    let (own, names) = (
        input.schema().fields().len() - width,
        input.schema().clone(),
    );
    let plan = LogicalPlan::Window(Window::try_new(vec![number], Arc::new(input))?);
    let at = Expr::Column(Column::from(plan.schema().qualified_field(own + width)));
    let at = cast(at, DataType::Int64);
    let bound = |expr: &Expr| {
        let expr = around.inside(expr.clone(), &values)?;
        Ok::<_, datafusion::common::DataFusionError>(cast(expr, DataType::Int64))
    };
    let mut kept = lit(true);
    let mut after = at.clone();
    if let Some(skip) = &limit.skip {
        let skip = bound(skip)?;
        kept = kept.and(at.clone().gt(skip.clone()).or(skip.clone().is_null()));
        after = datafusion::logical_expr::when(skip.clone().is_null(), at.clone())
            .otherwise(at - skip)?;
    }
    if let Some(fetch) = &limit.fetch {
        let fetch = bound(fetch)?;
        kept = kept.and(after.lt_eq(fetch.clone()).or(fetch.is_null()));
    }
    let plan = LogicalPlan::Filter(Filter::try_new(kept, Arc::new(plan))?);
    shaped(plan, 0..own, own..own + width, &names)
}

/// Moves a limit below what does not change how many rows there are, to where rows are sorted.
fn inwards(limit: &Limit) -> Result<Option<LogicalPlan>> {
    let over = |input: &Arc<LogicalPlan>| {
        Arc::new(LogicalPlan::Limit(Limit {
            skip: limit.skip.clone(),
            fetch: limit.fetch.clone(),
            input: input.clone(),
        }))
    };
    Ok(match limit.input.as_ref() {
        LogicalPlan::Projection(projection) => {
            let input = over(&projection.input);
            let schema = projection.schema.clone();
            let exprs = projection.expr.clone();
            let plan = Projection::try_new_with_schema(exprs, input, schema)?;
            Some(LogicalPlan::Projection(plan))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let plan = SubqueryAlias::try_new(over(&alias.input), alias.alias.clone())?;
            Some(LogicalPlan::SubqueryAlias(plan))
        }
        _ => None,
    })
}
