//! Methods of strings that take them apart and put them together.

use crate::{Call, Error, ErrorKind, Result, Value, syntax::is_space};

pub(super) fn split(text: &str, from_right: bool, call: &mut Call<'_>) -> Result<Value> {
    let separator = call.optional_str("sep")?;
    let limit = call.optional_int("maxsplit")?.filter(|limit| *limit >= 0);
    let limit = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let pieces: Vec<&str> = match separator.as_deref() {
        Some("") => return Err(Error::new(ErrorKind::Value, "empty separator")),
        Some(separator) if from_right => {
            let mut pieces: Vec<&str> = text.rsplitn(limit.saturating_add(1), separator).collect();
            pieces.reverse();
            pieces
        }
        Some(separator) => text.splitn(limit.saturating_add(1), separator).collect(),
        None if from_right => split_space_right(text, limit),
        None => split_space(text, limit),
    };
    call.interpreter.check_items(pieces.len())?;
    Ok(Value::list(pieces))
}

fn split_space(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = if pieces.len() >= limit {
            None
        } else {
            rest.find(is_space)
        };
        match end {
            Some(end) => {
                pieces.push(&rest[..end]);
                rest = rest[end..].trim_start_matches(is_space);
            }
            None => {
                pieces.push(rest);
                break;
            }
        }
    }
    pieces
}

fn split_space_right(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_end_matches(is_space);
    while !rest.is_empty() {
        let start = if pieces.len() >= limit {
            None
        } else {
            rest.rfind(is_space)
        };
        match start {
            Some(start) => {
                let after = start + rest[start..].chars().next().map_or(0, char::len_utf8);
                pieces.push(&rest[after..]);
                rest = rest[..start].trim_end_matches(is_space);
            }
            None => {
                pieces.push(rest);
                break;
            }
        }
    }
    pieces.reverse();
    pieces
}

/// The lines of a text, as `str.splitlines` has them.
pub(super) fn lines(text: &str, keep: bool) -> Vec<&str> {
    let is_end = |letter: char| {
        matches!(
            letter,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let end_length = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        found.push(&rest[..if keep { at + end_length } else { at }]);
        rest = &rest[at + end_length..];
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

pub(super) fn partition(text: &str, from_right: bool, call: &mut Call<'_>) -> Result<Value> {
    let separator = call.required_str("sep")?;
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::Value, "empty separator"));
    }
    let found = if from_right {
        text.rsplit_once(&*separator)
    } else {
        text.split_once(&*separator)
    };
    Ok(match found {
        Some((before, after)) => Value::tuple([before, &separator, after]),
        None if from_right => Value::tuple(["", "", text]),
        None => Value::tuple([text, "", ""]),
    })
}

pub(super) fn join(separator: &str, call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        let Value::Str(text) = item else {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "sequence item {at}: expected str instance, {} found",
                    item.type_name()
                ),
            )
            .with_hint("the filter `join` turns items into text: `list | join(', ')`"));
        };
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
        call.interpreter.check_text(out.len())?;
    }
    Ok(Value::from(out))
}
