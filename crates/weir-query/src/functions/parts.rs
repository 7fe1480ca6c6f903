//! Parts of moments and spans: `extract(hour FROM x)`, `date_part('hour', x)`.

use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, exec_err};

use super::dates::shown_in;
use super::native::{Call, Native};
use super::text::moment;
use super::time::value_error;
use super::types::{instant, interval, local};

pub(super) const PART: &str = "weir_part";

pub(super) fn functions() -> Vec<Native> {
    vec![Native::new(PART, field_and_moment, |_| Ok(DataType::Float64), part).stable()]
}

fn field_and_moment(types: &[DataType]) -> Result<Vec<DataType>> {
    let [_, at] = types else {
        return exec_err!("date_part takes the name of a part and a date, timestamp or interval");
    };
    let at = match at {
        DataType::Interval(_) | DataType::Duration(_) => interval(),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, Some(_)) => instant(),
        _ => local(),
    };
    Ok(vec![DataType::Utf8, at])
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    Weekday,
    IsoWeekday,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Epoch,
}

fn field(name: &str) -> Result<Field> {
    let name = name.trim().to_ascii_lowercase();
    Ok(match name.as_str() {
        "millennium" | "millennia" => Field::Millennium,
        "century" | "centuries" => Field::Century,
        "decade" | "decades" => Field::Decade,
        "year" | "years" | "y" | "yr" => Field::Year,
        "isoyear" => Field::IsoYear,
        "quarter" | "qtr" => Field::Quarter,
        "month" | "months" | "mon" => Field::Month,
        "week" | "weeks" | "w" => Field::Week,
        "day" | "days" | "d" => Field::Day,
        "dow" | "dayofweek" | "day_of_week" => Field::Weekday,
        "isodow" => Field::IsoWeekday,
        "doy" | "dayofyear" | "day_of_year" => Field::DayOfYear,
        "hour" | "hours" | "h" | "hr" => Field::Hour,
        "minute" | "minutes" | "m" | "min" => Field::Minute,
        "second" | "seconds" | "s" | "sec" => Field::Second,
        "millisecond" | "milliseconds" | "ms" | "msec" => Field::Millisecond,
        "microsecond" | "microseconds" | "us" | "usec" => Field::Microsecond,
        "epoch" => Field::Epoch,
        _ => {
            return Err(value_error(
                "22023",
                format!("`{name}` is not a part of a date or time"),
            ));
        }
    })
}

fn part(call: &Call) -> Result<ArrayRef> {
    let (names, at) = (call.args[0].as_string::<i32>(), &call.args[1]);
    let mut last: Option<(&str, Field)> = None;
    let mut parts = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if names.is_null(row) || at.is_null(row) {
            parts.push(None);
            continue;
        }
        let name = names.value(row);
        let field = match last {
            Some((known, field)) if known == name => field,
            _ => field(name)?,
        };
        last = Some((name, field));
        parts.push(Some(match at.data_type() {
            DataType::Interval(_) => of_span(
                field,
                at.as_primitive::<IntervalMonthDayNanoType>().value(row),
            ),
            DataType::Time64(_) => {
                of_time(field, at.as_primitive::<Time64MicrosecondType>().value(row))
            }
            kind => {
                let micros = at.as_primitive::<TimestampMicrosecondType>().value(row);
                let shown = match kind {
                    DataType::Timestamp(_, Some(_)) => shown_in(&moment(micros)?, &call.zone)?,
                    _ => moment(micros)?,
                };
                Ok(of_moment(field, micros, &shown))
            }
        }?));
    }
    Ok(Arc::new(Float64Array::from(parts)))
}

/// `micros` is the instant, `shown` what a clock shows then.
fn of_moment(field: Field, micros: i64, shown: &NaiveDateTime) -> f64 {
    let year = shown.year();
    let whole = match field {
        Field::Millennium => periods(year, 1000),
        Field::Century => periods(year, 100),
        Field::Decade => year.div_euclid(10),
        // There is no year zero.
        Field::Year => year - i32::from(year <= 0),
        Field::IsoYear => shown.iso_week().year(),
        Field::Quarter => shown.month0() as i32 / 3 + 1,
        Field::Month => shown.month() as i32,
        Field::Week => shown.iso_week().week() as i32,
        Field::Day => shown.day() as i32,
        Field::Weekday => shown.weekday().num_days_from_sunday() as i32,
        Field::IsoWeekday => shown.weekday().number_from_monday() as i32,
        Field::DayOfYear => shown.ordinal() as i32,
        Field::Hour => shown.hour() as i32,
        Field::Minute => shown.minute() as i32,
        Field::Second | Field::Millisecond | Field::Microsecond => {
            return of_seconds(field, micros.rem_euclid(60_000_000));
        }
        Field::Epoch => return micros as f64 / 1e6,
    };
    f64::from(whole)
}

/// Counts centuries and the like: the first one began with the year 1.
fn periods(year: i32, years: i32) -> i32 {
    match year > 0 {
        true => (year + years - 1) / years,
        false => -((years - year) / years),
    }
}

/// The part of a minute that `micros` are.
fn of_seconds(field: Field, micros: i64) -> f64 {
    let micros = micros as f64;
    match field {
        Field::Second => micros / 1e6,
        Field::Millisecond => micros / 1e3,
        _ => micros,
    }
}

fn of_span(field: Field, span: IntervalMonthDayNano) -> Result<f64> {
    let (months, micros) = (span.months, span.nanoseconds / 1_000);
    let years = months / 12;
    let whole = match field {
        Field::Millennium => years / 1000,
        Field::Century => years / 100,
        Field::Decade => years / 10,
        Field::Year => years,
        Field::Quarter => months % 12 / 3 + 1,
        Field::Month => months % 12,
        Field::Day => span.days,
        Field::Hour | Field::Minute | Field::Second | Field::Millisecond | Field::Microsecond => {
            return of_time(field, micros);
        }
        Field::Epoch => {
            // A year has 365.25 days, a month 30.
            let days =
                f64::from(years) * 365.25 + f64::from(months % 12 * 30) + f64::from(span.days);
            return Ok(days * 86_400.0 + micros as f64 / 1e6);
        }
        _ => return Err(not_of(field, "an interval")),
    };
    Ok(f64::from(whole))
}

/// Parts of a time of the day, or of what is less than a day in an interval.
fn of_time(field: Field, micros: i64) -> Result<f64> {
    Ok(match field {
        Field::Hour => (micros / 3_600_000_000) as f64,
        Field::Minute => (micros / 60_000_000 % 60) as f64,
        Field::Second | Field::Millisecond | Field::Microsecond => {
            of_seconds(field, micros % 60_000_000)
        }
        Field::Epoch => micros as f64 / 1e6,
        _ => return Err(not_of(field, "a time")),
    })
}

fn not_of(field: Field, what: &str) -> DataFusionError {
    let field = format!("{field:?}").to_ascii_lowercase();
    value_error("0A000", format!("{what} has no {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centuries_begin_with_their_first_year() {
        assert_eq!(
            [2000, 2001, 1, 0, -99, -100].map(|year| periods(year, 100)),
            [20, 21, 1, -1, -1, -2]
        );
    }
}
