//! Filters of sequences.

use std::cmp::Ordering;

use super::{
    generator::Generator,
    length_of, mapping_entries,
    select::{Path, folded},
};
use crate::{
    Call, Error, ErrorKind, Result, Undefined, Value,
    value::{compare, str_within},
};

/// Sorts items by their keys as Python does: equal ones keep their order, and values without an
/// order are an error. (The standard library's sort may panic on orders that contradict
/// themselves, which NaN and objects have.)
pub(super) fn sort_values(keyed: Vec<(Value, Value)>, reverse: bool) -> Result<Vec<Value>> {
    let mut order: Vec<usize> = (0..keyed.len()).collect();
    let mut merged = order.clone();
    let mut width = 1;
    while width < order.len() {
        for start in (0..order.len()).step_by(width * 2) {
            let middle = (start + width).min(order.len());
            let end = (start + width * 2).min(order.len());
            let (mut left, mut right) = (start, middle);
            for slot in &mut merged[start..end] {
                let take_right = if left >= middle {
                    true
                } else if right >= end {
                    false
                } else {
                    let (a, b) = (&keyed[order[left]].0, &keyed[order[right]].0);
                    let wanted = if reverse {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    };
                    compare(b, a, "<")? == Some(wanted)
                };
                let from = if take_right { &mut right } else { &mut left };
                *slot = order[*from];
                *from += 1;
            }
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    let mut items: Vec<Option<Value>> = keyed.into_iter().map(|(_, item)| Some(item)).collect();
    Ok(order
        .into_iter()
        .filter_map(|at| items[at].take())
        .collect())
}

pub(super) fn sort(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let reverse = call.optional_bool("reverse", false)?;
    let case_sensitive = call.optional_bool("case_sensitive", false)?;
    let attribute = call.optional("attribute")?.unwrap_or_default();
    call.finish()?;
    call.interpreter.charge(items.len() as u64 * 8)?;
    let paths: Vec<Path> = match &attribute {
        Value::Str(text) => text
            .split(',')
            .map(|part| Path::new(&Value::from(part)))
            .collect(),
        other => vec![Path::new(other)],
    };
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let mut keys = Vec::with_capacity(paths.len());
        for path in &paths {
            keys.push(folded(path.get(&item, None)?, case_sensitive));
        }
        keyed.push((Value::list(keys), item));
    }
    Ok(Value::list(sort_values(keyed, reverse)?))
}

pub(super) fn dictsort(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let case_sensitive = call.optional_bool("case_sensitive", false)?;
    let by = call.optional_str("by")?.unwrap_or_else(|| "key".into());
    let reverse = call.optional_bool("reverse", false)?;
    call.finish()?;
    if let Value::Undefined(undefined) = &value {
        return Err(undefined.error());
    }
    let Some(entries) = mapping_entries(&value)? else {
        return Err(call.wrong("value", "a mapping", &value));
    };
    let at_key = match &*by {
        "key" => true,
        "value" => false,
        _ => {
            return Err(Error::new(
                ErrorKind::Value,
                "You can only sort by either \"key\" or \"value\"",
            ));
        }
    };
    call.interpreter.charge(entries.len() as u64 * 8)?;
    let keyed = entries
        .into_iter()
        .map(|(key, value)| {
            let sorted_by = if at_key { key.clone() } else { value.clone() };
            (
                folded(sorted_by, case_sensitive),
                Value::tuple([key, value]),
            )
        })
        .collect();
    Ok(Value::list(sort_values(keyed, reverse)?))
}

pub(super) fn length(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    length_of(&value).map(Value::from)
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    call.finish()?;
    call.interpreter.check_items(items.len())?;
    Ok(Value::list(items))
}

pub(super) fn first(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    let found = match &value {
        Value::List(list) => list.get(0),
        Value::Tuple(items) => items.first().cloned(),
        other => match other.as_object::<Generator>() {
            Some(generator) => generator.first(),
            None => other.items()?.into_iter().next(),
        },
    };
    Ok(found.unwrap_or_else(|| none_there("first")))
}

pub(super) fn last(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    let found = match &value {
        Value::List(list) => list.len().checked_sub(1).and_then(|at| list.get(at)),
        Value::Object(object) if object.as_any().is::<Generator>() => {
            return Err(
                Error::new(ErrorKind::Type, "'generator' object is not reversible")
                    .with_hint("make it a list first: `| list | last`"),
            );
        }
        other => other.items()?.pop(),
    };
    Ok(found.unwrap_or_else(|| none_there("last")))
}

fn none_there(which: &str) -> Value {
    Value::Undefined(Undefined::message(format!(
        "No {which} item, sequence was empty."
    )))
}

pub(super) fn random(_: &mut Call<'_>) -> Result<Value> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "`random` would make every run different",
    )
    .with_hint("let the database draw: `order by random()`"))
}

pub(super) fn reverse(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    if let Value::Str(text) = &value {
        return Ok(text.chars().rev().collect::<String>().into());
    }
    let mut items = value.items()?;
    call.interpreter.check_items(items.len())?;
    items.reverse();
    if value.length().is_none() {
        return Ok(Value::list(items));
    }
    Ok(Generator::value("list_reverseiterator", items))
}

pub(super) fn items(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    if value.is_undefined() {
        return Ok(Generator::value("do_items", Vec::new()));
    }
    match mapping_entries(&value)? {
        Some(entries) => {
            let pairs = entries
                .into_iter()
                .map(|(key, value)| Value::tuple([key, value]))
                .collect();
            Ok(Generator::value("do_items", pairs))
        }
        None => Err(Error::new(
            ErrorKind::Type,
            "Can only get item pairs from a mapping.",
        )),
    }
}

pub(super) fn join(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let separator = call
        .optional("d")?
        .map_or_else(|| "".into(), |separator| separator.to_str());
    let attribute = call
        .optional("attribute")?
        .filter(|attribute| !attribute.is_none());
    call.finish()?;
    let path = attribute.as_ref().map(Path::new);
    let limit = call.interpreter.environment().limits.text_bytes;
    call.interpreter.charge(items.len() as u64)?;
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(&separator);
        }
        let picked = match &path {
            Some(path) => &path.get(item, None)?,
            None => item,
        };
        str_within(picked, &mut out, limit);
        if out.len() > limit {
            break;
        }
    }
    call.interpreter.check_text(out.len())?;
    Ok(out.into())
}

fn positive(call: &mut Call<'_>, name: &str) -> Result<usize> {
    let value = call.required(name)?;
    match value.as_int().and_then(|count| usize::try_from(count).ok()) {
        Some(count) if count > 0 => Ok(count),
        _ => Err(call.wrong(name, "a positive integer", &value)),
    }
}

pub(super) fn batch(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let size = positive(call, "linecount")?;
    let fill = call.optional("fill_with")?.filter(|fill| !fill.is_none());
    call.finish()?;
    call.interpreter
        .check_items(
            items
                .len()
                .saturating_add(if fill.is_some() { size } else { 0 }),
        )?;
    let batches = items
        .chunks(size)
        .map(|chunk| {
            let missing = size - chunk.len();
            let filling = fill
                .iter()
                .flat_map(|fill| std::iter::repeat_n(fill, missing));
            Value::list(chunk.iter().chain(filling).cloned())
        })
        .collect();
    Ok(Generator::value("do_batch", batches))
}

pub(super) fn slice(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let slices = positive(call, "slices")?;
    let fill = call.optional("fill_with")?.filter(|fill| !fill.is_none());
    call.finish()?;
    call.interpreter
        .check_items(items.len().saturating_add(slices))?;
    let (each, longer) = (items.len() / slices, items.len() % slices);
    let mut rest = items.as_slice();
    let mut found = Vec::with_capacity(slices);
    for at in 0..slices {
        let (own, after) = rest.split_at(each + usize::from(at < longer));
        rest = after;
        let filling = fill.iter().filter(|_| at >= longer);
        found.push(Value::list(own.iter().chain(filling).cloned()));
    }
    Ok(Generator::value("do_slice", found))
}
