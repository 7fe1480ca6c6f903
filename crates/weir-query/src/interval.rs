//! Intervals, and how they are written.

use std::fmt::{Result, Write};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::arrow::error::ArrowError;

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// Returns intervals of any kind, and differences of moments, as months, days and time. Between two moments
/// there are whole days and a rest, as in PostgreSQL; more than 2^31 days are an error.
pub fn as_intervals(
    array: &ArrayRef,
) -> std::result::Result<IntervalMonthDayNanoArray, ArrowError> {
    let nanos_each = match array.data_type() {
        DataType::Duration(TimeUnit::Second) => 1_000_000_000,
        DataType::Duration(TimeUnit::Millisecond) => 1_000_000,
        DataType::Duration(TimeUnit::Microsecond) => 1_000,
        DataType::Duration(TimeUnit::Nanosecond) => 1,
        _ => {
            let spans = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            return Ok(spans.as_primitive::<IntervalMonthDayNanoType>().clone());
        }
    };
    let counts = cast(array, &DataType::Int64)?;
    let span = |count: i64| {
        let nanos = i128::from(count) * nanos_each;
        let days = i32::try_from(nanos / NANOS_PER_DAY)
            .map_err(|_| ArrowError::ArithmeticOverflow("interval out of range".to_owned()))?;
        Ok(IntervalMonthDayNano::new(
            0,
            days,
            (nanos % NANOS_PER_DAY) as i64,
        ))
    };
    let spans = counts.as_primitive::<Int64Type>().iter();
    spans.map(|count| count.map(span).transpose()).collect()
}

/// Writes an interval in PostgreSQL's style called `postgres`, to the microsecond.
pub fn write_interval(value: IntervalMonthDayNano, to: &mut impl Write) -> Result {
    let (years, months) = (value.months / 12, value.months % 12);
    let mut any = false;
    // A part after a negative one says that it is positive.
    let mut negative = false;
    for (number, unit) in [(years, "year"), (months, "mon"), (value.days, "day")] {
        if number == 0 {
            continue;
        }
        let space = if any { " " } else { "" };
        let plus = if negative && number > 0 { "+" } else { "" };
        let plural = if number == 1 { "" } else { "s" };
        write!(to, "{space}{plus}{number} {unit}{plural}")?;
        any = true;
        negative = number < 0;
    }
    let micros = value.nanoseconds / 1_000;
    if micros == 0 && any {
        return Ok(());
    }
    let space = if any { " " } else { "" };
    let sign = match (micros < 0, negative) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    let micros = micros.unsigned_abs();
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    write!(
        to,
        "{space}{sign}{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )?;
    match rest {
        0 => Ok(()),
        _ => to.write_str(format!(".{rest:06}").trim_end_matches('0')),
    }
}

/// Returns an interval as [`write_interval`] writes it.
pub(crate) fn interval_text(value: IntervalMonthDayNano) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = write_interval(value, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_as_postgres_writes_them() {
        let of =
            |months, days, nanos| interval_text(IntervalMonthDayNano::new(months, days, nanos));
        assert_eq!(of(0, 0, 0), "00:00:00");
        assert_eq!(
            of(14, 3, 4 * 3_600_000_000_000 + 5_000_000),
            "1 year 2 mons 3 days 04:00:00.005"
        );
        assert_eq!(of(-1, 2, 0), "-1 mons +2 days");
        assert_eq!(of(0, 1, -60_000_000_000), "1 day -00:01:00");
        assert_eq!(of(0, -1, -1_000_000_000), "-1 days -00:00:01");
    }
}
