//! `re`: regular expressions.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use regex::{Captures, Regex, RegexBuilder};
use weir_jinja::{Call, Error, ErrorKind, Function, Object, Result, Value};

use super::matched::{found, group, matched};
use super::module::Module;
use super::type_error;

const IGNORECASE: i64 = 2;
const MULTILINE: i64 = 8;
const DOTALL: i64 = 16;
const VERBOSE: i64 = 64;
const ASCII: i64 = 256;

/// How much memory a compiled pattern may take.
const SIZE_LIMIT: usize = 4 << 20;

/// How many patterns are kept for their next use.
const MOST_KNOWN: usize = 256;

const FUNCTIONS: [&str; 9] = [
    "match",
    "fullmatch",
    "search",
    "findall",
    "finditer",
    "split",
    "sub",
    "subn",
    "compile",
];

/// `modules.re`
pub(super) fn module() -> Value {
    let known = Arc::new(Known::default());
    let functions = FUNCTIONS.iter().map(|name| {
        let known = Arc::clone(&known);
        (
            *name,
            Function::value(*name, move |call| function(name, &known, call)),
        )
    });
    let flags = [
        ("IGNORECASE", IGNORECASE),
        ("I", IGNORECASE),
        ("MULTILINE", MULTILINE),
        ("M", MULTILINE),
        ("DOTALL", DOTALL),
        ("S", DOTALL),
        ("VERBOSE", VERBOSE),
        ("X", VERBOSE),
        ("ASCII", ASCII),
        ("A", ASCII),
        ("UNICODE", 32),
        ("U", 32),
    ];
    let flags = flags
        .into_iter()
        .map(|(name, bits)| (name, Value::Int(bits)));
    let escape = [
        ("escape", Function::value("escape", escape)),
        ("purge", Function::value("purge", |_| Ok(Value::None))),
    ];
    Module::value(functions.chain(flags).chain(escape))
}

fn escape(call: &mut Call<'_>) -> Result<Value> {
    let text = call.required_str("pattern")?;
    call.finish()?;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    Ok(Value::from(out))
}

/// A function of the module: the same method of a pattern made of its first argument.
fn function(name: &'static str, known: &Known, call: &mut Call<'_>) -> Result<Value> {
    let given = call.required("pattern")?;
    let flags = call.named("flags");
    let mut pattern = match given.as_object::<Pattern>() {
        Some(pattern) => pattern.clone(),
        None => known.pattern(&given, 0)?,
    };
    let mut bits = flags.as_ref().and_then(Value::as_int).unwrap_or(0);
    if name == "compile" {
        bits |= call.optional_int("flags")?.unwrap_or(0);
    } else if matches!(
        name,
        "match" | "fullmatch" | "search" | "findall" | "finditer"
    ) && call.args.len() > 2
    {
        // Flags stand behind the text.
        bits |= call.args.get(2).and_then(Value::as_int).unwrap_or(0);
        call.args.truncate(2);
    }
    if bits != 0 {
        pattern = known.pattern(&Value::from(&pattern.source), bits)?;
    }
    if name == "compile" {
        call.finish()?;
        return Ok(Value::object(pattern));
    }
    pattern.run(name, call)
}

/// The patterns that were used before: loops use the same one again and again.
#[derive(Default)]
struct Known(Mutex<HashMap<(Arc<str>, i64), Pattern>>);

impl Known {
    fn pattern(&self, source: &Value, flags: i64) -> Result<Pattern> {
        let Value::Str(text) = source else {
            return Pattern::new(source, flags);
        };
        let key = (Arc::clone(text), flags);
        if let Some(pattern) = self.0.lock().get(&key) {
            return Ok(pattern.clone());
        }
        let pattern = Pattern::new(source, flags)?;
        let mut known = self.0.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(key, pattern.clone());
        Ok(pattern)
    }
}

#[derive(Clone, Debug)]
struct Pattern {
    source: Arc<str>,
    flags: i64,
    regex: Regex,
    /// The same, anchored at its start, and at both ends.
    at_start: Regex,
    whole: Regex,
}

impl Pattern {
    fn new(pattern: &Value, flags: i64) -> Result<Self> {
        let Value::Str(source) = pattern else {
            return Err(type_error(format!(
                "first argument must be string or compiled pattern, not {}",
                pattern.type_name()
            )));
        };
        let translated = translated(source);
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(flags & IGNORECASE != 0)
                .multi_line(flags & MULTILINE != 0)
                .dot_matches_new_line(flags & DOTALL != 0)
                .ignore_whitespace(flags & VERBOSE != 0)
                .size_limit(SIZE_LIMIT)
                .build()
        };
        let failed = |error: regex::Error| {
            Error::new(
                ErrorKind::Value,
                format!("the pattern '{source}' cannot be used"),
            )
            .with_source(error)
            .with_hint("look-around and back references are not supported; sizes are limited")
        };
        // A line end keeps a comment of a verbose pattern from swallowing the bracket.
        let end = if flags & VERBOSE != 0 { "\n)" } else { ")" };
        Ok(Self {
            regex: build(&translated).map_err(failed)?,
            at_start: build(&format!(r"\A(?:{translated}{end}")).map_err(failed)?,
            whole: build(&format!(r"\A(?:{translated}{end}\z")).map_err(failed)?,
            source: Arc::clone(source),
            flags,
        })
    }

    fn run(&self, name: &str, call: &mut Call<'_>) -> Result<Value> {
        let replacement = if matches!(name, "sub" | "subn") {
            Some(call.required("repl")?)
        } else {
            None
        };
        let text = call.required_str("string")?;
        call.interpreter.charge(text.len() as u64 / 8)?;
        if let Some(replacement) = replacement {
            return self.replaced(name, &replacement, &text, call);
        }
        let limit = if name == "split" {
            call.optional_int("maxsplit")?.unwrap_or(0)
        } else {
            0
        };
        call.finish()?;
        Ok(match name {
            "match" => found(&self.at_start, &text),
            "fullmatch" => found(&self.whole, &text),
            "search" => found(&self.regex, &text),
            "finditer" => Value::list(
                self.regex
                    .captures_iter(&text)
                    .map(|captures| matched(&captures, &text, &self.regex)),
            ),
            "findall" => {
                Value::list(
                    self.regex
                        .captures_iter(&text)
                        .map(|captures| match captures.len() {
                            1 => group(&captures, 0, Value::from("")),
                            2 => group(&captures, 1, Value::from("")),
                            length => Value::tuple(
                                (1..length).map(|at| group(&captures, at, Value::from(""))),
                            ),
                        }),
                )
            }
            _ => self.split(&text, usize::try_from(limit).unwrap_or(0)),
        })
    }

    /// The pieces between matches, and the groups of these.
    fn split(&self, text: &str, limit: usize) -> Value {
        let mut pieces = Vec::new();
        let mut at = 0;
        let limit = if limit == 0 { usize::MAX } else { limit };
        for captures in self.regex.captures_iter(text).take(limit) {
            let Some(whole) = captures.get(0) else {
                continue;
            };
            pieces.push(Value::from(&text[at..whole.start()]));
            pieces.extend((1..captures.len()).map(|at| group(&captures, at, Value::None)));
            at = whole.end();
        }
        pieces.push(Value::from(&text[at..]));
        Value::list(pieces)
    }

    fn replaced(
        &self,
        name: &str,
        replacement: &Value,
        text: &str,
        call: &mut Call<'_>,
    ) -> Result<Value> {
        let count = call
            .optional_int("count")?
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0);
        call.finish()?;
        let limit = if count == 0 { usize::MAX } else { count };
        let mut out = String::with_capacity(text.len());
        let (mut at, mut times) = (0, 0_usize);
        for captures in self.regex.captures_iter(text).take(limit) {
            let Some(whole) = captures.get(0) else {
                continue;
            };
            out.push_str(&text[at..whole.start()]);
            match replacement {
                Value::Str(template) => expand(template, &captures, &mut out)?,
                callable => {
                    let args = vec![matched(&captures, text, &self.regex)].into();
                    out.push_str(&call.call(callable, args)?.to_str());
                }
            }
            call.interpreter.charge(out.len() as u64 / 1_024)?;
            at = whole.end();
            times += 1;
        }
        out.push_str(&text[at..]);
        if name == "subn" {
            return Ok(Value::tuple([Value::from(out), Value::from(times)]));
        }
        Ok(Value::from(out))
    }
}

/// Python's pattern for the regex crate: only a few escapes are spelled differently.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        out.push(letter);
        if letter == '\\' {
            match letters.next() {
                Some('Z') => out.push('z'),
                // An escaped sign that needs no escape.
                Some(other) if !other.is_alphanumeric() && !other.is_ascii() => {
                    out.pop();
                    out.push(other);
                }
                Some(
                    other
                    @ ('"' | '\'' | '/' | ',' | ':' | ';' | '=' | '@' | '!' | '%' | '`' | '_'),
                ) => {
                    out.pop();
                    out.push(other);
                }
                Some(other) => out.push(other),
                None => {}
            }
        }
    }
    out
}

/// A replacement with `\1` and `\g<name>`.
fn expand(template: &str, captures: &Captures<'_>, out: &mut String) -> Result<()> {
    let bad = |what: &str| Error::new(ErrorKind::Value, format!("invalid group reference {what}"));
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else {
            return Err(Error::new(ErrorKind::Value, "bad escape (end of pattern)"));
        };
        let after = &rest[letter.len_utf8()..];
        match letter {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            '\\' => out.push('\\'),
            'g' => {
                let (name, after) = after
                    .strip_prefix('<')
                    .and_then(|after| after.split_once('>'))
                    .ok_or_else(|| Error::new(ErrorKind::Value, "missing group name"))?;
                let found = match name.parse::<usize>() {
                    Ok(index) if index < captures.len() => captures.get(index),
                    Ok(_) => return Err(bad(name)),
                    Err(_) => captures.name(name),
                };
                out.push_str(found.map_or("", |found| found.as_str()));
                rest = after;
                continue;
            }
            '0'..='9' => {
                let length = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                let index: usize = rest[..length].parse().unwrap_or(0);
                if index >= captures.len() {
                    return Err(bad(&rest[..length]));
                }
                out.push_str(captures.get(index).map_or("", |found| found.as_str()));
                rest = &rest[length..];
                continue;
            }
            other if other.is_ascii_alphabetic() => {
                return Err(Error::new(
                    ErrorKind::Value,
                    format!("bad escape \\{other}"),
                ));
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

impl Object for Pattern {
    fn type_name(&self) -> &str {
        "re.Pattern"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "pattern" => Some(Value::from(&self.source)),
            "flags" => Some(Value::Int(self.flags | 32)),
            "groups" => Some(Value::from(self.regex.captures_len() - 1)),
            _ => None,
        })
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if !self.methods().contains(&name) {
            return Ok(None);
        }
        self.run(name, call).map(Some)
    }

    fn methods(&self) -> &[&str] {
        &[
            "match",
            "fullmatch",
            "search",
            "findall",
            "finditer",
            "split",
            "sub",
            "subn",
        ]
    }

    fn repr(&self) -> String {
        format!("re.compile({})", Value::from(&self.source).repr())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
