//! The table of tests: what stands behind `is`.

use std::{cmp::Ordering, sync::Arc};

use super::{filter, stateful::is_sequence};
use crate::{
    Call, Error, ErrorKind, Result, Value,
    interpreter::{binary, contains},
    syntax::Operator,
    value::compare,
};

/// A test: what is tested is the first argument.
pub(crate) type Test = fn(&mut Call<'_>) -> Result<bool>;

/// By name, in order.
const TESTS: &[(&str, Test)] = &[
    ("!=", ne),
    ("<", lt),
    ("<=", le),
    ("==", eq),
    (">", gt),
    (">=", ge),
    ("boolean", |call| {
        is(call, |value| matches!(value, Value::Bool(_)))
    }),
    ("callable", |call| {
        is(call, |value| value.is_callable() || value.is_undefined())
    }),
    ("defined", |call| is(call, |value| !value.is_undefined())),
    ("divisibleby", divisible_by),
    ("eq", eq),
    ("equalto", eq),
    ("escaped", |call| is(call, |_| false)),
    ("even", |call| Ok(remainder(call)? == Value::Int(0))),
    ("false", |call| {
        is(call, |value| matches!(value, Value::Bool(false)))
    }),
    ("filter", is_filter),
    ("float", |call| {
        is(call, |value| matches!(value, Value::Float(_)))
    }),
    ("ge", ge),
    ("greaterthan", gt),
    ("gt", gt),
    ("in", is_in),
    ("integer", |call| {
        is(call, |value| {
            matches!(value, Value::Int(_) | Value::BigInt(_))
        })
    }),
    ("iterable", |call| is(call, is_iterable)),
    ("le", le),
    ("lessthan", lt),
    ("lower", |call| {
        is(call, |value| {
            has_case(value, char::is_lowercase, char::is_uppercase)
        })
    }),
    ("lt", lt),
    ("mapping", |call| is(call, is_mapping)),
    ("ne", ne),
    ("none", |call| is(call, Value::is_none)),
    ("number", |call| is(call, is_number)),
    ("odd", |call| Ok(remainder(call)? == Value::Int(1))),
    ("sameas", same_as),
    ("sequence", |call| is(call, is_sequence_value)),
    ("string", |call| {
        is(call, |value| matches!(value, Value::Str(_)))
    }),
    ("test", is_test),
    ("true", |call| {
        is(call, |value| matches!(value, Value::Bool(true)))
    }),
    ("undefined", |call| is(call, Value::is_undefined)),
    ("upper", |call| {
        is(call, |value| {
            has_case(value, char::is_uppercase, char::is_lowercase)
        })
    }),
];

pub(crate) fn test(name: &str) -> Option<Test> {
    let at = TESTS.binary_search_by(|(own, _)| (*own).cmp(name)).ok()?;
    Some(TESTS[at].1)
}

pub(crate) fn test_names() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|(name, _)| *name)
}

fn is(call: &mut Call<'_>, holds: fn(&Value) -> bool) -> Result<bool> {
    let value = call.required("value")?;
    call.finish()?;
    Ok(holds(&value))
}

fn both(call: &mut Call<'_>) -> Result<(Value, Value)> {
    let pair = (call.required("value")?, call.required("other")?);
    call.finish()?;
    Ok(pair)
}

fn eq(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(a == b)
}

fn ne(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(a != b)
}

fn lt(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(compare(&a, &b, "<")? == Some(Ordering::Less))
}

fn le(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(matches!(
        compare(&a, &b, "<=")?,
        Some(Ordering::Less | Ordering::Equal)
    ))
}

fn gt(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(compare(&a, &b, ">")? == Some(Ordering::Greater))
}

fn ge(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(matches!(
        compare(&a, &b, ">=")?,
        Some(Ordering::Greater | Ordering::Equal)
    ))
}

fn is_in(call: &mut Call<'_>) -> Result<bool> {
    let (value, container) = both(call)?;
    contains(&container, &value)
}

fn divisible_by(call: &mut Call<'_>) -> Result<bool> {
    let (value, by) = both(call)?;
    Ok(binary(call.interpreter, Operator::Modulo, &value, &by)? == Value::Int(0))
}

fn remainder(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    binary(call.interpreter, Operator::Modulo, &value, &Value::Int(2))
}

fn same_as(call: &mut Call<'_>) -> Result<bool> {
    let (a, b) = both(call)?;
    Ok(match (&a, &b) {
        (Value::List(a), Value::List(b)) => a.is(b),
        (Value::Dict(a), Value::Dict(b)) => a.is(b),
        (Value::Set(a), Value::Set(b)) => a.is(b),
        (Value::Tuple(a), Value::Tuple(b)) => {
            a.address() == b.address() || a.is_empty() && b.is_empty()
        }
        (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
        _ => a.type_name() == b.type_name() && a == b,
    })
}

fn is_number(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => true,
        Value::Object(object) => object.type_name() == "Decimal",
        _ => false,
    }
}

fn is_mapping(value: &Value) -> bool {
    match value {
        Value::Dict(_) => true,
        Value::Object(object) => object.is_mapping(),
        _ => false,
    }
}

fn is_iterable(value: &Value) -> bool {
    match value {
        Value::Str(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Undefined(_) => true,
        // Looking must not use a generator up.
        Value::Object(object) => {
            object.type_name() == "generator"
                || object.length().is_some()
                || object.iterate().is_some()
        }
        _ => false,
    }
}

fn is_sequence_value(value: &Value) -> bool {
    match value {
        Value::Str(_) | Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Undefined(_) => {
            true
        }
        Value::Object(object) => is_sequence(object) && !object.type_name().starts_with("dict_"),
        _ => false,
    }
}

fn has_case(value: &Value, wanted: fn(char) -> bool, other: fn(char) -> bool) -> bool {
    let text = value.to_str();
    text.chars().any(wanted) && !text.chars().any(other)
}

fn is_filter(call: &mut Call<'_>) -> Result<bool> {
    let name = call.required_str("value")?;
    call.finish()?;
    Ok(filter(&name).is_some() || call.interpreter.environment().filters.contains_key(&name))
}

fn is_test(call: &mut Call<'_>) -> Result<bool> {
    let value = call.required("value")?;
    call.finish()?;
    match &value {
        Value::Str(name) => {
            Ok(test(name).is_some() || call.interpreter.environment().tests.contains_key(name))
        }
        other => Err(Error::new(
            ErrorKind::Type,
            format!("a test's name is a string, not {}", other.type_name()),
        )),
    }
}
