//! Values as Postgres' output functions write them.

use std::fmt::{Result, Write};

use arrow::array::timezone::Tz;
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
/// A short text on the stack: most values of a result are written through one.
#[derive(Clone, Copy)]
struct Short {
    bytes: [u8; 64],
    length: usize,
}

impl Short {
    fn new() -> Self {
        Self {
            bytes: [0; 64],
            length: 0,
        }
    }

    /// Adds bytes of ASCII; what finds no room is a mistake of the caller and left out.
    fn push(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + text.len()) {
            room.copy_from_slice(text);
            self.length += text.len();
        }
    }

    fn zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.push(b"0");
        }
    }

    /// Adds a number with at least `width` digits.
    fn number(&mut self, value: u128, width: usize) {
        let mut digits = [b'0'; 40];
        let (mut start, mut rest) = (digits.len(), value);
        // Division of 128 bits is slow, and hardly any number needs it.
        while let (true, Err(_)) = (start > 0, u64::try_from(rest)) {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let mut rest = rest as u64;
        while rest > 0 {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let start = start.min(digits.len() - width.min(digits.len()));
        self.push(&digits[start..]);
    }

    /// Adds a number below 100 with two digits.
    fn two(&mut self, value: u32) {
        self.push(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
    }

    fn fraction(&mut self, micros: u32) {
        if micros == 0 {
            return;
        }
        self.push(b".");
        self.number(micros.into(), 6);
        while self.length > 0 && self.bytes[self.length - 1] == b'0' {
            self.length -= 1;
        }
    }

    /// Adds a year with four digits at least; returns whether it is one before Christ, which is said
    /// after the rest.
    fn year(&mut self, year: i32) -> bool {
        let before_christ = year <= 0;
        let shown = if before_christ {
            1 - i64::from(year)
        } else {
            year.into()
        };
        self.number(shown.unsigned_abs().into(), 4);
        before_christ
    }

    fn date(&mut self, year: i32, month: u32, day: u32) -> bool {
        let before_christ = self.year(year);
        self.push(b"-");
        self.two(month);
        self.push(b"-");
        self.two(day);
        before_christ
    }

    fn clock(&mut self, hours: u32, minutes: u32, seconds: u32) {
        self.two(hours);
        self.push(b":");
        self.two(minutes);
        self.push(b":");
        self.two(seconds);
    }

    fn local(&mut self, value: NaiveDateTime) -> bool {
        let before_christ = self.date(value.year(), value.month(), value.day());
        self.push(b" ");
        self.clock(value.hour(), value.minute(), value.second());
        self.fraction(value.nanosecond() / 1_000);
        before_christ
    }

    fn write(&self, to: &mut impl Write) -> Result {
        to.write_str(std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default())
    }
}

/// An integer.
pub(super) fn integer(value: i128, to: &mut impl Write) -> Result {
    let mut text = Short::new();
    if value < 0 {
        text.push(b"-");
    }
    text.number(value.unsigned_abs(), 1);
    text.write(to)
}

pub(super) fn float8(value: f64, to: &mut impl Write) -> Result {
    match value.is_finite() {
        true => float(ryu::Buffer::new().format_finite(value), 15, to),
        false => infinite(value, to),
    }
}

pub(super) fn float4(value: f32, to: &mut impl Write) -> Result {
    match value.is_finite() {
        true => float(ryu::Buffer::new().format_finite(value), 6, to),
        false => infinite(value.into(), to),
    }
}

fn infinite(value: f64, to: &mut impl Write) -> Result {
    to.write_str(match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "Infinity",
        _ => "-Infinity",
    })
}

/// Writes the shortest digits that are the number, which `shortest` gives in one notation, in the
/// notation of Postgres: with an exponent below 0.0001 and from ten to the power of `limit`.
fn float(shortest: &str, limit: i32, to: &mut impl Write) -> Result {
    let (negative, shortest) = match shortest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, shortest),
    };
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Short::new();
    digits.push(whole.as_bytes());
    digits.push(fraction.as_bytes());
    let all = &digits.bytes[..digits.length];
    let leading = all.iter().take_while(|digit| **digit == b'0').count();
    let trailing = all[leading..]
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let digits = &all[leading..all.len() - trailing];
    let mut text = Short::new();
    if negative {
        text.push(b"-");
    }
    if digits.is_empty() {
        text.push(b"0");
        return text.write(to);
    }
    // Where the point is, counted from the first digit that is none.
    let point = whole.len() as i32 - leading as i32 + exponent.parse::<i32>().unwrap_or(0);
    let exponent = point - 1;
    if !(-4..limit).contains(&exponent) {
        text.push(&digits[..1]);
        if digits.len() > 1 {
            text.push(b".");
            text.push(&digits[1..]);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        text.number(exponent.unsigned_abs().into(), 2);
        return text.write(to);
    }
    match usize::try_from(point) {
        Ok(0) | Err(_) => {
            text.push(b"0.");
            text.zeros(point.unsigned_abs() as usize);
            text.push(digits);
        }
        Ok(point) if point >= digits.len() => {
            text.push(digits);
            text.zeros(point - digits.len());
        }
        Ok(point) => {
            text.push(&digits[..point]);
            text.push(b".");
            text.push(&digits[point..]);
        }
    }
    text.write(to)
}

pub(super) fn decimal(value: i128, scale: i8, to: &mut impl Write) -> Result {
    let Ok(scale) = usize::try_from(scale) else {
        let mut text = Short::new();
        if value < 0 {
            text.push(b"-");
        }
        text.number(value.unsigned_abs(), 1);
        text.write(to)?;
        return to.write_str(&"0".repeat(scale.unsigned_abs() as usize));
    };
    let mut digits = Short::new();
    digits.number(value.unsigned_abs(), scale + 1);
    let (whole, fraction) = digits.bytes[..digits.length].split_at(digits.length - scale);
    let mut text = Short::new();
    if value < 0 {
        text.push(b"-");
    }
    text.push(whole);
    if scale > 0 {
        text.push(b".");
        text.push(fraction);
    }
    text.write(to)
}

pub(super) fn date(days: i32, to: &mut impl Write) -> Result {
    let Some(date) = chrono::NaiveDate::from_num_days_from_ce_opt(days.saturating_add(719_163))
    else {
        return to.write_str(if days > 0 { "infinity" } else { "-infinity" });
    };
    let mut text = Short::new();
    if text.date(date.year(), date.month(), date.day()) {
        text.push(b" BC");
    }
    text.write(to)
}

pub(super) fn time(micros: i64, to: &mut impl Write) -> Result {
    let seconds = micros.div_euclid(1_000_000);
    let mut text = Short::new();
    text.clock(
        (seconds / 3_600) as u32,
        (seconds / 60 % 60) as u32,
        (seconds % 60) as u32,
    );
    text.fraction(micros.rem_euclid(1_000_000) as u32);
    text.write(to)
}

pub(super) fn timestamp(micros: i64, to: &mut impl Write) -> Result {
    let Some(value) = DateTime::from_timestamp_micros(micros) else {
        return to.write_str(if micros > 0 { "infinity" } else { "-infinity" });
    };
    let mut text = Short::new();
    if text.local(value.naive_utc()) {
        text.push(b" BC");
    }
    text.write(to)
}

pub(super) fn instant(micros: i64, zone: &Zone, to: &mut impl Write) -> Result {
    let Some(value) = DateTime::from_timestamp_micros(micros) else {
        return to.write_str(if micros > 0 { "infinity" } else { "-infinity" });
    };
    let utc = value.naive_utc();
    let offset = zone.0.offset_from_utc_datetime(&utc).fix();
    let mut text = Short::new();
    let before_christ = text.local(utc + offset);
    let seconds = offset.local_minus_utc();
    text.push(if seconds < 0 { b"-" } else { b"+" });
    let seconds = seconds.unsigned_abs();
    text.two(seconds / 3_600);
    if seconds % 3_600 != 0 {
        text.push(b":");
        text.two(seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        text.push(b":");
        text.two(seconds % 60);
    }
    if before_christ {
        text.push(b" BC");
    }
    text.write(to)
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
