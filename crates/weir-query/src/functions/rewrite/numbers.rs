//! Signs and numbers as Postgres reads them.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, UnaryOperator, Value};

use super::{cast, take, text};

/// A sign belongs to the number after it: `-2 ^ 2` is 4.
pub(super) fn signed(expr: &mut Expr) {
    let Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: inner,
    } = expr
    else {
        return;
    };
    if !matches!(
        &**inner,
        Expr::BinaryOp {
            op: BinaryOperator::PGExp,
            ..
        }
    ) {
        return;
    }
    let mut power = take(inner);
    let mut first = &mut power;
    while let Expr::BinaryOp {
        left,
        op: BinaryOperator::PGExp,
        ..
    } = first
    {
        first = left;
    }
    *first = Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: Box::new(take(first)),
    };
    *expr = power;
}

/// `1e300`, which has more digits than a numeric can have here: a double.
pub(super) fn beyond_numeric(value: &Value) -> Option<Expr> {
    let Value::Number(written, _) = value else {
        return None;
    };
    let (digits, exponent) = written.split_once(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.len() as i32, fraction.len() as i32);
    let before = whole.saturating_add(exponent).max(1);
    let after = fraction.saturating_sub(exponent).max(0);
    let fits = before.saturating_add(after) <= 38;
    (!fits).then(|| cast(text(written), DataType::DoublePrecision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_a_numeric() {
        let beyond =
            |written: &str| beyond_numeric(&Value::Number(written.to_owned(), false)).is_some();
        for fits in ["1e20", "1.5e-20", "12e3", "0.1", "1e37"] {
            assert!(!beyond(fits), "{fits}");
        }
        for beyond_it in ["1e300", "1e-40", "1e38"] {
            assert!(beyond(beyond_it), "{beyond_it}");
        }
    }
}
