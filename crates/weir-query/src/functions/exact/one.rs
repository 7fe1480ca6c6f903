use std::collections::HashSet;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::total::{Shape, each, out_of_range};

/// One total; a window may take values out again.
#[derive(Debug)]
pub(super) struct One {
    shape: Shape,
    total: i128,
    count: u64,
}

impl One {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            total: 0,
            count: 0,
        }
    }
}

fn answer(shape: &Shape, total: i128, count: u64) -> Result<ScalarValue> {
    let value = shape.finish(total, count)?;
    Ok(match shape.returns {
        DataType::Decimal128(digits, scale) => ScalarValue::Decimal128(value, digits, scale),
        _ => ScalarValue::Int64(value.map(|value| value as i64)),
    })
}

fn as_total(shape: &Shape, total: i128) -> ScalarValue {
    let DataType::Decimal128(digits, scale) = shape.total() else {
        unreachable!("totals are numerics")
    };
    ScalarValue::Decimal128(Some(total), digits, scale)
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (mut total, mut count, mut overflows) = (self.total, 0, false);
        each(&values[0], None, |_, value| {
            let (sum, over) = total.overflowing_add(value);
            total = sum;
            count += 1;
            overflows |= over;
        });
        if overflows {
            return Err(out_of_range());
        }
        self.total = total;
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(&values[0], None, |_, value| {
            self.total = self.total.wrapping_sub(value);
            self.count -= 1;
        });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        answer(&self.shape, self.total, self.count)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![as_total(&self.shape, self.total), self.count.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let totals = states[0].as_primitive::<Decimal128Type>();
        let counts = states[1].as_primitive::<UInt64Type>();
        for row in 0..totals.len() {
            if counts.is_null(row) || totals.is_null(row) {
                continue;
            }
            let total = self.total.checked_add(totals.value(row));
            self.total = total.ok_or_else(out_of_range)?;
            self.count += counts.value(row);
        }
        Ok(())
    }
}

/// The values of one total, each once.
#[derive(Debug)]
pub(super) struct Distinct {
    shape: Shape,
    values: HashSet<i128>,
}

impl Distinct {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            values: HashSet::new(),
        }
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(&values[0], None, |_, value| {
            self.values.insert(value);
        });
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = 0_i128;
        for value in &self.values {
            total = total.checked_add(*value).ok_or_else(out_of_range)?;
        }
        answer(&self.shape, total, self.values.len() as u64)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * (size_of::<i128>() + 1)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self
            .values
            .iter()
            .map(|value| as_total(&self.shape, *value));
        let values: Vec<ScalarValue> = values.collect();
        let list = ScalarValue::new_list_nullable(&values, &self.shape.total());
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            self.update_batch(&[lists.value(row)])?;
        }
        Ok(())
    }
}
