//! Filters that write values for other readers: JSON, HTML, URLs; and Python's literals, read.

use super::{mapping_entries, words::text};
use crate::{
    Call, Error, ErrorKind, Result, Template, Value,
    syntax::{Expr, ExprId, Stmt, is_space},
    value::{float_repr, json_key},
};

/// How deeply nested values are written.
const MAX_DEPTH: usize = 100;
const MAX_BYTES: usize = 256 << 20;

impl Value {
    /// The value as JSON text, as Python's `json.dumps` writes it: `{"a": 1}`, in lines if an
    /// indent is given.
    pub fn to_json_text(&self, indent: Option<usize>, sort_keys: bool) -> Result<String> {
        let mut writer = Writer {
            out: String::new(),
            indent,
            sort_keys,
        };
        writer.value(self, 0)?;
        Ok(writer.out)
    }
}

struct Writer {
    out: String,
    indent: Option<usize>,
    sort_keys: bool,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH || self.out.len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::Value, "Circular reference detected")
                .with_hint("the value is in itself, or far too large"));
        }
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(_) | Value::BigInt(_) => self.out.push_str(&value.repr()),
            Value::Float(number) => self.out.push_str(&match float_repr(*number).as_str() {
                "nan" => "NaN".to_owned(),
                "inf" => "Infinity".to_owned(),
                "-inf" => "-Infinity".to_owned(),
                plain => plain.to_owned(),
            }),
            Value::Str(text) => json_string(text, &mut self.out),
            Value::List(list) => self.array(&list.items(), depth)?,
            Value::Tuple(items) => self.array(items, depth)?,
            Value::Dict(dict) => self.object(dict.entries(), depth)?,
            Value::Object(object) if object.is_mapping() => {
                self.object(mapping_entries(value)?.unwrap_or_default(), depth)?;
            }
            other => {
                let json = other.to_json()?;
                self.value(&Value::from(json), depth + 1)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(indent * depth));
        }
    }

    fn separate(&mut self, at: usize, depth: usize) {
        if at > 0 {
            self.out
                .push_str(if self.indent.is_some() { "," } else { ", " });
        }
        self.line(depth + 1);
    }

    fn array(&mut self, items: &[Value], depth: usize) -> Result<()> {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            self.separate(at, depth);
            self.value(item, depth + 1)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, entries: Vec<(Value, Value)>, depth: usize) -> Result<()> {
        let mut entries: Vec<(String, Value)> = entries
            .into_iter()
            .map(|(key, value)| Ok((json_key(&key)?, value)))
            .collect::<Result<_>>()?;
        if self.sort_keys {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        self.out.push('{');
        for (at, (key, value)) in entries.iter().enumerate() {
            self.separate(at, depth);
            json_string(key, &mut self.out);
            self.out.push_str(": ");
            self.value(value, depth + 1)?;
        }
        if !entries.is_empty() {
            self.line(depth);
        }
        self.out.push('}');
        Ok(())
    }
}

/// A string in ASCII, as Python writes it.
fn json_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            ' '..='~' => out.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

pub(super) fn tojson(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let indent = call
        .optional_int("indent")?
        .map(|indent| usize::try_from(indent.clamp(0, 64)).unwrap_or(0));
    call.finish()?;
    if let Value::Undefined(_) = value {
        return Err(Error::new(
            ErrorKind::Type,
            "Object of type Undefined is not JSON serializable",
        ));
    }
    let text = value.to_json_text(indent, true)?;
    call.interpreter.check_text(text.len())?;
    Ok(text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\'', "\\u0027")
        .into())
}

pub(super) fn escape(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    Ok(escaped(&text).into())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('>', "&gt;")
        .replace('<', "&lt;")
        .replace('\'', "&#39;")
        .replace('"', "&#34;")
}

pub(super) fn striptags(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    let mut plain = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(start) = rest.find('<') {
        plain.push_str(&rest[..start]);
        let end = if rest[start..].starts_with("<!--") {
            "-->"
        } else {
            ">"
        };
        match rest[start..].find(end) {
            Some(length) => rest = &rest[start + length + end.len()..],
            None => {
                plain.push_str(&rest[start..]);
                rest = "";
            }
        }
    }
    plain.push_str(rest);
    let words: Vec<&str> = plain
        .split(is_space)
        .filter(|word| !word.is_empty())
        .collect();
    let unescaped = words
        .join(" ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    Ok(unescaped.into())
}

pub(super) fn urlencode(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    let pairs = match &value {
        Value::Dict(_) => mapping_entries(&value)?,
        Value::List(_) | Value::Tuple(_) => Some(super::dicts::pairs(&value)?),
        _ => None,
    };
    let Some(pairs) = pairs else {
        return Ok(percent_encoded(&value.to_str(), false).into());
    };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| {
            format!(
                "{}={}",
                percent_encoded(&key.to_str(), true),
                percent_encoded(&value.to_str(), true)
            )
        })
        .collect();
    Ok(pairs.join("&").into())
}

fn percent_encoded(text: &str, in_query: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte))
            }
            b'/' if !in_query => out.push('/'),
            b' ' if in_query => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

pub(super) fn xmlattr(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("d")?;
    let autospace = call.optional_bool("autospace", true)?;
    call.finish()?;
    let Some(entries) = mapping_entries(&value)? else {
        return Err(call.wrong("d", "a mapping", &value));
    };
    let mut attributes = Vec::new();
    for (key, value) in entries {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let key = key.to_str();
        if key.contains(|letter: char| is_space(letter) || matches!(letter, '/' | '>' | '=')) {
            return Err(Error::new(
                ErrorKind::Value,
                format!("Invalid character in attribute name: {key:?}"),
            ));
        }
        attributes.push(format!(
            "{}=\"{}\"",
            escaped(&key),
            escaped(&value.to_str())
        ));
    }
    let joined = attributes.join(" ");
    Ok(if autospace && !joined.is_empty() {
        format!(" {joined}")
    } else {
        joined
    }
    .into())
}

/// The value of a Python literal, as `ast.literal_eval` reads it; `None` if the text is none.
pub(super) fn literal(text: &str) -> Option<Value> {
    let text = text.trim_start_matches([' ', '\t']);
    if text.contains("}}") && text.contains("{{") || text.contains("%}") {
        return None;
    }
    // The space keeps a sign or a brace of the text from becoming part of the tag.
    let template = Template::parse("literal", &format!("{{{{ {text} }}}}")).ok()?;
    match &*template.0.ast.body {
        [Stmt::Print(expression)] => constant(&template, *expression),
        _ => None,
    }
}

fn constant(template: &Template, id: ExprId) -> Option<Value> {
    let ast = &template.0.ast;
    match &ast.expressions[id as usize] {
        Expr::Const(value @ (Value::Bool(_) | Value::None)) => {
            let at = ast.offsets[id as usize] as usize;
            template.source()[at..]
                .starts_with(|first: char| first.is_ascii_uppercase())
                .then(|| value.clone())
        }
        Expr::Const(value) => Some(value.clone()),
        Expr::List(items) => items
            .iter()
            .map(|item| constant(template, *item))
            .collect::<Option<Vec<_>>>()
            .map(Value::list),
        Expr::Tuple(items) => items
            .iter()
            .map(|item| constant(template, *item))
            .collect::<Option<Vec<_>>>()
            .map(Value::tuple),
        Expr::Dict(entries) => {
            let dict = crate::Dict::new();
            for (key, value) in entries {
                dict.set(constant(template, *key)?, constant(template, *value)?)
                    .ok()?;
            }
            Some(Value::Dict(dict))
        }
        Expr::Negative(operand) => match constant(template, *operand)? {
            Value::Int(number) => number.checked_neg().map(Value::Int),
            Value::Float(number) => Some(Value::Float(-number)),
            _ => None,
        },
        _ => None,
    }
}
