//! `SELECT generate_series(1, 3)`: rows in Postgres, a list in the engine.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Select, SelectItem,
    TimezoneInfo, Value,
};

use super::{call, cast, last, take};

/// Makes rows of the series in the list of a `SELECT`.
pub(super) fn unnested(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            inside(expr);
        }
    }
}

fn inside(expr: &mut Expr) {
    match expr {
        Expr::Function(function) => {
            let name = last(&function.name);
            if function.name.0.len() == 1 && name == "generate_series" {
                of_moments(function);
                *expr = call("unnest", vec![take(expr)]);
                return;
            }
            // What takes a list gets it.
            if ["array_", "list_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                || ["unnest", "cardinality", "flatten"].contains(&name.as_str())
            {
                return;
            }
            each_arg(function, inside);
        }
        Expr::Nested(inner)
        | Expr::Cast { expr: inner, .. }
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::Extract { expr: inner, .. }
        | Expr::AtTimeZone {
            timestamp: inner, ..
        } => inside(inner),
        Expr::BinaryOp { left, right, .. } => {
            inside(left);
            inside(right);
        }
        _ => {}
    }
}

fn each_arg(function: &mut Function, mut change: impl FnMut(&mut Expr)) {
    if let FunctionArguments::List(list) = &mut function.args {
        for arg in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                change(arg);
            }
        }
    }
}

/// Whether a series has steps of time; its step may be text.
pub(super) fn is_of_moments(args: &[FunctionArg]) -> bool {
    match args {
        [_, _, FunctionArg::Unnamed(FunctionArgExpr::Expr(step))] => is_text(step) || is_span(step),
        _ => false,
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

/// A series in steps of time is one of timestamps, of dates too.
pub(super) fn of_moments(function: &mut Function) {
    let FunctionArguments::List(list) = &function.args else {
        return;
    };
    if !is_of_moments(&list.args) {
        return;
    }
    let mut place = 0;
    each_arg(function, |arg| {
        let kind = match place {
            0 | 1 => DataType::Timestamp(None, TimezoneInfo::None),
            _ => DataType::Interval {
                fields: None,
                precision: None,
            },
        };
        if place < 2 || is_text(arg) {
            *arg = cast(take(arg), kind);
        }
        place += 1;
    });
}

fn is_span(expr: &Expr) -> bool {
    match expr {
        Expr::Interval(_) => true,
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        Expr::Nested(inner) => is_span(inner),
        Expr::BinaryOp { left, right, .. } => is_span(left) || is_span(right),
        Expr::Function(function) => last(&function.name) == "make_interval",
        _ => false,
    }
}
