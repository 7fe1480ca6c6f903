//! Filters that break and shorten texts.

use super::{length_of, size, split::lines, words::text};
use crate::{Call, Error, ErrorKind, Result, Value, syntax::is_space};

/// What is filtered as text, unless it is undefined.
fn defined_text(call: &mut Call<'_>) -> Result<std::sync::Arc<str>> {
    if let Some(Value::Undefined(undefined)) = call.args.first() {
        return Err(undefined.error());
    }
    text(call)
}

pub(super) fn indent(call: &mut Call<'_>) -> Result<Value> {
    let text = defined_text(call)?;
    let width = call.optional("width")?.unwrap_or(Value::Int(4));
    let first = call.optional_bool("first", false)?;
    let blank = call.optional_bool("blank", false)?;
    call.finish()?;
    let indention = match &width {
        Value::Str(indention) => indention.to_string(),
        other => match other.as_int() {
            Some(width) => " ".repeat(size(call, width)?),
            None => return Err(call.wrong("width", "an integer or a string", other)),
        },
    };
    // As Jinja has it: a line end more, so that one at the end of the text is kept.
    let with_end = format!("{text}\n");
    let rows = lines(&with_end, false);
    call.interpreter.check_text(
        text.len()
            .saturating_add(rows.len().saturating_mul(indention.len())),
    )?;
    let mut out = String::with_capacity(with_end.len() + rows.len() * indention.len());
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if at == 0 && first || at > 0 && (blank || !row.is_empty()) {
            out.push_str(&indention);
        }
        out.push_str(row);
    }
    Ok(out.into())
}

pub(super) fn truncate(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    if !matches!(value, Value::Str(_)) && length_of(&value)? <= 255 {
        // What is no text is let through as it is.
        call.take_all();
        return Ok(value);
    }
    let text = value.to_str();
    call.interpreter.charge(text.len() as u64 / 64)?;
    let length = call.optional_int("length")?.unwrap_or(255);
    let kill_words = call.optional_bool("killwords", false)?;
    let end = call.optional_str("end")?.unwrap_or_else(|| "...".into());
    let leeway = call.optional_int("leeway")?.unwrap_or(5);
    call.finish()?;
    let end_length = end.chars().count() as i64;
    if length < end_length {
        return Err(Error::new(
            ErrorKind::Value,
            format!("expected length >= {end_length}, got {length}"),
        ));
    }
    if leeway < 0 {
        return Err(Error::new(
            ErrorKind::Value,
            format!("expected leeway >= 0, got {leeway}"),
        ));
    }
    if text.chars().count() as i64 <= length.saturating_add(leeway) {
        return Ok(Value::Str(text));
    }
    let kept: String = text.chars().take((length - end_length) as usize).collect();
    let kept = match kept.rsplit_once(' ') {
        Some((words, _)) if !kill_words => words,
        _ => &kept,
    };
    Ok(format!("{kept}{end}").into())
}

pub(super) fn wordwrap(call: &mut Call<'_>) -> Result<Value> {
    let text = defined_text(call)?;
    let width = call.optional_int("width")?.unwrap_or(79);
    let break_long = call.optional_bool("break_long_words", true)?;
    let separator = call
        .optional_str("wrapstring")?
        .unwrap_or_else(|| "\n".into());
    let hyphens = call.optional_bool("break_on_hyphens", true)?;
    call.finish()?;
    if width < 1 {
        return Err(Error::new(
            ErrorKind::Value,
            format!("invalid width {width} (must be > 0)"),
        ));
    }
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    let wrapped: Vec<String> = lines(&text, false)
        .into_iter()
        .map(|line| wrap_line(line, width, break_long, hyphens).join(&separator))
        .collect();
    let wrapped = wrapped.join(&separator);
    call.interpreter.check_text(wrapped.len())?;
    Ok(wrapped.into())
}

/// One line in lines no longer than the width, as Python's `textwrap` breaks it.
fn wrap_line(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let mut chunks: std::collections::VecDeque<String> = chunks(line, hyphens).into();
    let mut rows: Vec<String> = Vec::new();
    while !chunks.is_empty() {
        if !rows.is_empty() && chunks[0].chars().all(is_space) {
            chunks.pop_front();
            continue;
        }
        let mut row: Vec<String> = Vec::new();
        let mut length = 0;
        while let Some(chunk) = chunks.front() {
            let more = chunk.chars().count();
            if length + more > width {
                break;
            }
            length += more;
            row.extend(chunks.pop_front());
        }
        if let Some(chunk) = chunks.front_mut()
            && chunk.chars().count() > width
        {
            let room = width.saturating_sub(length);
            if break_long {
                if room > 0 {
                    let rest = chunk.chars().skip(room).collect();
                    row.push(chunk.chars().take(room).collect());
                    *chunk = rest;
                }
            } else if row.is_empty() {
                row.extend(chunks.pop_front());
            }
        }
        if row.last().is_some_and(|last| last.chars().all(is_space)) {
            row.pop();
        }
        if !row.is_empty() {
            rows.push(row.concat());
        }
    }
    rows
}

/// Words, the spaces between them, and the parts of words behind hyphens.
fn chunks(line: &str, hyphens: bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let letters: Vec<char> = line.chars().collect();
    let mut current = String::new();
    let mut in_space = None;
    for (at, letter) in letters.iter().enumerate() {
        let space = is_space(*letter);
        if in_space.is_some_and(|was| was != space) {
            found.push(std::mem::take(&mut current));
        }
        in_space = Some(space);
        current.push(*letter);
        let is_letter = |at: usize| letters.get(at).is_some_and(|letter| letter.is_alphabetic());
        if hyphens
            && *letter == '-'
            && at >= 2
            && is_letter(at - 1)
            && is_letter(at - 2)
            && is_letter(at + 1)
            && is_letter(at + 2)
        {
            found.push(std::mem::take(&mut current));
            in_space = None;
        }
    }
    if !current.is_empty() {
        found.push(current);
    }
    found
}
