//! Values on their way into typed columns. What does not fit stays as text beside the row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};

use super::column::{ColumnType, DIGITS};
use super::instant;

/// A value as a source sends it.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    Null,
    /// A value in JSON, as written.
    Json(&'a str),
    /// A value in the words of PostgreSQL's text format.
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Values that are as their column has them: only for columns of just this type.
    Boolean(bool),
    Integer(i64),
    Double(f64),
    /// So many units of the last place of a number.
    Units(i128),
    /// Days since 1970.
    Days(i32),
    /// Microseconds since 1970.
    Micros(i64),
}

/// Why a value has no place in its column: a stable word.
pub(super) type Unfit = &'static str;

/// The values of one column in the making.
pub(super) struct ColumnBuilder {
    builder: Builder,
    scale: u8,
}

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    LocalTimestamp(TimestampMicrosecondBuilder),
    Binary(BinaryBuilder),
    Text(StringBuilder),
}

impl ColumnBuilder {
    pub(super) fn new(column_type: ColumnType) -> Self {
        let micros = TimestampMicrosecondBuilder::new;
        let mut own_scale = 0;
        let builder = match column_type {
            ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnType::Integer => Builder::Integer(Int64Builder::new()),
            ColumnType::Double => Builder::Double(Float64Builder::new()),
            ColumnType::Decimal(scale) => {
                own_scale = scale;
                let data_type = column_type.data_type();
                Builder::Decimal(Decimal128Builder::new().with_data_type(data_type))
            }
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp => Builder::Timestamp(micros().with_timezone("UTC")),
            ColumnType::LocalTimestamp => Builder::LocalTimestamp(micros()),
            ColumnType::Binary => Builder::Binary(BinaryBuilder::new()),
            ColumnType::Text => Builder::Text(StringBuilder::new()),
        };
        Self {
            builder,
            scale: own_scale,
        }
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.builder {
            Builder::Boolean(b) => b.append_null(),
            Builder::Integer(b) => b.append_null(),
            Builder::Double(b) => b.append_null(),
            Builder::Decimal(b) => b.append_null(),
            Builder::Date(b) => b.append_null(),
            Builder::Timestamp(b) | Builder::LocalTimestamp(b) => b.append_null(),
            Builder::Binary(b) => b.append_null(),
            Builder::Text(b) => b.append_null(),
        }
    }

    /// Adds a value. Where it does not fit, NULL is added, and the reason returned.
    pub(super) fn push(&mut self, cell: Cell<'_>) -> Result<(), Unfit> {
        let done = match cell {
            Cell::Null | Cell::Json("null") => {
                self.push_null();
                return Ok(());
            }
            Cell::Json(raw) => self.json(raw),
            Cell::Text(text) => self.text(text),
            Cell::Bytes(bytes) => self.bytes(bytes),
            own => self.own(own),
        };
        if done.is_err() {
            self.push_null();
        }
        done
    }

    fn own(&mut self, cell: Cell<'_>) -> Result<(), Unfit> {
        match (&mut self.builder, cell) {
            (Builder::Boolean(b), Cell::Boolean(value)) => b.append_value(value),
            (Builder::Integer(b), Cell::Integer(value)) => b.append_value(value),
            (Builder::Double(b), Cell::Double(value)) => b.append_value(value),
            (Builder::Decimal(b), Cell::Units(value)) => b.append_value(value),
            (Builder::Date(b), Cell::Days(value)) => b.append_value(value),
            (Builder::Timestamp(b) | Builder::LocalTimestamp(b), Cell::Micros(value)) => {
                b.append_value(value);
            }
            _ => return Err("a value of another type than the column"),
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Boolean(b) => Arc::new(b.finish()),
            Builder::Integer(b) => Arc::new(b.finish()),
            Builder::Double(b) => Arc::new(b.finish()),
            Builder::Decimal(b) => Arc::new(b.finish()),
            Builder::Date(b) => Arc::new(b.finish()),
            Builder::Timestamp(b) | Builder::LocalTimestamp(b) => Arc::new(b.finish()),
            Builder::Binary(b) => Arc::new(b.finish()),
            Builder::Text(b) => Arc::new(b.finish()),
        }
    }

    fn json(&mut self, raw: &str) -> Result<(), Unfit> {
        let is_text = raw.starts_with('"');
        if let Builder::Text(b) = &mut self.builder {
            match is_text {
                true => b.append_value(unquoted(raw)?),
                // Numbers and structures as they were written: nothing is rounded.
                false => b.append_value(raw),
            }
            return Ok(());
        }
        if is_text {
            return self.text(&unquoted(raw)?);
        }
        match (&mut self.builder, raw.as_bytes()[0]) {
            (Builder::Boolean(b), b't' | b'f') => b.append_value(raw == "true"),
            (Builder::Boolean(b), _) if raw == "0" || raw == "1" => b.append_value(raw == "1"),
            (_, b'{' | b'[') => return Err("a structure where the column holds one value"),
            (Builder::Integer(b), b't' | b'f') => b.append_value(i64::from(raw == "true")),
            (
                Builder::Integer(_) | Builder::Double(_) | Builder::Decimal(_),
                b'-' | b'0'..=b'9',
            ) => {
                return self.text(raw);
            }
            _ => return Err("a value of another type than the column"),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Unfit> {
        match &mut self.builder {
            Builder::Text(b) => b.append_value(text),
            Builder::Boolean(b) => b.append_value(boolean(text)?),
            Builder::Integer(b) => b.append_value(integer(text)?),
            Builder::Double(b) => b.append_value(double(text)?),
            Builder::Decimal(b) => b.append_value(decimal(text, self.scale)?),
            Builder::Date(b) => b.append_value(instant::date(text).ok_or("not a date")?),
            Builder::Timestamp(b) => {
                b.append_value(instant::instant(text).ok_or("not an instant")?);
            }
            Builder::LocalTimestamp(b) => {
                b.append_value(instant::local(text).ok_or("not a date and time")?);
            }
            Builder::Binary(b) => b.append_value(bytes_of(text)?),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        match &mut self.builder {
            Builder::Binary(b) => {
                b.append_value(bytes);
                Ok(())
            }
            _ => self.text(std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?),
        }
    }
}

/// Returns the text of a JSON string.
pub(crate) fn unquoted(raw: &str) -> Result<Cow<'_, str>, Unfit> {
    let inner = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or("not a text")?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    // A lone half of a pair of surrogates is no text.
    serde_json::from_str::<String>(raw)
        .map(Cow::Owned)
        .map_err(|_| "not UTF-8")
}

fn boolean(text: &str) -> Result<bool, Unfit> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "1" | "yes" | "y" | "on" => Ok(true),
        "f" | "false" | "0" | "no" | "n" | "off" => Ok(false),
        _ => Err("not a truth value"),
    }
}

fn integer(text: &str) -> Result<i64, Unfit> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    // `2.0` and `1e3` are whole; what a double cannot hold exactly is not taken from one.
    let number: f64 = text.parse().map_err(|_| "not a whole number")?;
    match number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        true => Ok(number as i64),
        false => Err("not a whole number of 64 bits"),
    }
}

fn double(text: &str) -> Result<f64, Unfit> {
    text.trim().parse().map_err(|_| "not a number")
}

/// Returns a number as so many units of its last place.
fn decimal(text: &str, scale: u8) -> Result<i128, Unfit> {
    const NOT: Unfit = "not a number";
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| NOT)?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NOT);
    }
    let places = i32::try_from(fraction.len()).map_err(|_| NOT)? - exponent;
    let digits = digits.trim_start_matches('0');
    let shift = i32::from(scale) - places;
    if digits.is_empty() {
        return Ok(0);
    }
    let too_long: Unfit = "more digits than the column has";
    let (kept, zeros) = match shift {
        0.. => (digits, shift as usize),
        _ => {
            let cut = shift.unsigned_abs() as usize;
            let cut = cut.min(digits.len());
            let (kept, gone) = digits.split_at(digits.len() - cut);
            if gone.bytes().any(|b| b != b'0') {
                return Err(too_long);
            }
            (kept, 0)
        }
    };
    if kept.len() + zeros > usize::from(DIGITS) {
        return Err(too_long);
    }
    let mut units: i128 = if kept.is_empty() {
        0
    } else {
        kept.parse().map_err(|_| too_long)?
    };
    units *= 10_i128.pow(zeros as u32);
    Ok(if negative { -units } else { units })
}

/// Reads `\x...` as PostgreSQL writes bytes; any other text stands for its own bytes.
fn bytes_of(text: &str) -> Result<Vec<u8>, Unfit> {
    let Some(hex) = text.strip_prefix("\\x") else {
        return Ok(text.as_bytes().to_vec());
    };
    let digit = |b: u8| char::from(b).to_digit(16).ok_or("not bytes in hexadecimal");
    if hex.len() % 2 != 0 {
        return Err("not bytes in hexadecimal");
    }
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| Ok((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};

    use super::*;

    fn one(column_type: ColumnType, cell: Cell<'_>) -> Result<ArrayRef, Unfit> {
        let mut builder = ColumnBuilder::new(column_type);
        builder.push(cell)?;
        Ok(builder.finish())
    }

    #[test]
    fn values_come_to_the_type_of_the_column_whatever_type_they_have() {
        let integer = |raw| {
            one(ColumnType::Integer, Cell::Json(raw))
                .map(|a| a.as_primitive::<Int64Type>().value(0))
        };
        assert_eq!(integer("7"), Ok(7));
        assert_eq!(integer("\"7\""), Ok(7));
        assert_eq!(integer("2.0"), Ok(2));
        assert_eq!(integer("9223372036854775807"), Ok(i64::MAX));
        assert!(integer("9223372036854775808").is_err());
        assert!(integer("1.5").is_err());
        assert!(integer("{}").is_err());
        let double = |raw| {
            one(ColumnType::Double, Cell::Json(raw))
                .map(|a| a.as_primitive::<Float64Type>().value(0))
        };
        assert_eq!(double("2"), Ok(2.0));
        assert_eq!(double("\"0.5\""), Ok(0.5));
        let text = |raw| {
            one(ColumnType::Text, Cell::Json(raw)).map(|a| a.as_string::<i32>().value(0).to_owned())
        };
        assert_eq!(text(r#"{"a":1.50}"#), Ok(r#"{"a":1.50}"#.to_owned()));
        assert_eq!(text(r#""a\nb""#), Ok("a\nb".to_owned()));
        assert!(text(r#""\ud800""#).is_err());
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        let units = |text, scale| {
            one(ColumnType::Decimal(scale), Cell::Text(text))
                .map(|a| a.as_primitive::<Decimal128Type>().value(0))
        };
        assert_eq!(units("1.50", 2), Ok(150));
        assert_eq!(units("-0.001", 3), Ok(-1));
        assert_eq!(units("1e3", 2), Ok(100_000));
        assert_eq!(units("1.5000", 2), Ok(150));
        assert_eq!(units("0.000", 2), Ok(0));
        assert_eq!(units("120e-1", 0), Ok(12));
        assert!(units("1.005", 2).is_err());
        assert!(units("NaN", 2).is_err());
        assert!(units("1e99", 2).is_err());
        assert!(units(".", 2).is_err());
    }

    #[test]
    fn bytes_are_read_from_hexadecimal() {
        assert_eq!(bytes_of("\\x00ff"), Ok(vec![0, 255]));
        assert!(bytes_of("\\x0").is_err());
        assert!(bytes_of("\\xzz").is_err());
    }
}
