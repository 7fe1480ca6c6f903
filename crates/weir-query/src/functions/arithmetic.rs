//! Integers that do not wrap, division that knows of zero, numerics that divide as far as needed.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal256Array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, exec_err};

use super::native::{Call, Native};

/// Digits after the point of a quotient of numerics, at least.
const QUOTIENT_SCALE: i8 = 16;

pub(super) const ADD: &str = "weir_add";
pub(super) const SUBTRACT: &str = "weir_subtract";
pub(super) const MULTIPLY: &str = "weir_multiply";
pub(super) const DIVIDE: &str = "weir_divide";
pub(super) const DIVIDE_NUMERIC: &str = "weir_divide_numeric";
pub(super) const ROUND_EVEN: &str = "weir_round_even";

pub(super) fn functions() -> Vec<Native> {
    let as_given = |types: &[DataType]| match types.iter().all(DataType::is_numeric) {
        true => Ok(types.to_vec()),
        false => exec_err!("numbers are needed"),
    };
    let first = |types: &[DataType]| Ok(types[0].clone());
    vec![
        Native::new(ADD, as_given, first, |call| checked(call, numeric::add)).takes(2..=2),
        Native::new(SUBTRACT, as_given, first, |call| {
            checked(call, numeric::sub)
        })
        .takes(2..=2),
        Native::new(MULTIPLY, as_given, first, |call| {
            checked(call, numeric::mul)
        })
        .takes(2..=2),
        Native::new(DIVIDE, as_given, first, divide).takes(2..=2),
        Native::new(DIVIDE_NUMERIC, two_numerics, quotient_type, divide_numeric),
        Native::new(ROUND_EVEN, as_given, first, round_even).takes(1..=1),
        Native::new("mod", same_numbers, first, |call| {
            checked(call, numeric::rem)
        }),
        Native::new("sign", one_number, sign_type, sign),
        Native::new(
            "width_bucket",
            bucket_types,
            |_| Ok(DataType::Int32),
            width_bucket,
        ),
    ]
}

type Kernel = fn(
    &dyn datafusion::arrow::array::Datum,
    &dyn datafusion::arrow::array::Datum,
) -> Result<ArrayRef, ArrowError>;

fn checked(call: &Call, kernel: Kernel) -> Result<ArrayRef> {
    Ok(kernel(&call.args[0], &call.args[1])?)
}

/// Division of floats, where a zero is an error and not infinity.
fn divide(call: &Call) -> Result<ArrayRef> {
    let zero = |left: &ArrayRef, right: &ArrayRef| match right.data_type() {
        DataType::Float64 => {
            let (l, r) = (left, right.as_primitive::<Float64Type>());
            (0..r.len()).any(|i| r.is_valid(i) && l.is_valid(i) && r.value(i) == 0.0)
        }
        DataType::Float32 => {
            let (l, r) = (left, right.as_primitive::<Float32Type>());
            (0..r.len()).any(|i| r.is_valid(i) && l.is_valid(i) && r.value(i) == 0.0)
        }
        _ => false,
    };
    let (left, right) = (&call.args[0], &call.args[1]);
    if zero(left, right) {
        return Err(ArrowError::DivideByZero.into());
    }
    Ok(numeric::div(left, right)?)
}

/// Returns a whole number's or numeric's digits and scale.
pub(super) fn numeric_shape(kind: &DataType) -> Option<(u8, i8)> {
    Some(match kind {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => (*p, *s),
        _ => return None,
    })
}

fn two_numerics(types: &[DataType]) -> Result<Vec<DataType>> {
    let [left, right] = types else {
        return exec_err!("division takes two values");
    };
    let decimal = |kind: &DataType| match numeric_shape(kind) {
        Some((precision, scale)) => Ok(DataType::Decimal128(precision.min(38), scale.max(0))),
        None if kind.is_null() => Ok(DataType::Decimal128(1, 0)),
        None => exec_err!("{kind} is not a numeric"),
    };
    Ok(vec![decimal(left)?, decimal(right)?])
}

fn quotient_type(types: &[DataType]) -> Result<DataType> {
    let scale = types
        .iter()
        .filter_map(numeric_shape)
        .map(|(_, scale)| scale)
        .fold(QUOTIENT_SCALE, i8::max);
    Ok(DataType::Decimal128(38, scale.min(20)))
}

fn divide_numeric(call: &Call) -> Result<ArrayRef> {
    let scale_of = |array: &ArrayRef| numeric_shape(array.data_type()).map_or(0, |(_, s)| s);
    let DataType::Decimal128(_, scale) = call.returns else {
        return exec_err!("{} is not a numeric", call.returns);
    };
    // One digit more than asked for, so that the last one is rounded and not cut off.
    let wide = DataType::Decimal256(76, scale + 1 + scale_of(&call.args[1]));
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &strict);
    let left = cast(&call.args[0], &wide)?;
    let right = cast(
        &call.args[1],
        &DataType::Decimal256(76, scale_of(&call.args[1])),
    )?;
    let (left, right) = (
        left.as_primitive::<datafusion::arrow::datatypes::Decimal256Type>(),
        right.as_primitive::<datafusion::arrow::datatypes::Decimal256Type>(),
    );
    let mut quotients = Vec::with_capacity(left.len());
    for row in 0..left.len() {
        quotients.push(match left.is_valid(row) && right.is_valid(row) {
            true => match left.value(row).checked_div(right.value(row)) {
                Some(quotient) => Some(quotient),
                None => return Err(ArrowError::DivideByZero.into()),
            },
            false => None,
        });
    }
    let quotients: Decimal256Array = quotients.into_iter().collect();
    let quotients: ArrayRef = Arc::new(quotients.with_precision_and_scale(76, scale + 1)?);
    Ok(cast(&quotients, &call.returns)?)
}

fn round_even(call: &Call) -> Result<ArrayRef> {
    let array = &call.args[0];
    Ok(match array.data_type() {
        DataType::Float32 => Arc::new(
            array
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(f32::round_ties_even),
        ),
        _ => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(f64::round_ties_even),
        ),
    })
}

fn one_number(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [kind] if matches!(kind, DataType::Decimal128(..)) || kind.is_floating() => {
            Ok(vec![kind.clone()])
        }
        [_] => Ok(vec![DataType::Float64]),
        _ => exec_err!("sign takes one value"),
    }
}

fn sign_type(types: &[DataType]) -> Result<DataType> {
    Ok(match &types[0] {
        DataType::Decimal128(..) => DataType::Decimal128(1, 0),
        kind => kind.clone(),
    })
}

fn sign(call: &Call) -> Result<ArrayRef> {
    let array = &call.args[0];
    let floats = cast_with_options(array, &DataType::Float64, &CastOptions::default())?;
    let signs = floats
        .as_primitive::<Float64Type>()
        .unary::<_, Float64Type>(|v| if v == 0.0 { 0.0 } else { v.signum() });
    Ok(datafusion::arrow::compute::cast(&signs, &call.returns)?)
}

fn same_numbers(types: &[DataType]) -> Result<Vec<DataType>> {
    let [left, right] = types else {
        return exec_err!("mod takes two numbers");
    };
    let kind = datafusion::logical_expr::binary::binary_numeric_coercion(left, right);
    match kind {
        Some(kind) => Ok(vec![kind.clone(), kind]),
        None => exec_err!("mod takes two numbers, not {left} and {right}"),
    }
}

fn bucket_types(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        4 => Ok(vec![
            DataType::Float64,
            DataType::Float64,
            DataType::Float64,
            DataType::Int32,
        ]),
        _ => exec_err!("width_bucket takes a value, two bounds and a count"),
    }
}

fn width_bucket(call: &Call) -> Result<ArrayRef> {
    use datafusion::arrow::array::Int32Array;
    use datafusion::arrow::datatypes::Int32Type;
    let float = |i: usize| call.args[i].as_primitive::<Float64Type>();
    let (value, low, high) = (float(0), float(1), float(2));
    let count = call.args[3].as_primitive::<Int32Type>();
    let mut buckets = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            buckets.push(None);
            continue;
        }
        let (v, low, high, n) = (
            value.value(row),
            low.value(row),
            high.value(row),
            count.value(row),
        );
        if n <= 0 {
            return exec_err!("the count of width_bucket must be greater than zero");
        }
        if low == high || !low.is_finite() || !high.is_finite() || v.is_nan() {
            return exec_err!("the bounds of width_bucket must differ and be finite");
        }
        let (position, span) = match low < high {
            true => (v - low, high - low),
            false => (low - v, low - high),
        };
        buckets.push(Some(if position < 0.0 {
            0
        } else if position >= span {
            n.saturating_add(1)
        } else {
            (position / span * f64::from(n)) as i32 + 1
        }));
    }
    Ok(Arc::new(Int32Array::from(buckets)))
}
