//! Spans of time: times a number, between two moments, out of parts.

use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, IntervalMonthDayNanoArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err};

use super::native::{Call, Native};
use super::text::moment;
use super::time::value_error;
use super::types::{interval, local};

pub(super) const MULTIPLY_INTERVAL: &str = "weir_multiply_interval";
pub(super) const DIVIDE_INTERVAL: &str = "weir_divide_interval";

/// How long an interval is, in nanoseconds.
pub(super) const LENGTH: &str = "weir_interval_length";
/// The difference of two moments as an interval.
pub(super) const OF_DURATION: &str = "weir_interval_of_duration";

const DAY_NANOS: f64 = 86_400e9;
const NANOS_PER_DAY: i128 = 86_400_000_000_000;

pub(super) fn functions() -> Vec<Native> {
    let of_interval = |_: &[DataType]| Ok(interval());
    let with_number = |_: &[DataType]| Ok(vec![interval(), DataType::Float64]);
    vec![
        Native::new(MULTIPLY_INTERVAL, with_number, of_interval, |call| {
            scaled(call, Ok)
        }),
        Native::new(DIVIDE_INTERVAL, with_number, of_interval, |call| {
            scaled(call, |divisor| match divisor {
                0.0 => Err(value_error("22012", "division by zero")),
                divisor => Ok(1.0 / divisor),
            })
        }),
        Native::new(
            LENGTH,
            |_| Ok(vec![interval()]),
            |_| Ok(DataType::Decimal128(38, 0)),
            length,
        ),
        Native::new(
            OF_DURATION,
            |types| Ok(types.to_vec()),
            of_interval,
            of_duration,
        ),
        Native::new("justify_hours", one_span, of_interval, |call| {
            justified(call, by_days)
        }),
        Native::new("justify_days", one_span, of_interval, |call| {
            justified(call, by_months)
        }),
        Native::new("justify_interval", one_span, of_interval, |call| {
            justified(call, |span| one_sign(by_months(by_days(span)?)?))
        }),
        Native::new("make_timestamp", six_parts, |_| Ok(local()), make_moment),
        Native::new("age", two_moments, of_interval, age),
        Native::new("make_interval", seven_parts, of_interval, make),
    ]
}

/// Multiplies as Postgres does: parts of months become days, parts of days become time.
fn scaled(call: &Call, factor: fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let spans = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
    let numbers = call.args[1].as_primitive::<Float64Type>();
    let scaled = (0..call.rows).map(|row| {
        if spans.is_null(row) || numbers.is_null(row) {
            return Ok(None);
        }
        times(spans.value(row), factor(numbers.value(row))?).map(Some)
    });
    let array: IntervalMonthDayNanoArray = scaled.collect::<Result<_>>()?;
    Ok(Arc::new(array))
}

/// As Postgres compares: a month has 30 days, and a day 24 hours.
fn length(call: &Call) -> Result<ArrayRef> {
    let spans = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
    let lengths = spans.iter().map(|span| {
        let span = span?;
        let days = i128::from(span.months) * 30 + i128::from(span.days);
        Some(days * NANOS_PER_DAY + i128::from(span.nanoseconds))
    });
    let lengths: Decimal128Array = lengths.collect();
    Ok(Arc::new(lengths.with_precision_and_scale(38, 0)?))
}

/// Whole days, and what is left of one.
fn of_duration(call: &Call) -> Result<ArrayRef> {
    let nanos_each = match call.args[0].data_type() {
        DataType::Duration(TimeUnit::Second) => 1_000_000_000,
        DataType::Duration(TimeUnit::Millisecond) => 1_000_000,
        DataType::Duration(TimeUnit::Microsecond) => 1_000,
        DataType::Duration(TimeUnit::Nanosecond) => 1,
        kind => return exec_err!("{kind} is not a difference of moments"),
    };
    let counts = cast(&call.args[0], &DataType::Int64)?;
    let spans = counts.as_primitive::<Int64Type>().iter().map(|count| {
        let Some(count) = count else {
            return Ok(None);
        };
        let nanos = i128::from(count) * nanos_each;
        let days = i32::try_from(nanos / NANOS_PER_DAY)
            .map_err(|_| value_error("22008", "interval out of range"))?;
        let rest = (nanos % NANOS_PER_DAY) as i64;
        Ok(Some(IntervalMonthDayNano::new(0, days, rest)))
    });
    let spans: IntervalMonthDayNanoArray = spans.collect::<Result<_>>()?;
    Ok(Arc::new(spans))
}

fn times(span: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    let months = f64::from(span.months) * factor;
    let whole_months = months.trunc();
    let days = f64::from(span.days) * factor + (months - whole_months) * 30.0;
    // What floats lose must not become a part of a second.
    let days = (days * 1e9).round() / 1e9;
    let whole_days = days.trunc();
    let nanos = span.nanoseconds as f64 * factor + (days - whole_days) * DAY_NANOS;
    let micros = (nanos / 1e3).round();
    let fits = whole_months.abs() < f64::from(i32::MAX)
        && whole_days.abs() < f64::from(i32::MAX)
        && micros.abs() < 9.2e15;
    if !fits {
        return Err(value_error("22008", "interval out of range"));
    }
    Ok(IntervalMonthDayNano::new(
        whole_months as i32,
        whole_days as i32,
        micros as i64 * 1_000,
    ))
}

/// Reads `1 year 2 months 04:05:06` as months, days and seconds.
pub(super) fn parts(text: &str) -> Option<[f64; 3]> {
    let [mut months, mut days, mut seconds] = [0.0; 3];
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, clock) = match word.strip_prefix('-') {
                Some(rest) => (-1.0, rest),
                None => (1.0, word.trim_start_matches('+')),
            };
            let fields: Vec<f64> = clock
                .split(':')
                .map(|f| f.parse().ok())
                .collect::<Option<_>>()?;
            let scale = [3600.0, 60.0, 1.0];
            seconds += sign * fields.iter().zip(scale).map(|(f, s)| f * s).sum::<f64>();
            continue;
        }
        let count: f64 = word.parse().ok()?;
        match words.next()?.to_ascii_lowercase().trim_end_matches('s') {
            "year" | "y" | "yr" => months += count * 12.0,
            "month" | "mon" => months += count,
            "week" | "w" => days += count * 7.0,
            "day" | "d" => days += count,
            "hour" | "h" | "hr" => seconds += count * 3600.0,
            "minute" | "min" | "m" => seconds += count * 60.0,
            "second" | "sec" => seconds += count,
            _ => return None,
        }
    }
    Some([months, days, seconds])
}

fn two_moments(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        1 | 2 => Ok(vec![local(); types.len()]),
        _ => exec_err!("age takes one or two timestamps"),
    }
}

/// `age(a, b)`: years, months and days as on a calendar; `age(a)` counts from midnight of today.
fn age(call: &Call) -> Result<ArrayRef> {
    let moments = |i: usize| call.args[i].as_primitive::<TimestampMicrosecondType>();
    let today = chrono::Utc::now()
        .date_naive()
        .and_time(chrono::NaiveTime::MIN);
    let mut ages = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            ages.push(None);
            continue;
        }
        let first = moment(moments(0).value(row))?;
        let (later, earlier) = match call.args.len() {
            2 => (first, moment(moments(1).value(row))?),
            _ => (today, first),
        };
        ages.push(Some(between(later, earlier)));
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::from(ages)))
}

fn between(later: NaiveDateTime, earlier: NaiveDateTime) -> IntervalMonthDayNano {
    if later < earlier {
        let span = between(earlier, later);
        return IntervalMonthDayNano::new(-span.months, -span.days, -span.nanoseconds);
    }
    let month = |at: &NaiveDateTime| at.year() * 12 + at.month0() as i32;
    let mut months = month(&later) - month(&earlier);
    let mut days = later.day() as i32 - earlier.day() as i32;
    let mut nanos = (later.time() - earlier.time())
        .num_nanoseconds()
        .unwrap_or(0);
    if nanos < 0 {
        nanos += 86_400_000_000_000;
        days -= 1;
    }
    while days < 0 {
        // Days of the earlier one's month, as Postgres borrows them.
        let (year, m) = (earlier.year(), earlier.month());
        days += days_in_month(year, m);
        months -= 1;
    }
    IntervalMonthDayNano::new(months, days, nanos)
}

/// Returns the days of a month.
pub(super) fn days_in_month(year: i32, month: u32) -> i32 {
    let (next_year, next) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    chrono::NaiveDate::from_ymd_opt(next_year, next, 1)
        .and_then(|first| first.pred_opt())
        .map_or(30, |last| last.day() as i32)
}

fn seven_parts(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        0..=7 => Ok(vec![DataType::Float64; types.len()]),
        _ => exec_err!("make_interval takes years, months, weeks, days, hours, mins and secs"),
    }
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`.
fn make(call: &Call) -> Result<ArrayRef> {
    let mut spans = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            spans.push(None);
            continue;
        }
        let part = |i: usize| {
            call.args
                .get(i)
                .map_or(0.0, |arg| arg.as_primitive::<Float64Type>().value(row))
        };
        let months = part(0) * 12.0 + part(1);
        let days = part(2) * 7.0 + part(3);
        let seconds = part(4) * 3600.0 + part(5) * 60.0 + part(6);
        if months.abs() > 2e9 || days.abs() > 2e9 || seconds.abs() > 9e12 {
            return Err(value_error("22008", "interval out of range"));
        }
        spans.push(Some(IntervalMonthDayNano::new(
            months as i32,
            days as i32,
            (seconds * 1e6).round() as i64 * 1_000,
        )));
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::from(spans)))
}

fn one_span(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        1 => Ok(vec![interval()]),
        _ => exec_err!("this takes one interval"),
    }
}

fn justified(
    call: &Call,
    change: fn(IntervalMonthDayNano) -> Option<IntervalMonthDayNano>,
) -> Result<ArrayRef> {
    let spans = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
    let spans = spans.iter().map(|span| match span {
        None => Ok(None),
        Some(span) => change(span)
            .map(Some)
            .ok_or_else(|| value_error("22008", "interval out of range")),
    });
    let spans: IntervalMonthDayNanoArray = spans.collect::<Result<_>>()?;
    Ok(Arc::new(spans))
}

/// Makes days of 24 hours each, and gives both the same sign.
fn by_days(span: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    const DAY: i64 = 86_400_000_000_000;
    let whole = i32::try_from(span.nanoseconds / DAY).ok()?;
    let (mut days, mut nanos) = (span.days.checked_add(whole)?, span.nanoseconds % DAY);
    if days > 0 && nanos < 0 {
        (days, nanos) = (days - 1, nanos + DAY);
    } else if days < 0 && nanos > 0 {
        (days, nanos) = (days + 1, nanos - DAY);
    }
    Some(IntervalMonthDayNano::new(span.months, days, nanos))
}

/// Makes months of 30 days each, and gives both the same sign.
fn by_months(span: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let (mut months, mut days) = (span.months.checked_add(span.days / 30)?, span.days % 30);
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - 30);
    }
    Some(IntervalMonthDayNano::new(months, days, span.nanoseconds))
}

/// Gives months, days and time the same sign.
fn one_sign(span: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    const DAY: i64 = 86_400_000_000_000;
    let (mut months, mut days, mut nanos) = (span.months, span.days, span.nanoseconds);
    if months > 0 && (days < 0 || days == 0 && nanos < 0) {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && (days > 0 || days == 0 && nanos > 0) {
        (months, days) = (months + 1, days - 30);
    }
    if days > 0 && nanos < 0 {
        (days, nanos) = (days - 1, nanos + DAY);
    } else if days < 0 && nanos > 0 {
        (days, nanos) = (days + 1, nanos - DAY);
    }
    Some(IntervalMonthDayNano::new(months, days, nanos))
}

fn six_parts(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        6 => Ok(vec![DataType::Float64; 6]),
        _ => exec_err!("make_timestamp takes year, month, day, hour, minute and seconds"),
    }
}

/// `make_timestamp(year, month, day, hour, minute, seconds)`.
fn make_moment(call: &Call) -> Result<ArrayRef> {
    let moments = (0..call.rows).map(|row| {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let part = |at: usize| call.args[at].as_primitive::<Float64Type>().value(row);
        let wrong = || value_error("22008", "date/time field value out of range");
        let whole = |at: usize| match part(at) {
            value if value.fract() == 0.0 && (0.0..=1e6).contains(&value) => Ok(value as u32),
            _ => Err(wrong()),
        };
        let year = i32::try_from(whole(0)?).map_err(|_| wrong())?;
        let date = chrono::NaiveDate::from_ymd_opt(year, whole(1)?, whole(2)?);
        let (hour, minute, seconds) = (whole(3)?, whole(4)?, part(5));
        if hour > 23 || minute > 59 || !(0.0..60.0).contains(&seconds) {
            return Err(wrong());
        }
        let clock = i64::from(hour) * 3_600_000_000 + i64::from(minute) * 60_000_000;
        let micros = clock + (seconds * 1e6).round() as i64;
        let midnight = date
            .and_then(|date| date.and_hms_opt(0, 0, 0))
            .ok_or_else(wrong)?;
        Ok(Some(midnight.and_utc().timestamp_micros() + micros))
    });
    let moments: TimestampMicrosecondArray = moments.collect::<Result<_>>()?;
    Ok(Arc::new(moments))
}
