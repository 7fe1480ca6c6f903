use super::scan::special;
use super::text::Text;

/// Why bytes are not the JSON they should be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) kind: BadKind,
    pub(crate) at: usize,
}

/// What is wrong with a piece of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadKind {
    Ends,
    Unexpected,
    Control,
    Escape,
    Number,
    Deep,
    Trailing,
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            BadKind::Ends => "the text ends too early",
            BadKind::Unexpected => "unexpected character",
            BadKind::Control => "control character inside a string",
            BadKind::Escape => "unknown escape",
            BadKind::Number => "malformed number",
            BadKind::Deep => "nested too deeply",
            BadKind::Trailing => "something follows the value",
        };
        write!(f, "{what} at byte {}", self.at)
    }
}

/// A number as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// Whether it has neither a fraction nor an exponent.
    pub(crate) whole: bool,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A place in a piece of JSON. Everything it passes over is checked against RFC 8259.
///
/// The bytes are valid UTF-8 by the time a cursor sees them; it does not rely on that for safety.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        &self.bytes[start..end]
    }

    #[cold]
    pub(crate) fn bad(&self, kind: BadKind) -> Bad {
        let kind = if self.at >= self.bytes.len() {
            BadKind::Ends
        } else {
            kind
        };
        Bad { kind, at: self.at }
    }

    /// Passes white space and returns the next byte without passing it; 0 at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> u8 {
        loop {
            match self.bytes.get(self.at) {
                Some(&byte) if byte > b' ' => return byte,
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                // Other control characters fit nowhere.
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Passes the byte that [`Self::next`] returned.
    #[inline]
    pub(crate) fn bump(&mut self) {
        self.at += 1;
    }

    /// Passes `byte`, white space before it allowed.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Bad> {
        if self.next() != byte || self.at >= self.bytes.len() {
            return Err(self.bad(BadKind::Unexpected));
        }
        self.at += 1;
        Ok(())
    }

    /// Checks that only white space follows.
    pub(crate) fn end(&mut self) -> Result<(), Bad> {
        self.next();
        if self.at < self.bytes.len() {
            Err(self.bad(BadKind::Trailing))
        } else {
            Ok(())
        }
    }

    /// Reads a string; the cursor stands on its opening quote.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Bad> {
        let start = self.at + 1;
        let mut at = special(self.bytes, start);
        let mut escaped = false;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Text::new(&self.bytes[start..at], escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                    at = special(self.bytes, at);
                }
                Some(_) => {
                    self.at = at;
                    return Err(self.bad(BadKind::Control));
                }
                None => {
                    self.at = at;
                    return Err(self.bad(BadKind::Ends));
                }
            }
        }
    }

    /// Checks the escape at `at` and returns the position after it.
    fn escape(&mut self, at: usize) -> Result<usize, Bad> {
        let end = match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at + 2,
            Some(b'u') => at + 6,
            _ => {
                self.at = at + 1;
                return Err(self.bad(BadKind::Escape));
            }
        };
        match self.bytes.get(at + 2..end) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(end),
            _ => {
                self.at = at;
                Err(self.bad(BadKind::Escape))
            }
        }
    }

    /// Reads a number; the cursor stands on its first character.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number, Bad> {
        let start = self.at;
        let byte = |at: usize| self.bytes.get(at).copied().unwrap_or(0);
        let digits = |mut at: usize| {
            while byte(at).is_ascii_digit() {
                at += 1;
            }
            at
        };
        let mut at = start + usize::from(byte(start) == b'-');
        let first = at;
        at = digits(at);
        let mut sound = at > first && (byte(first) != b'0' || at == first + 1);
        let mut whole = true;
        if byte(at) == b'.' {
            whole = false;
            let fraction = at + 1;
            at = digits(fraction);
            sound &= at > fraction;
        }
        if matches!(byte(at), b'e' | b'E') {
            whole = false;
            let exponent = at + 1 + usize::from(matches!(byte(at + 1), b'+' | b'-'));
            at = digits(exponent);
            sound &= at > exponent;
        }
        self.at = at;
        if sound {
            Ok(Number {
                whole,
                start,
                end: at,
            })
        } else {
            Err(self.bad(BadKind::Number))
        }
    }

    /// Passes `true`, `false` or `null`.
    pub(crate) fn literal(&mut self) -> Result<(), Bad> {
        let word: &[u8] = match self.bytes.get(self.at) {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            Some(b'n') => b"null",
            _ => return Err(self.bad(BadKind::Unexpected)),
        };
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.bad(BadKind::Unexpected))
    }

    /// Passes a member's name and the colon, and returns the name.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Text<'a>, Bad> {
        if self.next() != b'"' {
            return Err(self.bad(BadKind::Unexpected));
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    /// Passes one value of at most `depth` (64 or fewer) levels of brackets.
    pub(crate) fn skip_value(&mut self, depth: u32) -> Result<(), Bad> {
        // One bit per open bracket, lowest innermost: 1 for an object.
        let mut kinds = 0u64;
        let mut open = 0u32;
        loop {
            match self.next() {
                b'"' => {
                    self.string()?;
                }
                byte @ (b'{' | b'[') => {
                    if open >= depth.min(64) {
                        return Err(self.bad(BadKind::Deep));
                    }
                    self.bump();
                    let object = byte == b'{';
                    if self.next() == (if object { b'}' } else { b']' }) {
                        self.bump();
                    } else {
                        kinds = kinds << 1 | u64::from(object);
                        open += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                _ => self.literal()?,
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = kinds & 1 == 1;
                match self.next() {
                    b',' => {
                        self.bump();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return Err(self.bad(BadKind::Unexpected)),
                }
                self.bump();
                kinds >>= 1;
                open -= 1;
            }
        }
    }
}

/// Checks that `bytes` are one JSON value of at most `depth` levels.
#[cfg(test)]
pub(crate) fn check(bytes: &[u8], depth: u32) -> Result<(), Bad> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip_value(depth)?;
    cursor.end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_is_counted() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(check(nested(64).as_bytes(), 64).is_ok());
        assert_eq!(
            check(nested(65).as_bytes(), 64).unwrap_err().kind,
            BadKind::Deep
        );
        assert_eq!(
            check(nested(100_000).as_bytes(), 64).unwrap_err().kind,
            BadKind::Deep
        );
    }

    proptest! {
        // serde_json is the judge: on any mutilated JSON both say the same.
        #[test]
        fn agrees_with_serde_json(
            text in r#"[\[\]{}",:\\ 0-9a-fnrtulse.+\-Eué]{0,24}"#,
        ) {
            // serde_json refuses numbers beyond the range of a double; that is not our grammar.
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text);
            prop_assert_eq!(check(text.as_bytes(), 64).is_ok(), theirs.is_ok(), "{}", text);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes, 64);
            let _ = check(&bytes, 3);
        }

        #[test]
        fn accepts_what_serde_json_writes(value in json_value()) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(check(text.as_bytes(), 64).is_ok());
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert!(check(pretty.as_bytes(), 64).is_ok());
            prop_assert!(check(&text.as_bytes()[..text.len() - 1], 64).is_err() || value.is_number());
        }
    }

    fn json_value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }
}
