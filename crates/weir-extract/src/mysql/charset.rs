//! Text of the log, which has the bytes that its column is encoded in.

use std::collections::BTreeMap;

use encoding_rs::Encoding;

use super::wire::Session;
use crate::error::ExtractError;

/// How bytes become text.
pub(super) enum Charset {
    Utf8,
    /// Two bytes a unit, the high one first.
    Utf16,
    Utf16Low,
    Utf32,
    /// Each byte is a character, as the server has them.
    Single(Vec<String>),
    Other(&'static Encoding),
}

/// How texts of some columns are encoded, by the server's names.
pub(super) type Charsets = BTreeMap<String, Charset>;

/// Asks the server for what it takes to read text in these encodings; those that cannot be read are left out.
pub(super) async fn charsets<'a>(
    names: impl Iterator<Item = &'a str>,
    session: &mut Session,
    into: &mut Charsets,
) -> Result<(), ExtractError> {
    for name in names {
        if into.contains_key(name) || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            continue;
        }
        let known = match name {
            "utf8" | "utf8mb3" | "utf8mb4" | "ascii" | "binary" => Some(Charset::Utf8),
            "ucs2" | "utf16" => Some(Charset::Utf16),
            "utf16le" => Some(Charset::Utf16Low),
            "utf32" => Some(Charset::Utf32),
            "gbk" | "gb2312" => Some(Charset::Other(encoding_rs::GBK)),
            "gb18030" => Some(Charset::Other(encoding_rs::GB18030)),
            "big5" => Some(Charset::Other(encoding_rs::BIG5)),
            "sjis" | "cp932" => Some(Charset::Other(encoding_rs::SHIFT_JIS)),
            "ujis" | "eucjpms" => Some(Charset::Other(encoding_rs::EUC_JP)),
            "euckr" => Some(Charset::Other(encoding_rs::EUC_KR)),
            _ => single(name, session).await?,
        };
        if let Some(known) = known {
            into.insert(name.to_owned(), known);
        }
    }
    Ok(())
}

/// Asks the server which character each byte is.
async fn single(name: &str, session: &mut Session) -> Result<Option<Charset>, ExtractError> {
    let sql = format!(
        "SELECT maxlen FROM information_schema.character_sets WHERE character_set_name = '{name}'"
    );
    let longest = session.rows(&sql).await?;
    if longest.first().and_then(|row| row.first()?.as_deref()) != Some("1") {
        return Ok(None);
    }
    let each = (0..=255_u8).map(|byte| format!("CONVERT(_{name} X'{byte:02x}' USING utf8mb4)"));
    let sql = format!("SELECT {}", each.collect::<Vec<_>>().join(", "));
    let rows = session.rows(&sql).await?;
    let texts = rows.into_iter().next().unwrap_or_default();
    let texts: Vec<String> = texts.into_iter().map(Option::unwrap_or_default).collect();
    Ok((texts.len() == 256).then_some(Charset::Single(texts)))
}

impl Charset {
    /// Returns the text; the bytes where they are none.
    pub(super) fn text(&self, bytes: &[u8]) -> Result<String, Vec<u8>> {
        let none = || bytes.to_vec();
        match self {
            Charset::Utf8 => std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| none()),
            Charset::Utf16 | Charset::Utf16Low => {
                let units = bytes.chunks(2).map(|pair| match (self, pair) {
                    (Charset::Utf16, [a, b]) => u16::from_be_bytes([*a, *b]),
                    (_, [a, b]) => u16::from_le_bytes([*a, *b]),
                    _ => 0xd800,
                });
                char::decode_utf16(units)
                    .collect::<Result<_, _>>()
                    .map_err(|_| none())
            }
            Charset::Utf32 => {
                let chars = bytes.chunks(4).map(|four| {
                    let four = <[u8; 4]>::try_from(four).ok()?;
                    char::from_u32(u32::from_be_bytes(four))
                });
                chars.collect::<Option<String>>().ok_or_else(none)
            }
            Charset::Single(texts) => Ok(bytes
                .iter()
                .map(|byte| texts.get(usize::from(*byte)).map_or("", String::as_str))
                .collect()),
            Charset::Other(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(none),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_what_is_none_stays_bytes() {
        assert_eq!(Charset::Utf8.text("ü".as_bytes()).unwrap(), "ü");
        assert_eq!(
            Charset::Utf16
                .text(&[0, 0x41, 0xd8, 0x3d, 0xde, 0])
                .unwrap(),
            "A😀"
        );
        assert_eq!(Charset::Utf32.text(&[0, 1, 0xf6, 0]).unwrap(), "😀");
        assert_eq!(
            Charset::Other(encoding_rs::SHIFT_JIS)
                .text(&[0x93, 0xfa])
                .unwrap(),
            "日"
        );
        assert!(Charset::Utf8.text(&[0xff]).is_err());
        assert!(Charset::Utf16.text(&[0xd8, 0]).is_err());
        assert!(Charset::Utf16.text(&[0]).is_err());
        assert!(Charset::Utf32.text(&[1]).is_err());
    }
}
