//! Formats of single values: `05.2f` and the like.

use crate::{
    Error, ErrorKind, Interpreter, Result, Value,
    value::{float_repr, quote},
};

fn value_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Value, message)
}

/// A format: `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
#[derive(Debug, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

fn parse_spec(text: &str, type_name: &str) -> Result<Spec> {
    let mut spec = Spec::default();
    let letters: Vec<char> = text.chars().collect();
    let is_align = |at: usize| {
        letters
            .get(at)
            .is_some_and(|letter| matches!(letter, '<' | '>' | '^' | '='))
    };
    let mut at = 0;
    if is_align(1) {
        spec.fill = Some(letters[0]);
        spec.align = Some(letters[1]);
        at = 2;
    } else if is_align(0) {
        spec.align = Some(letters[0]);
        at = 1;
    }
    let next = |at: &mut usize, accept: &[char]| {
        let found = letters
            .get(*at)
            .copied()
            .filter(|letter| accept.contains(letter));
        *at += usize::from(found.is_some());
        found
    };
    spec.sign = next(&mut at, &['+', '-', ' ']);
    next(&mut at, &['z']);
    spec.alternate = next(&mut at, &['#']).is_some();
    spec.zero = next(&mut at, &['0']).is_some();
    spec.width = digits(&letters, &mut at)?.unwrap_or(0);
    spec.grouping = next(&mut at, &[',', '_']);
    if next(&mut at, &['.']).is_some() {
        spec.precision = Some(
            digits(&letters, &mut at)?
                .ok_or_else(|| value_error("Format specifier missing precision"))?,
        );
    }
    if at < letters.len() {
        spec.kind = Some(letters[at]);
        at += 1;
    }
    if at < letters.len() {
        return Err(value_error(format!(
            "Invalid format specifier '{text}' for object of type '{type_name}'"
        )));
    }
    Ok(spec)
}

fn digits(letters: &[char], at: &mut usize) -> Result<Option<usize>> {
    let mut number: Option<usize> = None;
    while let Some(digit) = letters.get(*at).and_then(|letter| letter.to_digit(10)) {
        number = Some(
            number
                .unwrap_or(0)
                .saturating_mul(10)
                .saturating_add(digit as usize),
        );
        *at += 1;
    }
    if number.is_some_and(|number| number > 1 << 30) {
        return Err(value_error("Too many decimal digits in format string"));
    }
    Ok(number)
}

/// Python's `format(value, spec)`.
pub(super) fn format_value(
    interpreter: &mut Interpreter,
    value: &Value,
    spec: &str,
) -> Result<String> {
    if spec.is_empty() {
        return Ok(value.to_str().to_string());
    }
    if let Value::Object(object) = value
        && let Some(formatted) = object.operate("format", &Value::from(spec), false)?
    {
        return Ok(formatted.to_str().to_string());
    }
    let parsed = parse_spec(spec, value.type_name())?;
    interpreter.check_text(parsed.width.saturating_add(parsed.precision.unwrap_or(0)))?;
    let unknown = |kind: char| {
        value_error(format!(
            "Unknown format code '{kind}' for object of type '{}'",
            value.type_name()
        ))
    };
    match (value, parsed.kind) {
        (Value::Str(_), None | Some('s')) => {
            let text = value.to_str();
            let text = match parsed.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text.to_string(),
            };
            if parsed.align == Some('=') {
                return Err(value_error(
                    "'=' alignment not allowed in string format specifier",
                ));
            }
            Ok(aligned("", &text, &parsed, '<'))
        }
        (Value::Float(number), kind) => float_text(*number, &parsed, kind, unknown),
        (Value::Int(_) | Value::BigInt(_) | Value::Bool(_), kind) => {
            let number = value.as_i128().unwrap_or(0);
            match kind {
                Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => {
                    float_text(number as f64, &parsed, kind, unknown)
                }
                None | Some('d' | 'n' | 'b' | 'o' | 'x' | 'X' | 'c')
                    if parsed.precision.is_some() =>
                {
                    Err(value_error(
                        "Precision not allowed in integer format specifier",
                    ))
                }
                None | Some('d' | 'n' | 'b' | 'o' | 'x' | 'X' | 'c') => {
                    integer_text(number, &parsed, kind)
                }
                Some(kind) => Err(unknown(kind)),
            }
        }
        (Value::Str(_), Some(kind)) => Err(unknown(kind)),
        (Value::Undefined(_), _) => Ok(String::new()),
        _ => Err(Error::new(
            ErrorKind::Type,
            format!(
                "unsupported format string passed to {}.__format__",
                value.type_name()
            ),
        )),
    }
}

fn integer_text(number: i128, spec: &Spec, kind: Option<char>) -> Result<String> {
    let size = number.unsigned_abs();
    let (prefix, digits) = match kind {
        Some('c') => {
            let letter = u32::try_from(number)
                .ok()
                .and_then(char::from_u32)
                .ok_or_else(|| Error::new(ErrorKind::Overflow, "%c arg not in range(0x110000)"))?;
            return Ok(aligned("", &letter.to_string(), spec, '<'));
        }
        Some('b') => ("0b", format!("{size:b}")),
        Some('o') => ("0o", format!("{size:o}")),
        Some('x') => ("0x", format!("{size:x}")),
        Some('X') => ("0X", format!("{size:X}")),
        _ => ("", size.to_string()),
    };
    let every = if prefix.is_empty() { 3 } else { 4 };
    let sign = sign_of(number < 0, spec);
    let prefix = if spec.alternate { prefix } else { "" };
    let lead = format!("{sign}{prefix}");
    Ok(aligned(
        &lead,
        &grouped(&digits, spec.grouping, every),
        spec,
        '>',
    ))
}

fn float_text(
    number: f64,
    spec: &Spec,
    kind: Option<char>,
    unknown: impl FnOnce(char) -> Error,
) -> Result<String> {
    let size = number.abs();
    let precision = spec.precision;
    let mut digits = match kind {
        Some('f' | 'F') => fixed(size, precision.unwrap_or(6)),
        Some('e' | 'E') => scientific(size, precision.unwrap_or(6)),
        Some('g' | 'G' | 'n') => general(size, precision.unwrap_or(6), spec.alternate),
        Some('%') => fixed(size * 100.0, precision.unwrap_or(6)) + "%",
        None => match precision {
            Some(precision) => {
                let general = general(size, precision, spec.alternate);
                if general.contains(['.', 'e', 'n']) {
                    general
                } else {
                    general + ".0"
                }
            }
            None => float_repr(size),
        },
        Some(kind) => return Err(unknown(kind)),
    };
    if matches!(kind, Some('F' | 'E' | 'G')) {
        digits.make_ascii_uppercase();
    }
    let sign = sign_of(number.is_sign_negative() && !number.is_nan(), spec);
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    let whole = grouped(&digits[..end], spec.grouping, 3);
    Ok(aligned(
        sign,
        &format!("{whole}{}", &digits[end..]),
        spec,
        '>',
    ))
}

fn sign_of(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

fn grouped(digits: &str, separator: Option<char>, every: usize) -> String {
    let Some(separator) = separator else {
        return digits.to_owned();
    };
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(every) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

/// Pads a text behind its sign to the width.
fn aligned(lead: &str, text: &str, spec: &Spec, default: char) -> String {
    let length = lead.chars().count() + text.chars().count();
    let missing = spec.width.saturating_sub(length);
    let zero = spec.zero && spec.align.is_none() && default == '>';
    let fill = spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' });
    let pad = |count: usize| fill.to_string().repeat(count);
    match spec.align.unwrap_or(if zero { '=' } else { default }) {
        '<' => format!("{lead}{text}{}", pad(missing)),
        '^' => format!(
            "{}{lead}{text}{}",
            pad(missing / 2),
            pad(missing - missing / 2)
        ),
        '=' => format!("{lead}{}{text}", pad(missing)),
        _ => format!("{}{lead}{text}", pad(missing)),
    }
}

fn special(number: f64) -> Option<String> {
    (!number.is_finite()).then(|| {
        if number.is_nan() {
            "nan".into()
        } else {
            "inf".into()
        }
    })
}

/// As `%.{precision}f`.
pub(super) fn fixed(number: f64, precision: usize) -> String {
    special(number).unwrap_or_else(|| {
        // No float has more digits than these behind its point.
        let own = precision.min(1100);
        format!("{number:.own$}") + &"0".repeat(precision - own)
    })
}

/// As `%.{precision}e`.
pub(super) fn scientific(number: f64, precision: usize) -> String {
    special(number).unwrap_or_else(|| {
        let own = precision.min(1100);
        let text = format!("{number:.own$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!(
            "{mantissa}{}e{sign}{:02}",
            "0".repeat(precision - own),
            exponent.abs()
        )
    })
}

/// As `%.{precision}g`.
pub(super) fn general(number: f64, precision: usize, keep_zeros: bool) -> String {
    if let Some(special) = special(number) {
        return special;
    }
    let precision = precision.clamp(1, 1100);
    let scientific = scientific(number, precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        if keep_zeros || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if exponent >= -4 && exponent < precision as i32 {
        let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
        trimmed(&fixed(number, decimals))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
    }
}

/// `repr` of a value, for `%r`.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::Str(text) => {
            let mut out = String::new();
            quote(text, &mut out);
            out
        }
        other => other.repr(),
    }
}
