//! `EXISTS` as a value: the engine takes it as a condition only, a count it takes anywhere.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, LimitClause, Query, Select,
    SelectItem, SetExpr, Value,
};

use super::function_of;

/// Puts counts in the place of `EXISTS` in the list of a `SELECT`.
pub(super) fn counted(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            inside(expr);
        }
    }
}

fn inside(expr: &mut Expr) {
    match expr {
        Expr::Exists { subquery, negated } => {
            if !counts(subquery) {
                return;
            }
            let op = match negated {
                true => BinaryOperator::Eq,
                false => BinaryOperator::Gt,
            };
            let zero = Expr::value(Value::Number("0".to_owned(), false));
            if let Expr::Exists { subquery, .. } = std::mem::replace(expr, Expr::value(Value::Null))
            {
                *expr = Expr::Nested(Box::new(Expr::BinaryOp {
                    left: Box::new(Expr::Subquery(subquery)),
                    op,
                    right: Box::new(zero),
                }));
            }
        }
        Expr::Nested(expr) | Expr::UnaryOp { expr, .. } | Expr::Cast { expr, .. } => inside(expr),
        Expr::BinaryOp { left, right, .. } => {
            inside(left);
            inside(right);
        }
        Expr::Case {
            operand: None,
            conditions,
            else_result,
            ..
        } => {
            for when in conditions {
                inside(&mut when.condition);
                inside(&mut when.result);
            }
            if let Some(result) = else_result {
                inside(result);
            }
        }
        _ => {}
    }
}

/// Makes a query count its rows; false, and nothing done, where that is not the same question.
fn counts(query: &mut Query) -> bool {
    let limited = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset {
            limit: Some(Expr::Value(limit)),
            offset: None,
            limit_by,
        }) => {
            !limit_by.is_empty()
                || matches!(&limit.value, Value::Number(number, _) if number == "0")
        }
        Some(_) => true,
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return false;
    };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    // An aggregate of no rows is a row.
    let aggregates = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => !matches!(
            expr,
            Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_)
        ),
        _ => false,
    });
    if limited
        || grouped
        || aggregates
        || select.having.is_some()
        || query.with.is_some()
        || query.fetch.is_some()
    {
        return false;
    }
    (select.distinct, query.order_by, query.limit_clause) = (None, None, None);
    let all = FunctionArg::Unnamed(FunctionArgExpr::Wildcard);
    select.projection = vec![SelectItem::UnnamedExpr(Expr::Function(function_of(
        "count",
        vec![all],
    )))];
    true
}
