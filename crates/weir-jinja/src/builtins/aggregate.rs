//! Filters that go over all items: `groupby`, `max`, `min`, `sum`, `unique`.

use std::cmp::Ordering;

use super::{
    generator::Generator,
    group::Group,
    select::{Path, folded},
    sequences::sort_values,
};
use crate::{
    Call, Error, ErrorKind, Result, Set, Undefined, Value, interpreter::binary, syntax::Operator,
    value::compare,
};

pub(super) fn groupby(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let attribute = call.required("attribute")?;
    let default = call
        .optional("default")?
        .filter(|default| !default.is_none());
    let case_sensitive = call.optional_bool("case_sensitive", false)?;
    call.finish()?;
    call.interpreter.charge(items.len() as u64 * 8)?;
    let path = Path::new(&attribute);
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let key = path.get(&item, default.as_ref())?;
        keyed.push((
            folded(key.clone(), case_sensitive),
            Value::tuple([key, item]),
        ));
    }
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for pair in sort_values(keyed, false)? {
        let Value::Tuple(pair) = pair else { continue };
        let (key, item) = (pair[0].clone(), pair[1].clone());
        let same_as = folded(key.clone(), case_sensitive);
        match groups.last_mut() {
            Some((last, _, members)) if *last == same_as => members.push(item),
            _ => groups.push((same_as, key, vec![item])),
        }
    }
    Ok(Value::list(groups.into_iter().map(|(_, key, members)| {
        Group::value(key, Value::list(members))
    })))
}

pub(super) fn max(call: &mut Call<'_>) -> Result<Value> {
    extreme(call, Ordering::Greater, ">")
}

pub(super) fn min(call: &mut Call<'_>) -> Result<Value> {
    extreme(call, Ordering::Less, "<")
}

fn extreme(call: &mut Call<'_>, wanted: Ordering, operator: &str) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let case_sensitive = call.optional_bool("case_sensitive", false)?;
    let attribute = call.optional("attribute")?.unwrap_or_default();
    call.finish()?;
    call.interpreter.charge(items.len() as u64)?;
    let path = Path::new(&attribute);
    let mut best: Option<(Value, Value)> = None;
    for item in items {
        let key = folded(path.get(&item, None)?, case_sensitive);
        let better = match &best {
            None => true,
            Some((own, _)) => compare(&key, own, operator)? == Some(wanted),
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(
        || {
            Value::Undefined(Undefined::message(
                "No aggregated item, sequence was empty.",
            ))
        },
        |(_, item)| item,
    ))
}

pub(super) fn sum(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let attribute = call.optional("attribute")?.unwrap_or_default();
    let mut total = call.optional("start")?.unwrap_or(Value::Int(0));
    call.finish()?;
    call.interpreter.charge(items.len() as u64)?;
    if let Value::Str(_) = total {
        return Err(Error::new(
            ErrorKind::Type,
            "sum() can't sum strings [use ''.join(seq) instead]",
        ));
    }
    let path = Path::new(&attribute);
    for item in items {
        total = binary(
            call.interpreter,
            Operator::Add,
            &total,
            &path.get(&item, None)?,
        )?;
    }
    Ok(total)
}

pub(super) fn unique(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("value")?.items()?;
    let case_sensitive = call.optional_bool("case_sensitive", false)?;
    let attribute = call.optional("attribute")?.unwrap_or_default();
    call.finish()?;
    call.interpreter.charge(items.len() as u64)?;
    let path = Path::new(&attribute);
    let seen = Set::default();
    let mut kept = Vec::new();
    for item in items {
        let key = folded(path.get(&item, None)?, case_sensitive);
        if !seen.contains(&key) {
            seen.add(key)?;
            kept.push(item);
        }
    }
    Ok(Generator::value("do_unique", kept))
}
