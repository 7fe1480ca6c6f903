//! What belongs to no family: validation of types kept as text, patterns.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result};

use super::native::{Call, Native};
use super::text::only_text;
use super::time::value_error;
use crate::types::type_name;

pub(super) const UUID: &str = "weir_uuid";
pub(super) const FITTING: &str = "weir_fitting";
pub(super) const SIMILAR: &str = "weir_similar_pattern";
pub(super) const LIKE: &str = "weir_like_pattern";

pub(super) fn functions() -> Vec<Native> {
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    vec![
        Native::new(UUID, only_text, text, |call| {
            each(call, |text, _| {
                uuid::Uuid::parse_str(text.trim().trim_matches(['{', '}']))
                    .map(|uuid| uuid.to_string())
                    .map_err(|_| value_error("22P02", format!("`{}` is not a uuid", short(text))))
            })
        }),
        Native::new(
            FITTING,
            |_| Ok(vec![DataType::Utf8, DataType::Int64]),
            text,
            fitting,
        )
        .takes(2..=2),
        Native::new(SIMILAR, only_text, text, |call| each(call, similar)),
        Native::new(LIKE, only_text, text, |call| each(call, like)),
        Native::new(
            "pg_typeof",
            |types| Ok(types.to_vec()),
            text,
            |call| {
                let name = type_name(call.args[0].data_type());
                Ok(Arc::new(StringArray::from(vec![name; call.rows])))
            },
        )
        .takes(1..=1),
    ]
}

/// Gives back text that has as many characters as its type allows, without the blanks that are too many at its end.
fn fitting(call: &Call) -> Result<ArrayRef> {
    let texts = call.args[0].as_string::<i32>();
    let lengths = call.args[1].as_primitive::<Int64Type>();
    // A character has a byte at least.
    let most = |row: usize| usize::try_from(lengths.value(row)).unwrap_or(0);
    if (0..call.rows).all(|row| texts.is_null(row) || texts.value(row).len() <= most(row)) {
        return Ok(call.args[0].clone());
    }
    let answers = (0..call.rows).map(|row| {
        if texts.is_null(row) {
            return Ok(None);
        }
        let (text, most) = (texts.value(row), most(row));
        let Some((end, _)) = text.char_indices().nth(most) else {
            return Ok(Some(text));
        };
        if text[end..].chars().any(|c| c != ' ') {
            let message = format!("`{}` is too long: {most} characters fit", short(text));
            return Err(value_error("22001", message));
        }
        Ok(Some(&text[..end]))
    });
    let answers: StringArray = answers.collect::<Result<_>>()?;
    Ok(Arc::new(answers))
}

/// Returns the beginning of a text, for messages.
pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Computes text from text; the second argument, if there is one, goes along.
pub(super) fn each(
    call: &Call,
    compute: fn(&str, Option<&str>) -> Result<String, DataFusionError>,
) -> Result<ArrayRef> {
    let texts = call.args[0].as_string::<i32>();
    let second = call.args.get(1).map(|arg| arg.as_string::<i32>());
    let answers = (0..call.rows).map(|row| {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        compute(texts.value(row), second.map(|second| second.value(row))).map(Some)
    });
    let answers: StringArray = answers.collect::<Result<_>>()?;
    Ok(Arc::new(answers))
}

fn escape_of(escape: Option<&str>) -> Result<Option<char>> {
    let Some(escape) = escape else {
        return Ok(Some('\\'));
    };
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (escape, None) => Ok(escape),
        _ => Err(value_error("22019", "ESCAPE takes one character")),
    }
}

/// Turns a pattern of `SIMILAR TO` into a regular expression.
fn similar(pattern: &str, escape: Option<&str>) -> Result<String> {
    let escape = escape_of(escape)?;
    let mut regex = String::from("^(?:");
    let mut chars = pattern.chars();
    let mut in_brackets = false;
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let Some(next) = chars.next() else {
                return Err(value_error(
                    "22025",
                    "the pattern ends with its escape character",
                ));
            };
            if !next.is_alphanumeric() {
                regex.push('\\');
            }
            regex.push(next);
            continue;
        }
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ => {}
        }
        match c {
            '%' if !in_brackets => regex.push_str("(?s:.*)"),
            '_' if !in_brackets => regex.push_str("(?s:.)"),
            '.' | '^' | '$' | '\\' if !in_brackets => {
                regex.push('\\');
                regex.push(c);
            }
            '\\' => regex.push_str("\\\\"),
            // Groups of a pattern are for precedence only.
            '(' if !in_brackets => regex.push_str("(?:"),
            c => regex.push(c),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

/// Turns a pattern of `LIKE ... ESCAPE` into one that escapes with a backslash.
fn like(pattern: &str, escape: Option<&str>) -> Result<String> {
    let escape = match escape {
        Some("") => None,
        escape => escape_of(escape)?,
    };
    let mut new = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let Some(next) = chars.next() else {
                return Err(value_error(
                    "22025",
                    "the pattern ends with its escape character",
                ));
            };
            if matches!(next, '%' | '_' | '\\') {
                new.push('\\');
            }
            new.push(next);
        } else if c == '\\' {
            new.push_str("\\\\");
        } else {
            new.push(c);
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_others() {
        assert_eq!(
            similar("a%(b|c)_.", None).unwrap(),
            "^(?:a(?s:.*)(?:b|c)(?s:.)\\.)$"
        );
        assert_eq!(similar("a#%b", Some("#")).unwrap(), "^(?:a\\%b)$");
        assert_eq!(like("10/%\\x", Some("/")).unwrap(), "10\\%\\\\x");
        assert_eq!(like("a\\b%", Some("")).unwrap(), "a\\\\b%");
        assert!(like("a/", Some("/")).is_err());
    }
}
