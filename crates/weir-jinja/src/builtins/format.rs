//! `str.format`: replacement fields and their small language of formats.

use std::sync::Arc;

use super::spec::format_value;
use crate::{Error, ErrorKind, Interpreter, Result, Value};

/// How deeply fields may stand in the format of a field: as in Python.
const MAX_DEPTH: u32 = 2;

/// `text.format(*positional, **named)`
pub(super) fn format_text(
    interpreter: &mut Interpreter,
    text: &str,
    positional: &[Value],
    named: &[(Arc<str>, Value)],
) -> Result<Value> {
    let mut formatter = Formatter {
        interpreter,
        positional,
        named,
        automatic: 0,
    };
    formatter.format(text, 0).map(Value::from)
}

struct Formatter<'a> {
    interpreter: &'a mut Interpreter,
    positional: &'a [Value],
    named: &'a [(Arc<str>, Value)],
    automatic: usize,
}

fn value_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Value, message)
}

impl Formatter<'_> {
    fn format(&mut self, text: &str, depth: u32) -> Result<String> {
        if depth > MAX_DEPTH {
            return Err(value_error("Max string recursion exceeded"));
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if after.starts_with(brace) {
                out.push_str(brace);
                rest = &after[1..];
                continue;
            }
            if brace == "}" {
                return Err(value_error("Single '}' encountered in format string"));
            }
            let Some(end) = closing(after) else {
                return Err(value_error("expected '}' before end of string")
                    .with_hint("write `{{` for a brace that is meant literally"));
            };
            self.field(&after[..end], depth, &mut out)?;
            self.interpreter.check_text(out.len())?;
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// `name.attribute[key]!r:format`
    fn field(&mut self, field: &str, depth: u32, out: &mut String) -> Result<()> {
        let name_end = name_end(field);
        let (path, rest) = field.split_at(name_end);
        let (conversion, rest) = match rest.strip_prefix('!') {
            Some(rest) => {
                let letter = rest
                    .chars()
                    .next()
                    .ok_or_else(|| value_error("unmatched '{' in format spec"))?;
                (Some(letter), &rest[letter.len_utf8()..])
            }
            None => (None, rest),
        };
        let spec = match rest.strip_prefix(':') {
            Some(spec) => spec,
            None if rest.is_empty() => "",
            None => return Err(value_error("expected ':' after conversion specifier")),
        };
        let mut value = self.lookup(path)?;
        match conversion {
            None => {}
            Some('r' | 'a') => value = Value::from(value.repr()),
            Some('s') => value = Value::Str(value.to_str()),
            Some(other) => {
                return Err(value_error(format!(
                    "Unknown conversion specifier '{other}'"
                )));
            }
        }
        let spec = if spec.contains('{') {
            self.format(spec, depth + 1)?
        } else {
            spec.to_owned()
        };
        out.push_str(&format_value(self.interpreter, &value, &spec)?);
        Ok(())
    }

    fn lookup(&mut self, path: &str) -> Result<Value> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (first, mut rest) = path.split_at(end);
        let mut value = if first.is_empty() {
            self.automatic += 1;
            self.at(self.automatic - 1)?
        } else if let Ok(index) = first.parse::<usize>() {
            self.at(index)?
        } else {
            match self.named.iter().find(|(name, _)| **name == *first) {
                Some((_, value)) => value.clone(),
                None => return Err(Error::new(ErrorKind::Key, format!("'{first}'"))),
            }
        };
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                value = value.get_attr(&after[..end])?;
                rest = &after[end..];
            } else {
                let after = &rest[1..];
                let end = after
                    .find(']')
                    .ok_or_else(|| value_error("Missing ']' in format string"))?;
                let key = &after[..end];
                let key = key
                    .parse::<i64>()
                    .map_or_else(|_| Value::from(key), Value::Int);
                value = value.get_item(&key)?;
                rest = &after[end + 1..];
            }
        }
        Ok(value)
    }

    fn at(&self, index: usize) -> Result<Value> {
        self.positional.get(index).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::Index,
                format!("Replacement index {index} out of range for positional args tuple"),
            )
        })
    }
}

/// Where the brace that ends a field is.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut brackets = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' if depth == 0 => brackets = true,
            ']' => brackets = false,
            '{' if !brackets => depth += 1,
            '}' if !brackets => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(at),
            },
            _ => {}
        }
    }
    None
}

/// Where the name in a field ends: at `!` or `:` outside of brackets.
fn name_end(field: &str) -> usize {
    let mut brackets = false;
    for (at, letter) in field.char_indices() {
        match letter {
            '[' => brackets = true,
            ']' => brackets = false,
            '!' | ':' if !brackets => return at,
            _ => {}
        }
    }
    field.len()
}
