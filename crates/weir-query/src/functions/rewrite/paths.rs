//! `x -> 'a' -> 'b'` as one call: for calls inside of each other the engine takes twice as long with
//! every step.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectNamePart, Value,
};

use super::function_of;

/// What `->` is a name for.
const GET: &str = "json_get";

/// Puts one call in the place of a step after others.
pub(super) fn joined(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            let name = match op {
                BinaryOperator::Arrow => GET,
                BinaryOperator::LongArrow => "json_as_text",
                _ => return,
            };
            let Some(mut path) = steps(left) else {
                return;
            };
            let right = std::mem::replace(right.as_mut(), Expr::value(Value::Null));
            path.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(right)));
            *expr = Expr::Function(function_of(name, path));
        }
        Expr::Function(function)
            if name(function)
                .is_some_and(|name| name.starts_with("json_get") || name == "json_as_text") =>
        {
            let FunctionArguments::List(list) = &mut function.args else {
                return;
            };
            let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
            else {
                return;
            };
            if matches!(
                first,
                Expr::BinaryOp { .. } | Expr::Function(_) | Expr::Nested(_)
            ) && let Some(mut path) = steps(first)
            {
                path.extend(list.args.drain(1..));
                list.args = path;
            }
        }
        _ => {}
    }
}

/// Takes apart what stands before a step, where it is steps itself.
pub(super) fn steps(expr: &mut Expr) -> Option<Vec<FunctionArg>> {
    let argument = |expr: &mut Expr| {
        let expr = std::mem::replace(expr, Expr::value(Value::Null));
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
    };
    match expr {
        Expr::Nested(inner) => steps(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Arrow,
            right,
        } => Some(vec![argument(left), argument(right)]),
        Expr::Function(function) if name(function).as_deref() == Some(GET) => {
            match &mut function.args {
                FunctionArguments::List(list) => Some(std::mem::take(&mut list.args)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Some(name.value.to_ascii_lowercase()),
        _ => None,
    }
}
