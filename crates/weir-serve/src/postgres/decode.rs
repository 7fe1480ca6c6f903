//! Parameters, from what a client sends to values with types.

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use bytes::{Buf, Bytes};
use weir_query::{ScalarValue, array_element, array_elements, arrow_type};

use super::failure::Failure;

/// Days from 1970 to 2000, where Postgres begins to count.
const DAYS: i32 = 10_957;
const MICROS: i64 = DAYS as i64 * 86_400_000_000;

fn unreadable(number: usize, oid: u32) -> Failure {
    Failure::new(
        "22P03",
        format!("incorrect data for parameter ${number} (type {oid})"),
    )
}

/// Reads a parameter of the type with that number; 0 when the client leaves the type to us.
pub(super) fn parameter(
    number: usize,
    oid: u32,
    binary: bool,
    value: Option<&Bytes>,
) -> Result<ScalarValue, Failure> {
    let kind = arrow_type(oid).unwrap_or(DataType::Utf8);
    let Some(value) = value else {
        let null = match oid {
            0 | 705 => Ok(ScalarValue::Null),
            _ => ScalarValue::try_from(&kind),
        };
        return null.map_err(|_| unreadable(number, oid));
    };
    if binary {
        return from_binary(oid, value).ok_or_else(|| unreadable(number, oid));
    }
    let text = std::str::from_utf8(value)
        .map_err(|_| Failure::new("22021", format!("parameter ${number} is not valid UTF-8")))?;
    if text.contains('\0') {
        return Err(Failure::new(
            "22021",
            format!("parameter ${number} contains a NUL byte"),
        ));
    }
    from_text(oid, &kind, text).ok_or_else(|| {
        let name = weir_query::type_name_of(oid).unwrap_or("its type");
        let shown: String = text.chars().take(60).collect();
        Failure::new(
            "22P02",
            format!("invalid input syntax for type {name}: \"{shown}\""),
        )
    })
}

fn from_text(oid: u32, kind: &DataType, text: &str) -> Option<ScalarValue> {
    match kind {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(text.to_owned()))),
        DataType::Boolean => {
            let value = match text.trim().to_ascii_lowercase().as_str() {
                "t" | "true" | "y" | "yes" | "on" | "1" => true,
                "f" | "false" | "n" | "no" | "off" | "0" => false,
                _ => return None,
            };
            Some(ScalarValue::Boolean(Some(value)))
        }
        DataType::Binary => {
            let hex = text.strip_prefix("\\x")?;
            let pairs = hex.as_bytes().chunks(2);
            let bytes = pairs.map(|pair| {
                let pair = std::str::from_utf8(pair)
                    .ok()
                    .filter(|pair| pair.len() == 2)?;
                u8::from_str_radix(pair, 16).ok()
            });
            Some(ScalarValue::Binary(Some(bytes.collect::<Option<_>>()?)))
        }
        DataType::Decimal128(..) => number(text),
        DataType::List(item) => {
            let element = array_element(oid)?;
            let items = array_elements(text)?
                .into_iter()
                .map(|item_text| match item_text {
                    None => ScalarValue::try_from(item.data_type()).ok(),
                    Some(item_text) => from_text(element, item.data_type(), &item_text),
                })
                .collect::<Option<Vec<_>>>()?;
            Some(list(items, item.data_type()))
        }
        kind => ScalarValue::Utf8(Some(text.trim().to_owned()))
            .cast_to(kind)
            .ok()
            .filter(|value| !value.is_null()),
    }
}

/// Reads a decimal number, with as many digits as it has.
fn number(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        // With an exponent, or NaN.
        return text
            .parse()
            .ok()
            .map(|value| ScalarValue::Float64(Some(value)));
    }
    let significant = all.trim_start_matches('0').len();
    if significant > 38 || fraction.len() > 38 {
        return None;
    }
    let value: i128 = all.trim_start_matches('0').parse().unwrap_or(0);
    let scale = fraction.len() as u8;
    let precision = (significant as u8).max(scale).max(1);
    Some(ScalarValue::Decimal128(
        Some(sign * value),
        precision,
        scale as i8,
    ))
}

fn list(items: Vec<ScalarValue>, kind: &DataType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(&items, kind))
}

/// Reads a value in binary; none where it is not one of that type.
pub(super) fn from_binary(oid: u32, value: &Bytes) -> Option<ScalarValue> {
    let mut value = value.clone();
    let exactly = |length: usize| (value.len() == length).then_some(());
    Some(match oid {
        16 => {
            exactly(1)?;
            ScalarValue::Boolean(Some(value[0] != 0))
        }
        17 => ScalarValue::Binary(Some(value.to_vec())),
        20 => {
            exactly(8)?;
            ScalarValue::Int64(Some(value.get_i64()))
        }
        21 => {
            exactly(2)?;
            ScalarValue::Int16(Some(value.get_i16()))
        }
        23 => {
            exactly(4)?;
            ScalarValue::Int32(Some(value.get_i32()))
        }
        24 | 26 | 2205 | 2206 | 4089 => {
            exactly(4)?;
            ScalarValue::UInt32(Some(value.get_u32()))
        }
        700 => {
            exactly(4)?;
            ScalarValue::Float32(Some(value.get_f32()))
        }
        701 => {
            exactly(8)?;
            ScalarValue::Float64(Some(value.get_f64()))
        }
        1082 => {
            exactly(4)?;
            ScalarValue::Date32(Some(value.get_i32().checked_add(DAYS)?))
        }
        1083 => {
            exactly(8)?;
            ScalarValue::Time64Microsecond(Some(value.get_i64()))
        }
        1114 => {
            exactly(8)?;
            ScalarValue::TimestampMicrosecond(Some(value.get_i64().checked_add(MICROS)?), None)
        }
        1184 => {
            exactly(8)?;
            let micros = value.get_i64().checked_add(MICROS)?;
            ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
        }
        1186 => {
            exactly(16)?;
            let micros = value.get_i64();
            let (days, months) = (value.get_i32(), value.get_i32());
            let nanos = micros.checked_mul(1_000)?;
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanos)))
        }
        1700 => numeric(value)?,
        2950 => {
            exactly(16)?;
            let bytes: [u8; 16] = value.as_ref().try_into().ok()?;
            ScalarValue::Utf8(Some(uuid(bytes)))
        }
        3802 => {
            if value.is_empty() || value.get_u8() != 1 {
                return None;
            }
            text(&value)?
        }
        _ => match array_element(oid) {
            Some(element) => array(element, value)?,
            None => text(&value)?,
        },
    })
}

fn text(value: &Bytes) -> Option<ScalarValue> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.contains('\0')).then(|| ScalarValue::Utf8(Some(text.to_owned())))
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn numeric(mut value: Bytes) -> Option<ScalarValue> {
    if value.len() < 8 {
        return None;
    }
    let groups = usize::from(value.get_u16());
    let weight = i32::from(value.get_i16());
    let sign = value.get_u16();
    let scale = usize::from(value.get_u16());
    if value.len() != groups * 2 || scale > 38 {
        return None;
    }
    match sign {
        0xC000 => return Some(ScalarValue::Float64(Some(f64::NAN))),
        0xD000 => return Some(ScalarValue::Float64(Some(f64::INFINITY))),
        0xF000 => return Some(ScalarValue::Float64(Some(f64::NEG_INFINITY))),
        _ => {}
    }
    if weight.unsigned_abs() > 10 {
        return None;
    }
    let mut digits = String::new();
    for _ in 0..groups {
        digits.push_str(&format!("{:04}", value.get_u16()));
    }
    // The point stands behind the first `weight + 1` groups of four.
    let point = (weight + 1) * 4;
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) => {
            let digits = format!("{digits:0<point$}");
            (digits[..point].to_owned(), digits[point..].to_owned())
        }
        Err(_) => (
            String::new(),
            format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        ),
    };
    let fraction = format!("{fraction:0<scale$}");
    let sign = if sign == 0x4000 { "-" } else { "" };
    number(&format!("{sign}0{whole}.{}", &fraction[..scale]))
}

fn array(element: u32, mut value: Bytes) -> Option<ScalarValue> {
    let kind = arrow_type(element)?;
    if value.len() < 12 {
        return None;
    }
    let (dimensions, _, sent) = (value.get_i32(), value.get_i32(), value.get_u32());
    if sent != element || !(0..=1).contains(&dimensions) {
        return None;
    }
    let mut items = Vec::new();
    if dimensions == 1 {
        if value.len() < 8 {
            return None;
        }
        let (length, _) = (value.get_i32(), value.get_i32());
        for _ in 0..length {
            if value.len() < 4 {
                return None;
            }
            let bytes = value.get_i32();
            items.push(match usize::try_from(bytes) {
                Err(_) => ScalarValue::try_from(&kind).ok()?,
                Ok(bytes) if bytes <= value.len() => from_binary(element, &value.split_to(bytes))?
                    .cast_to(&kind)
                    .ok()?,
                Ok(_) => return None,
            });
        }
    }
    Some(list(items, &kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(
            number("-1.50"),
            Some(ScalarValue::Decimal128(Some(-150), 3, 2))
        );
        assert_eq!(number("0"), Some(ScalarValue::Decimal128(Some(0), 1, 0)));
        assert_eq!(
            number("0.001"),
            Some(ScalarValue::Decimal128(Some(1), 3, 3))
        );
        assert_eq!(number("x"), None);
    }

    #[test]
    fn what_is_sent_in_binary_comes_back() {
        for text in [
            "0",
            "12345.678",
            "-1.50",
            "0.0001",
            "10000",
            "0.00",
            "0.00000001",
            "99990000.5",
        ] {
            let mut out = bytes::BytesMut::new();
            super::super::encode::send_numeric(text, &mut out);
            let back = numeric(out.freeze()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(Some(back), number(text), "{text}");
        }
    }

    #[test]
    fn cut_off_values_are_refused() {
        for oid in [
            16, 20, 23, 700, 701, 1082, 1114, 1184, 1186, 1700, 2950, 1007, 1009, 3802,
        ] {
            for length in 0..3 {
                let value = Bytes::from(vec![0xff; length]);
                let _ = parameter(1, oid, true, Some(&value));
            }
        }
        assert!(parameter(1, 23, true, Some(&Bytes::from_static(b"\0"))).is_err());
        assert!(parameter(1, 23, false, Some(&Bytes::from_static(b"x"))).is_err());
        assert!(parameter(1, 25, false, Some(&Bytes::from_static(b"\xff"))).is_err());
    }
}
