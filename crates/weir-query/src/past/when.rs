//! Which version, instant or position a clause names.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias, Value};
use weir_lake::At;

use crate::error::{Names, QueryError, QueryErrorKind, translate};
use crate::plan::missing_parameter;
use crate::travel::{Clause, Unit};

/// Of when something is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(At),
    /// The last position of sources' changes that counts.
    Position(i64),
}

/// Computes the version, instant or position a clause names: a literal, a parameter, or an expression
/// without columns, such as `now() - interval '1 hour'`.
pub(super) fn read(
    base: &SessionState,
    clause: &Clause,
    params: &[ScalarValue],
) -> Result<When, QueryError> {
    let invalid = |message: String| QueryError::new(QueryErrorKind::Invalid, message);
    let value = match &clause.value {
        SqlExpr::Value(value) if matches!(&value.value, Value::Placeholder(_)) => {
            let Value::Placeholder(name) = &value.value else {
                unreachable!("just matched")
            };
            let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
            let param = number.and_then(|n| params.get(n.checked_sub(1)?));
            param.cloned().ok_or_else(|| missing_parameter(name))?
        }
        value => {
            let fail = |error| translate(error, &NoColumns);
            let empty = DFSchema::empty();
            let expr = base
                .create_logical_expr_from_sql_expr(
                    ExprWithAlias {
                        expr: value.clone(),
                        alias: None,
                    },
                    &empty,
                )
                .map_err(fail)?;
            let context = SimplifyContext::builder()
                .with_schema(Arc::new(DFSchema::empty()))
                .with_config_options(base.config_options().clone())
                .with_current_time()
                .build();
            let simplifier = ExprSimplifier::new(context);
            let expr = simplifier
                .coerce(expr, &empty)
                .and_then(|expr| simplifier.simplify(expr))
                .map_err(fail)?;
            match expr {
                Expr::Literal(value, _) => value,
                _ => return Err(invalid(format!("`{value}` is not a constant"))),
            }
        }
    };
    match clause.unit {
        Unit::Version => match value.cast_to(&DataType::UInt64) {
            Ok(ScalarValue::UInt64(Some(version))) if !matches!(value, ScalarValue::Float64(_)) => {
                Ok(When::At(At::Version(version)))
            }
            _ => Err(invalid(format!("`{}` is not a version", clause.value))
                .hint("versions are whole numbers from 0")),
        },
        Unit::Timestamp => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            match value.cast_to(&kind) {
                Ok(ScalarValue::TimestampMicrosecond(Some(micros), _))
                    if !value.data_type().is_numeric() =>
                {
                    Ok(When::At(At::Timestamp(micros)))
                }
                _ => Err(invalid(format!("`{}` is not an instant", clause.value))
                    .hint("write it like '2026-01-31T12:00:00Z', or now() - interval '1 hour'")),
            }
        }
        Unit::Position => position(&value).map(When::Position).ok_or_else(|| {
            invalid(format!("`{}` is not a position", clause.value))
                .hint("write weir_position of a change, or a PostgreSQL place like '16/B374D848'")
        }),
    }
}

/// Reads a number, or a place in PostgreSQL's log: two hexadecimal halves.
fn position(value: &ScalarValue) -> Option<i64> {
    if value.data_type().is_integer() {
        return match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(position)) => position,
            _ => None,
        };
    }
    let text = value.try_as_str()??;
    match text.split_once('/') {
        Some((high, low)) if high.len() <= 8 && low.len() <= 8 => {
            let half = |text| u32::from_str_radix(text, 16).map(i64::from).ok();
            half(high)?.checked_mul(1 << 32)?.checked_add(half(low)?)
        }
        _ => text.parse().ok(),
    }
}

struct NoColumns;

impl Names for NoColumns {
    fn similar_table(&self, _: &str) -> Option<String> {
        None
    }
}
