//! What a plain scalar means by YAML 1.1, as PyYAML resolves it.

use super::YamlValue;

/// Resolves an unquoted scalar.
pub(super) fn plain(text: &str) -> YamlValue {
    let Some(first) = text.bytes().next() else {
        return YamlValue::Null;
    };
    match first {
        b'~' if text == "~" => YamlValue::Null,
        b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => {
            word(text).unwrap_or_else(|| YamlValue::Text(text.to_owned()))
        }
        b'0'..=b'9' | b'-' | b'+' | b'.' => number(text)
            .or_else(|| timestamp(text).map(YamlValue::Text))
            .unwrap_or_else(|| YamlValue::Text(text.to_owned())),
        _ => YamlValue::Text(text.to_owned()),
    }
}

/// Resolves a scalar with an explicit tag of the core schema; `None` if it does not fit.
pub(super) fn tagged(suffix: &str, text: &str) -> Option<YamlValue> {
    match suffix {
        "str" | "binary" => Some(YamlValue::Text(text.to_owned())),
        "null" => Some(YamlValue::Null),
        "bool" => word(text).filter(|value| matches!(value, YamlValue::Bool(_))),
        "int" => match number(text)? {
            YamlValue::Float(float) => Some(YamlValue::Int(float as i64)),
            other => Some(other),
        },
        "float" => match number(text) {
            Some(YamlValue::Int(int)) => Some(YamlValue::Float(int as f64)),
            Some(other) => Some(other),
            None => text.parse().ok().map(YamlValue::Float),
        },
        "timestamp" => timestamp(text).map(YamlValue::Text),
        _ => None,
    }
}

fn word(text: &str) -> Option<YamlValue> {
    Some(match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            YamlValue::Bool(true)
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            YamlValue::Bool(false)
        }
        "null" | "Null" | "NULL" => YamlValue::Null,
        _ => return None,
    })
}

fn number(text: &str) -> Option<YamlValue> {
    integer(text).or_else(|| float(text).map(YamlValue::Float))
}

fn integer(text: &str) -> Option<YamlValue> {
    let (negative, digits) = sign(text);
    let (radix, digits) = if let Some(rest) = digits.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        (16, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.contains(':') {
        return (radix == 10)
            .then(|| sexagesimal(digits, negative))
            .flatten();
    }
    // `0` alone, or digits of which the first of a decimal number is no underscore.
    let fits = !digits.is_empty()
        && digits
            .bytes()
            .all(|byte| byte == b'_' || (byte as char).is_digit(radix))
        && (radix != 10 || digits.as_bytes()[0].is_ascii_digit());
    if !fits {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() {
        return None;
    }
    match i128::from_str_radix(&plain, radix) {
        Ok(value) => {
            let value = if negative { -value } else { value };
            Some(match i64::try_from(value) {
                Ok(value) => YamlValue::Int(value),
                Err(_) => YamlValue::Text(value.to_string()),
            })
        }
        Err(_) => Some(YamlValue::Text(text.replace('_', ""))),
    }
}

/// `1:30` is ninety: numbers of base sixty.
fn sexagesimal(digits: &str, negative: bool) -> Option<YamlValue> {
    if !matches!(digits.as_bytes()[0], b'1'..=b'9') {
        return None;
    }
    let mut total: i64 = 0;
    for (index, part) in digits.split(':').enumerate() {
        let fits = if index == 0 {
            part.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'_')
        } else {
            matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
        };
        if !fits {
            return None;
        }
        let part: i64 = part.replace('_', "").parse().ok()?;
        total = total.checked_mul(60)?.checked_add(part)?;
    }
    Some(YamlValue::Int(if negative { -total } else { total }))
}

fn float(text: &str) -> Option<f64> {
    let (negative, rest) = sign(text);
    let signed = |value: f64| if negative { -value } else { value };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(signed(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return (rest == text).then_some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let begins = |text: &str| {
        text.bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit())
    };
    let fits = if whole.is_empty() {
        // A fraction without a whole part takes no sign.
        rest.len() == text.len() && begins(fraction) && digits(fraction)
    } else {
        begins(whole) && digits(whole) && digits(fraction)
    };
    // The exponent of a float needs its sign: `1.0e5` is text.
    let exponent_fits = exponent.is_none_or(|exponent| {
        exponent.len() > 1
            && matches!(exponent.as_bytes()[0], b'+' | b'-')
            && exponent.bytes().skip(1).all(|byte| byte.is_ascii_digit())
    });
    if !fits || !exponent_fits {
        return None;
    }
    rest.replace('_', "").parse().ok().map(signed)
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Returns a date or moment in the form of Python's `str()`.
fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes.is_ascii() || bytes[4] != b'-' {
        return None;
    }
    if bytes.len() == 10 {
        let date = bytes[..4].iter().chain(&bytes[5..7]).chain(&bytes[8..]);
        let fits = bytes[7] == b'-' && date.into_iter().all(u8::is_ascii_digit);
        return fits.then(|| text.to_owned());
    }
    let at = text.find(['T', 't', ' ', '\t'])?;
    let (date, time) = (&text[..at], text[at + 1..].trim_start_matches([' ', '\t']));
    let mut parts = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let end = time
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(time.len());
    let (clock, zone) = (&time[..end], time[end..].trim());
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || minute.len() != 2 || second.len() != 2 || hour.len() > 2 {
        return None;
    }
    let hour: u32 = hour.parse().ok()?;
    let mut out = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute}:{second}");
    if !fraction.is_empty() && fraction.bytes().any(|byte| byte != b'0') {
        out.push_str(&format!(".{:0<6.6}", fraction));
    }
    out.push_str(&zone_text(zone)?);
    Some(out)
}

fn zone_text(zone: &str) -> Option<String> {
    match zone {
        "" => Some(String::new()),
        "Z" => Some("+00:00".to_owned()),
        _ => {
            let sign = zone.chars().next().filter(|c| matches!(c, '+' | '-'))?;
            let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "00"));
            let hours: u32 = hours.parse().ok()?;
            let minutes: u32 = minutes.parse().ok()?;
            Some(format!("{sign}{hours:02}:{minutes:02}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::yaml::Yaml;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_pyyaml() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("nUll", json!("nUll")),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("oN", json!("oN")),
            ("y", json!("y")),
            ("off", json!(false)),
            ("0", json!(0)),
            ("-12", json!(-12)),
            ("1_000", json!(1000)),
            ("010", json!(8)),
            ("08", json!("08")),
            ("0o7", json!("0o7")),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("1:30", json!(90)),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5", json!("-.5")),
            ("1e5", json!("1e5")),
            ("1.0e5", json!("1.0e5")),
            ("1.0e+5", json!(100_000.0)),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            (".", json!(".")),
            ("+", json!("+")),
            ("2024-01-31", json!("2024-01-31")),
            ("2024-1-3T4:05:06Z", json!("2024-01-03 04:05:06+00:00")),
            ("2024-01-03 04:05:06.5", json!("2024-01-03 04:05:06.500000")),
            ("99999999999999999999", json!("99999999999999999999")),
            ("name", json!("name")),
        ] {
            let yaml = Yaml {
                value: plain(text),
                line: 1,
                column: 1,
            };
            assert_eq!(yaml.to_json(), value, "{text:?}");
        }
    }
}
