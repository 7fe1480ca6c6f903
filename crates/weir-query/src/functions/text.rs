//! Values as text, the way Postgres writes them.

use std::fmt::Write;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::native::{Call, Native};
use crate::interval::{as_intervals, interval_text};

pub(super) const AS_TEXT: &str = "weir_text";

pub(super) fn functions() -> Vec<Native> {
    vec![
        Native::new(
            AS_TEXT,
            |types| Ok(types.to_vec()),
            |_| Ok(DataType::Utf8),
            |call| Ok(Arc::new(as_text(&call.args[0], &zone(call)?)?)),
        )
        .stable(),
    ]
}

/// Returns the session's zone.
pub(super) fn zone(call: &Call) -> Result<Tz> {
    zone_named(&call.zone)
}

/// Returns the zone of that name, or offset.
pub(super) fn zone_named(name: &str) -> Result<Tz> {
    let name = match name {
        "Z" | "z" | "utc" | "Etc/UTC" | "GMT" => "UTC",
        name => name,
    };
    name.parse()
        .map_err(|_| exec_datafusion_err!("there is no time zone `{name}`"))
}

/// Writes every value of an array.
pub(super) fn as_text(array: &ArrayRef, zone: &Tz) -> Result<StringArray> {
    let texts = |text: &dyn Fn(usize) -> Result<String>| -> Result<StringArray> {
        (0..array.len())
            .map(|row| array.is_valid(row).then(|| text(row)).transpose())
            .collect()
    };
    match array.data_type() {
        DataType::Timestamp(_, has_zone) => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, has_zone.clone());
            let micros = cast(array, &kind)?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            texts(&|row| {
                let value = micros.value(row);
                match has_zone {
                    Some(_) => Ok(instant_text(value, zone)),
                    None => Ok(moment_text(&moment(value)?)),
                }
            })
        }
        DataType::Float64 => {
            let floats = array.as_primitive::<Float64Type>();
            texts(&|row| Ok(float_text(floats.value(row), 15)))
        }
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>();
            texts(&|row| {
                let value = floats.value(row);
                Ok(match value.is_finite() {
                    true => float_digits(&format!("{value:e}"), 6),
                    false => float_text(f64::from(value), 6),
                })
            })
        }
        DataType::Duration(_) | DataType::Interval(_) => {
            let spans = as_intervals(array)?;
            texts(&|row| Ok(interval_text(spans.value(row))))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = cast(array, &DataType::Binary)?;
            let bytes = bytes.as_binary::<i32>();
            texts(&|row| {
                let hex = bytes.value(row).iter().map(|byte| format!("{byte:02x}"));
                Ok(format!("\\x{}", hex.collect::<String>()))
            })
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            texts(&|row| list_text(&lists.value(row), zone))
        }
        DataType::Boolean => {
            let values = array.as_boolean();
            texts(&|row| Ok(values.value(row).to_string()))
        }
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
            texts(&|row| Ok(formatter.value(row).to_string()))
        }
    }
}

/// Returns the moment a number of microseconds stands for.
pub(super) fn moment(micros: i64) -> Result<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros)
        .map(|at| at.naive_utc())
        .ok_or_else(|| exec_datafusion_err!("timestamp out of range"))
}

/// Writes a timestamp without a zone.
pub(super) fn moment_text(at: &NaiveDateTime) -> String {
    let mut text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    let micros = at.and_utc().timestamp_subsec_micros();
    if micros > 0 {
        let digits = format!("{micros:06}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text
}

fn instant_text(micros: i64, zone: &Tz) -> String {
    let Ok(utc) = moment(micros) else {
        return String::new();
    };
    let at = zone.from_utc_datetime(&utc);
    let offset = at.offset().fix().local_minus_utc();
    let mut text = moment_text(&at.naive_local());
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    let _ = write!(text, "{sign}{hours:02}");
    if minutes != 0 {
        let _ = write!(text, ":{minutes:02}");
    }
    text
}

/// Writes a float with the fewest digits that give it back.
pub(super) fn float_text(value: f64, widest: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    float_digits(&format!("{value:e}"), widest)
}

/// Turns `1.5e2` into `150`, or keeps an exponent where Postgres does.
fn float_digits(scientific: &str, widest: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    if exponent < -4 || exponent >= widest {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{exponent_sign}{:02}", exponent.abs());
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    if point <= 0 {
        return format!(
            "{sign}0.{}{digits}",
            "0".repeat(point.unsigned_abs() as usize)
        )
        .trim_end_matches(".0")
        .to_owned();
    }
    let point = point as usize;
    if digits.len() <= point {
        return format!("{sign}{digits}{}", "0".repeat(point - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

/// Writes a list as `{a,b}`.
fn list_text(values: &ArrayRef, zone: &Tz) -> Result<String> {
    let nested = matches!(values.data_type(), DataType::List(_));
    let texts = as_text(values, zone)?;
    let parts: Vec<String> = texts
        .iter()
        .map(|text| match text {
            None => "NULL".to_owned(),
            Some(text) if nested => text.to_owned(),
            Some(text) if needs_quotes(text) => {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Some(text) => text.to_owned(),
        })
        .collect();
    Ok(format!("{{{}}}", parts.join(",")))
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.contains(|c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace())
}

/// Refuses what is not text where text is needed.
pub(super) fn only_text(types: &[DataType]) -> Result<Vec<DataType>> {
    match types
        .iter()
        .find(|kind| !super::types::is_text(kind) && !kind.is_null())
    {
        Some(kind) => exec_err!("text is needed, not {kind}"),
        None => Ok(vec![DataType::Utf8; types.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_postgres_does() {
        for (value, text) in [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (150.0, "150"),
            (0.1, "0.1"),
            (0.0, "0"),
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (123456.789, "123456.789"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float_text(value, 15), text);
        }
    }
}
