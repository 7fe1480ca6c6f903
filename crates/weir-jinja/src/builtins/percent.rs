//! `'...%s...' % values`.

use super::spec::{fixed, general, quoted, scientific};
use crate::{Error, ErrorKind, Interpreter, Result, Value};

/// Formats a text with a tuple of values, a mapping, or a single value.
pub(crate) fn percent_format(
    interpreter: &mut Interpreter,
    text: &str,
    values: &Value,
) -> Result<Value> {
    let mut given = Given {
        values,
        next: 0,
        by_name: false,
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let mut directive = Directive::default();
        rest = directive.parse(&rest[at + 1..], &mut given)?;
        directive.write(&mut given, interpreter, &mut out)?;
        interpreter.check_text(out.len())?;
    }
    out.push_str(rest);
    given.finish()?;
    Ok(Value::from(out))
}

struct Given<'a> {
    values: &'a Value,
    next: usize,
    by_name: bool,
}

impl Given<'_> {
    fn take(&mut self) -> Result<Value> {
        let value = match self.values {
            Value::Tuple(items) => items.get(self.next).cloned(),
            single => (self.next == 0).then(|| single.clone()),
        };
        self.next += 1;
        value.ok_or_else(|| Error::new(ErrorKind::Type, "not enough arguments for format string"))
    }

    fn named(&mut self, name: &str) -> Result<Value> {
        self.by_name = true;
        match self.values {
            Value::Dict(dict) => dict
                .get_str(name)
                .ok_or_else(|| Error::new(ErrorKind::Key, format!("'{name}'"))),
            _ => Err(Error::new(ErrorKind::Type, "format requires a mapping")),
        }
    }

    fn finish(&self) -> Result<()> {
        let left = match self.values {
            Value::Tuple(items) => self.next < items.len(),
            Value::Dict(_) | Value::List(_) | Value::Undefined(_) => false,
            Value::Object(object) if object.is_mapping() || object.length().is_some() => false,
            _ => self.next == 0,
        };
        if left && !self.by_name {
            return Err(Error::new(
                ErrorKind::Type,
                "not all arguments converted during string formatting",
            ));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Directive<'a> {
    name: Option<&'a str>,
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

fn value_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Value, message)
}

impl<'a> Directive<'a> {
    fn parse(&mut self, text: &'a str, given: &mut Given<'_>) -> Result<&'a str> {
        let mut rest = text;
        if let Some(after) = rest.strip_prefix('(') {
            let end = after
                .find(')')
                .ok_or_else(|| value_error("incomplete format key"))?;
            self.name = Some(&after[..end]);
            rest = &after[end + 1..];
        }
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => self.left = true,
                '+' => self.plus = true,
                ' ' => self.space = true,
                '0' => self.zero = true,
                '#' => self.alternate = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let (width, after) = number(rest, given)?;
        rest = after;
        if let Some(width) = width {
            self.left |= width < 0;
            self.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        }
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number(after, given)?;
            self.precision =
                Some(usize::try_from(precision.unwrap_or(0).max(0)).unwrap_or(usize::MAX));
            rest = after;
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        self.kind = rest
            .chars()
            .next()
            .ok_or_else(|| value_error("incomplete format"))?;
        Ok(&rest[self.kind.len_utf8()..])
    }

    fn write(
        &self,
        given: &mut Given<'_>,
        interpreter: &mut Interpreter,
        out: &mut String,
    ) -> Result<()> {
        if self.kind == '%' {
            out.push('%');
            return Ok(());
        }
        interpreter.check_text(self.width.saturating_add(self.precision.unwrap_or(0)))?;
        let value = match self.name {
            Some(name) => given.named(name)?,
            None => given.take()?,
        };
        let (sign, body) = match self.kind {
            's' | 'r' | 'a' => {
                let text = if self.kind == 's' {
                    value.to_str().to_string()
                } else {
                    quoted(&value)
                };
                let text = match self.precision {
                    Some(precision) => text.chars().take(precision).collect(),
                    None => text,
                };
                (String::new(), text)
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => self.integer(&value)?,
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => self.float(&value)?,
            'c' => (String::new(), character(&value)?),
            other => {
                return Err(value_error(format!(
                    "unsupported format character '{other}' ({:#x})",
                    u32::from(other)
                ))
                .with_hint("write `%%` for a percent sign that is meant literally"));
            }
        };
        let missing = self
            .width
            .saturating_sub(sign.chars().count() + body.chars().count());
        let zeros = self.zero && !self.left && !matches!(self.kind, 's' | 'r' | 'a' | 'c');
        match (self.left, zeros) {
            (true, _) => out.extend([&*sign, &*body, &" ".repeat(missing)]),
            (false, true) => out.extend([&*sign, &*"0".repeat(missing), &*body]),
            (false, false) => out.extend([&*" ".repeat(missing), &*sign, &*body]),
        }
        Ok(())
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        }
    }

    fn integer(&self, value: &Value) -> Result<(String, String)> {
        let number = match value {
            Value::Undefined(undefined) => return Err(undefined.error()),
            Value::Float(float)
                if !matches!(self.kind, 'o' | 'x' | 'X') && float.abs() < 1.7e38 =>
            {
                Some(float.trunc() as i128)
            }
            other => other.as_i128(),
        };
        let Some(number) = number else {
            let wanted = if matches!(self.kind, 'o' | 'x' | 'X') {
                "an integer"
            } else {
                "a real number"
            };
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "%{} format: {wanted} is required, not {}",
                    self.kind,
                    value.type_name()
                ),
            ));
        };
        let size = number.unsigned_abs();
        let (prefix, digits) = match self.kind {
            'o' => ("0o", format!("{size:o}")),
            'x' => ("0x", format!("{size:x}")),
            'X' => ("0X", format!("{size:X}")),
            _ => ("", size.to_string()),
        };
        let prefix = if self.alternate { prefix } else { "" };
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        Ok((
            format!("{}{prefix}", self.sign(number < 0)),
            "0".repeat(zeros) + &digits,
        ))
    }

    fn float(&self, value: &Value) -> Result<(String, String)> {
        if let Value::Undefined(undefined) = value {
            return Err(undefined.error());
        }
        let object = match value {
            Value::Object(object) => object.operate("float", &Value::None, false)?,
            _ => None,
        };
        let Some(number) = object.as_ref().unwrap_or(value).as_float() else {
            return Err(Error::new(
                ErrorKind::Type,
                format!("must be real number, not {}", value.type_name()),
            ));
        };
        let (size, precision) = (number.abs(), self.precision.unwrap_or(6));
        let mut digits = match self.kind.to_ascii_lowercase() {
            'f' => fixed(size, precision),
            'e' => scientific(size, precision),
            _ => general(size, precision, self.alternate),
        };
        if self.kind.is_ascii_uppercase() {
            digits.make_ascii_uppercase();
        }
        Ok((
            self.sign(number.is_sign_negative() && !number.is_nan())
                .to_owned(),
            digits,
        ))
    }
}

/// A width or precision: digits, or a star that takes it from the values.
fn number<'a>(text: &'a str, given: &mut Given<'_>) -> Result<(Option<i64>, &'a str)> {
    if let Some(rest) = text.strip_prefix('*') {
        let value = given.take()?;
        let number = value
            .as_int()
            .ok_or_else(|| Error::new(ErrorKind::Type, "* wants int"))?;
        return Ok((Some(number), rest));
    }
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    if end == 0 {
        return Ok((None, text));
    }
    let number = text[..end]
        .parse()
        .map_err(|_| value_error("width too big"))?;
    Ok((Some(number), &text[end..]))
}

fn character(value: &Value) -> Result<String> {
    match value {
        Value::Str(text) if text.chars().count() == 1 => Ok(text.to_string()),
        other => other
            .as_int()
            .and_then(|code| u32::try_from(code).ok())
            .and_then(char::from_u32)
            .map(String::from)
            .ok_or_else(|| Error::new(ErrorKind::Type, "%c requires int or char")),
    }
}
