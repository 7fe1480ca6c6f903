//! `(SELECT f(x))`: a subquery that reads no table is the value it computes.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SelectItem, SetExpr, Value,
    Visit, Visitor,
};

use super::{call, last, number};
use crate::functions::patterns::MATCHES;

/// Calls that make many rows of one, or one of many.
const NOT_PER_ROW: [&str; 24] = [
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "every",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "median",
    "mode",
    "stddev",
    "variance",
    "first_value",
    "last_value",
    "unnest",
    "generate_series",
    "json_array_elements",
];

/// Returns the value of a subquery without a table, which the engine takes for a join.
pub(super) fn value(query: &Query) -> Option<Expr> {
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let bare = select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && select.qualify.is_none()
        && select.lateral_views.is_empty();
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_slice()
    else {
        return None;
    };
    let expr = first_match(expr).unwrap_or_else(|| expr.clone());
    // One that names no column is planned as it is.
    (plain && bare && is_per_row(&expr) && names_a_column(&expr))
        .then(|| Expr::Nested(Box::new(expr)))
}

/// `regexp_matches` without the flag `g` gives one row or none: a value, or NULL.
fn first_match(expr: &Expr) -> Option<Expr> {
    let args = |expr: &Expr, name: &str| match expr {
        Expr::Function(function) if last(&function.name) == name => match &function.args {
            FunctionArguments::List(list) => Some(list.args.clone()),
            _ => None,
        },
        _ => None,
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(list))] = &args(expr, "unnest")?[..] else {
        return None;
    };
    let all = match args(list, MATCHES)?.get(2) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(flags)))) => {
            matches!(&flags.value, Value::SingleQuotedString(flags) if flags.contains('g'))
        }
        Some(_) => true,
        None => false,
    };
    (!all).then(|| call("array_element", vec![list.clone(), number("1")]))
}

/// Whether an expression is one value for each row.
pub(super) fn is_per_row(expr: &Expr) -> bool {
    struct Look;
    impl Visitor for Look {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function)
                    if function.over.is_some()
                        || function.filter.is_some()
                        || !function.within_group.is_empty()
                        || NOT_PER_ROW.contains(&last(&function.name).as_str()) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Look).is_continue()
}

fn names_a_column(expr: &Expr) -> bool {
    struct Look;
    impl Visitor for Look {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Look).is_break()
}
