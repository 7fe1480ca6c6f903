//! Rows as values: `(a, b) < (c, d)`, `(a, b) IN (SELECT ...)`.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator, Value};

use super::spelled::{ROWS, binary, case, empty_query, over};
use super::{call, number};

/// `(a, b) < (c, d)`: the first pair that differs decides, and NULL where it is not known.
pub(super) fn compared(left: &mut Expr, op: &BinaryOperator, right: &mut Expr) -> Option<Expr> {
    let (Expr::Tuple(lefts), Expr::Tuple(rights)) = (left, right) else {
        return None;
    };
    if lefts.len() != rights.len() {
        return None;
    }
    let strict = match op {
        BinaryOperator::Eq | BinaryOperator::NotEq => op.clone(),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => return None,
    };
    let mut pairs = std::mem::take(lefts)
        .into_iter()
        .zip(std::mem::take(rights))
        .rev();
    let (left, right) = pairs.next()?;
    let last = binary(left, op.clone(), right);
    Some(pairs.fold(last, |rest, (left, right)| match op {
        BinaryOperator::Eq => binary(
            binary(left, strict.clone(), right),
            BinaryOperator::And,
            rest,
        ),
        BinaryOperator::NotEq => binary(
            binary(left, strict.clone(), right),
            BinaryOperator::Or,
            rest,
        ),
        _ => {
            let differs = binary(left.clone(), strict.clone(), right.clone());
            let same = binary(left, BinaryOperator::Eq, right);
            let rest = binary(same, BinaryOperator::And, rest);
            binary(differs, BinaryOperator::Or, rest)
        }
    }))
}

/// `(a, b) [NOT] IN (SELECT ...)`: compared with each of the rows.
pub(super) fn within(expr: &mut Expr) -> Option<Expr> {
    let Expr::InSubquery {
        expr: row,
        subquery,
        negated,
    } = expr
    else {
        return None;
    };
    let Expr::Tuple(sought) = row.as_mut() else {
        return None;
    };
    let names: Vec<String> = (0..sought.len()).map(|at| format!("{ROWS}_{at}")).collect();
    let column =
        |name: &String| Expr::CompoundIdentifier(vec![Ident::new(ROWS), Ident::new(name.as_str())]);
    let same = std::mem::take(sought)
        .into_iter()
        .zip(&names)
        .map(|(sought, name)| binary(sought, BinaryOperator::Eq, column(name)))
        .reduce(|left, right| binary(left, BinaryOperator::And, right))?;
    let truth = |value| Expr::value(value);
    let known = call("count", vec![same.clone()]);
    let found = case(
        vec![
            (call("bool_or", vec![same]), truth(Value::Boolean(true))),
            (
                binary(known, BinaryOperator::Lt, call("count", vec![number("1")])),
                truth(Value::Null),
            ),
        ],
        truth(Value::Boolean(false)),
    );
    let rows = std::mem::replace(subquery.as_mut(), empty_query());
    let found = Expr::Subquery(Box::new(over(rows, &names, found)));
    Some(match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(found),
        },
        false => found,
    })
}
