//! Moments that have names, and parts of time longer than a year.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Value};

use super::spelled::binary;
use super::{call, cast, number, take, text};

/// `date 'today'`, and other moments that have names.
pub(super) fn named(word: &str, data_type: &DataType) -> Option<Expr> {
    if !matches!(data_type, DataType::Date | DataType::Timestamp(..)) {
        return None;
    }
    let today = || cast(call("now", Vec::new()), DataType::Date);
    let moved = |op| binary(today(), op, number("1"));
    let moment = match word.trim().to_ascii_lowercase().as_str() {
        "now" => call("now", Vec::new()),
        "today" => today(),
        "yesterday" => moved(BinaryOperator::Minus),
        "tomorrow" => moved(BinaryOperator::Plus),
        "epoch" => text("1970-01-01 00:00:00+00"),
        _ => return None,
    };
    Some(cast(moment, data_type.clone()))
}

/// `date_trunc('decade', x)` and longer: the year, without those since the decade began.
pub(super) fn years(unit: &Expr, at: &mut Expr) -> Option<Expr> {
    let Expr::Value(value) = unit else {
        return None;
    };
    let Value::SingleQuotedString(unit) = &value.value else {
        return None;
    };
    // Centuries and millennia begin with the year 1.
    let (length, first) = match unit.to_ascii_lowercase().as_str() {
        "decade" | "decades" => ("10", "0"),
        "century" | "centuries" => ("100", "1"),
        "millennium" | "millennia" => ("1000", "1"),
        _ => return None,
    };
    let year = call("date_part", vec![text("year"), at.clone()]);
    let year = binary(year, BinaryOperator::Minus, number(first));
    let year = cast(year, DataType::BigInt(None));
    let rest = |expr| binary(expr, BinaryOperator::Modulo, number(length));
    // Years before Christ count upwards, too.
    let since = rest(binary(rest(year), BinaryOperator::Plus, number(length)));
    let year = call("date_trunc", vec![text("year"), take(at)]);
    let since = call("make_interval", vec![since]);
    Some(binary(year, BinaryOperator::Minus, since))
}
