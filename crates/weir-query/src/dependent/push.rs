//! Hands the values around a subquery on through each of its operators.
//!
//! A plan that was gone through has its own columns first, then those of the values; its rows are what the
//! subquery gives for each of them.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, JoinType, NullEquality, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, Filter, Join, JoinConstraint, LogicalPlan,
    LogicalPlanBuilder, Operator, Projection, Sort, SortExpr, SubqueryAlias, Union, Values, Window,
    binary_expr, lit, when,
};

use super::around::{Around, shaped};
use super::{limit, unsupported};

/// Returns the rows of `plan` for each of the values around it.
pub(super) fn pushed(plan: &LogicalPlan, around: &Around<'_>) -> Result<LogicalPlan> {
    let width = around.width();
    if width == 0 {
        return Ok(plan.clone());
    }
    if !around.named_in(plan)? {
        return match plan {
            LogicalPlan::EmptyRelation(one) if one.produce_one_row => around.values(),
            plan => LogicalPlanBuilder::from(plan.clone())
                .cross_join(around.values()?)?
                .build(),
        };
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let input = pushed(&projection.input, around)?;
            let values = around.columns_of(&input);
            let exprs = named_as(&projection.expr, &projection.schema, around, &values)?;
            let exprs = exprs.into_iter().chain(columns(&values)).collect();
            Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
        }
        LogicalPlan::Filter(filter) => {
            let input = pushed(&filter.input, around)?;
            let values = around.columns_of(&input);
            let predicate = around.inside(filter.predicate.clone(), &values)?;
            Filter::try_new(predicate, Arc::new(input)).map(LogicalPlan::Filter)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = pushed(&alias.input, around)?;
            SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())
                .map(LogicalPlan::SubqueryAlias)
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            let input = pushed(&sort.input, around)?;
            let values = around.columns_of(&input);
            let expr = sorted(&sort.expr, around, &values)?;
            Ok(LogicalPlan::Sort(Sort {
                expr,
                input: Arc::new(input),
                fetch: None,
            }))
        }
        LogicalPlan::Limit(limit) => limit::pushed(limit, around),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = pushed(input, around)?;
            Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
        }
        LogicalPlan::Distinct(Distinct::On(on)) => distinct_on(on, around),
        LogicalPlan::Aggregate(aggregate) => aggregated(aggregate, around),
        LogicalPlan::Window(window) => windowed(window, around),
        LogicalPlan::Join(join) => joined(join, around),
        LogicalPlan::Union(union) => {
            let inputs = union.inputs.iter();
            let inputs = inputs
                .map(|input| pushed(input, around).map(Arc::new))
                .collect::<Result<Vec<_>>>()?;
            let both = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
            let own = union.schema.fields().len();
            shaped(both, 0..own, own..own + width, &union.schema)
        }
        LogicalPlan::Unnest(unnest) => {
            let input = pushed(&unnest.input, around)?;
            let columns = unnest.exec_columns.clone();
            LogicalPlanBuilder::from(input)
                .unnest_columns_with_options(columns, unnest.options.clone())?
                .build()
        }
        LogicalPlan::Values(values) => listed(values, around),
        // A function beside nothing that it could be joined with.
        LogicalPlan::Subquery(subquery) => pushed(&subquery.subquery, around),
        LogicalPlan::RecursiveQuery(_) => Err(unsupported("in WITH RECURSIVE")),
        _ => Err(unsupported("here")),
    }
}

fn columns(columns: &[Column]) -> impl Iterator<Item = Expr> + '_ {
    columns.iter().cloned().map(Expr::Column)
}

/// Puts values into expressions that keep their names.
fn named_as(
    exprs: &[Expr],
    names: &DFSchema,
    around: &Around<'_>,
    values: &[Column],
) -> Result<Vec<Expr>> {
    let exprs = exprs.iter().enumerate();
    exprs
        .map(|(at, expr)| {
            let (relation, field) = names.qualified_field(at);
            let new = around.inside(expr.clone(), values)?;
            let same = new.qualified_name() == (relation.cloned(), field.name().clone());
            Ok(match same {
                true => new,
                false => new
                    .unalias()
                    .alias_qualified(relation.cloned(), field.name()),
            })
        })
        .collect()
}

pub(super) fn sorted(
    keys: &[SortExpr],
    around: &Around<'_>,
    values: &[Column],
) -> Result<Vec<SortExpr>> {
    keys.iter()
        .map(|key| {
            let expr = around.inside(key.expr.clone(), values)?;
            Ok(SortExpr::new(expr, key.asc, key.nulls_first))
        })
        .collect()
}

/// `DISTINCT ON`: the first row for each of the values.
fn distinct_on(on: &DistinctOn, around: &Around<'_>) -> Result<LogicalPlan> {
    let input = pushed(&on.input, around)?;
    let values = around.columns_of(&input);
    let key = |column| SortExpr::new(column, true, false);
    let sort = match &on.sort_expr {
        None => None,
        Some(keys) => {
            let first = columns(&values).map(key);
            Some(first.chain(sorted(keys, around, &values)?).collect())
        }
    };
    let by = columns(&values).chain(around.all_inside(&on.on_expr, &values)?);
    let by = by.collect();
    let select = named_as(&on.select_expr, &on.schema, around, &values)?;
    let select = select.into_iter().chain(columns(&values)).collect();
    let on = DistinctOn::try_new(by, select, sort, Arc::new(input))?;
    Ok(LogicalPlan::Distinct(Distinct::On(on)))
}

/// Aggregates for each of the values; of no rows there is one row where nothing is grouped by.
fn aggregated(aggregate: &Aggregate, around: &Around<'_>) -> Result<LogicalPlan> {
    let width = around.width();
    let group = &aggregate.group_expr;
    if matches!(group.as_slice(), [Expr::GroupingSet(_)]) {
        return Err(unsupported("beside GROUPING SETS, ROLLUP or CUBE"));
    }
    let input = pushed(&aggregate.input, around)?;
    let values = around.columns_of(&input);
    let mut keys: Vec<Expr> = columns(&values).collect();
    // A key may be one of the values itself.
    let mut places = Vec::with_capacity(group.len());
    for key in around.all_inside(group, &values)? {
        let at = keys.iter().position(|one| *one == key);
        places.push(at.unwrap_or(keys.len()));
        if at.is_none() {
            keys.push(key);
        }
    }
    let aggregates = around.all_inside(&aggregate.aggr_expr, &values)?;
    let found = aggregates.len();
    let first = keys.len();
    if !group.is_empty() {
        let plan = Aggregate::try_new(Arc::new(input), keys, aggregates)?;
        let own = places.into_iter().chain(first..first + found);
        let plan = LogicalPlan::Aggregate(plan);
        return shaped(plan, own, 0..width, &aggregate.schema);
    }
    let of_none = aggregates.iter().zip(aggregate.schema.fields());
    let of_none = of_none
        .map(|(expr, field)| of_no_rows(expr, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let rows = count(lit(1_i64)).alias(around.numbers.name("rows"));
    let aggregates = aggregates.into_iter().chain([rows]).collect();
    let found_for = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), keys, aggregates)?);
    let all = around.values()?;
    let all_values = around.columns_of(&all);
    let plan = LogicalPlanBuilder::from(all)
        .join_detailed(
            found_for,
            JoinType::Left,
            (all_values.clone(), values),
            None,
            NullEquality::NullEqualsNull,
        )?
        .build()?;
    let column = |at: usize| Expr::Column(Column::from(plan.schema().qualified_field(at)));
    let none = column(2 * width + found).is_null();
    let mut exprs = Vec::with_capacity(found + width);
    for (at, of_none) in of_none.into_iter().enumerate() {
        let (relation, field) = aggregate.schema.qualified_field(at);
        let value = match of_none.is_null() {
            true => column(2 * width + at),
            false => when(none.clone(), Expr::Literal(of_none, None))
                .otherwise(column(2 * width + at))?,
        };
        exprs.push(value.alias_qualified(relation.cloned(), field.name()));
    }
    exprs.extend(columns(&all_values));
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

/// Returns what an aggregate is of no rows.
fn of_no_rows(expr: &Expr, kind: &datafusion::arrow::datatypes::DataType) -> Result<ScalarValue> {
    match expr {
        Expr::Alias(alias) => of_no_rows(&alias.expr, kind),
        Expr::AggregateFunction(AggregateFunction { func, .. }) => func.default_value(kind),
        _ => Err(unsupported("in this aggregate")),
    }
}

/// Windows over the rows of each of the values.
fn windowed(window: &Window, around: &Around<'_>) -> Result<LogicalPlan> {
    let width = around.width();
    let input = pushed(&window.input, around)?;
    let values = around.columns_of(&input);
    let exprs = around.all_inside(&window.window_expr, &values)?;
    let exprs = exprs.into_iter().map(|expr| apart(expr, &values));
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let (own, added) = (input.schema().fields().len() - width, exprs.len());
    let plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?);
    let places = (0..own).chain(own + width..own + width + added);
    shaped(plan, places, own..own + width, &window.schema)
}

/// Makes a window be of one of the values only.
fn apart(expr: Expr, values: &[Column]) -> Result<Expr> {
    match expr {
        Expr::Alias(alias) => {
            let name = alias.name.clone();
            Ok(apart(*alias.expr, values)?.alias_qualified(alias.relation, name))
        }
        Expr::WindowFunction(function) => {
            let WindowFunction { fun, mut params } = *function;
            params.partition_by.extend(columns(values));
            Ok(Expr::WindowFunction(Box::new(WindowFunction {
                fun,
                params,
            })))
        }
        _ => Err(unsupported("in this window")),
    }
}

/// A join of which one side, or both, or the condition names what is around.
fn joined(join: &Join, around: &Around<'_>) -> Result<LogicalPlan> {
    let width = around.width();
    let (left, right) = (&join.left, &join.right);
    let (of_left, of_right) = (around.named_in(left)?, around.named_in(right)?);
    let (lefts, rights) = (left.schema().fields().len(), right.schema().fields().len());
    let build = |left: LogicalPlan, right: LogicalPlan, values: &[Column], same: Option<Expr>| {
        let pair = |(left, right): &(Expr, Expr)| {
            Ok((
                around.inside(left.clone(), values)?,
                around.inside(right.clone(), values)?,
            ))
        };
        let on = join.on.iter().map(pair).collect::<Result<Vec<_>>>()?;
        let filter = join.filter.clone();
        let filter = filter
            .map(|filter| around.inside(filter, values))
            .transpose()?;
        let filter = filter.into_iter().chain(same).reduce(Expr::and);
        let plan = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            filter,
            join.join_type,
            JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        )?;
        Ok(LogicalPlan::Join(plan))
    };
    match join.join_type {
        JoinType::Inner | JoinType::Left if !of_right => {
            let left = pushed(left, around)?;
            let values = around.columns_of(&left);
            let plan = build(left, right.as_ref().clone(), &values, None)?;
            let own = (0..lefts).chain(lefts + width..lefts + width + rights);
            shaped(plan, own, lefts..lefts + width, &join.schema)
        }
        JoinType::Inner | JoinType::Right if !of_left => {
            let right = pushed(right, around)?;
            let values = around.columns_of(&right);
            build(left.as_ref().clone(), right, &values, None)
        }
        JoinType::Inner | JoinType::Left | JoinType::Right => {
            let (left, right) = (
                pushed(left, around)?,
                renamed(pushed(right, around)?, around)?,
            );
            let (of_left, of_right) = (around.columns_of(&left), around.columns_of(&right));
            let same = columns(&of_left).zip(columns(&of_right));
            let same = same
                .map(|(left, right)| binary_expr(left, Operator::IsNotDistinctFrom, right))
                .reduce(Expr::and);
            let (values, first) = match join.join_type {
                JoinType::Right => (of_right, lefts + width + rights),
                _ => (of_left, lefts),
            };
            let plan = build(left, right, &values, same)?;
            let own = (0..lefts).chain(lefts + width..lefts + width + rights);
            shaped(plan, own, first..first + width, &join.schema)
        }
        JoinType::Full => Err(unsupported("in a FULL JOIN")),
        _ => Err(unsupported("in this join")),
    }
}

/// Gives the columns of the values other names, so that they can stand beside themselves.
fn renamed(plan: LogicalPlan, around: &Around<'_>) -> Result<LogicalPlan> {
    let name = around.numbers.name("beside");
    let own = plan.schema().fields().len() - around.width();
    let exprs = (0..own).map(|at| Expr::Column(Column::from(plan.schema().qualified_field(at))));
    let values = around.columns_of(&plan);
    let values = columns(&values)
        .enumerate()
        .map(|(at, column)| column.alias(format!("{name}_{at}")))
        .collect::<Vec<_>>();
    let exprs = exprs.chain(values).collect();
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

/// `VALUES (a.x), (a.y)`: a row of each line for each of the values.
fn listed(list: &Values, around: &Around<'_>) -> Result<LogicalPlan> {
    let mut lines = Vec::with_capacity(list.values.len());
    for line in &list.values {
        let input = around.values()?;
        let values = around.columns_of(&input);
        let exprs = around.all_inside(line, &values)?;
        let named = exprs.into_iter().zip(list.schema.fields());
        let named = named.map(|(expr, field)| {
            datafusion::logical_expr::cast(expr, field.data_type().clone()).alias(field.name())
        });
        let exprs = named.chain(columns(&values)).collect();
        let line = Projection::try_new(exprs, Arc::new(input))?;
        lines.push(Arc::new(LogicalPlan::Projection(line)));
    }
    let own = list.schema.fields().len();
    let plan = match lines.len() {
        1 => Arc::unwrap_or_clone(lines.remove(0)),
        _ => LogicalPlan::Union(Union::try_new_with_loose_types(lines)?),
    };
    shaped(plan, 0..own, own..own + around.width(), &list.schema)
}
