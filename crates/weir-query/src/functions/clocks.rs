//! What clocks of the session's zone show: `SET TimeZone` says where a day begins.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{
    DataType, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, exec_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{BinaryExpr, Cast};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, cast, lit};

use super::dates::{instant_of, later_by, shown_in};
use super::native::{Call, Native};
use super::text::moment;
use super::types::{instant, interval, local};

/// An instant and a span after it, in days and months of the session's zone.
const AFTER: &str = "weir_after";
/// The same before it.
const BEFORE: &str = "weir_before";

pub(super) fn functions() -> Vec<Native> {
    let types = |types: &[DataType]| match types {
        [_, _] => Ok(vec![instant(), interval()]),
        _ => exec_err!("there is an instant and a span"),
    };
    let returns = |_: &[DataType]| Ok(instant());
    vec![
        Native::new(AFTER, types, returns, |call| moved(call, 1)).stable(),
        Native::new(BEFORE, types, returns, |call| moved(call, -1)).stable(),
    ]
}

/// Writes expressions for sessions whose zone is not UTC, once types are settled.
#[derive(Debug)]
pub(super) struct Clocks {
    in_zone: Arc<ScalarUDF>,
    after: Arc<ScalarUDF>,
    before: Arc<ScalarUDF>,
}

impl Clocks {
    pub(super) fn new(state: &SessionState) -> Result<Self> {
        Ok(Self {
            in_zone: state.udf("timezone")?,
            after: state.udf(AFTER)?,
            before: state.udf(BEFORE)?,
        })
    }

    pub(super) fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        zone: &str,
    ) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                let (from, to) = (expr.get_type(schema)?, field.data_type());
                if is_instant(&from) && is_shown(to) {
                    let shown = cast(self.shown(*expr, zone), to.clone());
                    return Ok(Transformed::yes(shown));
                }
                if is_instant(to) && is_shown(&from) && !matches!(from, DataType::Time64(_)) {
                    let at = self.call(cast(*expr, local()), zone);
                    return Ok(Transformed::yes(cast_from(at, instant(), to)));
                }
                Ok(Transformed::no(Expr::Cast(Cast { expr, field })))
            }
            Expr::ScalarFunction(mut call)
                if matches!(call.func.name(), "date_trunc" | "date_part")
                    && call.args.len() == 2
                    && is_instant(&call.args[1].get_type(schema)?) =>
            {
                let kind = call.args[1].get_type(schema)?;
                let epoch = match &call.args[0] {
                    Expr::Literal(part, _) => part.to_string().eq_ignore_ascii_case("epoch"),
                    _ => false,
                };
                if epoch {
                    return Ok(Transformed::no(Expr::ScalarFunction(call)));
                }
                let at = call.args.pop().unwrap_or_default();
                call.args.push(self.shown(at, zone));
                let truncates = call.func.name() == "date_trunc";
                let part = Expr::ScalarFunction(call);
                Ok(Transformed::yes(match truncates {
                    true => cast_from(self.call(part, zone), instant(), &kind),
                    false => part,
                }))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Operator::Plus | Operator::Minus) =>
            {
                let (l, r) = (left.get_type(schema)?, right.get_type(schema)?);
                let (function, at, span, kind) = match op {
                    Operator::Plus if is_instant(&l) && r == interval() => {
                        (&self.after, left, right, l)
                    }
                    Operator::Plus if is_instant(&r) && l == interval() => {
                        (&self.after, right, left, r)
                    }
                    Operator::Minus if is_instant(&l) && r == interval() => {
                        (&self.before, left, right, l)
                    }
                    _ => {
                        let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
                        return Ok(Transformed::no(expr));
                    }
                };
                let at = cast_from(*at, kind.clone(), &instant());
                let moved = function.call(vec![at, *span]);
                Ok(Transformed::yes(cast_from(moved, instant(), &kind)))
            }
            expr => Ok(Transformed::no(expr)),
        }
    }

    /// What clocks show at an instant.
    fn shown(&self, at: Expr, zone: &str) -> Expr {
        self.call(cast(at, instant()), zone)
    }

    fn call(&self, at: Expr, zone: &str) -> Expr {
        self.in_zone.call(vec![lit(zone), at])
    }
}

fn cast_from(expr: Expr, from: DataType, to: &DataType) -> Expr {
    match from == *to {
        true => expr,
        false => cast(expr, to.clone()),
    }
}

fn is_instant(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(_, Some(_)))
}

fn is_shown(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Timestamp(_, None)
            | DataType::Date32
            | DataType::Date64
            | DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond)
    )
}

fn moved(call: &Call, sign: i32) -> Result<ArrayRef> {
    let moments = call.args[0].as_primitive::<TimestampMicrosecondType>();
    let spans = call.args[1].as_primitive::<IntervalMonthDayNanoType>();
    let mut moved = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if moments.is_null(row) || spans.is_null(row) {
            moved.push(None);
            continue;
        }
        let shown = shown_in(&moment(moments.value(row))?, &call.zone)?;
        // Months and days go by the calendar, hours by the clock that never jumps.
        let (days, nanos) = later_by(&shown, spans.value(row), sign)?;
        let at = instant_of(&days, &call.zone)?.and_utc().timestamp_micros();
        moved.push(Some(at.saturating_add(nanos / 1_000)));
    }
    let moved = TimestampMicrosecondArray::from(moved).with_timezone("UTC");
    Ok(Arc::new(moved))
}
