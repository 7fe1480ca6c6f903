//! Operators whose meaning or type depends on the types of both sides.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::arithmetic::{DIVIDE_NUMERIC, numeric_shape};
use super::intervals::{DIVIDE_INTERVAL, MULTIPLY_INTERVAL};
use super::semantics::{CALL_DEPTH, chain_length, too_deep};
use super::types::{interval, is_text};

/// Plans the operators.
#[derive(Debug)]
pub(crate) struct Operators {
    multiply_interval: Arc<ScalarUDF>,
    divide_interval: Arc<ScalarUDF>,
    divide_numeric: Arc<ScalarUDF>,
    power: Arc<ScalarUDF>,
    contains: Arc<ScalarUDF>,
    path_text: Arc<ScalarUDF>,
    path: Arc<ScalarUDF>,
}

impl Operators {
    pub(crate) fn new(state: &SessionState) -> Result<Self> {
        Ok(Self {
            multiply_interval: state.udf(MULTIPLY_INTERVAL)?,
            divide_interval: state.udf(DIVIDE_INTERVAL)?,
            divide_numeric: state.udf(DIVIDE_NUMERIC)?,
            power: state.udf("power")?,
            contains: state.udf("jsonb_contains")?,
            path_text: state.udf("weir_json_path_text")?,
            path: state.udf("weir_json_path")?,
        })
    }
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as Op;
        let RawBinaryExpr { op, left, right } = expr;
        if chain_length(&left) > CALL_DEPTH {
            return Err(too_deep());
        }
        let types = (left.get_type(schema), right.get_type(schema));
        let original =
            |op, left, right| Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        let (Ok(l), Ok(r)) = types else {
            return original(op, left, right);
        };
        let (left, right) = typed(&op, (left, &l), (right, &r));
        let (l, r) = (left.get_type(schema)?, right.get_type(schema)?);
        let number = |kind: &DataType| kind.is_numeric();
        let span = |kind: &DataType| matches!(kind, DataType::Interval(_) | DataType::Duration(_));
        let as_interval = |expr: Expr, kind: &DataType| match kind {
            DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano) => expr,
            _ => cast(expr, interval()),
        };
        let planned = match &op {
            Op::Multiply if span(&l) && number(&r) => self
                .multiply_interval
                .call(vec![as_interval(left, &l), cast(right, DataType::Float64)]),
            Op::Multiply if number(&l) && span(&r) => self
                .multiply_interval
                .call(vec![as_interval(right, &r), cast(left, DataType::Float64)]),
            Op::Divide if span(&l) && number(&r) => self
                .divide_interval
                .call(vec![as_interval(left, &l), cast(right, DataType::Float64)]),
            Op::Divide if numeric_quotient(&l, &r) => self.divide_numeric.call(vec![left, right]),
            // A day and a span of time is an instant, whatever the span.
            Op::Plus | Op::Minus if is_date(&l) && span(&r) => {
                let moment = cast(left, moment());
                return original(op, moment, right);
            }
            Op::Plus if span(&l) && is_date(&r) => {
                let moment = cast(right, moment());
                return original(op, left, moment);
            }
            // Days after a day.
            Op::Plus | Op::Minus if is_date(&l) && r.is_integer() => {
                let days = cast(left, DataType::Int32);
                let sum = match op {
                    Op::Plus => days + cast(right, DataType::Int32),
                    _ => days - cast(right, DataType::Int32),
                };
                cast(sum, DataType::Date32)
            }
            Op::Plus if l.is_integer() && is_date(&r) => cast(
                cast(left, DataType::Int32) + cast(right, DataType::Int32),
                DataType::Date32,
            ),
            // Between two days there are days.
            Op::Minus if is_date(&l) && is_date(&r) => {
                let days = |expr| cast(cast(expr, DataType::Date32), DataType::Int32);
                days(left) - days(right)
            }
            Op::PGExp if number(&l) && number(&r) => self.power.call(vec![
                cast(left, DataType::Float64),
                cast(right, DataType::Float64),
            ]),
            Op::AtArrow if is_text(&l) && is_text(&r) => self.contains.call(vec![left, right]),
            Op::ArrowAt if is_text(&l) && is_text(&r) => self.contains.call(vec![right, left]),
            Op::HashLongArrow => self.path_text.call(vec![left, right]),
            Op::HashArrow => self.path.call(vec![left, right]),
            _ => return original(op, left, right),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// A quoted value beside another is of the type that makes sense there: `t + '1 day'`, `'2' * 3`.
fn typed(
    op: &BinaryOperator,
    (left, l): (Expr, &DataType),
    (right, r): (Expr, &DataType),
) -> (Expr, Expr) {
    let wanted = |other: &DataType| {
        let moment = is_date(other) || matches!(other, DataType::Timestamp(..));
        let span = matches!(other, DataType::Interval(_));
        match op {
            BinaryOperator::Plus if moment || span => Some(interval()),
            BinaryOperator::Minus if moment || span => Some(other.clone()),
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
                if other.is_numeric() =>
            {
                Some(other.clone())
            }
            _ => None,
        }
    };
    match (is_quoted(&left), is_quoted(&right)) {
        (false, true) => match wanted(l) {
            Some(kind) => (left, cast(right, kind)),
            None => (left, right),
        },
        (true, false) => match wanted(r) {
            Some(kind) => (cast(left, kind), right),
            None => (left, right),
        },
        _ => (left, right),
    }
}

fn is_quoted(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Literal(
            ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)),
            _
        )
    )
}

fn is_date(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Date64)
}

fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// Whether a quotient is a numeric: no side a float, and not both whole numbers.
fn numeric_quotient(left: &DataType, right: &DataType) -> bool {
    let exact = |kind: &DataType| numeric_shape(kind).is_some();
    exact(left) && exact(right) && !(left.is_integer() && right.is_integer())
}
