//! Dates and instants: parts between them, steps from them, zones.

use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err};

use super::intervals::days_in_month;
use super::native::{Call, Native};
use super::text::{moment, zone_named};
use super::time::{days_of, to_utc, value_error};
use super::types::{instant, is_text, local};

pub(super) fn functions() -> Vec<Native> {
    vec![
        Native::new(
            "date_diff",
            unit_and_two,
            |_| Ok(DataType::Int64),
            difference,
        )
        .alias("datediff"),
        Native::new("date_add", unit_number_moment, stepped_type, step).alias("dateadd"),
        Native::new("last_day", one_moment, |_| Ok(DataType::Date32), last_day),
        Native::new("timezone", zone_and_moment, zoned_type, in_zone),
        Native::new(
            "convert_timezone",
            zones_and_moment,
            |_| Ok(local()),
            convert,
        ),
    ]
}

fn unit_and_two(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        3 => Ok(vec![DataType::Utf8, local(), local()]),
        _ => exec_err!("date_diff takes a unit, a start and an end"),
    }
}

fn unit_number_moment(types: &[DataType]) -> Result<Vec<DataType>> {
    let [_, _, at] = types else {
        return exec_err!("date_add takes a unit, a number and a date or timestamp");
    };
    let at = match at {
        DataType::Timestamp(_, Some(_)) => instant(),
        _ => local(),
    };
    Ok(vec![DataType::Utf8, DataType::Int64, at])
}

fn stepped_type(types: &[DataType]) -> Result<DataType> {
    Ok(types[2].clone())
}

fn one_moment(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        1 => Ok(vec![local()]),
        _ => exec_err!("last_day takes a date"),
    }
}

/// A unit of time, under the names warehouses have for it.
#[derive(Clone, Copy)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

fn unit(name: &str) -> Result<Unit> {
    let name = name.trim().trim_matches('\'').to_ascii_lowercase();
    Ok(match name.trim_end_matches('s') {
        "microsecond" | "usec" | "u" => Unit::Microsecond,
        "millisecond" | "msec" => Unit::Millisecond,
        "m" if name == "ms" => Unit::Millisecond,
        "second" | "sec" | "" => Unit::Second,
        "minute" | "min" | "mi" => Unit::Minute,
        "hour" | "hr" | "h" | "hh" => Unit::Hour,
        "day" | "d" | "dd" => Unit::Day,
        "week" | "w" | "wk" => Unit::Week,
        "month" | "mon" | "mm" => Unit::Month,
        "quarter" | "q" | "qtr" => Unit::Quarter,
        "year" | "y" | "yy" | "yr" | "yyyy" => Unit::Year,
        _ => {
            return Err(value_error(
                "22023",
                format!(
                    "`{name}` is not a unit of time; there are year, quarter, month, week, day, hour, minute, second"
                ),
            ));
        }
    })
}

/// Counts the borders of a unit between two moments.
fn difference(call: &Call) -> Result<ArrayRef> {
    let units = call.args[0].as_string::<i32>();
    let moments = |i: usize| call.args[i].as_primitive::<TimestampMicrosecondType>();
    let mut counts = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            counts.push(None);
            continue;
        }
        let unit = unit(units.value(row))?;
        let (start, end) = (moments(1).value(row), moments(2).value(row));
        counts.push(Some(border(unit, end)? - border(unit, start)?));
    }
    Ok(Arc::new(Int64Array::from(counts)))
}

/// Numbers the units of time since long ago.
fn border(unit: Unit, micros: i64) -> Result<i64> {
    let at = moment(micros)?;
    let every = |size: i64| micros.div_euclid(size);
    Ok(match unit {
        Unit::Microsecond => micros,
        Unit::Millisecond => every(1_000),
        Unit::Second => every(1_000_000),
        Unit::Minute => every(60_000_000),
        Unit::Hour => every(3_600_000_000),
        Unit::Day => every(86_400_000_000),
        // 1970 began on a Thursday, weeks begin on Monday.
        Unit::Week => (every(86_400_000_000) + 3).div_euclid(7),
        Unit::Month => i64::from(at.year()) * 12 + i64::from(at.month0()),
        Unit::Quarter => i64::from(at.year()) * 4 + i64::from(at.month0() / 3),
        Unit::Year => i64::from(at.year()),
    })
}

fn step(call: &Call) -> Result<ArrayRef> {
    let units = call.args[0].as_string::<i32>();
    let numbers = call.args[1].as_primitive::<Int64Type>();
    let moments = call.args[2].as_primitive::<TimestampMicrosecondType>();
    let mut stepped = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            stepped.push(None);
            continue;
        }
        let unit = unit(units.value(row))?;
        let at = plus(unit, numbers.value(row), moments.value(row))?;
        stepped.push(Some(at));
    }
    let array = TimestampMicrosecondArray::from(stepped);
    Ok(match call.returns {
        DataType::Timestamp(_, Some(_)) => Arc::new(array.with_timezone("UTC")),
        _ => Arc::new(array),
    })
}

fn plus(unit: Unit, number: i64, micros: i64) -> Result<i64> {
    let out = || value_error("22008", "timestamp out of range");
    let of = |size: i64| {
        number
            .checked_mul(size)
            .and_then(|step| micros.checked_add(step))
            .ok_or_else(out)
    };
    let months = |each: i64| -> Result<i64> {
        let at = moment(micros)?;
        let count = number.checked_mul(each).ok_or_else(out)?;
        let months = Months::new(u32::try_from(count.unsigned_abs()).map_err(|_| out())?);
        let moved = match count < 0 {
            true => at.checked_sub_months(months),
            false => at.checked_add_months(months),
        };
        Ok(moved.ok_or_else(out)?.and_utc().timestamp_micros())
    };
    match unit {
        Unit::Microsecond => of(1),
        Unit::Millisecond => of(1_000),
        Unit::Second => of(1_000_000),
        Unit::Minute => of(60_000_000),
        Unit::Hour => of(3_600_000_000),
        Unit::Day => of(86_400_000_000),
        Unit::Week => of(7 * 86_400_000_000),
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
    }
}

fn last_day(call: &Call) -> Result<ArrayRef> {
    let moments = call.args[0].as_primitive::<TimestampMicrosecondType>();
    let days = moments.iter().map(|micros| {
        let Some(micros) = micros else {
            return Ok(None);
        };
        let at = moment(micros)?;
        let last = days_in_month(at.year(), at.month());
        Ok(Some(days_of(at.date()) + last - at.day() as i32))
    });
    Ok(Arc::new(Date32Array::from(
        days.collect::<Result<Vec<_>>>()?,
    )))
}

fn zone_and_moment(types: &[DataType]) -> Result<Vec<DataType>> {
    let [_, at] = types else {
        return exec_err!("timezone takes a zone and a timestamp");
    };
    let at = match at {
        DataType::Timestamp(_, Some(_)) => instant(),
        kind if is_text(kind) => instant(),
        _ => local(),
    };
    Ok(vec![DataType::Utf8, at])
}

fn zoned_type(types: &[DataType]) -> Result<DataType> {
    Ok(match &types[1] {
        DataType::Timestamp(_, Some(_)) => local(),
        _ => instant(),
    })
}

/// `t AT TIME ZONE z`: an instant as clocks there show it, or the instant at which they show it.
fn in_zone(call: &Call) -> Result<ArrayRef> {
    let zones = call.args[0].as_string::<i32>();
    let moments = call.args[1].as_primitive::<TimestampMicrosecondType>();
    let to_local = matches!(call.args[1].data_type(), DataType::Timestamp(_, Some(_)));
    let mut shown = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if zones.is_null(row) || moments.is_null(row) {
            shown.push(None);
            continue;
        }
        let (zone, at) = (zones.value(row), moment(moments.value(row))?);
        let at = match to_local {
            true => shown_in(&at, zone)?,
            false => instant_of(&at, zone)?,
        };
        shown.push(Some(at.and_utc().timestamp_micros()));
    }
    let array = TimestampMicrosecondArray::from(shown);
    Ok(match to_local {
        true => Arc::new(array),
        false => Arc::new(array.with_timezone("UTC")),
    })
}

fn unknown(zone: &str) -> datafusion::common::DataFusionError {
    value_error("22023", format!("there is no time zone `{zone}`"))
}

pub(super) fn shown_in(utc: &NaiveDateTime, zone: &str) -> Result<NaiveDateTime> {
    let zone = zone_named(zone).map_err(|_| unknown(zone))?;
    let offset = zone.offset_from_utc_datetime(utc).fix();
    utc.checked_add_offset(offset)
        .ok_or_else(|| value_error("22008", "timestamp out of range"))
}

pub(super) fn instant_of(local: &NaiveDateTime, zone: &str) -> Result<NaiveDateTime> {
    let zone = zone_named(zone).map_err(|_| unknown(zone))?;
    to_utc(local, &zone).ok_or_else(|| value_error("22008", "timestamp out of range"))
}

/// Moves by the months and days of a span; returns what is left of it, in nanoseconds.
pub(super) fn later_by(
    at: &NaiveDateTime,
    span: IntervalMonthDayNano,
    sign: i32,
) -> Result<(NaiveDateTime, i64)> {
    let out = || value_error("22008", "timestamp out of range");
    let months = Months::new(span.months.unsigned_abs());
    let later = (span.months < 0) == (sign < 0);
    let at = match later {
        true => at.checked_add_months(months),
        false => at.checked_sub_months(months),
    };
    let days = TimeDelta::days(i64::from(span.days) * i64::from(sign));
    let at = at
        .and_then(|at| at.checked_add_signed(days))
        .ok_or_else(out)?;
    let nanos = span.nanoseconds.checked_mul(i64::from(sign));
    Ok((at, nanos.ok_or_else(out)?))
}

fn zones_and_moment(types: &[DataType]) -> Result<Vec<DataType>> {
    match types.len() {
        2 => Ok(vec![DataType::Utf8, local()]),
        3 => Ok(vec![DataType::Utf8, DataType::Utf8, local()]),
        _ => exec_err!("convert_timezone takes one or two zones and a timestamp"),
    }
}

/// `convert_timezone([from,] to, t)`: what clocks of one zone show when those of another show `t`.
fn convert(call: &Call) -> Result<ArrayRef> {
    let zones = call.args.len() - 1;
    let moments = call.args[zones].as_primitive::<TimestampMicrosecondType>();
    let mut shown = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            shown.push(None);
            continue;
        }
        let zone = |i: usize| call.args[i].as_string::<i32>().value(row);
        let (from, to) = match zones {
            1 => ("UTC", zone(0)),
            _ => (zone(0), zone(1)),
        };
        let utc = instant_of(&moment(moments.value(row))?, from)?;
        shown.push(Some(shown_in(&utc, to)?.and_utc().timestamp_micros()));
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_many_names() {
        for name in ["day", "Days", "'day'", "dd"] {
            assert!(matches!(unit(name), Ok(Unit::Day)), "{name}");
        }
        assert!(matches!(unit("ms"), Ok(Unit::Millisecond)));
        assert!(matches!(unit("months"), Ok(Unit::Month)));
        assert!(unit("fortnight").is_err());
    }
}
