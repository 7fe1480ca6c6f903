use std::borrow::Cow;

/// What had to be replaced in a text to make it storable. The bytes as sent keep everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flaws {
    /// Half of a UTF-16 pair, written as an escape: U+FFFD stands in its place.
    pub(crate) lone_surrogate: bool,
    /// NUL characters: left out, because most of what reads the lake cannot hold them.
    pub(crate) nul: bool,
}

impl Flaws {
    /// Returns the stable word for what was replaced.
    pub(crate) fn reason(self) -> Option<&'static str> {
        if self.lone_surrogate {
            Some("lone_surrogate")
        } else if self.nul {
            Some("nul_character")
        } else {
            None
        }
    }
}

/// The inside of a JSON string, as written between its quotes, escapes checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    inside: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    pub(crate) fn new(inside: &'a [u8], escaped: bool) -> Self {
        Self { inside, escaped }
    }

    /// Returns the bytes between the quotes.
    pub(crate) fn inside(&self) -> &'a [u8] {
        self.inside
    }

    /// Returns the text when it is written without escapes, as nearly all is.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&'a str> {
        if self.escaped {
            return None;
        }
        simdutf8::basic::from_utf8(self.inside).ok()
    }

    /// Returns the text, and what had to be replaced in it.
    pub(crate) fn decode(&self) -> (Cow<'a, str>, Flaws) {
        if let Some(plain) = self.plain() {
            return (Cow::Borrowed(plain), Flaws::default());
        }
        let mut out = String::with_capacity(self.inside.len());
        let flaws = self.decode_into(&mut out);
        (Cow::Owned(out), flaws)
    }

    /// Appends the text to `out`.
    pub(crate) fn decode_into(&self, out: &mut String) -> Flaws {
        let mut flaws = Flaws::default();
        let mut rest = self.inside;
        while !rest.is_empty() {
            let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            out.push_str(&String::from_utf8_lossy(&rest[..plain]));
            rest = &rest[plain..];
            if rest.is_empty() {
                break;
            }
            let (char, length) = unescape(rest);
            match char {
                Some('\0') => flaws.nul = true,
                Some(char) => out.push(char),
                None => {
                    flaws.lone_surrogate = true;
                    out.push(char::REPLACEMENT_CHARACTER);
                }
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        flaws
    }
}

/// Reads the escape `rest` starts with: the character (`None` for half a pair) and its length.
fn unescape(rest: &[u8]) -> (Option<char>, usize) {
    let simple = match rest.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(rest),
        Some(&other) => char::from(other),
        None => return (None, 1),
    };
    (Some(simple), 2)
}

fn unescape_unicode(rest: &[u8]) -> (Option<char>, usize) {
    let Some(first) = hex4(rest.get(2..6)) else {
        return (None, rest.len());
    };
    if (0xD800..0xDC00).contains(&first)
        && rest.get(6..8) == Some(b"\\u")
        && let Some(second @ 0xDC00..0xE000) = hex4(rest.get(8..12))
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code), 12);
    }
    (char::from_u32(first), 6)
}

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok()
}

/// Appends valid JSON to `out` without the white space between its tokens, so that an array
/// becomes the same text whichever SDK wrote it.
pub(crate) fn minify(json: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                let start = at;
                at += 1;
                loop {
                    match memchr::memchr2(b'"', b'\\', json.get(at..).unwrap_or_default()) {
                        Some(found) if json[at + found] == b'"' => {
                            at += found + 1;
                            break;
                        }
                        Some(found) => at += found + 2,
                        None => {
                            at = json.len();
                            break;
                        }
                    }
                }
                out.extend_from_slice(&json[start..at.min(json.len())]);
            }
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(inside: &str) -> (String, Flaws) {
        let (text, flaws) = Text::new(inside.as_bytes(), true).decode();
        (text.into_owned(), flaws)
    }

    #[test]
    fn escapes() {
        assert_eq!(decode(r#"a\n\t\"\/\\\u00e9"#).0, "a\n\t\"/\\é");
        assert_eq!(decode(r"\ud83d\ude00!").0, "😀!");
        let (text, flaws) = decode(r"x\ud83dy");
        assert_eq!(
            (text.as_str(), flaws.reason()),
            ("x\u{fffd}y", Some("lone_surrogate"))
        );
        let (text, flaws) = decode(r"\ude00\ud83d\ud83d\ude00");
        assert_eq!(
            (text.as_str(), flaws.lone_surrogate),
            ("\u{fffd}\u{fffd}😀", true)
        );
        let (text, flaws) = decode(r"a\u0000b");
        assert_eq!(
            (text.as_str(), flaws.reason()),
            ("ab", Some("nul_character"))
        );
    }

    #[test]
    fn minify_keeps_strings() {
        let mut out = Vec::new();
        minify(br#"[ 1, "a b \" c" , {"x" : [ ] } ]"#, &mut out);
        assert_eq!(out, br#"[1,"a b \" c",{"x":[]}]"#);
    }

    proptest! {
        #[test]
        fn decodes_what_serde_json_writes(text in ".*") {
            let json = serde_json::to_string(&text).unwrap();
            let inside = &json.as_bytes()[1..json.len() - 1];
            let (decoded, _) = Text::new(inside, memchr::memchr(b'\\', inside).is_some()).decode();
            prop_assert_eq!(decoded.as_ref(), text.replace('\0', ""));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Text::new(&bytes, true).decode();
            minify(&bytes, &mut Vec::new());
        }
    }
}
