//! `col_description()` asked of `pg_description`: which column of a view has a number is known once the view is planned,
//! which a function of single values cannot wait for.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Select,
    SelectItem, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::rewrite::last;

const NAME: &str = "col_description";

/// Functions of single values that may stand around a call. Of others it is not known whether they take rows
/// together, in which no question can be asked.
const AROUND: [&str; 6] = [
    "coalesce",
    "concat",
    "left",
    "nullif",
    "quote_literal",
    "replace",
];

/// Rewrites the calls among what is selected. Elsewhere, in groups and in aggregates, the function itself answers, which
/// knows tables.
pub(super) fn ask(select: &mut Select) {
    if !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty()) {
        return;
    }
    for item in &mut select.projection {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
            _ => continue,
        };
        let Some(asked) = question(expr) else {
            within(expr);
            continue;
        };
        *expr = asked;
        // The column keeps the name of the function.
        if let SelectItem::UnnamedExpr(expr) = item {
            let expr = expr.clone();
            let alias = Ident::new(NAME);
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
}

/// Rewrites calls where one value comes of one row.
fn within(expr: &mut Expr) {
    if let Some(asked) = question(expr) {
        *expr = asked;
        return;
    }
    match expr {
        Expr::Nested(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::Cast { expr: inner, .. } => within(inner),
        Expr::BinaryOp { left, right, .. } => {
            within(left);
            within(right);
        }
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            operand.iter_mut().for_each(|operand| within(operand));
            for when in conditions {
                within(&mut when.condition);
                within(&mut when.result);
            }
            else_result.iter_mut().for_each(|other| within(other));
        }
        Expr::Function(Function {
            name,
            args: FunctionArguments::List(args),
            over: None,
            ..
        }) if AROUND.contains(&last(name).as_str()) => {
            for arg in &mut args.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                    within(arg);
                }
            }
        }
        _ => {}
    }
}

/// Returns the question that a call is.
fn question(call: &Expr) -> Option<Expr> {
    let Expr::Function(Function {
        name,
        args: FunctionArguments::List(args),
        ..
    }) = call
    else {
        return None;
    };
    if last(name) != NAME {
        return None;
    }
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(table)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(number)),
    ] = args.args.as_slice()
    else {
        return None;
    };
    // One row at most has both numbers; that it is one has to be seen.
    let sql = "(SELECT min(weir_said.description) FROM pg_catalog.pg_description AS weir_said \
               WHERE weir_said.objoid = weir_table AND weir_said.objsubid = weir_number)";
    let mut asked = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_expr())
        .ok()?;
    let _ = asked.visit(&mut Places { table, number });
    Some(asked)
}

/// Puts the arguments of a call in their places.
struct Places<'a> {
    table: &'a Expr,
    number: &'a Expr,
}

impl VisitorMut for Places<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Identifier(name) = expr else {
            return ControlFlow::Continue(());
        };
        match name.value.as_str() {
            "weir_table" => *expr = self.table.clone(),
            "weir_number" => *expr = self.number.clone(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
