//! JSON in the binary form of MySQL, written as the server writes it. MariaDB has JSON as text.

use super::wire::Reader;
use crate::error::{ExtractError, protocol};

/// Deeper than the server takes it.
const DEPTH: usize = 110;
/// Longer than the server takes it: parts of a malformed document may be told many times.
const LENGTH: usize = 1 << 30;

/// Returns the text of a document.
pub(super) fn text(document: &[u8]) -> Result<String, ExtractError> {
    let mut out = String::new();
    match document.split_first() {
        // What was never set, such as by an ALTER that adds the column.
        None => out.push_str("null"),
        Some((kind, body)) => write(*kind, body, 0, &mut out)?,
    }
    Ok(out)
}

fn write(kind: u8, body: &[u8], depth: usize, out: &mut String) -> Result<(), ExtractError> {
    if depth > DEPTH || out.len() > LENGTH {
        return Err(protocol(
            "the log has JSON that is nested too deeply or too long",
        ));
    }
    let mut reader = Reader(body);
    match kind {
        0 => container(body, false, true, depth, out)?,
        1 => container(body, true, true, depth, out)?,
        2 => container(body, false, false, depth, out)?,
        3 => container(body, true, false, depth, out)?,
        4 => out.push_str(match reader.number(1)? {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return Err(protocol("the log has JSON with an unknown literal")),
        }),
        5 => out.push_str(&(reader.number(2)? as i16).to_string()),
        6 => out.push_str(&reader.number(2)?.to_string()),
        7 => out.push_str(&(reader.number(4)? as i32).to_string()),
        8 => out.push_str(&reader.number(4)?.to_string()),
        9 => out.push_str(&(reader.number(8)? as i64).to_string()),
        10 => out.push_str(&reader.number(8)?.to_string()),
        11 => {
            let number = f64::from_bits(reader.number(8)?);
            let text = serde_json::to_string(&number).unwrap_or_else(|_| "null".to_owned());
            out.push_str(&text);
        }
        12 => {
            let length = variable(&mut reader)?;
            quote(reader.take(length)?, out)?;
        }
        // Values of SQL: numbers with a point, times, bytes.
        15 => {
            let own = reader.number(1)?;
            let length = variable(&mut reader)?;
            opaque(own as u8, reader.take(length)?, out)?;
        }
        _ => return Err(protocol("the log has JSON of an unknown kind")),
    }
    Ok(())
}

/// Writes an object or an array, whose numbers are of four bytes where it is `large`.
fn container(
    body: &[u8],
    large: bool,
    is_object: bool,
    depth: usize,
    out: &mut String,
) -> Result<(), ExtractError> {
    let width = if large { 4 } else { 2 };
    let mut reader = Reader(body);
    let count = reader.number(width)? as usize;
    let bytes = reader.number(width)? as usize;
    let body = body
        .get(..bytes)
        .ok_or_else(|| protocol("the log has JSON that breaks off"))?;
    let at = |start: usize| {
        body.get(start..)
            .ok_or_else(|| protocol("the log has JSON that breaks off"))
    };
    let keys = 2 * width;
    let key_bytes = if is_object { width + 2 } else { 0 };
    let values = keys.saturating_add(count.saturating_mul(key_bytes));
    out.push(if is_object { '{' } else { '[' });
    for number in 0..count {
        if number > 0 {
            out.push_str(", ");
        }
        if is_object {
            let mut entry = Reader(at(keys + number * key_bytes)?);
            let start = entry.number(width)? as usize;
            let length = entry.number(2)? as usize;
            quote(Reader(at(start)?).take(length)?, out)?;
            out.push_str(": ");
        }
        let entry = at(values.saturating_add(number.saturating_mul(1 + width)))?;
        let mut reader = Reader(entry);
        let kind = reader.number(1)? as u8;
        // Short values lie in the entry itself.
        let is_here = matches!(kind, 4..=6) || (large && matches!(kind, 7 | 8));
        match is_here {
            true => write(kind, reader.take(width)?, depth + 1, out)?,
            false => {
                let start = reader.number(width)? as usize;
                if start < keys {
                    return Err(protocol("the log has JSON that refers to itself"));
                }
                write(kind, at(start)?, depth + 1, out)?;
            }
        }
    }
    out.push(if is_object { '}' } else { ']' });
    Ok(())
}

/// Returns a length of seven bits a byte, the lowest first.
fn variable(reader: &mut Reader<'_>) -> Result<usize, ExtractError> {
    let mut length = 0;
    for place in 0..5 {
        let byte = reader.number(1)?;
        length |= (byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(length as usize);
        }
    }
    Err(protocol("the log has JSON of an impossible length"))
}

fn quote(bytes: &[u8], out: &mut String) -> Result<(), ExtractError> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| protocol("the log has JSON that is not UTF-8"))?;
    out.push_str(&serde_json::Value::from(text).to_string());
    Ok(())
}

fn opaque(kind: u8, bytes: &[u8], out: &mut String) -> Result<(), ExtractError> {
    let mut reader = Reader(bytes);
    match kind {
        246 => {
            let (precision, scale) = (reader.number(1)? as usize, reader.number(1)? as usize);
            out.push_str(&super::value::decimal(&mut reader, precision, scale)?);
        }
        7 | 10 | 11 | 12 => {
            let packed = reader.number(8)? as i64;
            let sign = if packed < 0 { "-" } else { "" };
            let packed = packed.unsigned_abs();
            let (micros, whole) = (packed & 0xff_ffff, packed >> 24);
            let (day, clock) = (whole >> 17, whole & 0x1_ffff);
            let time = format!(
                "{:02}:{:02}:{:02}.{micros:06}",
                clock >> 12,
                clock >> 6 & 63,
                clock & 63
            );
            let month = day >> 5;
            let date = format!("{:04}-{:02}-{:02}", month / 13, month % 13, day & 31);
            out.push_str(&match kind {
                10 => format!("\"{date}\""),
                11 => format!("\"{sign}{time}\""),
                _ => format!("\"{date} {time}\""),
            });
        }
        other => {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.push_str(&format!("\"base64:type{other}:{text}\""));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_written_as_the_server_writes_them() {
        // {"a": 1, "b": [true, "x"]}
        let inner = [2, 0, 12, 0, 4, 1, 0, 12, 10, 0, 1, b'x'];
        let mut document = vec![
            0, 2, 0, 32, 0, 18, 0, 1, 0, 19, 0, 1, 0, 5, 1, 0, 2, 20, 0, b'a', b'b',
        ];
        document.extend_from_slice(&inner);
        assert_eq!(text(&document).unwrap(), r#"{"a": 1, "b": [true, "x"]}"#);
        assert_eq!(text(&[12, 3, b'a', b'"', b'b']).unwrap(), r#""a\"b""#);
        assert_eq!(text(&[5, 0xff, 0xff]).unwrap(), "-1");
        assert_eq!(text(&[]).unwrap(), "null");
    }

    #[test]
    fn broken_documents_are_errors() {
        assert!(text(&[0, 9, 0, 4, 0]).is_err());
        assert!(text(&[2, 1, 0, 7, 0, 2, 0, 0]).is_err());
        assert!(text(&[12, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(text(&[200]).is_err());
        for length in 0..40 {
            for kind in 0..16 {
                let mut document = vec![kind];
                document.resize(length, 1);
                let _ = text(&document);
            }
        }
    }
}
