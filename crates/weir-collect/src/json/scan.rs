//! Finding the end of things quickly, eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Returns the first position at or after `at` of a quote, a backslash or a control character;
/// the length when there is none.
#[inline]
pub(crate) fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("8 bytes"));
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // A borrow can only mark a byte above a true hit, so the lowest mark is always true.
        let hit = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGH;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            return at;
        }
        at += 1;
    }
    at
}

/// Returns the end of the value that starts at `at`, by strings and brackets alone: what is
/// between them may be anything. `None` when the text ends before the value does.
///
/// A closing bracket of the wrong kind closes what it can, so `{"a":[1}` ends where its author
/// meant it to end. The value ends before a comma or a bracket that is not its own.
pub(crate) fn lenient_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut open: Vec<u8> = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1)?,
            b'{' | b'[' => {
                open.push(byte);
                at += 1;
            }
            b'}' | b']' => {
                let opener = if byte == b'}' { b'{' } else { b'[' };
                match open.iter().rposition(|&o| o == opener) {
                    // Not ours: it closes what the value lies in.
                    None => return Some(at),
                    Some(depth) => open.truncate(depth),
                }
                at += 1;
                if open.is_empty() {
                    return Some(at);
                }
            }
            b',' if open.is_empty() => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Returns the position after the quote that ends the string whose inside starts at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lenient_end_follows_strings_and_brackets() {
        fn end(text: &str) -> Option<&str> {
            lenient_end(text.as_bytes(), 0).map(|at| &text[..at])
        }
        assert_eq!(end(r#"{"a":[1,2]},3"#), Some(r#"{"a":[1,2]}"#));
        assert_eq!(end(r#"{"a":"},]\"{"},3"#), Some(r#"{"a":"},]\"{"}"#));
        assert_eq!(end(r#"{"a":[1},{}"#), Some(r#"{"a":[1}"#));
        assert_eq!(end("oops ,1"), Some("oops "));
        assert_eq!(end("oops ]"), Some("oops "));
        assert_eq!(end(r#"{"a":1"#), None);
        assert_eq!(end(r#"{"a":"\"#), None);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1 << 20);
        assert_eq!(lenient_end(deep.as_bytes(), 0), None);
    }

    proptest! {
        #[test]
        fn special_finds_what_a_plain_loop_finds(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            at in 0usize..64,
        ) {
            let at = at.min(bytes.len());
            let plain = bytes[at..]
                .iter()
                .position(|&b| b == b'"' || b == b'\\' || b < 0x20)
                .map_or(bytes.len(), |found| at + found);
            prop_assert_eq!(special(&bytes, at), plain);
        }
    }
}
