//! Numbers as Python reads and writes them.

use super::Value;

impl Value {
    /// An integer of any size that fits 127 bits and a sign.
    pub(crate) fn integer(number: i128) -> Self {
        match i64::try_from(number) {
            Ok(small) => Self::Int(small),
            Err(_) => Self::BigInt(Box::new(number)),
        }
    }

    /// The number if it is an integer or a bool.
    pub(crate) fn as_i128(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(i128::from(*number)),
            Self::Bool(flag) => Some(i128::from(*flag)),
            Self::BigInt(number) => Some(**number),
            _ => None,
        }
    }
}

/// Reads an integer as Python's `int(text, base)`; base 0 takes `0x` and the like.
pub(crate) fn parse_int(text: &str, base: u32) -> Option<Value> {
    let text = text.trim_matches(crate::syntax::is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let prefixed = match lower.as_deref() {
        Some("0x") => Some(16),
        Some("0o") => Some(8),
        Some("0b") => Some(2),
        _ => None,
    };
    let (digits, base) = match (prefixed, base) {
        (Some(found), 0) => (&digits[2..], found),
        (Some(found), base) if found == base => (&digits[2..], base),
        (_, 0) => (digits, 10),
        (_, base) => (digits, base),
    };
    if !(2..=36).contains(&base)
        || digits.starts_with('_') && prefixed.is_none()
        || digits.ends_with('_')
    {
        return None;
    }
    let mut number: i128 = 0;
    let mut last = '_';
    for digit in digits.chars() {
        if digit == '_' {
            if last == '_' && number == 0 && prefixed.is_none() {
                return None;
            }
        } else {
            let value = i128::from(digit.to_digit(base)?);
            number = number.checked_mul(i128::from(base))?.checked_add(value)?;
        }
        last = digit;
    }
    (!digits.is_empty()).then(|| Value::integer(if negative { -number } else { number }))
}

/// Reads a float as Python's `float(text)`.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(crate::syntax::is_space);
    let plain = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let known = matches!(plain.as_str(), "inf" | "infinity" | "nan");
    if !known && !plain.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if text.contains('_') {
        return text.replace('_', "").parse().ok();
    }
    text.parse().ok()
}

/// A float as Python's `repr` writes it: the shortest digits that give it back.
pub(crate) fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "inf".into()
        } else {
            "-inf".into()
        };
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    format!(
        "{mantissa}e{}{:02}",
        if exponent < 0 { '-' } else { '+' },
        exponent.abs()
    )
}
