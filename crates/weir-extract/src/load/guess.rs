//! The types of values that nobody declared.

use super::column::ColumnType;
use super::instant;

/// Returns the narrowest type that holds a text without loss; none for an empty one, which is no value.
pub(crate) fn type_of_text(text: &str) -> Option<ColumnType> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if is_plain_number(text) {
        if text.parse::<i64>().is_ok() {
            return Some(ColumnType::Integer);
        }
        if text.contains(['.', 'e', 'E']) && text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Some(ColumnType::Double);
        }
        return Some(ColumnType::Text);
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Some(ColumnType::Boolean);
    }
    Some(instant::type_of(text).unwrap_or(ColumnType::Text))
}

/// Returns the type of a value in JSON; none for `null`.
pub(crate) fn type_of_json(raw: &str) -> Option<ColumnType> {
    match raw.as_bytes().first()? {
        b'n' => None,
        b't' | b'f' => Some(ColumnType::Boolean),
        b'-' | b'0'..=b'9' => Some(match raw.parse::<i64>() {
            Ok(_) => ColumnType::Integer,
            Err(_) if raw.contains(['.', 'e', 'E']) => ColumnType::Double,
            Err(_) => ColumnType::Text,
        }),
        b'"' => {
            // Only an instant is surely one: other texts may look like numbers and dates.
            let inner = raw.trim_matches('"');
            let is_instant =
                inner.contains('T') && instant::type_of(inner) == Some(ColumnType::Timestamp);
            Some(match is_instant {
                true => ColumnType::Timestamp,
                false => ColumnType::Text,
            })
        }
        _ => Some(ColumnType::Text),
    }
}

/// Digits as a machine writes them: `007` and `+49` are texts of digits.
fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let leads = match digits {
        [b'0'] | [b'0', b'.' | b'e' | b'E', ..] => true,
        [first, ..] => (b'1'..=b'9').contains(first),
        [] => false,
    };
    let signed_exponents = digits
        .windows(2)
        .all(|two| !b"+-".contains(&two[1]) || b"eE".contains(&two[0]));
    let plain = |b: &u8| b.is_ascii_digit() || b".eE+-".contains(b);
    leads && signed_exponents && digits.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_narrowest_type_that_loses_nothing() {
        for (text, wanted) in [
            ("", None),
            ("7", Some(ColumnType::Integer)),
            ("-0.5", Some(ColumnType::Double)),
            ("1e3", Some(ColumnType::Double)),
            ("007", Some(ColumnType::Text)),
            ("+49", Some(ColumnType::Text)),
            ("12345678901234567890", Some(ColumnType::Text)),
            ("TRUE", Some(ColumnType::Boolean)),
            ("1.2.3", Some(ColumnType::Text)),
            ("2024-01-02", Some(ColumnType::Date)),
            ("2024-01-02 03:04:05", Some(ColumnType::LocalTimestamp)),
            ("2024-01-02T03:04:05Z", Some(ColumnType::Timestamp)),
            ("x", Some(ColumnType::Text)),
        ] {
            assert_eq!(type_of_text(text), wanted, "{text}");
        }
        assert_eq!(type_of_json("null"), None);
        assert_eq!(type_of_json("\"7\""), Some(ColumnType::Text));
        assert_eq!(
            type_of_json("\"2024-01-02T03:04:05Z\""),
            Some(ColumnType::Timestamp)
        );
        assert_eq!(type_of_json("{\"a\":1}"), Some(ColumnType::Text));
    }
}
