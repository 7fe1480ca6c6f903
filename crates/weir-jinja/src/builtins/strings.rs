//! Methods of strings.

use std::sync::Arc;

use super::{
    format::format_text,
    no_method, size,
    split::{join, lines, partition, split},
};
use crate::{Call, Error, ErrorKind, Result, Value, syntax::is_space};

pub(super) const METHODS: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];

pub(super) fn call(text: &Arc<str>, name: &str, call: &mut Call<'_>) -> Result<Value> {
    call.interpreter.charge(text.len() as u64 / 64)?;
    let value = match name {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "capitalize" => Value::from(capitalize(text)),
        "title" => Value::from(title(text)),
        "swapcase" => Value::from(swapcase(text)),
        "strip" | "lstrip" | "rstrip" => strip(text, name, call)?,
        "removeprefix" => {
            let part = call.required_str("prefix")?;
            Value::from(text.strip_prefix(&*part).unwrap_or(text))
        }
        "removesuffix" => {
            let part = call.required_str("suffix")?;
            Value::from(text.strip_suffix(&*part).unwrap_or(text))
        }
        "replace" => {
            let (old, new) = (call.required_str("old")?, call.required_str("new")?);
            let count = call.optional_int("count")?;
            replace(text, &old, &new, count, call)?
        }
        "split" | "rsplit" => split(text, name == "rsplit", call)?,
        "splitlines" => {
            let keep = call.optional_bool("keepends", false)?;
            Value::list(lines(text, keep))
        }
        "partition" | "rpartition" => partition(text, name == "rpartition", call)?,
        "join" => join(text, call)?,
        "startswith" | "endswith" => affix(text, name == "startswith", call)?,
        "find" | "rfind" | "index" | "rindex" => find(text, name, call)?,
        "count" => {
            let part = call.required_str("sub")?;
            let range = char_range(text, call)?;
            let inner = &text[range];
            let count = if part.is_empty() {
                inner.chars().count() + 1
            } else {
                inner.matches(&*part).count()
            };
            Value::from(count)
        }
        "center" | "ljust" | "rjust" | "zfill" => pad(text, name, call)?,
        "expandtabs" => expand_tabs(text, call)?,
        "format" => {
            let args = call.take_all();
            return format_text(call.interpreter, text, &args.positional, &args.named);
        }
        "format_map" => {
            let map = call.required("mapping")?;
            let named: Vec<(Arc<str>, Value)> = super::mapping_entries(&map)?
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| match key {
                    Value::Str(key) => Some((key, value)),
                    _ => None,
                })
                .collect();
            return format_text(call.interpreter, text, &[], &named);
        }
        "encode" => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "templates have no bytes, so strings cannot be encoded",
            )
            .with_hint("hash a text with `local_md5`"));
        }
        _ if name.starts_with("is") => Value::Bool(is(text, name)),
        _ => return Err(no_method("str", name)),
    };
    call.finish()?;
    Ok(value)
}

pub(super) fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase(),
        None => String::new(),
    }
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for letter in text.chars() {
        if inside {
            out.extend(letter.to_lowercase());
        } else {
            out.extend(letter.to_uppercase());
        }
        inside = letter.is_alphabetic();
    }
    out
}

fn swapcase(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, letter| {
            if letter.is_uppercase() {
                out.extend(letter.to_lowercase());
            } else {
                out.extend(letter.to_uppercase());
            }
            out
        })
}

fn strip(text: &str, name: &str, call: &mut Call<'_>) -> Result<Value> {
    let letters = call.optional_str("chars")?;
    Ok(Value::from(stripped(
        text,
        letters.as_deref(),
        name != "rstrip",
        name != "lstrip",
    )))
}

pub(super) fn stripped<'a>(
    text: &'a str,
    letters: Option<&str>,
    left: bool,
    right: bool,
) -> &'a str {
    let matches = |letter: char| match letters {
        Some(letters) => letters.contains(letter),
        None => is_space(letter),
    };
    let text = if left {
        text.trim_start_matches(matches)
    } else {
        text
    };
    if right {
        text.trim_end_matches(matches)
    } else {
        text
    }
}

pub(super) fn replace(
    text: &str,
    old: &str,
    new: &str,
    count: Option<i64>,
    call: &mut Call<'_>,
) -> Result<Value> {
    let count = count
        .filter(|count| *count >= 0)
        .map_or(usize::MAX, |count| {
            usize::try_from(count).unwrap_or(usize::MAX)
        });
    let found = if old.is_empty() {
        text.chars().count() + 1
    } else {
        text.matches(old).count()
    };
    call.interpreter.check_text(
        text.len()
            .saturating_add(new.len().saturating_mul(found.min(count))),
    )?;
    Ok(Value::from(text.replacen(old, new, count)))
}

fn affix(text: &str, at_start: bool, call: &mut Call<'_>) -> Result<Value> {
    let wanted = call.required("prefix")?;
    let range = char_range(text, call)?;
    let text = &text[range];
    let matches = |part: &Value| match part {
        Value::Str(part) => Ok(if at_start {
            text.starts_with(&**part)
        } else {
            text.ends_with(&**part)
        }),
        other => Err(Error::new(
            ErrorKind::Type,
            format!(
                "{} first arg must be str or a tuple of str, not {}",
                if at_start { "startswith" } else { "endswith" },
                other.type_name()
            ),
        )),
    };
    match &wanted {
        Value::Tuple(parts) => {
            for part in parts.iter() {
                if matches(part)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        part => matches(part).map(Value::Bool),
    }
}

/// The bytes of the characters from `start` to `end`, two arguments that may be missing.
fn char_range(text: &str, call: &mut Call<'_>) -> Result<std::ops::Range<usize>> {
    let start = call.optional_int("start")?;
    let end = call.optional_int("end")?;
    if start.is_none() && end.is_none() {
        return Ok(0..text.len());
    }
    let length = text.chars().count() as i64;
    let clip = |bound: i64| {
        if bound < 0 {
            (bound + length).max(0)
        } else {
            bound.min(length)
        }
    };
    let offset = |at: i64| {
        text.char_indices()
            .nth(at as usize)
            .map_or(text.len(), |(offset, _)| offset)
    };
    let start = offset(clip(start.unwrap_or(0)));
    let end = offset(clip(end.unwrap_or(length)));
    Ok(start..end.max(start))
}

fn find(text: &str, name: &str, call: &mut Call<'_>) -> Result<Value> {
    let part = call.required_str("sub")?;
    let range = char_range(text, call)?;
    let inner = &text[range.clone()];
    let found = if name.starts_with('r') {
        inner.rfind(&*part)
    } else {
        inner.find(&*part)
    };
    match found {
        Some(at) => Ok(Value::from(text[..range.start + at].chars().count())),
        None if name.ends_with("index") => Err(Error::new(ErrorKind::Value, "substring not found")),
        None => Ok(Value::Int(-1)),
    }
}

fn pad(text: &str, name: &str, call: &mut Call<'_>) -> Result<Value> {
    let width = call.required("width")?;
    let Some(width) = width.as_int() else {
        return Err(call.wrong("width", "an integer", &width));
    };
    let width = size(call, width)?;
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    if name == "zfill" {
        let (sign, digits) = match text.strip_prefix(['+', '-']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text),
        };
        return Ok(Value::from(format!(
            "{sign}{}{digits}",
            "0".repeat(missing)
        )));
    }
    let fill = call.optional_str("fillchar")?.unwrap_or_else(|| " ".into());
    if fill.chars().count() != 1 {
        return Err(Error::new(
            ErrorKind::Type,
            "The fill character must be exactly one character long",
        ));
    }
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        _ => center_left(missing, width),
    };
    Ok(Value::from(format!(
        "{}{text}{}",
        fill.repeat(left),
        fill.repeat(missing - left)
    )))
}

/// How much of the padding `str.center` puts on the left.
pub(super) fn center_left(missing: usize, width: usize) -> usize {
    missing / 2 + (missing & width & 1)
}

fn expand_tabs(text: &str, call: &mut Call<'_>) -> Result<Value> {
    let width = call.optional_int("tabsize")?.unwrap_or(8);
    let width = size(call, width)?;
    let tabs = text.matches('\t').count();
    call.interpreter
        .check_text(text.len().saturating_add(tabs.saturating_mul(width)))?;
    let mut out = String::new();
    let mut column = 0;
    for letter in text.chars() {
        match letter {
            '\t' if width > 0 => {
                let spaces = width - column % width;
                out.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(letter);
                column = 0;
            }
            _ => {
                out.push(letter);
                column += 1;
            }
        }
    }
    Ok(Value::from(out))
}

fn is(text: &str, name: &str) -> bool {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" | "isdigit" => all(|letter| letter.is_ascii_digit()),
        "isnumeric" => all(char::is_numeric),
        "isspace" => all(is_space),
        "isprintable" => {
            let mut quoted = String::new();
            crate::value::quote(&text.replace(['\\', '\'', '"'], ""), &mut quoted);
            !quoted.contains('\\')
        }
        "isidentifier" => {
            text.chars()
                .next()
                .is_some_and(|first| first.is_alphabetic() || first == '_')
                && text
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || letter == '_')
        }
        "islower" => text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        "isupper" => text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        "istitle" => text.chars().any(char::is_alphabetic) && title(text) == text,
        _ => false,
    }
}
