//! Values written as Python's `str` and `repr`.

use std::fmt::Write as _;

use super::{Value, float_repr};

/// How deeply values are written before dots stand for the rest.
const MAX_DEPTH: usize = 100;

/// Appends `str(value)`.
pub(crate) fn str_into(value: &Value, out: &mut String) {
    write(value, out, usize::MAX);
}

/// Appends `str(value)` unless the text would grow beyond a limit; tells whether it did.
pub(crate) fn str_within(value: &Value, out: &mut String, limit: usize) -> bool {
    write(value, out, limit);
    out.len() <= limit
}

/// Appends `repr(value)`.
pub(crate) fn repr_into(value: &Value, out: &mut String) {
    Writer {
        out,
        path: Vec::new(),
        limit: usize::MAX,
    }
    .repr(value);
}

fn write(value: &Value, out: &mut String, limit: usize) {
    match value {
        Value::Undefined(_) => {}
        Value::Str(text) => out.push_str(text),
        Value::Object(object) => out.push_str(&object.to_str()),
        other => Writer {
            out,
            path: Vec::new(),
            limit,
        }
        .repr(other),
    }
}

struct Writer<'a> {
    out: &'a mut String,
    /// The containers being written: one inside of itself is written as dots.
    path: Vec<usize>,
    limit: usize,
}

impl Writer<'_> {
    fn repr(&mut self, value: &Value) {
        match value {
            Value::Undefined(_) => self.out.push_str("Undefined"),
            Value::None => self.out.push_str("None"),
            Value::Bool(true) => self.out.push_str("True"),
            Value::Bool(false) => self.out.push_str("False"),
            Value::Int(number) => {
                let _ = write!(self.out, "{number}");
            }
            Value::BigInt(number) => {
                let _ = write!(self.out, "{number}");
            }
            Value::Float(number) => self.out.push_str(&float_repr(*number)),
            Value::Str(text) => quote(text, self.out),
            Value::List(list) => self.items(list.address(), "[", &list.items(), "]"),
            Value::Tuple(tuple) => {
                let end = if tuple.len() == 1 { ",)" } else { ")" };
                self.items(tuple.address(), "(", tuple, end);
            }
            Value::Set(set) if set.is_empty() => self.out.push_str("set()"),
            Value::Set(set) => self.items(set.address(), "{", &set.members(), "}"),
            Value::Dict(dict) => self.entries(dict.address(), &dict.entries()),
            Value::Macro(definition) => {
                let _ = write!(self.out, "<Macro '{}'>", definition.name());
            }
            Value::Object(object) => self.out.push_str(&object.repr()),
        }
    }

    /// Goes into a container, unless that is in itself or too deep.
    fn enter(&mut self, address: usize, start: &str, end: &str) -> bool {
        if self.path.len() >= MAX_DEPTH || self.path.contains(&address) {
            self.out.push_str(start);
            self.out.push_str("...");
            self.out.push_str(end.trim_start_matches(','));
            return false;
        }
        self.path.push(address);
        self.out.push_str(start);
        true
    }

    fn items(&mut self, address: usize, start: &str, items: &[Value], end: &str) {
        if !self.enter(address, start, end) {
            return;
        }
        for (at, item) in items.iter().enumerate() {
            if self.out.len() > self.limit {
                break;
            }
            if at > 0 {
                self.out.push_str(", ");
            }
            self.repr(item);
        }
        self.out.push_str(end);
        self.path.pop();
    }

    fn entries(&mut self, address: usize, entries: &[(Value, Value)]) {
        if !self.enter(address, "{", "}") {
            return;
        }
        for (at, (key, value)) in entries.iter().enumerate() {
            if self.out.len() > self.limit {
                break;
            }
            if at > 0 {
                self.out.push_str(", ");
            }
            self.repr(key);
            self.out.push_str(": ");
            self.repr(value);
        }
        self.out.push('}');
        self.path.pop();
    }
}

/// Appends a string as Python's `repr` writes it.
pub(crate) fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(mark);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if letter == mark => {
                out.push('\\');
                out.push(letter);
            }
            ' '..='~' => out.push(letter),
            _ if is_printable(letter) => out.push(letter),
            _ => {
                let code = u32::from(letter);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(mark);
}

/// As `str.isprintable`, but for characters that are not assigned.
fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !letter.is_whitespace()
        && !matches!(letter,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0001}'..='\u{e007f}' | '\u{f0000}'..='\u{10ffff}')
}
