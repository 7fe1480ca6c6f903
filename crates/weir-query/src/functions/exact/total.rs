use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type, i256};
use datafusion::common::Result;

use super::super::time::value_error;

/// What is computed of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Sum,
    Average,
}

impl Goal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Average => "avg",
        }
    }
}

/// The types of one call: what it is given and what it answers.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    goal: Goal,
    /// Digits after the point of what is given.
    scale: i8,
    pub(super) returns: DataType,
}

impl Shape {
    pub(super) fn new(goal: Goal, input: &DataType, returns: &DataType) -> Self {
        let scale = match input {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        Self {
            goal,
            scale,
            returns: returns.clone(),
        }
    }

    /// Returns the type of a total that is not finished.
    pub(super) fn total(&self) -> DataType {
        DataType::Decimal128(38, self.scale)
    }

    /// Returns the answer's digits for a total of so many values; none for no value.
    pub(super) fn finish(&self, total: i128, count: u64) -> Result<Option<i128>> {
        if count == 0 {
            return Ok(None);
        }
        let (digits, scale) = match self.returns {
            DataType::Decimal128(digits, scale) => (digits, scale),
            _ => {
                return match i64::try_from(total) {
                    Ok(_) => Ok(Some(total)),
                    Err(_) => Err(value_error("22003", "bigint out of range")
                        .context("sum(x::numeric) has no such bounds")),
                };
            }
        };
        let value = match self.goal {
            Goal::Sum => Some(total),
            Goal::Average => quotient(total, count, scale - self.scale),
        };
        let fits = |value: &i128| value.unsigned_abs() < 10_u128.pow(u32::from(digits));
        match value.filter(fits) {
            Some(value) => Ok(Some(value)),
            None => Err(out_of_range()),
        }
    }
}

pub(super) fn out_of_range() -> datafusion::common::DataFusionError {
    value_error("22003", "numeric field overflow")
}

/// Divides to so many digits more, half away from zero; none where that has no place.
fn quotient(total: i128, count: u64, digits: i8) -> Option<i128> {
    let factor = 10_i128.checked_pow(u32::try_from(digits).ok()?)?;
    let divisor = i128::from(count);
    if let Some(total) = total.checked_mul(factor) {
        let (whole, rest) = (total / divisor, total % divisor);
        let up = rest.unsigned_abs() * 2 >= u128::from(count);
        return whole.checked_add(if up { total.signum() } else { 0 });
    }
    let wide = i256::from_i128(total).checked_mul(i256::from_i128(factor))?;
    let divisor = i256::from_i128(divisor);
    let (whole, rest) = (wide.checked_div(divisor)?, wide.checked_rem(divisor)?);
    let twice = rest.wrapping_abs().checked_add(rest.wrapping_abs())?;
    let up = if twice >= divisor { total.signum() } else { 0 };
    whole.checked_add(i256::from_i128(up))?.to_i128()
}

/// Calls `with` with the row and the number of each value that is there and not filtered out.
pub(super) fn each(
    array: &ArrayRef,
    filter: Option<&BooleanArray>,
    mut with: impl FnMut(usize, i128),
) {
    let passes = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
    let plain = array.null_count() == 0 && filter.is_none();
    let mut all = |value: &dyn Fn(usize) -> i128| {
        for row in 0..array.len() {
            if array.is_valid(row) && passes(row) {
                with(row, value(row));
            }
        }
    };
    match array.data_type() {
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>().values();
            match plain {
                true => (0..values.len()).for_each(|row| with(row, i128::from(values[row]))),
                false => all(&|row| i128::from(values[row])),
            }
        }
        _ => {
            let values = array.as_primitive::<Decimal128Type>().values();
            match plain {
                true => (0..values.len()).for_each(|row| with(row, values[row])),
                false => all(&|row| values[row]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_rounded_half_away_from_zero() {
        assert_eq!(quotient(5, 3, 4), Some(16_667));
        assert_eq!(quotient(-5, 3, 4), Some(-16_667));
        assert_eq!(quotient(1, 2, 0), Some(1));
        assert_eq!(quotient(-1, 2, 0), Some(-1));
        assert_eq!(quotient(1, 3, 2), Some(33));
        let large = 5 * 10_i128.pow(37);
        assert_eq!(quotient(large, 5_000_000_000, 10), Some(10_i128.pow(38)));
        assert_eq!(quotient(i128::MAX, 1, 16), None);
    }

    #[test]
    fn a_sum_fits_its_type_or_is_an_error() {
        let shape = Shape::new(Goal::Sum, &DataType::Int64, &DataType::Int64);
        assert_eq!(shape.finish(7, 0).unwrap(), None);
        let most = i128::from(i64::MAX);
        assert_eq!(shape.finish(most, 1).unwrap(), Some(most));
        assert!(shape.finish(most + 1, 2).is_err());
    }
}
