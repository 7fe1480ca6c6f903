//! Methods of sets.

use super::no_method;
use crate::{Call, Error, ErrorKind, Result, Set, Value};

pub(super) const METHODS: &[&str] = &[
    "add",
    "clear",
    "copy",
    "difference",
    "difference_update",
    "discard",
    "intersection",
    "intersection_update",
    "isdisjoint",
    "issubset",
    "issuperset",
    "pop",
    "remove",
    "symmetric_difference",
    "union",
    "update",
    "__contains__",
    "__len__",
];

pub(super) fn call(set: &Set, name: &str, call: &mut Call<'_>) -> Result<Value> {
    call.interpreter.charge(set.len() as u64 / 8 + 1)?;
    let value = match name {
        "add" => {
            let member = call.required("element")?;
            call.interpreter.check_items_once(set.len() + 1)?;
            set.add(member)?;
            Value::None
        }
        "remove" => {
            let member = call.required("element")?;
            if !set.remove(&member) {
                return Err(Error::new(ErrorKind::Key, member.repr()));
            }
            Value::None
        }
        "discard" => {
            set.remove(&call.required("element")?);
            Value::None
        }
        "pop" => match set.members().into_iter().next() {
            Some(member) => {
                set.remove(&member);
                member
            }
            None => return Err(Error::new(ErrorKind::Key, "'pop from an empty set'")),
        },
        "clear" => {
            set.clear();
            Value::None
        }
        "copy" => Value::Set(Set::new(set.members())?),
        "union" => {
            let union = Set::new(set.members())?;
            add_all(&union, call)?;
            Value::Set(union)
        }
        "update" => {
            add_all(set, call)?;
            Value::None
        }
        "intersection" | "intersection_update" | "difference" | "difference_update" => {
            let keep_common = name.starts_with("intersection");
            let mut members = set.members();
            for other in call.rest() {
                let other = Set::new(other.items()?)?;
                call.interpreter.charge(other.len() as u64)?;
                members.retain(|member| other.contains(member) == keep_common);
            }
            if name.ends_with("_update") {
                set.clear();
                for member in members {
                    set.add(member)?;
                }
                Value::None
            } else {
                Value::Set(Set::new(members)?)
            }
        }
        "symmetric_difference" => {
            let other = Set::new(call.required("other")?.items()?)?;
            let mut members = set.members();
            members.retain(|member| !other.contains(member));
            members.extend(
                other
                    .members()
                    .into_iter()
                    .filter(|member| !set.contains(member)),
            );
            Value::Set(Set::new(members)?)
        }
        "isdisjoint" | "issubset" | "issuperset" => {
            let other = Set::new(call.required("other")?.items()?)?;
            Value::Bool(match name {
                "isdisjoint" => !set.members().iter().any(|member| other.contains(member)),
                "issubset" => set.members().iter().all(|member| other.contains(member)),
                _ => other.members().iter().all(|member| set.contains(member)),
            })
        }
        "__contains__" => Value::Bool(set.contains(&call.required("element")?)),
        "__len__" => Value::from(set.len()),
        _ => return Err(no_method("set", name)),
    };
    call.finish()?;
    Ok(value)
}

fn add_all(set: &Set, call: &mut Call<'_>) -> Result<()> {
    for other in call.rest() {
        for member in other.items()? {
            call.interpreter.charge(1)?;
            set.add(member)?;
        }
    }
    call.interpreter.check_items_once(set.len())
}
