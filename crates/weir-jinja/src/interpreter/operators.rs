//! Arithmetic, membership and what sets compare to.

use super::Interpreter;
use crate::{
    Error, ErrorKind, Result, Set, Value, builtins,
    syntax::{Comparison, Operator},
};

/// Applies a binary operator.
pub(crate) fn binary(
    interpreter: &mut Interpreter,
    operator: Operator,
    left: &Value,
    right: &Value,
) -> Result<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            if let Some(value) = small_integers(operator, *a, *b) {
                return Ok(value);
            }
        }
        (Value::Str(text), _) if operator == Operator::Modulo => {
            return builtins::percent_format(interpreter, text, right);
        }
        (Value::Undefined(undefined), _) | (_, Value::Undefined(undefined)) => {
            return Err(undefined.error());
        }
        _ => {}
    }
    if let (Some(a), Some(b)) = (left.as_i128(), right.as_i128()) {
        return integers(operator, a, b);
    }
    if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
        return floats(operator, a, b);
    }
    if let Some(value) = sequences(interpreter, operator, left, right)? {
        return Ok(value);
    }
    if let Value::Object(object) = left
        && let Some(value) = object.operate(operator.symbol(), right, false)?
    {
        return Ok(value);
    }
    if let Value::Object(object) = right
        && let Some(value) = object.operate(operator.symbol(), left, true)?
    {
        return Ok(value);
    }
    Err(unsupported(operator, left, right))
}

fn unsupported(operator: Operator, left: &Value, right: &Value) -> Error {
    let (left_type, right_type) = (left.type_name(), right.type_name());
    let concatenated = match (operator, left) {
        (Operator::Add, Value::Str(_)) => Some("str"),
        (Operator::Add, Value::List(_)) => Some("list"),
        (Operator::Add, Value::Tuple(_)) => Some("tuple"),
        _ => None,
    };
    if let Some(kind) = concatenated {
        let error = Error::new(
            ErrorKind::Type,
            format!("can only concatenate {kind} (not \"{right_type}\") to {kind}"),
        );
        return if kind == "str" {
            error.with_hint("join values as text with `~`")
        } else {
            error
        };
    }
    let symbol = if operator == Operator::Power {
        "** or pow()"
    } else {
        operator.symbol()
    };
    Error::new(
        ErrorKind::Type,
        format!("unsupported operand type(s) for {symbol}: '{left_type}' and '{right_type}'"),
    )
}

fn small_integers(operator: Operator, a: i64, b: i64) -> Option<Value> {
    let number = match operator {
        Operator::Add => a.checked_add(b)?,
        Operator::Subtract => a.checked_sub(b)?,
        Operator::Multiply => a.checked_mul(b)?,
        _ => return None,
    };
    Some(Value::Int(number))
}

fn zero_division(message: &str) -> Error {
    Error::new(ErrorKind::ZeroDivision, message)
}

fn integers(operator: Operator, a: i128, b: i128) -> Result<Value> {
    let number = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide if b == 0 => return Err(zero_division("division by zero")),
        Operator::Divide => return Ok(Value::Float(a as f64 / b as f64)),
        Operator::FloorDivide if b == 0 => {
            return Err(zero_division("integer division or modulo by zero"));
        }
        Operator::Modulo if b == 0 => return Err(zero_division("integer modulo by zero")),
        Operator::FloorDivide => a.checked_div(b).map(|whole| {
            if a % b != 0 && (a < 0) != (b < 0) {
                whole - 1
            } else {
                whole
            }
        }),
        Operator::Modulo => a.checked_rem(b).map(|rest| {
            if rest != 0 && (rest < 0) != (b < 0) {
                rest + b
            } else {
                rest
            }
        }),
        Operator::Power if b < 0 => {
            if a == 0 {
                return Err(zero_division("0.0 cannot be raised to a negative power"));
            }
            return Ok(Value::Float((a as f64).powf(b as f64)));
        }
        Operator::Power => u32::try_from(b)
            .ok()
            .and_then(|exponent| a.checked_pow(exponent)),
    };
    match number {
        Some(number) => Ok(Value::integer(number)),
        None => Err(
            Error::new(ErrorKind::Overflow, "an integer is larger than 127 bits")
                .with_hint("use a float: write `.0` behind one of the numbers"),
        ),
    }
}

fn floats(operator: Operator, a: f64, b: f64) -> Result<Value> {
    let number = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide if b == 0.0 => return Err(zero_division("float division by zero")),
        Operator::Divide => a / b,
        Operator::FloorDivide if b == 0.0 => {
            return Err(zero_division("float floor division by zero"));
        }
        Operator::Modulo if b == 0.0 => return Err(zero_division("float modulo")),
        Operator::FloorDivide => ((a - modulo(a, b)) / b).round(),
        Operator::Modulo => modulo(a, b),
        Operator::Power if a == 0.0 && b < 0.0 => {
            return Err(zero_division("0.0 cannot be raised to a negative power"));
        }
        Operator::Power => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(Error::new(
                    ErrorKind::Overflow,
                    "Numerical result out of range",
                ));
            }
            if power.is_nan() && !a.is_nan() && !b.is_nan() {
                return Err(Error::new(
                    ErrorKind::Value,
                    "a root of a negative number is not a number",
                ));
            }
            power
        }
    };
    Ok(Value::Float(number))
}

/// The rest with the sign of the divisor, as Python's.
fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

fn sequences(
    interpreter: &mut Interpreter,
    operator: Operator,
    left: &Value,
    right: &Value,
) -> Result<Option<Value>> {
    Ok(match (operator, left, right) {
        (Operator::Add, Value::Str(a), Value::Str(b)) => {
            interpreter.check_text(a.len() + b.len())?;
            Some(Value::from([&**a, &**b].concat()))
        }
        (Operator::Add, Value::List(a), Value::List(b)) => {
            interpreter.check_items(a.len() + b.len())?;
            let mut items = a.items();
            items.extend(b.items());
            Some(Value::list(items))
        }
        (Operator::Add, Value::Tuple(a), Value::Tuple(b)) => {
            interpreter.check_items(a.len() + b.len())?;
            Some(Value::tuple(a.iter().chain(b.iter()).cloned()))
        }
        (Operator::Subtract, Value::Set(a), Value::Set(b)) => Some(Value::Set(Set::new(
            a.members().into_iter().filter(|member| !b.contains(member)),
        )?)),
        (Operator::Multiply, Value::Str(_) | Value::List(_) | Value::Tuple(_), _) => {
            repeated(interpreter, left, right)?
        }
        (Operator::Multiply, _, Value::Str(_) | Value::List(_) | Value::Tuple(_)) => {
            repeated(interpreter, right, left)?
        }
        _ => None,
    })
}

fn repeated(interpreter: &mut Interpreter, value: &Value, times: &Value) -> Result<Option<Value>> {
    let Some(times) = times.as_i128() else {
        return Ok(None);
    };
    let times = usize::try_from(times.clamp(0, i128::from(u32::MAX))).unwrap_or(0);
    Ok(match value {
        Value::Str(text) => {
            interpreter.check_text(text.len().saturating_mul(times))?;
            Some(Value::from(text.repeat(times)))
        }
        Value::List(list) => {
            let items = list.items();
            interpreter.check_items(items.len().saturating_mul(times))?;
            Some(Value::list(
                items.iter().cycle().take(items.len() * times).cloned(),
            ))
        }
        Value::Tuple(items) => {
            interpreter.check_items(items.len().saturating_mul(times))?;
            Some(Value::tuple(
                items.iter().cycle().take(items.len() * times).cloned(),
            ))
        }
        _ => None,
    })
}

pub(crate) fn negative(value: &Value) -> Result<Value> {
    match value {
        Value::Float(number) => Ok(Value::Float(-number)),
        Value::Undefined(undefined) => Err(undefined.error()),
        Value::Object(object) => object
            .operate("-", &Value::Int(0), true)?
            .ok_or_else(|| bad_unary("-", value)),
        other => match other.as_i128().and_then(i128::checked_neg) {
            Some(number) => Ok(Value::integer(number)),
            None => Err(bad_unary("-", other)),
        },
    }
}

pub(crate) fn positive(value: &Value) -> Result<Value> {
    match value {
        Value::Float(_) | Value::Int(_) | Value::BigInt(_) => Ok(value.clone()),
        Value::Bool(flag) => Ok(Value::Int(i64::from(*flag))),
        Value::Undefined(undefined) => Err(undefined.error()),
        other => Err(bad_unary("+", other)),
    }
}

fn bad_unary(symbol: &str, value: &Value) -> Error {
    Error::new(
        ErrorKind::Type,
        format!(
            "bad operand type for unary {symbol}: '{}'",
            value.type_name()
        ),
    )
}

/// `value in container`
pub(crate) fn contains(container: &Value, value: &Value) -> Result<bool> {
    Ok(match container {
        Value::Str(text) => match value {
            Value::Str(part) => text.contains(&**part),
            other => {
                return Err(Error::new(
                    ErrorKind::Type,
                    format!(
                        "'in <string>' requires string as left operand, not {}",
                        other.type_name()
                    ),
                ));
            }
        },
        Value::List(list) => list.items().contains(value),
        Value::Tuple(items) => items.contains(value),
        Value::Dict(dict) => {
            crate::value::unhashable(value)?;
            dict.get(value).is_some()
        }
        Value::Set(set) => {
            crate::value::unhashable(value)?;
            set.contains(value)
        }
        Value::Undefined(_) => false,
        Value::Object(object) => object.contains(value)?,
        other => {
            return Err(Error::new(
                ErrorKind::Type,
                format!("argument of type '{}' is not iterable", other.type_name()),
            ));
        }
    })
}

/// How two sets compare: by what they contain.
pub(crate) fn compare_sets(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let (Value::Set(a), Value::Set(b)) = (left, right) else {
        return false;
    };
    let within =
        |inner: &Set, outer: &Set| inner.members().iter().all(|member| outer.contains(member));
    match comparison {
        Comparison::Less => a.len() < b.len() && within(a, b),
        Comparison::LessEqual => within(a, b),
        Comparison::Greater => b.len() < a.len() && within(b, a),
        Comparison::GreaterEqual => within(b, a),
        _ => false,
    }
}
