//! Filters of texts.

use std::sync::Arc;

use super::{percent_format, size, spec::quoted, strings};
use crate::{Call, Error, ErrorKind, Result, Tuple, Value, syntax::is_space};

/// What is filtered, as text.
pub(super) fn text(call: &mut Call<'_>) -> Result<Arc<str>> {
    let text = call.required("value")?.to_str();
    call.interpreter.charge(text.len() as u64 / 64)?;
    Ok(text)
}

pub(super) fn upper(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    Ok(text.to_uppercase().into())
}

pub(super) fn lower(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    Ok(text.to_lowercase().into())
}

pub(super) fn capitalize(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    Ok(strings::capitalize(&text).into())
}

/// A capital after white space, hyphens and opening brackets.
pub(super) fn title(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for letter in text.chars() {
        let splits = is_space(letter) || matches!(letter, '-' | '(' | '{' | '[' | '<');
        if at_start && !splits {
            out.extend(letter.to_uppercase());
        } else {
            out.extend(letter.to_lowercase());
        }
        at_start = splits;
    }
    Ok(out.into())
}

pub(super) fn string(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    Ok(Value::Str(text))
}

pub(super) fn trim(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    let letters = call.optional_str("chars")?;
    call.finish()?;
    Ok(strings::stripped(&text, letters.as_deref(), true, true).into())
}

pub(super) fn replace(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    let old = call.required("old")?.to_str();
    let new = call.required("new")?.to_str();
    let count = call.optional_int("count")?;
    call.finish()?;
    strings::replace(&text, &old, &new, count, call)
}

pub(super) fn center(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    let width = call.optional_int("width")?.unwrap_or(80);
    call.finish()?;
    let width = size(call, width)?;
    let missing = width.saturating_sub(text.chars().count());
    let left = strings::center_left(missing, width);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(missing - left)).into())
}

pub(super) fn format(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    let positional = call.rest();
    let named = std::mem::take(&mut call.kwargs);
    if !positional.is_empty() && !named.is_empty() {
        return Err(Error::new(
            ErrorKind::Type,
            "can't handle positional and keyword arguments at the same time",
        ));
    }
    let values = if named.is_empty() {
        Value::Tuple(Tuple::new(positional))
    } else {
        Value::dict(named)
    };
    percent_format(call.interpreter, &text, &values)
}

pub(super) fn wordcount(call: &mut Call<'_>) -> Result<Value> {
    let text = text(call)?;
    call.finish()?;
    let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    Ok(Value::from(words.filter(|word| !word.is_empty()).count()))
}

/// `default(value, other, boolean)`: the other if the value is undefined, or false if told so.
pub(super) fn default(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let other = call.optional("default_value")?.unwrap_or_else(|| "".into());
    let boolean = call.optional_bool("boolean", false)?;
    call.finish()?;
    Ok(if value.is_undefined() || boolean && !value.is_true() {
        other
    } else {
        value
    })
}

pub(super) fn pprint(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    Ok(quoted(&value).into())
}

pub(super) fn is_list(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    Ok(Value::Bool(matches!(value, Value::List(_))))
}

/// Text stays text where a value is wanted.
pub(super) fn as_text(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    Ok(if call.interpreter.is_native() {
        Value::Str(value.to_str())
    } else {
        value
    })
}

pub(super) fn as_native(call: &mut Call<'_>) -> Result<Value> {
    native(call, "", |_| true)
}

pub(super) fn as_bool(call: &mut Call<'_>) -> Result<Value> {
    native(call, "bool", |value| matches!(value, Value::Bool(_)))
}

pub(super) fn as_number(call: &mut Call<'_>) -> Result<Value> {
    native(call, "number", |value| {
        matches!(value, Value::Int(_) | Value::BigInt(_) | Value::Float(_))
    })
}

/// The value that a text is the Python literal of, where a value is wanted.
fn native(call: &mut Call<'_>, wanted: &str, is_wanted: fn(&Value) -> bool) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    if !call.interpreter.is_native() {
        return Ok(value);
    }
    let text = value.to_str();
    let converted = super::encode::literal(&text).unwrap_or_else(|| Value::Str(Arc::clone(&text)));
    if !is_wanted(&converted) {
        return Err(Error::new(
            ErrorKind::Value,
            format!("Could not convert value '{text}' into type '{wanted}'"),
        ));
    }
    Ok(converted)
}
