//! `to_char`, `to_date`, `to_timestamp`, `to_number`: Postgres' templates.

mod number;
mod read;
mod token;
mod write;

use std::sync::Arc;

use chrono::{NaiveDateTime, Offset, TimeZone};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::native::{Call, Native};
use super::text::{as_text, moment, zone};
use super::time::{days_of, to_utc, value_error};
use super::types::{instant, interval, is_text, local};

pub(super) fn functions() -> Vec<Native> {
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    vec![
        Native::new("to_char", value_and_template, text, to_char).stable(),
        Native::new(
            "to_date",
            texts_up_to_two,
            |_| Ok(DataType::Date32),
            to_date,
        )
        .stable(),
        Native::new(
            "to_timestamp",
            moment_and_template,
            |_| Ok(instant()),
            to_timestamp,
        )
        .stable(),
        Native::new(
            "to_number",
            |types| match types.len() {
                2 => Ok(vec![DataType::Utf8; 2]),
                _ => exec_err!("to_number takes a text and a template"),
            },
            |_| Ok(DataType::Decimal128(38, 10)),
            to_number,
        ),
    ]
}

fn value_and_template(types: &[DataType]) -> Result<Vec<DataType>> {
    let [value, _] = types else {
        return exec_err!("to_char takes a value and a template");
    };
    let value = match value {
        DataType::Timestamp(_, Some(_)) => instant(),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => local(),
        DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Time64(_)
        | DataType::Time32(_) => interval(),
        kind if kind.is_numeric() => kind.clone(),
        kind if is_text(kind) => local(),
        DataType::Null => local(),
        other => return exec_err!("to_char takes a date, a time or a number, not {other}"),
    };
    Ok(vec![value, DataType::Utf8])
}

fn texts_up_to_two(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [_] | [_, _] => Ok(vec![DataType::Utf8; types.len()]),
        _ => exec_err!("to_date takes a text and a template"),
    }
}

fn moment_and_template(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [kind] if kind.is_numeric() => Ok(vec![DataType::Float64]),
        [DataType::Timestamp(..) | DataType::Date32] => Ok(vec![instant()]),
        [_] => Ok(vec![DataType::Utf8]),
        [_, _] => Ok(vec![DataType::Utf8; 2]),
        _ => exec_err!("to_timestamp takes seconds, or a text and a template"),
    }
}

/// The longest template.
const MAX_TEMPLATE: usize = 4_096;

fn to_char(call: &Call) -> Result<ArrayRef> {
    let (values, templates) = (&call.args[0], call.args[1].as_string::<i32>());
    let zone = zone(call)?;
    let mut texts = Vec::with_capacity(call.rows);
    let numbers = match values.data_type() {
        kind if kind.is_numeric() => Some(as_text(values, &zone)?),
        _ => None,
    };
    let mut last: Option<(&str, Vec<token::Item>)> = None;
    for row in 0..call.rows {
        if values.is_null(row) || templates.is_null(row) {
            texts.push(None);
            continue;
        }
        let template = templates.value(row);
        check_length(template)?;
        if let Some(numbers) = &numbers {
            texts.push(Some(number::write(&plain(values, numbers, row), template)?));
            continue;
        }
        if last.as_ref().is_none_or(|(text, _)| *text != template) {
            last = Some((template, token::items(template)));
        }
        let items = last
            .as_ref()
            .map(|(_, items)| items.as_slice())
            .unwrap_or_default();
        let (at, offset) = match values.data_type() {
            DataType::Interval(_) => {
                let span = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
                texts.push(Some(write::interval(span, items)?));
                continue;
            }
            DataType::Timestamp(_, has_zone) => {
                let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
                let at = moment(micros)?;
                match has_zone {
                    Some(_) => {
                        let at = zone.from_utc_datetime(&at);
                        (at.naive_local(), Some(at.offset().fix().local_minus_utc()))
                    }
                    None => (at, None),
                }
            }
            other => return exec_err!("to_char cannot write {other}"),
        };
        let zone_name = offset.map(|seconds| (seconds, call.zone.as_str()));
        texts.push(Some(match template.contains('%') {
            true => strftime(&at, template)?,
            false => write::moment(&at, zone_name, items),
        }));
    }
    Ok(Arc::new(StringArray::from(texts)))
}

/// Templates are short; what a long one is made into takes far more room and time than it does.
fn check_length(template: &str) -> Result<()> {
    if template.len() <= MAX_TEMPLATE {
        return Ok(());
    }
    Err(value_error(
        "54000",
        format!(
            "a template has {} bytes, more than {MAX_TEMPLATE}",
            template.len()
        ),
    ))
}

/// Patterns with a percent sign are those of C, which Weir took before.
fn strftime(at: &NaiveDateTime, template: &str) -> Result<String> {
    use std::fmt::Write;
    let mut text = String::new();
    write!(text, "{}", at.format(template))
        .map_err(|_| exec_datafusion_err!("`{template}` is not a template"))?;
    Ok(text)
}

/// Returns a number without an exponent.
fn plain(values: &ArrayRef, texts: &StringArray, row: usize) -> String {
    match values.data_type() {
        DataType::Float64 => values.as_primitive::<Float64Type>().value(row).to_string(),
        _ => texts.value(row).to_owned(),
    }
}

fn to_date(call: &Call) -> Result<ArrayRef> {
    if call.args.len() == 1 {
        return super::time::parse(call);
    }
    let dates = parsed(call, |parts| {
        let at = parts.moment()?;
        Ok(days_of(at.date()))
    })?;
    Ok(Arc::new(Date32Array::from(dates)))
}

fn to_timestamp(call: &Call) -> Result<ArrayRef> {
    let zone = zone(call)?;
    let micros = match (call.args.len(), call.args[0].data_type()) {
        (1, DataType::Float64) => {
            let seconds = call.args[0].as_primitive::<Float64Type>();
            let micros = seconds.iter().map(|seconds| match seconds {
                Some(s) if !s.is_finite() || s.abs() > 8.2e12 => {
                    Err(value_error("22008", "timestamp out of range"))
                }
                Some(seconds) => Ok(Some((seconds * 1e6).round() as i64)),
                None => Ok(None),
            });
            micros.collect::<Result<Vec<_>>>()?
        }
        (1, DataType::Timestamp(..)) => return Ok(cast(&call.args[0], &instant())?),
        (1, _) => return super::time::parse(call),
        _ => parsed(call, |parts| {
            let at = parts.moment()?;
            let utc = match parts.offset {
                Some(offset) => at.checked_sub_signed(chrono::Duration::seconds(offset.into())),
                None => to_utc(&at, &zone),
            };
            let out = || value_error("22008", "timestamp out of range");
            Ok(utc.ok_or_else(out)?.and_utc().timestamp_micros())
        })?,
    };
    Ok(Arc::new(
        TimestampMicrosecondArray::from(micros).with_timezone("UTC"),
    ))
}

fn parsed<T>(call: &Call, value: impl Fn(&read::Parts) -> Result<T>) -> Result<Vec<Option<T>>> {
    let texts = call.args[0].as_string::<i32>();
    let templates = call.args[1].as_string::<i32>();
    (0..call.rows)
        .map(|row| {
            if texts.is_null(row) || templates.is_null(row) {
                return Ok(None);
            }
            let parts = read::parts(texts.value(row), templates.value(row))?;
            value(&parts).map(Some)
        })
        .collect()
}

fn to_number(call: &Call) -> Result<ArrayRef> {
    let texts = call.args[0].as_string::<i32>();
    let templates = call.args[1].as_string::<i32>();
    let numbers = (0..call.rows).map(|row| {
        if texts.is_null(row) || templates.is_null(row) {
            return Ok(None);
        }
        number::read(texts.value(row)).map(Some)
    });
    let numbers: StringArray = numbers.collect::<Result<_>>()?;
    Ok(cast(&numbers, &call.returns)?)
}
