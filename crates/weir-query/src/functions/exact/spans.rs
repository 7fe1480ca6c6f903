use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, UInt64Type,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::total::out_of_range;
use crate::functions::intervals::times;

/// The average of intervals: months, days and time are summed apart, and divided as Postgres divides.
#[derive(Debug, Default)]
pub(super) struct Spans {
    months: i64,
    days: i64,
    nanos: i128,
    count: u64,
}

impl Spans {
    /// What it passes on: names and types.
    pub(super) const STATE: [(&str, DataType); 4] = [
        ("months", DataType::Int64),
        ("days", DataType::Int64),
        ("nanos", DataType::Decimal128(38, 0)),
        ("count", DataType::UInt64),
    ];

    /// Adds the values, or takes them out again. 2^32 rows do not reach the ends of a sum.
    fn take(&mut self, values: &ArrayRef, sign: i64) {
        let spans = values.as_primitive::<IntervalMonthDayNanoType>();
        for span in spans.iter().flatten() {
            self.months += sign * i64::from(span.months);
            self.days += sign * i64::from(span.days);
            self.nanos += i128::from(sign) * i128::from(span.nanoseconds);
            self.count = self.count.wrapping_add_signed(sign);
        }
    }
}

impl Accumulator for Spans {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(ScalarValue::IntervalMonthDayNano(None));
        }
        let fits = |sum: i64| i32::try_from(sum).map_err(|_| out_of_range());
        let nanos = i64::try_from(self.nanos).map_err(|_| out_of_range())?;
        let sum = IntervalMonthDayNano::new(fits(self.months)?, fits(self.days)?, nanos);
        let average = times(sum, |part| part / self.count as f64)?;
        Ok(ScalarValue::IntervalMonthDayNano(Some(average)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Int64(Some(self.months)),
            ScalarValue::Int64(Some(self.days)),
            ScalarValue::Decimal128(Some(self.nanos), 38, 0),
            ScalarValue::UInt64(Some(self.count)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let months = states[0].as_primitive::<Int64Type>();
        let days = states[1].as_primitive::<Int64Type>();
        let nanos = states[2].as_primitive::<Decimal128Type>();
        let counts = states[3].as_primitive::<UInt64Type>();
        for row in (0..counts.len()).filter(|row| counts.is_valid(*row)) {
            self.months += months.value(row);
            self.days += days.value(row);
            self.nanos += nanos.value(row);
            self.count += counts.value(row);
        }
        Ok(())
    }
}
