//! Equality, order and hashes as Python has them.

use std::{
    cmp::Ordering,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::Value;
use crate::{Error, ErrorKind, Result};

/// How much of two values is compared before they count as different.
const MAX_DEPTH: u32 = 100;
const MAX_COMPARISONS: u32 = 50_000_000;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, 0, &mut 0)
    }
}

fn equal(left: &Value, right: &Value, depth: u32, count: &mut u32) -> bool {
    use Value::*;
    *count += 1;
    if depth > MAX_DEPTH || *count > MAX_COMPARISONS {
        return false;
    }
    match (left, right) {
        (Str(a), Str(b)) => a == b,
        (None, None) | (Undefined(_), Undefined(_)) => true,
        (Int(a), Int(b)) => a == b,
        (Float(a), Float(b)) => a == b,
        (Bool(_) | Int(_) | BigInt(_) | Float(_), Bool(_) | Int(_) | BigInt(_) | Float(_)) => {
            number_order(left, right) == Some(Ordering::Equal)
        }
        (List(a), List(b)) => {
            a.is(b) || a.len() == b.len() && all_equal(&a.items(), &b.items(), depth, count)
        }
        (Tuple(a), Tuple(b)) => a.address() == b.address() || all_equal(a, b, depth, count),
        (Dict(a), Dict(b)) => {
            a.is(b)
                || a.len() == b.len()
                    && a.entries().iter().all(|(key, value)| {
                        b.get(key)
                            .is_some_and(|other| equal(value, &other, depth + 1, count))
                    })
        }
        (Set(a), Set(b)) => {
            a.is(b) || a.len() == b.len() && a.members().iter().all(|member| b.contains(member))
        }
        (Macro(a), Macro(b)) => Arc::ptr_eq(&a.0, &b.0),
        (Object(a), Object(b)) if Arc::ptr_eq(a, b) => true,
        (Object(object), other) | (other, Object(object)) => object.equals(other),
        _ => false,
    }
}

fn all_equal(left: &[Value], right: &[Value], depth: u32, count: &mut u32) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(a, b)| equal(a, b, depth + 1, count))
}

/// The order of two numbers; none if one is not a number.
fn number_order(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (left.as_i128(), right.as_i128()) {
        return Some(a.cmp(&b));
    }
    match (left.as_i128(), right.as_i128()) {
        (Some(a), _) => integer_and_float(a, right.as_float()?),
        (_, Some(b)) => integer_and_float(b, left.as_float()?).map(Ordering::reverse),
        _ => left.as_float()?.partial_cmp(&right.as_float()?),
    }
}

/// Exact, where a conversion to float would lose digits.
fn integer_and_float(integer: i128, float: f64) -> Option<Ordering> {
    const LIMIT: f64 = 1.7e38;
    if float.is_nan() {
        return None;
    }
    if float >= LIMIT {
        return Some(Ordering::Less);
    }
    if float <= -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let order = integer.cmp(&(whole as i128));
    Some(order.then_with(|| {
        0.0_f64
            .partial_cmp(&(float - whole))
            .unwrap_or(Ordering::Equal)
    }))
}

/// The order of two values for an operator, which is named if they have none.
pub(crate) fn compare(left: &Value, right: &Value, operator: &str) -> Result<Option<Ordering>> {
    order(left, right, operator, 0, &mut 0)
}

fn order(
    left: &Value,
    right: &Value,
    operator: &str,
    depth: u32,
    count: &mut u32,
) -> Result<Option<Ordering>> {
    use Value::*;
    *count += 1;
    if depth > MAX_DEPTH || *count > MAX_COMPARISONS {
        return Err(Error::new(
            ErrorKind::Recursion,
            "values nest too deeply to be compared",
        ));
    }
    match (left, right) {
        (Undefined(undefined), _) | (_, Undefined(undefined)) => Err(undefined.error()),
        (Str(a), Str(b)) => Ok(Some(a.cmp(b))),
        (Bool(_) | Int(_) | BigInt(_) | Float(_), Bool(_) | Int(_) | BigInt(_) | Float(_)) => {
            Ok(number_order(left, right))
        }
        (List(a), List(b)) => sequences(&a.items(), &b.items(), operator, depth, count),
        (Tuple(a), Tuple(b)) => sequences(a, b, operator, depth, count),
        (Object(object), other) => object
            .compare(other)
            .map(Some)
            .ok_or_else(|| unordered(left, right, operator)),
        (other, Object(object)) => object
            .compare(other)
            .map(|order| Some(order.reverse()))
            .ok_or_else(|| unordered(left, right, operator)),
        _ => Err(unordered(left, right, operator)),
    }
}

fn unordered(left: &Value, right: &Value, operator: &str) -> Error {
    Error::new(
        ErrorKind::Type,
        format!(
            "'{operator}' not supported between instances of '{}' and '{}'",
            left.type_name(),
            right.type_name()
        ),
    )
}

fn sequences(
    left: &[Value],
    right: &[Value],
    operator: &str,
    depth: u32,
    count: &mut u32,
) -> Result<Option<Ordering>> {
    for (a, b) in left.iter().zip(right) {
        if !equal(a, b, depth + 1, count) {
            return order(a, b, operator, depth + 1, count);
        }
    }
    Ok(Some(left.len().cmp(&right.len())))
}

/// An error unless the value can be a key.
pub(crate) fn unhashable(value: &Value) -> Result<()> {
    match value {
        Value::List(_) | Value::Dict(_) | Value::Set(_) => Err(Error::new(
            ErrorKind::Type,
            format!("unhashable type: '{}'", value.type_name()),
        )),
        Value::Tuple(tuple) => {
            let mut waiting: Vec<&[Value]> = vec![tuple];
            let mut seen = 0;
            while let Some(items) = waiting.pop() {
                seen += items.len();
                if seen > 100_000 {
                    return Err(Error::new(
                        ErrorKind::Limit,
                        "a tuple is too large to be a key",
                    ));
                }
                for item in items {
                    match item {
                        Value::Tuple(inner) => waiting.push(inner),
                        Value::List(_) | Value::Dict(_) | Value::Set(_) => return unhashable(item),
                        _ => {}
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether two keys are the same. Maps ask this while they are locked, so it looks into nothing that
/// could lead back to them: objects that do not say how to hash them are the same only as themselves.
pub(super) fn same_key(left: &Value, right: &Value) -> bool {
    same_at(left, right, 0)
}

fn same_at(left: &Value, right: &Value, depth: u32) -> bool {
    match (left, right) {
        _ if depth > MAX_DEPTH => false,
        (Value::Object(a), Value::Object(b)) => {
            Arc::ptr_eq(a, b) || a.hash().is_some() && b.hash().is_some() && a.equals(right)
        }
        (Value::Object(object), other) | (other, Value::Object(object)) => {
            object.hash().is_some() && object.equals(other)
        }
        (Value::Tuple(a), Value::Tuple(b)) => {
            a.address() == b.address()
                || a.len() == b.len()
                    && a.iter()
                        .zip(b.iter())
                        .all(|(a, b)| same_at(a, b, depth + 1))
        }
        (Value::List(_) | Value::Dict(_) | Value::Set(_), _)
        | (_, Value::List(_) | Value::Dict(_) | Value::Set(_)) => false,
        _ => left == right,
    }
}

/// The hash of a key; equal keys have equal hashes.
pub(crate) fn hash_of(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(value, &mut hasher, 0);
    hasher.finish()
}

pub(crate) fn hash_str(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed_str(text, &mut hasher);
    hasher.finish()
}

fn feed_str(text: &str, hasher: &mut DefaultHasher) {
    hasher.write_u8(3);
    hasher.write(text.as_bytes());
}

fn feed(value: &Value, hasher: &mut DefaultHasher, depth: u32) {
    match value {
        Value::Str(text) => feed_str(text, hasher),
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) => {
            hasher.write_u8(1);
            value.as_i128().unwrap_or(0).hash(hasher);
        }
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e38 => {
            hasher.write_u8(1);
            (*number as i128).hash(hasher);
        }
        Value::Float(number) => {
            hasher.write_u8(2);
            number.to_bits().hash(hasher);
        }
        Value::Tuple(items) => {
            hasher.write_usize(items.len());
            // Deeper values hash alike, which costs time and not truth.
            if depth < 8 {
                items.iter().for_each(|item| feed(item, hasher, depth + 1));
            }
        }
        Value::Object(object) => match object.hash() {
            Some(hash) => hasher.write_u64(hash),
            None => hasher.write_usize(Arc::as_ptr(object).cast::<()>().addr()),
        },
        Value::Macro(definition) => hasher.write_usize(Arc::as_ptr(&definition.0).addr()),
        Value::Undefined(_) | Value::None | Value::List(_) | Value::Dict(_) | Value::Set(_) => {
            hasher.write_u8(0)
        }
    }
}
