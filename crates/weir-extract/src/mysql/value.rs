//! Values of rows in the log, as the text that the server writes for them.

use super::charset::Charsets;
use super::event::{Rows, RowsKind, TableMap};
use super::table::TableColumn;
use super::wire::Reader;
use crate::error::{ExtractError, protocol};
use crate::load::Cell;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

impl Field {
    pub(super) fn cell(&self) -> Cell<'_> {
        match self {
            Field::Null => Cell::Null,
            Field::Text(text) => Cell::Text(text),
            Field::Bytes(bytes) => Cell::Bytes(bytes),
        }
    }
}

/// A row.
pub(super) type Row = Vec<Field>;

/// Says in which way columns are not those of the log; none where they may be.
pub(super) fn misfit(columns: &[&TableColumn], map: &TableMap) -> Option<String> {
    if columns.len() != map.columns.len() {
        return Some(format!("it had {} columns", map.columns.len()));
    }
    let names = columns.iter().map(|column| &column.name);
    if !map.names.is_empty() && !names.eq(map.names.iter()) {
        return Some("its columns had other names".to_owned());
    }
    let mut both = columns.iter().zip(&map.columns);
    let other = both.find(|(column, (kind, told))| !fits(column, *kind, *told));
    other.map(|(column, _)| format!("its column `{}` was of another type", column.name))
}

/// Whether a column can be the one of the log.
fn fits(column: &TableColumn, kind: u8, told: u16) -> bool {
    let octets = column.octets.unwrap_or(0);
    let (first, second) = column.numbers();
    let (real, _) = text_type(told);
    match column.base() {
        "tinyint" => kind == 1,
        "smallint" => kind == 2,
        "mediumint" => kind == 9,
        "int" | "integer" => kind == 3,
        "bigint" => kind == 8,
        "float" => kind == 4 || (kind == 5 && told == 8),
        "double" | "real" => kind == 5,
        "decimal" | "numeric" => kind == 246 && u32::from(told) == first << 8 | second,
        "year" => kind == 13,
        "date" => matches!(kind, 10 | 14),
        "time" => kind == 11 || (kind == 19 && u32::from(told) == first),
        "datetime" => kind == 12 || (kind == 18 && u32::from(told) == first),
        "timestamp" => kind == 7 || (kind == 17 && u32::from(told) == first),
        "bit" => kind == 16 && u32::from(told & 0xff) + u32::from(told >> 8) * 8 == first.max(1),
        "enum" => kind == 254 && real == 247,
        "set" => kind == 254 && real == 248,
        "varchar" | "varbinary" => kind == 15 && u64::from(told) == octets,
        "char" | "binary" => kind == 254 && real == 254 && u64::from(text_type(told).1) == octets,
        "uuid" | "inet6" => kind == 254 && text_type(told).1 == 16,
        "inet4" => kind == 254 && text_type(told).1 == 4,
        "tinytext" | "tinyblob" => kind == 252 && told == 1,
        "text" | "blob" => kind == 252 && told == 2,
        "mediumtext" | "mediumblob" => kind == 252 && told == 3,
        "longtext" | "longblob" => kind == 252 && told == 4,
        "json" => kind == 245,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => kind == 255,
        _ => false,
    }
}

/// Returns the real type and the length of what has the type of fixed text: two bits of a longer length are in
/// the byte of the type.
fn text_type(told: u16) -> (u8, u16) {
    let (kind, length) = ((told >> 8) as u8, told & 0xff);
    match kind & 0x30 {
        0x30 => (kind, length),
        bits => (kind | 0x30, length | u16::from(bits ^ 0x30) << 4),
    }
}

/// The columns of a table and what it takes to read their values.
pub(super) struct Decoder<'a> {
    pub(super) columns: &'a [&'a TableColumn],
    /// Names of enumerations, by place.
    pub(super) names: &'a [Vec<String>],
    pub(super) charsets: &'a Charsets,
}

impl Decoder<'_> {
    /// Reads the rows of an event: each before and after, as far as there are both.
    pub(super) fn rows(
        &self,
        rows: &Rows,
        map: &TableMap,
        mut each: impl FnMut(Option<Row>, Option<Row>) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let mut reader = Reader(&rows.data);
        while !reader.0.is_empty() {
            let first = self.row(&mut reader, map)?;
            match rows.kind {
                RowsKind::Insert => each(None, Some(first))?,
                RowsKind::Delete => each(Some(first), None)?,
                RowsKind::Update => {
                    let after = self.row(&mut reader, map)?;
                    each(Some(first), Some(after))?;
                }
            }
        }
        Ok(())
    }

    fn row(&self, reader: &mut Reader<'_>, map: &TableMap) -> Result<Row, ExtractError> {
        let nulls = reader.take(map.columns.len().div_ceil(8))?;
        let mut row = Vec::with_capacity(self.columns.len());
        for (at, (kind, told)) in map.columns.iter().enumerate() {
            row.push(match nulls[at / 8] & 1 << (at % 8) != 0 {
                true => Field::Null,
                false => self.value(at, *kind, *told, reader)?,
            });
        }
        Ok(row)
    }

    fn value(
        &self,
        at: usize,
        kind: u8,
        told: u16,
        reader: &mut Reader<'_>,
    ) -> Result<Field, ExtractError> {
        let column = self.columns[at];
        let text = match kind {
            1 => integer(reader, 1, column)?,
            2 => integer(reader, 2, column)?,
            9 => integer(reader, 3, column)?,
            3 => integer(reader, 4, column)?,
            8 => integer(reader, 8, column)?,
            4 => float(f32::from_bits(reader.number(4)? as u32)),
            5 => f64::from_bits(reader.number(8)?).to_string(),
            246 => decimal(reader, usize::from(told >> 8), usize::from(told & 0xff))?,
            13 => match reader.number(1)? {
                0 => "0000".to_owned(),
                year => (1900 + year).to_string(),
            },
            10 | 14 => {
                let packed = reader.number(3)?;
                date(packed >> 9, packed >> 5 & 15, packed & 31)
            }
            7 => timestamp(reader.number(4)?, 0, 0),
            17 => {
                let seconds = reader.big(4)?;
                let micros = fraction(reader, told)?;
                timestamp(seconds, micros, told)
            }
            12 => {
                let packed = reader.number(8)?;
                let (day, clock) = (packed / 1_000_000, packed % 1_000_000);
                let day = date(day / 10_000, day / 100 % 100, day % 100);
                format!(
                    "{day} {}",
                    time(clock / 10_000, clock / 100 % 100, clock % 100, 0, 0)
                )
            }
            18 => datetime(reader, told)?,
            11 => {
                let packed = reader.number(3)?;
                // It has a sign of its own.
                let packed = ((packed << 40) as i64) >> 40;
                let sign = if packed < 0 { "-" } else { "" };
                let packed = packed.unsigned_abs();
                format!(
                    "{sign}{}",
                    time(packed / 10_000, packed / 100 % 100, packed % 100, 0, 0)
                )
            }
            19 => duration(reader, told)?,
            16 => {
                let bits = usize::from(told & 0xff) + usize::from(told >> 8) * 8;
                reader.big(bits.div_ceil(8))?.to_string()
            }
            15 | 253 => {
                let length = reader.number(if told < 256 { 1 } else { 2 })? as usize;
                return self.bytes(at, reader.take(length)?);
            }
            252 | 255 => {
                let length = reader.number(usize::from(told.min(4)))?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                return self.bytes(at, reader.take(length)?);
            }
            254 => return self.fixed(at, told, reader),
            245 => {
                let length = usize::try_from(reader.number(4)?).unwrap_or(usize::MAX);
                super::json::text(reader.take(length)?)?
            }
            other => {
                return Err(protocol(format!(
                    "the log has a column of the unknown type {other}"
                )));
            }
        };
        Ok(Field::Text(text))
    }

    /// Reads what the log gives the type of fixed text.
    fn fixed(&self, at: usize, told: u16, reader: &mut Reader<'_>) -> Result<Field, ExtractError> {
        let (real, length) = text_type(told);
        match real {
            247 => {
                let number = reader.number(usize::from(told & 0xff).min(2))? as usize;
                let name = number
                    .checked_sub(1)
                    .map(|number| self.names[at].get(number));
                // The zeroth is what was no name of it.
                Ok(Field::Text(match name {
                    None => String::new(),
                    Some(Some(name)) => name.clone(),
                    Some(None) => return Err(unnamed(self.columns[at])),
                }))
            }
            248 => {
                let bits = reader.number(usize::from(told & 0xff).min(8))?;
                let names = &self.names[at];
                if names.len() < 64 && bits >> names.len() != 0 {
                    return Err(unnamed(self.columns[at]));
                }
                let chosen = names
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| bits & 1 << at != 0);
                let chosen: Vec<&str> = chosen.map(|(_, name)| name.as_str()).collect();
                Ok(Field::Text(chosen.join(",")))
            }
            _ => {
                let bytes = reader.number(if length < 256 { 1 } else { 2 })? as usize;
                self.bytes(at, reader.take(bytes)?)
            }
        }
    }

    /// Returns what the bytes of a column are.
    fn bytes(&self, at: usize, bytes: &[u8]) -> Result<Field, ExtractError> {
        let column = self.columns[at];
        // Zeros at the end are left out of the log.
        let padded = |length: usize| {
            let mut padded = bytes.to_vec();
            padded.resize(length.max(bytes.len()), 0);
            padded
        };
        Ok(match column.base() {
            "binary" => Field::Bytes(padded(column.octets.unwrap_or(0) as usize)),
            "uuid" => match <[u8; 16]>::try_from(padded(16)) {
                Ok(bytes) => Field::Text(uuid::Uuid::from_bytes(bytes).hyphenated().to_string()),
                Err(bytes) => Field::Bytes(bytes),
            },
            "inet6" => match <[u8; 16]>::try_from(padded(16)) {
                Ok(bytes) => Field::Text(std::net::Ipv6Addr::from(bytes).to_string()),
                Err(bytes) => Field::Bytes(bytes),
            },
            "inet4" => match <[u8; 4]>::try_from(padded(4)) {
                Ok(bytes) => Field::Text(std::net::Ipv4Addr::from(bytes).to_string()),
                Err(bytes) => Field::Bytes(bytes),
            },
            _ => match &column.charset {
                None => Field::Bytes(bytes.to_vec()),
                Some(charset) => {
                    let known = self.charsets.get(charset).ok_or_else(|| {
                        protocol(format!(
                            "the column `{}` has the encoding `{charset}`, which is not known",
                            column.name
                        ))
                    })?;
                    match known.text(bytes) {
                        Ok(text) if column.base() == "char" => {
                            Field::Text(text.trim_end_matches(' ').to_owned())
                        }
                        Ok(text) => Field::Text(text),
                        Err(bytes) => Field::Bytes(bytes),
                    }
                }
            },
        })
    }
}

fn unnamed(column: &TableColumn) -> ExtractError {
    protocol(format!(
        "the log has a value of `{}` that is none of its names",
        column.name
    ))
}

/// Returns a single-precision number with the digits it has, and not those of a double.
pub(super) fn float(number: f32) -> String {
    number.to_string()
}

fn integer(
    reader: &mut Reader<'_>,
    bytes: usize,
    column: &TableColumn,
) -> Result<String, ExtractError> {
    let number = reader.number(bytes)?;
    if column.is_unsigned() {
        return Ok(number.to_string());
    }
    let shift = 64 - bytes * 8;
    Ok(((number << shift) as i64 >> shift).to_string())
}

/// Returns microseconds that stand behind a second with so many digits.
fn fraction(reader: &mut Reader<'_>, digits: u16) -> Result<u64, ExtractError> {
    Ok(match digits {
        0 => 0,
        1 | 2 => reader.big(1)? * 10_000,
        3 | 4 => reader.big(2)? * 100,
        _ => reader.big(3)?,
    })
}

fn date(year: u64, month: u64, day: u64) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(hours: u64, minutes: u64, seconds: u64, micros: u64, digits: u16) -> String {
    let clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
    match digits.min(6) {
        0 => clock,
        digits => {
            let micros = format!("{micros:06}");
            format!(
                "{clock}.{}",
                micros.get(..usize::from(digits)).unwrap_or(&micros)
            )
        }
    }
}

fn timestamp(seconds: u64, micros: u64, digits: u16) -> String {
    if (seconds, micros) == (0, 0) {
        return format!("{} {}", date(0, 0, 0), time(0, 0, 0, 0, digits));
    }
    let at = i64::try_from(seconds)
        .ok()
        .and_then(|at| chrono::DateTime::from_timestamp(at, 0));
    let at = at.unwrap_or_default().naive_utc();
    let clock = at.time();
    use chrono::Timelike;
    format!(
        "{} {}",
        at.date().format("%Y-%m-%d"),
        time(
            clock.hour().into(),
            clock.minute().into(),
            clock.second().into(),
            micros,
            digits
        )
    )
}

fn datetime(reader: &mut Reader<'_>, digits: u16) -> Result<String, ExtractError> {
    let packed = reader.big(5)?.wrapping_sub(0x80_0000_0000) & 0x7f_ffff_ffff;
    let micros = fraction(reader, digits)?;
    let (day, clock) = (packed >> 17, packed & 0x1_ffff);
    let month = day >> 5;
    Ok(format!(
        "{} {}",
        date(month / 13, month % 13, day & 31),
        time(clock >> 12, clock >> 6 & 63, clock & 63, micros, digits)
    ))
}

/// Returns a time that may be negative or longer than a day: a number that is moved so that it has no sign,
/// with its fraction.
fn duration(reader: &mut Reader<'_>, digits: u16) -> Result<String, ExtractError> {
    let bytes = usize::from(digits.min(6)).div_ceil(2);
    let whole = reader.big(3 + bytes)? as i64;
    let scale = 8 * bytes as u32;
    let moved = whole - (0x80_0000_i64 << scale);
    let sign = if moved < 0 { "-" } else { "" };
    let packed = moved.unsigned_abs();
    let (clock, rest) = (packed >> scale, packed & ((1 << scale) - 1));
    let micros = match bytes {
        0 => 0,
        1 => rest * 10_000,
        2 => rest * 100,
        _ => rest,
    };
    let text = time(
        clock >> 12 & 0x3ff,
        clock >> 6 & 63,
        clock & 63,
        micros,
        digits,
    );
    Ok(format!("{sign}{text}"))
}

/// Bytes of so many digits that are less than nine.
const DIGIT_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// Returns a number of so many digits, of which some are after the point. Nine digits lie in four bytes; the
/// first bit is that of the sign, and a negative number has all others turned around.
pub(super) fn decimal(
    reader: &mut Reader<'_>,
    precision: usize,
    scale: usize,
) -> Result<String, ExtractError> {
    let whole = precision.checked_sub(scale);
    let whole = whole.ok_or_else(|| protocol("the log has a number of impossible digits"))?;
    let length = whole / 9 * 4 + DIGIT_BYTES[whole % 9] + scale / 9 * 4 + DIGIT_BYTES[scale % 9];
    let mut bytes = reader.take(length)?.to_vec();
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 == 0);
    if let Some(first) = bytes.first_mut() {
        *first ^= 0x80;
    }
    if is_negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let mut parts = Reader(&bytes);
    let mut digits = String::new();
    let mut group = |digits: &mut String, count: usize| -> Result<(), ExtractError> {
        if count > 0 {
            let number = parts.big(DIGIT_BYTES[count])?;
            digits.push_str(&format!("{number:0count$}"));
        }
        Ok(())
    };
    group(&mut digits, whole % 9)?;
    for _ in 0..whole / 9 {
        group(&mut digits, 9)?;
    }
    let mut after = String::new();
    for _ in 0..scale / 9 {
        group(&mut after, 9)?;
    }
    group(&mut after, scale % 9)?;
    let before = digits.trim_start_matches('0');
    let before = if before.is_empty() { "0" } else { before };
    let sign = if is_negative { "-" } else { "" };
    Ok(match scale {
        0 => format!("{sign}{before}"),
        _ => format!("{sign}{before}.{after}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_all_of_their_digits() {
        let read =
            |bytes: &[u8], precision, scale| decimal(&mut Reader(bytes), precision, scale).unwrap();
        assert_eq!(read(&[0x80, 0, 1, 0x19], 7, 2), "1.25");
        assert_eq!(read(&[0x7f, 0xff, 0xfe, 0xe6], 7, 2), "-1.25");
        assert_eq!(
            read(&[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2], 14, 4),
            "1234567890.1234"
        );
        assert!(decimal(&mut Reader(&[0x80]), 7, 2).is_err());
        assert!(decimal(&mut Reader(&[0x80]), 2, 7).is_err());
    }

    #[test]
    fn times_are_written_as_the_server_does() {
        let read = |bytes: &[u8], digits| duration(&mut Reader(bytes), digits).unwrap();
        assert_eq!(read(&[0x80, 0, 0], 0), "00:00:00");
        assert_eq!(read(&[0x7f, 0xff, 0xff], 0), "-00:00:01");
        assert_eq!(read(&[0x80, 0x10, 0x83, 0x32], 2), "01:02:03.50");
        assert_eq!(
            timestamp(1_704_067_201, 120_000, 2),
            "2024-01-01 00:00:01.12"
        );
        assert_eq!(timestamp(0, 0, 3), "0000-00-00 00:00:00.000");
    }

    #[test]
    fn lengths_of_fixed_text_have_two_bits_elsewhere() {
        assert_eq!(text_type(0xfe10), (254, 16));
        assert_eq!(text_type(0xf702), (247, 2));
        // 300 bytes: bit 8 is turned around in the byte of the type.
        assert_eq!(text_type(0xee2c), (254, 300));
    }
}
