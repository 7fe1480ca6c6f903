//! Text as dates, times and instants: what Postgres takes, and errors that say what was given.

use std::hash::Hash;
use std::sync::Arc;

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, IntervalMonthDayNanoArray,
    StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::interval_input;
use super::native::{Call, compute};
use super::text::{zone, zone_named};
use crate::error::{QueryError, QueryErrorKind};
use crate::types::type_name;

/// Returns the function that reads text as values of `to`.
pub(super) fn parser(to: &DataType) -> Result<ScalarUDF> {
    Ok(ScalarUDF::new_from_impl(Parse {
        name: format!("weir_parse_{}", type_name(to).replace(' ', "_")),
        to: to.clone(),
        signature: Signature::any(1, Volatility::Stable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Parse {
    name: String,
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Parse {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        compute(&args, parse)
    }
}

/// Reads a text as a value of `to`, the way a cast does; instants without a zone are in UTC.
pub(crate) fn read_text(text: &ScalarValue, to: &DataType) -> Result<ScalarValue> {
    let ours = matches!(
        to,
        DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Time64(_)
            | DataType::Boolean
            | DataType::Binary
    );
    if !ours {
        return text.cast_to(to);
    }
    let read = parse(&Call {
        args: vec![text.to_array()?],
        rows: 1,
        zone: "UTC".to_owned(),
        returns: to.clone(),
    })?;
    ScalarValue::try_from_array(&read, 0)
}

/// Reads the first argument as what the call returns.
pub(super) fn parse(call: &Call) -> Result<ArrayRef> {
    let texts = cast(&call.args[0], &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let zone = zone(call)?;
    let array: ArrayRef = match &call.returns {
        DataType::Timestamp(_, None) => {
            let micros = values(texts, |text| {
                Ok(moment(text)?.0.and_utc().timestamp_micros())
            })?;
            Arc::new(TimestampMicrosecondArray::from(micros))
        }
        DataType::Timestamp(_, Some(_)) => {
            let micros = values(texts, |text| instant(text, &zone))?;
            Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
        }
        DataType::Date32 => {
            let days = values(texts, |text| {
                let (at, _) = moment(text).map_err(|_| bad("date", text))?;
                Ok(days_of(at.date()))
            })?;
            Arc::new(Date32Array::from(days))
        }
        DataType::Time64(_) => {
            let micros = values(texts, |text| {
                let time = time_of(text.trim()).ok_or_else(|| bad("time", text))?;
                Ok(i64::from(time.num_seconds_from_midnight()) * 1_000_000
                    + i64::from(time.nanosecond() / 1_000))
            })?;
            Arc::new(Time64MicrosecondArray::from(micros))
        }
        DataType::Boolean => {
            let truths = values(texts, truth)?;
            Arc::new(BooleanArray::from(truths))
        }
        DataType::Binary => {
            let bytes = values(texts, bytes)?;
            let bytes = bytes.iter().map(|bytes| bytes.as_deref());
            Arc::new(bytes.collect::<BinaryArray>())
        }
        DataType::Interval(_) => {
            let spans = values(texts, interval_input::of_text)?;
            Arc::new(IntervalMonthDayNanoArray::from(spans))
        }
        other => return exec_err!("text is not read as {other}"),
    };
    match array.data_type() == &call.returns {
        true => Ok(array),
        false => Ok(cast(&array, &call.returns)?),
    }
}

fn values<T>(
    texts: &StringArray,
    read: impl Fn(&str) -> Result<T, DataFusionError>,
) -> Result<Vec<Option<T>>> {
    texts
        .iter()
        .map(|text| text.map(&read).transpose())
        .collect()
}

/// Returns the days since 1970.
pub(super) fn days_of(date: NaiveDate) -> i32 {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    i32::try_from(date.signed_duration_since(epoch).num_days()).unwrap_or_default()
}

/// Returns the error of a value that could not be computed.
pub(super) fn value_error(sqlstate: &'static str, message: impl Into<String>) -> DataFusionError {
    let error = QueryError::new(QueryErrorKind::Value, message).with_sqlstate(sqlstate);
    DataFusionError::External(Box::new(error))
}

fn bad(kind: &str, text: &str) -> DataFusionError {
    let short: String = text.chars().take(64).collect();
    let error = QueryError::new(
        QueryErrorKind::Value,
        format!("`{short}` is not a {kind}"),
    )
    .with_sqlstate("22007")
    .hint("write it like '2026-01-31' or '2026-01-31 12:00:00+00'; TRY_CAST gives NULL for what does not fit");
    DataFusionError::External(Box::new(error))
}

/// Reads `\\x...` as the bytes its digits stand for; other text is its own bytes.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let Some(digits) = text.strip_prefix("\\x") else {
        return Ok(text.as_bytes().to_vec());
    };
    let bad = || value_error("22P02", "the text after \\x is not hexadecimal");
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return Err(bad());
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| bad()))
        .collect()
}

fn truth(text: &str) -> Result<bool> {
    let word = text.trim().to_ascii_lowercase();
    let starts = |whole: &str| !word.is_empty() && whole.starts_with(&word);
    if word == "1" || word == "on" || starts("true") || starts("yes") {
        Ok(true)
    } else if word == "0" || word == "of" || word == "off" || starts("false") || starts("no") {
        Ok(false)
    } else {
        Err(value_error(
            "22P02",
            format!("`{}` is not a boolean", text.trim()),
        ))
    }
}

/// Reads text as an instant; one without a zone is in the session's.
fn instant(text: &str, session: &Tz) -> Result<i64> {
    let (at, named) = moment(text).map_err(|_| bad("timestamp", text))?;
    let utc = match named {
        Some(Zone::Offset(offset)) => at.checked_sub_offset(offset),
        Some(Zone::Named(zone)) => to_utc(&at, &zone),
        None => to_utc(&at, session),
    };
    match utc {
        Some(utc) => Ok(utc.and_utc().timestamp_micros()),
        None => Err(value_error("22008", format!("`{text}` is out of range"))),
    }
}

/// Returns the instant at which clocks of a zone show `at`; the later one of none.
pub(super) fn to_utc(at: &NaiveDateTime, zone: &Tz) -> Option<NaiveDateTime> {
    use chrono::LocalResult;
    match zone.from_local_datetime(at) {
        LocalResult::Single(found) => Some(found.naive_utc()),
        // Postgres takes the offset that is standard time.
        LocalResult::Ambiguous(_, standard) => Some(standard.naive_utc()),
        LocalResult::None => {
            let before = at.checked_sub_signed(chrono::Duration::hours(3))?;
            let offset = zone.offset_from_utc_datetime(&before).fix();
            at.checked_sub_offset(offset)
        }
    }
}

/// A zone as written behind a time.
pub(super) enum Zone {
    Offset(FixedOffset),
    Named(Tz),
}

/// Reads a date with or without a time and a zone.
fn moment(text: &str) -> Result<(NaiveDateTime, Option<Zone>), DataFusionError> {
    let trimmed = text.trim();
    let fail = || bad("timestamp", text);
    if trimmed.eq_ignore_ascii_case("epoch") {
        return Ok((NaiveDateTime::default(), None));
    }
    let (date, rest) = date_of(trimmed).ok_or_else(fail)?;
    let rest = rest.trim_start_matches(['T', 't']).trim_start();
    if rest.is_empty() {
        return Ok((date.and_time(NaiveTime::MIN), None));
    }
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
        .unwrap_or(rest.len());
    let (mut clock, mut zone) = (rest[..end].to_owned(), rest[end..].trim());
    let mut afternoon = None;
    for (word, later) in [("am", false), ("pm", true)] {
        if zone.get(..2).is_some_and(|w| w.eq_ignore_ascii_case(word)) {
            (afternoon, zone) = (Some(later), zone[2..].trim_start());
        }
    }
    if let Some(later) = afternoon {
        clock = twelve_hours(&clock, later).ok_or_else(fail)?;
    }
    let at = match clock.as_str() {
        // Some drivers put a zone behind a date.
        "" => date.and_time(NaiveTime::MIN),
        clock if clock.starts_with("24:00") => {
            date.succ_opt().ok_or_else(fail)?.and_time(NaiveTime::MIN)
        }
        clock => date.and_time(time_of(clock).ok_or_else(fail)?),
    };
    let zone = match zone {
        "" => None,
        zone => Some(zone_of(zone).ok_or_else(fail)?),
    };
    Ok((at, zone))
}

fn twelve_hours(clock: &str, later: bool) -> Option<String> {
    let (hour, rest) = clock.split_once(':').unwrap_or((clock, "00"));
    let hour: u32 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    let hour = hour % 12 + if later { 12 } else { 0 };
    Some(format!("{hour:02}:{rest}"))
}

/// Splits the date off the front.
fn date_of(text: &str) -> Option<(NaiveDate, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let year = digits(text);
    if (4..=6).contains(&year)
        && let Some(separator @ ('-' | '/' | '.')) = text[year..].chars().next()
    {
        let rest = &text[year + 1..];
        let month = digits(rest);
        let rest = rest[month..]
            .strip_prefix(separator)
            .map(|after| (&rest[..month], after))?;
        let day = digits(rest.1);
        let date = NaiveDate::from_ymd_opt(
            text[..year].parse().ok()?,
            rest.0.parse().ok()?,
            rest.1[..day].parse().ok()?,
        )?;
        return Some((date, &rest.1[day..]));
    }
    if year == 8 {
        let date = NaiveDate::parse_from_str(&text[..8], "%Y%m%d").ok()?;
        return Some((date, &text[8..]));
    }
    // `1/31/2026`, `Jan 31, 2026`, `31 January 2026`.
    [
        "%m/%d/%Y",
        "%b %d, %Y",
        "%b %d %Y",
        "%B %d, %Y",
        "%d %b %Y",
        "%d-%b-%Y",
    ]
    .into_iter()
    .find_map(|pattern| NaiveDate::parse_and_remainder(text, pattern).ok())
}

fn time_of(clock: &str) -> Option<NaiveTime> {
    let patterns: &[&str] = match clock.contains(':') {
        true => &["%H:%M:%S%.f", "%H:%M"],
        false => &["%H%M%S%.f", "%H%M"],
    };
    patterns
        .iter()
        .find_map(|pattern| NaiveTime::parse_from_str(clock, pattern).ok())
}

/// Reads a zone: `Z`, `+02`, `+02:00`, `+0200`, `Europe/Paris`.
pub(super) fn zone_of(text: &str) -> Option<Zone> {
    if text.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0).map(Zone::Offset);
    }
    let Some(sign) = text.chars().next().filter(|c| matches!(c, '+' | '-')) else {
        return zone_named(text).ok().map(Zone::Named);
    };
    let digits: Vec<u32> = text[1..]
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(10))
        .collect::<Option<_>>()?;
    let number = |range: &[u32]| range.iter().fold(0, |sum, digit| sum * 10 + digit);
    let (hours, minutes) = match digits.len() {
        1 | 2 => (number(&digits), 0),
        4 | 6 => (number(&digits[..2]), number(&digits[2..4])),
        _ => return None,
    };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    FixedOffset::east_opt(if sign == '-' { -seconds } else { seconds }).map(Zone::Offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_takes_is_taken() {
        let utc = zone_named("UTC").unwrap();
        let noon = instant("2024-03-01T12:00:00Z", &utc).unwrap();
        for text in [
            "2024-03-01 12:00",
            "2024-03-01 12:00:00+00",
            "2024-03-01 14:00:00+02",
            "2024-03-01 14:00+0200",
            "2024-03-01 13:00 Europe/Paris",
            "20240301 120000",
            "2024/03/01 12:00 pm",
            "3/1/2024 12:00",
            "Mar 1, 2024 12:00",
            " 2024-3-1 12:00:00.000 ",
        ] {
            assert_eq!(instant(text, &utc).unwrap(), noon, "{text}");
        }
        assert_eq!(
            moment("2024-02-29 +00").unwrap().0,
            moment("2024-02-29").unwrap().0
        );
        let paris = zone_named("Europe/Paris").unwrap();
        assert_eq!(instant("2024-03-01 13:00", &paris).unwrap(), noon);
    }

    #[test]
    fn other_text_is_refused() {
        let utc = zone_named("UTC").unwrap();
        for text in [
            "",
            "yesterday-ish",
            "2024-13-01",
            "2024-02-30",
            "2024-03-01 25:00",
            "2024-03-01 12:00 Nowhere",
            "12",
        ] {
            assert!(instant(text, &utc).is_err(), "{text}");
        }
        assert!(truth("maybe").is_err());
        assert!(truth(" YES ").unwrap());
    }
}
