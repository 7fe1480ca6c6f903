//! Methods of numbers and the filters that make and round them.

use super::no_method;
use crate::{
    Call, Error, ErrorKind, Result, Value,
    value::{parse_float, parse_int},
};

pub(super) const METHODS: &[&str] = &["is_integer", "bit_length", "conjugate"];

pub(super) fn call(value: &Value, name: &str, call: &mut Call<'_>) -> Result<Value> {
    call.finish()?;
    match (name, value) {
        ("is_integer", Value::Float(number)) => {
            Ok(Value::Bool(number.is_finite() && number.fract() == 0.0))
        }
        ("is_integer", _) => Ok(Value::Bool(true)),
        ("bit_length", _) if value.as_i128().is_some() => {
            let number = value.as_i128().unwrap_or(0).unsigned_abs();
            Ok(Value::from(u128::BITS - number.leading_zeros()))
        }
        ("conjugate", _) => Ok(value.clone()),
        _ => Err(no_method(value.type_name(), name)),
    }
}

pub(super) fn abs(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    call.finish()?;
    match &value {
        Value::Float(number) => Ok(Value::Float(number.abs())),
        Value::Undefined(undefined) => Err(undefined.error()),
        other => match other.as_i128().and_then(i128::checked_abs) {
            Some(number) => Ok(Value::integer(number)),
            None => Err(Error::new(
                ErrorKind::Type,
                format!("bad operand type for abs(): '{}'", other.type_name()),
            )),
        },
    }
}

pub(super) fn int(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let default = call.optional("default")?.unwrap_or(Value::Int(0));
    let base = call.optional_int("base")?.unwrap_or(10);
    call.finish()?;
    Ok(match &value {
        Value::Undefined(undefined) => return Err(undefined.error()),
        Value::Str(text) => parse_int(text, u32::try_from(base).unwrap_or(10))
            .or_else(|| parse_float(text).and_then(truncated))
            .unwrap_or(default),
        Value::Object(object) => match object.operate("int", &Value::None, false)? {
            Some(number) => number,
            None => default,
        },
        Value::Float(number) => truncated(*number).unwrap_or(default),
        other => other.as_i128().map_or(default, Value::integer),
    })
}

fn truncated(number: f64) -> Option<Value> {
    (number.is_finite() && number.abs() < 1.7e38).then(|| Value::integer(number.trunc() as i128))
}

pub(super) fn float(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let default = call.optional("default")?.unwrap_or(Value::Float(0.0));
    call.finish()?;
    Ok(match &value {
        Value::Undefined(undefined) => return Err(undefined.error()),
        Value::Str(text) => parse_float(text).map_or(default, Value::Float),
        Value::Object(object) => match object.operate("float", &Value::None, false)? {
            Some(number) => number,
            None => default,
        },
        other => other.as_float().map_or(default, Value::Float),
    })
}

pub(super) fn round(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let precision = call.optional_int("precision")?.unwrap_or(0);
    let method = call
        .optional_str("method")?
        .unwrap_or_else(|| "common".into());
    call.finish()?;
    if let Value::Undefined(undefined) = &value {
        return Err(undefined.error());
    }
    let digits = i32::try_from(precision.clamp(-400, 400)).unwrap_or(0);
    if &*method == "common" {
        if let Some(number) = value.as_i128() {
            return Ok(Value::integer(if digits < 0 {
                round_integer(number, digits.unsigned_abs())
            } else {
                number
            }));
        }
        if let Value::Object(object) = &value
            && let Some(rounded) = object.operate("round", &Value::from(digits), false)?
        {
            return Ok(rounded);
        }
    }
    let Some(number) = value.as_float() else {
        return Err(Error::new(
            ErrorKind::Type,
            format!("type {} doesn't define __round__ method", value.type_name()),
        ));
    };
    let factor = 10_f64.powi(digits);
    Ok(Value::Float(match &*method {
        "common" => round_float(number, digits),
        "ceil" => (number * factor).ceil() / factor,
        "floor" => (number * factor).floor() / factor,
        _ => {
            return Err(Error::new(
                ErrorKind::Value,
                "method must be common, ceil or floor",
            ));
        }
    }))
}

fn round_integer(number: i128, digits: u32) -> i128 {
    let Some(unit) = 10_i128.checked_pow(digits) else {
        return 0;
    };
    let rest = number.rem_euclid(unit);
    let down = number - rest;
    // Halves go to the even neighbour, as in Python.
    let up = rest * 2 > unit || rest * 2 == unit && (down / unit) % 2 != 0;
    if up { down.saturating_add(unit) } else { down }
}

/// Rounds as Python does: by the exact value of the float, halves to even.
pub(super) fn round_float(number: f64, digits: i32) -> f64 {
    if !number.is_finite() || digits > 30 {
        return number;
    }
    if digits >= 0 {
        return format!("{number:.*}", digits as usize)
            .parse()
            .unwrap_or(number);
    }
    if digits < -308 {
        return 0.0_f64.copysign(number);
    }
    let unit = 10_f64.powi(-digits);
    let scaled = number / unit;
    scaled.round_ties_even() * unit
}

pub(super) fn filesizeformat(call: &mut Call<'_>) -> Result<Value> {
    let value = call.required("value")?;
    let binary = call.optional_bool("binary", false)?;
    call.finish()?;
    let bytes = match &value {
        Value::Str(text) => parse_float(text),
        other => other.as_float(),
    };
    let Some(bytes) = bytes else {
        return Err(call.wrong("value", "a number", &value));
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()).into());
    }
    let mut unit = base;
    for letter in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
        unit *= base;
        if bytes < unit || letter == "Y" {
            let name = if binary {
                format!("{}iB", letter.to_uppercase())
            } else {
                format!("{letter}B")
            };
            return Ok(format!("{:.1} {name}", base * bytes / unit).into());
        }
    }
    Ok(Value::Undefined(crate::Undefined::default()))
}
