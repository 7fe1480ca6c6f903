//! Spans of time: times a number, between two moments, out of parts.

use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, IntervalMonthDayNanoArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err};

use super::native::{Call, Native};
use super::text::moment;
use super::time::value_error;
use super::types::{interval, local};
use crate::interval::as_intervals;

pub(super) const MULTIPLY_INTERVAL: &str = "weir_multiply_interval";
pub(super) const DIVIDE_INTERVAL: &str = "weir_divide_interval";

/// How long an interval is, in nanoseconds.
pub(super) const LENGTH: &str = "weir_interval_length";
/// The difference of two moments as an interval.
pub(super) const OF_DURATION: &str = "weir_interval_of_duration";

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

pub(super) fn functions() -> Vec<Native> {
    let of_interval = |_: &[DataType]| Ok(interval());
    let with_number = |_: &[DataType]| Ok(vec![interval(), DataType::Float64]);
    vec![
        Native::new(MULTIPLY_INTERVAL, with_number, of_interval, |call| {
            scaled(call, |factor| Ok(Box::new(move |part| part * factor)))
        }),
        Native::new(DIVIDE_INTERVAL, with_number, of_interval, |call| {
            scaled(call, |divisor| match divisor {
                0.0 => Err(value_error("22012", "division by zero")),
                divisor => Ok(Box::new(move |part| part / divisor)),
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
        Native::new("make_interval", seven_parts, of_interval, make).takes(0..=7),
    ]
}

/// Multiplies or divides one number.
type Scale = Box<dyn Fn(f64) -> f64>;

/// Multiplies as Postgres does: parts of months become days, parts of days become time.
fn scaled(call: &Call, by: fn(f64) -> Result<Scale>) -> Result<ArrayRef> {
    let spans = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
    let numbers = call.args[1].as_primitive::<Float64Type>();
    let scaled = (0..call.rows).map(|row| {
        if spans.is_null(row) || numbers.is_null(row) {
            return Ok(None);
        }
        times(spans.value(row), by(numbers.value(row))?).map(Some)
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
    let spans =
        as_intervals(&call.args[0]).map_err(|_| value_error("22008", "interval out of range"))?;
    Ok(Arc::new(spans))
}

/// Multiplies or divides one span; see [`scaled`]. Rounded where PostgreSQL's `interval_mul` rounds.
pub(super) fn times(
    span: IntervalMonthDayNano,
    scale: impl Fn(f64) -> f64,
) -> Result<IntervalMonthDayNano> {
    // What floats lose must not become a part of a second.
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let months = scale(f64::from(span.months));
    let days = scale(f64::from(span.days));
    let (whole_months, mut whole_days) = (months.trunc(), days.trunc());
    let of_month = rounded((months - whole_months) * 30.0);
    let mut seconds = rounded((days - whole_days + of_month - of_month.trunc()) * 86_400.0);
    whole_days += of_month.trunc() + (seconds / 86_400.0).trunc();
    seconds %= 86_400.0;
    let micros = (scale(span.nanoseconds as f64 / 1e3) + seconds * 1e6).round_ties_even();
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
