//! Values as Postgres' output functions write them.

use std::fmt::{Result, Write};

use arrow::array::timezone::Tz;
use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeZone, Timelike};

/// The zone in which instants are shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::postgres) struct Zone(Tz);

impl Zone {
    /// Finds a zone by its name; none when there is no such zone.
    pub(in crate::postgres) fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    pub(in crate::postgres) fn utc() -> Self {
        Self::named("+00:00").expect("an offset is a zone")
    }
}

/// Text; NUL bytes, which Postgres' text cannot hold, become what marks a character lost.
pub(super) fn plain(value: &str, to: &mut impl Write) -> Result {
    if !value.as_bytes().contains(&0) {
        return to.write_str(value);
    }
    for part in value.split_inclusive('\0') {
        match part.strip_suffix('\0') {
            Some(part) => write!(to, "{part}\u{fffd}")?,
            None => to.write_str(part)?,
        }
    }
    Ok(())
}

pub(super) fn bytea(value: &[u8], to: &mut impl Write) -> Result {
    to.write_str("\\x")?;
    value.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
}

/// The shortest digits that read back the same; an exponent where Postgres writes one.
pub(super) fn float8(value: f64, to: &mut impl Write) -> Result {
    float(value, format_args!("{value:e}"), 15, to)
}

pub(super) fn float4(value: f32, to: &mut impl Write) -> Result {
    float(f64::from(value), format_args!("{value:e}"), 6, to)
}

fn float(
    value: f64,
    scientific: std::fmt::Arguments<'_>,
    limit: i32,
    to: &mut impl Write,
) -> Result {
    if value.is_nan() {
        return to.write_str("NaN");
    }
    if value.is_infinite() {
        return to.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let scientific = scientific.to_string();
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return to.write_str(&scientific);
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..limit).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(to, "{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent + 1;
    match usize::try_from(point) {
        Ok(0) | Err(_) => write!(
            to,
            "{sign}0.{}{digits}",
            "0".repeat(point.unsigned_abs() as usize)
        ),
        Ok(point) if point >= digits.len() => {
            write!(to, "{sign}{digits}{}", "0".repeat(point - digits.len()))
        }
        Ok(point) => write!(to, "{sign}{}.{}", &digits[..point], &digits[point..]),
    }
}

pub(super) fn decimal(value: i128, scale: i8, to: &mut impl Write) -> Result {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let Ok(scale) = usize::try_from(scale) else {
        return write!(
            to,
            "{sign}{digits}{}",
            "0".repeat(scale.unsigned_abs() as usize)
        );
    };
    if scale == 0 {
        return write!(to, "{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    write!(to, "{sign}{whole}.{fraction}")
}

/// A year as Postgres writes it: four digits at least, and `BC` after the rest.
fn year(year: i32, to: &mut impl Write) -> std::result::Result<bool, std::fmt::Error> {
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    write!(to, "{shown:04}")?;
    Ok(before_christ)
}

pub(super) fn date(days: i32, to: &mut impl Write) -> Result {
    let Some(date) = chrono::NaiveDate::from_num_days_from_ce_opt(days.saturating_add(719_163))
    else {
        return to.write_str(if days > 0 { "infinity" } else { "-infinity" });
    };
    let before_christ = year(date.year(), to)?;
    write!(to, "-{:02}-{:02}", date.month(), date.day())?;
    to.write_str(if before_christ { " BC" } else { "" })
}

fn fraction(micros: u32, to: &mut impl Write) -> Result {
    if micros == 0 {
        return Ok(());
    }
    let digits = format!("{micros:06}");
    write!(to, ".{}", digits.trim_end_matches('0'))
}

pub(super) fn time(micros: i64, to: &mut impl Write) -> Result {
    let seconds = micros.div_euclid(1_000_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    write!(to, "{hours:02}:{minutes:02}:{:02}", seconds % 60)?;
    fraction(micros.rem_euclid(1_000_000) as u32, to)
}

fn local(value: NaiveDateTime, to: &mut impl Write) -> std::result::Result<bool, std::fmt::Error> {
    let before_christ = year(value.year(), to)?;
    write!(to, "-{:02}-{:02} ", value.month(), value.day())?;
    write!(
        to,
        "{:02}:{:02}:{:02}",
        value.hour(),
        value.minute(),
        value.second()
    )?;
    fraction(value.nanosecond() / 1_000, to)?;
    Ok(before_christ)
}

pub(super) fn timestamp(micros: i64, to: &mut impl Write) -> Result {
    let Some(value) = DateTime::from_timestamp_micros(micros) else {
        return to.write_str(if micros > 0 { "infinity" } else { "-infinity" });
    };
    let before_christ = local(value.naive_utc(), to)?;
    to.write_str(if before_christ { " BC" } else { "" })
}

pub(super) fn instant(micros: i64, zone: &Zone, to: &mut impl Write) -> Result {
    let Some(value) = DateTime::from_timestamp_micros(micros) else {
        return to.write_str(if micros > 0 { "infinity" } else { "-infinity" });
    };
    let utc = value.naive_utc();
    let offset = zone.0.offset_from_utc_datetime(&utc).fix();
    let before_christ = local(utc + offset, to)?;
    let seconds = offset.local_minus_utc();
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    write!(to, "{sign}{:02}", seconds / 3_600)?;
    if seconds % 3_600 != 0 {
        write!(to, ":{:02}", seconds / 60 % 60)?;
    }
    if seconds % 60 != 0 {
        write!(to, ":{:02}", seconds % 60)?;
    }
    to.write_str(if before_christ { " BC" } else { "" })
}

/// An interval in the style called `postgres`.
pub(super) fn interval(value: IntervalMonthDayNano, to: &mut impl Write) -> Result {
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
    let seconds = micros / 1_000_000;
    write!(
        to,
        "{space}{sign}{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )?;
    fraction((micros % 1_000_000) as u32, to)
}

/// Puts quotes around an array's element where it needs them; it is what `out` holds from `start`.
pub(super) fn quote_element(start: usize, out: &mut BytesMut) {
    let element = &out[start..];
    let needed = element.is_empty()
        || element.eq_ignore_ascii_case(b"null")
        || element.iter().any(|byte| {
            matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace()
        });
    if !needed {
        return;
    }
    let element = element.to_vec();
    out.truncate(start);
    out.put_u8(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut String) -> Result) -> String {
        let mut text = String::new();
        write(&mut text).unwrap();
        text
    }

    /// As PostgreSQL 15 answers for the same values.
    #[test]
    fn numbers_are_written_as_postgres_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100.0, "100"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (0.1 + 0.2, "0.30000000000000004"),
            (123456.789, "123456.789"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(shown(|to| float8(value, to)), text);
        }
        assert_eq!(shown(|to| float4(1e6, to)), "1e+06");
        assert_eq!(shown(|to| float4(0.1, to)), "0.1");
        assert_eq!(shown(|to| decimal(-5, 2, to)), "-0.05");
        assert_eq!(shown(|to| decimal(1250, 2, to)), "12.50");
        assert_eq!(shown(|to| decimal(12, 0, to)), "12");
    }

    #[test]
    fn times_are_written_as_postgres_writes_them() {
        assert_eq!(shown(|to| date(0, to)), "1970-01-01");
        assert_eq!(shown(|to| date(-719_528, to)), "0001-01-01 BC");
        assert_eq!(shown(|to| date(-719_529, to)), "0002-12-31 BC");
        assert_eq!(shown(|to| time(3_723_500_000, to)), "01:02:03.5");
        assert_eq!(shown(|to| timestamp(-1, to)), "1969-12-31 23:59:59.999999");
        let at = |zone: &str| {
            shown(|to| instant(1_750_000_000_000_000, &Zone::named(zone).unwrap(), to))
        };
        assert_eq!(at("UTC"), "2025-06-15 15:06:40+00");
        assert_eq!(at("Asia/Kolkata"), "2025-06-15 20:36:40+05:30");
        assert_eq!(at("America/New_York"), "2025-06-15 11:06:40-04");
    }

    #[test]
    fn intervals_are_written_as_postgres_writes_them() {
        let of = |months, days, nanos| {
            shown(|to| interval(IntervalMonthDayNano::new(months, days, nanos), to))
        };
        assert_eq!(of(0, 0, 0), "00:00:00");
        assert_eq!(
            of(14, 3, 4 * 3_600_000_000_000 + 5_000_000),
            "1 year 2 mons 3 days 04:00:00.005"
        );
        assert_eq!(of(-1, 2, 0), "-1 mons +2 days");
        assert_eq!(of(0, 1, -60_000_000_000), "1 day -00:01:00");
    }

    #[test]
    fn elements_get_quotes_where_they_need_them() {
        let quoted = |text: &str| {
            let mut out = BytesMut::from(text);
            quote_element(0, &mut out);
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(quoted("a"), "a");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("null"), "\"null\"");
        assert_eq!(quoted("a\"b,c"), "\"a\\\"b,c\"");
    }
}
