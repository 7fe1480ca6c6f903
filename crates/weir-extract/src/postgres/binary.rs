//! Rows in PostgreSQL's binary format of COPY. What has another shape in the lake comes as text.

use bytes::Buf;

use super::table::{Table, TableColumn, quoted};
use crate::error::{ExtractError, protocol};
use crate::load::{Cell, ColumnType};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Days and microseconds from 1970 to 2000, where PostgreSQL's clock begins.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// How a column is sent and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Boolean,
    Int2,
    Int4,
    Int8,
    /// Without a sign.
    Oid,
    Float4,
    Float8,
    /// A number with so many digits after its point.
    Numeric(u8),
    Date,
    Micros,
    Bytes,
    /// Its own bytes are its text.
    Text,
    /// The text that PostgreSQL writes for it.
    Written,
}

impl Shape {
    /// Returns how a column goes to one of the lake whose type is `to`; as text where the two differ, or
    /// where a hash is made of the text.
    pub(super) fn of(column: &TableColumn, to: Option<ColumnType>) -> Self {
        if matches!(column.type_id, 25 | 1042 | 1043) {
            return Shape::Text;
        }
        if to != Some(column.column_type) {
            return Shape::Written;
        }
        match (column.type_id, column.column_type) {
            (16, _) => Shape::Boolean,
            (21, _) => Shape::Int2,
            (23, _) => Shape::Int4,
            (20, _) => Shape::Int8,
            (26, _) => Shape::Oid,
            (700, _) => Shape::Float4,
            (701, _) => Shape::Float8,
            (1700, ColumnType::Decimal(scale)) => Shape::Numeric(scale),
            (1082, _) => Shape::Date,
            (1114 | 1184, _) => Shape::Micros,
            (17, _) => Shape::Bytes,
            _ => Shape::Written,
        }
    }

    /// Returns what is selected for it.
    pub(super) fn selected(self, column: &TableColumn) -> String {
        let name = quoted(&column.name);
        match (self, column.type_id) {
            // Casts that write what the type's own output writes.
            (Shape::Written, 114 | 2950 | 3802) => format!("{name}::text"),
            // Others have casts to text that write something else, such as addresses.
            (Shape::Written, _) => {
                format!("CASE WHEN num_nulls({name}) = 0 THEN format('%s', {name}) END")
            }
            _ => name,
        }
    }
}

/// The columns of a table as they are read.
pub(super) struct RowReader {
    shapes: Vec<Shape>,
    stream: String,
}

impl RowReader {
    pub(super) fn new(table: &Table, shapes: Vec<Shape>) -> Self {
        Self {
            shapes,
            stream: table.stream(),
        }
    }

    /// Reads a row into `cells`; tells whether there was one: the format has a head and an end.
    pub(super) fn read<'a>(
        &self,
        message: &'a [u8],
        texts: &'a mut Vec<Option<String>>,
        cells: &mut Vec<Cell<'a>>,
    ) -> Result<bool, ExtractError> {
        let mut rest = match message.strip_prefix(SIGNATURE) {
            Some(head) => after_head(head).ok_or_else(|| self.broken())?,
            None => message,
        };
        if rest.is_empty() {
            return Ok(false);
        }
        if rest.len() < 2 {
            return Err(self.broken());
        }
        let columns = rest.get_i16();
        if columns == -1 {
            return Ok(false);
        }
        if usize::try_from(columns) != Ok(self.shapes.len()) {
            return Err(self.broken());
        }
        // Values that are written anew first: cells borrow from them.
        let mut fields = Vec::with_capacity(self.shapes.len());
        texts.clear();
        for shape in &self.shapes {
            let field = field(&mut rest).ok_or_else(|| self.broken())?;
            texts.push(match field {
                Some(bytes) => special(*shape, bytes),
                None => None,
            });
            fields.push(field);
        }
        for ((shape, field), text) in self.shapes.iter().zip(fields).zip(texts.iter()) {
            cells.push(match (field, text) {
                (None, _) => Cell::Null,
                (_, Some(text)) => Cell::Text(text),
                (Some(bytes), None) => cell(*shape, bytes).ok_or_else(|| self.broken())?,
            });
        }
        Ok(true)
    }

    fn broken(&self) -> ExtractError {
        protocol(format!("a copied row of `{}` is broken", self.stream))
    }
}

/// Returns what comes after flags and extensions of the head.
fn after_head(mut head: &[u8]) -> Option<&[u8]> {
    if head.len() < 8 {
        return None;
    }
    head.advance(4);
    let extension = usize::try_from(head.get_i32()).ok()?;
    head.get(extension..)
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    if rest.len() < 4 {
        return None;
    }
    let length = rest.get_i32();
    if length == -1 {
        return Some(None);
    }
    let (field, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(Some(field))
}

/// Returns the text of a value that its column has no place for, as PostgreSQL writes it.
fn special(shape: Shape, bytes: &[u8]) -> Option<String> {
    let text = match shape {
        Shape::Date => match i32::from_be_bytes(bytes.try_into().ok()?) {
            i32::MAX => "infinity",
            i32::MIN => "-infinity",
            _ => return None,
        },
        Shape::Micros => match i64::from_be_bytes(bytes.try_into().ok()?) {
            i64::MAX => "infinity",
            i64::MIN => "-infinity",
            _ => return None,
        },
        Shape::Numeric(_) => match u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]) {
            0xc000 => "NaN",
            0xd000 => "Infinity",
            0xf000 => "-Infinity",
            _ => return None,
        },
        // The same digits that PostgreSQL writes, so that the number is the same as in the log.
        Shape::Float4 => {
            let number = f32::from_be_bytes(bytes.try_into().ok()?);
            return Some(float(f64::from(number)).unwrap_or_else(|| format!("{number}")));
        }
        Shape::Float8 => return float(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns the word for what is no number.
fn float(number: f64) -> Option<String> {
    let word = match number {
        number if number.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => return None,
    };
    Some(word.to_owned())
}

fn cell(shape: Shape, bytes: &[u8]) -> Option<Cell<'_>> {
    Some(match shape {
        Shape::Boolean => Cell::Boolean(*bytes.first()? != 0),
        Shape::Int2 => Cell::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        Shape::Int4 => Cell::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        Shape::Int8 => Cell::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        Shape::Oid => Cell::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        Shape::Float8 => Cell::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
        Shape::Numeric(scale) => Cell::Units(units(bytes, scale)?),
        Shape::Date => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            Cell::Days(days.checked_add(EPOCH_DAYS)?)
        }
        Shape::Micros => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            Cell::Micros(micros.checked_add(EPOCH_MICROS)?)
        }
        Shape::Bytes => Cell::Bytes(bytes),
        Shape::Float4 | Shape::Text | Shape::Written => {
            Cell::Text(std::str::from_utf8(bytes).ok()?)
        }
    })
}

/// Returns a number as so many units of its last place: groups of four digits, of which `weight` says where
/// the first stands.
fn units(mut bytes: &[u8], scale: u8) -> Option<i128> {
    if bytes.len() < 8 {
        return None;
    }
    let groups = bytes.get_u16();
    let weight = i32::from(bytes.get_i16());
    let sign = bytes.get_u16();
    bytes.advance(2);
    if bytes.len() < usize::from(groups) * 2 {
        return None;
    }
    let mut units: i128 = 0;
    for group in 0..i32::from(groups) {
        let digits = i128::from(bytes.get_u16());
        // The power of ten of the group's last digit, in units.
        let power = (weight - group) * 4 + i32::from(scale);
        let part = match u32::try_from(power) {
            Ok(power) => digits.checked_mul(10_i128.checked_pow(power)?)?,
            // Digits beyond the last place are zeros.
            Err(_) => digits / 10_i128.checked_pow(power.unsigned_abs())?,
        };
        units = units.checked_add(part)?;
    }
    Some(if sign == 0x4000 { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(groups: &[u16], weight: i16, sign: u16, places: u16) -> Vec<u8> {
        let mut bytes = (groups.len() as u16).to_be_bytes().to_vec();
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(places.to_be_bytes());
        bytes.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
        bytes
    }

    #[test]
    fn numbers_are_exact() {
        // 12345.67, -0.001, 10000, 0.
        assert_eq!(
            units(&numeric(&[1, 2345, 6700], 1, 0, 2), 2),
            Some(1_234_567)
        );
        assert_eq!(units(&numeric(&[10], -1, 0x4000, 3), 3), Some(-1));
        assert_eq!(units(&numeric(&[1], 1, 0, 0), 0), Some(10_000));
        assert_eq!(units(&numeric(&[], 0, 0, 2), 2), Some(0));
        assert_eq!(units(&numeric(&[1, 2, 3], 1, 0, 2)[..9], 2), None);
        let nines = numeric(
            &[99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999],
            9,
            0,
            0,
        );
        assert_eq!(units(&nines, 0), Some(10_i128.pow(38) - 1));
        assert_eq!(
            special(Shape::Numeric(2), &numeric(&[], 0, 0xc000, 0)).as_deref(),
            Some("NaN")
        );
    }

    #[test]
    fn what_is_no_date_keeps_its_word() {
        let date = |days: i32| special(Shape::Date, &days.to_be_bytes());
        assert_eq!(date(i32::MAX).as_deref(), Some("infinity"));
        assert_eq!(date(0), None);
        assert!(matches!(
            cell(Shape::Date, &0_i32.to_be_bytes()),
            Some(Cell::Days(10_957))
        ));
        assert_eq!(
            special(Shape::Float4, &0.1_f32.to_be_bytes()).as_deref(),
            Some("0.1")
        );
        assert_eq!(
            special(Shape::Float8, &f64::NAN.to_be_bytes()).as_deref(),
            Some("NaN")
        );
        assert!(cell(Shape::Int8, &[0, 1]).is_none());
    }
}
