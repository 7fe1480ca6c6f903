//! `timedelta`.

use std::any::Any;
use std::cmp::Ordering;

use chrono::TimeDelta;
use weir_jinja::{Call, Error, ErrorKind, Object, Result, Value};

use super::{type_error, value_error};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;
/// The names of the arguments in their order, and how many microseconds one of each is.
const UNITS: [(&str, i128); 7] = [
    ("days", DAY),
    ("seconds", SECOND),
    ("microseconds", 1),
    ("milliseconds", 1_000),
    ("minutes", 60 * SECOND),
    ("hours", 3_600 * SECOND),
    ("weeks", 7 * DAY),
];

/// A `timedelta` in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delta(pub(super) i128);

impl Delta {
    pub(super) fn of(delta: TimeDelta) -> Value {
        let micros = i128::from(delta.num_seconds()) * SECOND + i128::from(delta.subsec_micros());
        Value::object(Self(micros))
    }

    fn checked(micros: i128) -> Result<Value> {
        if micros.abs() > 999_999_999 * DAY {
            return Err(Error::new(
                ErrorKind::Overflow,
                "a timedelta is longer than 999999999 days",
            ));
        }
        Ok(Value::object(Self(micros)))
    }

    /// The same for chrono; what does not fit is out of range everywhere.
    pub(super) fn chrono(self) -> Option<TimeDelta> {
        i64::try_from(self.0).ok().map(TimeDelta::microseconds)
    }

    fn days(self) -> i128 {
        self.0.div_euclid(DAY)
    }

    fn seconds(self) -> i128 {
        self.0.rem_euclid(DAY) / SECOND
    }

    fn micros(self) -> i128 {
        self.0.rem_euclid(SECOND)
    }

    fn scaled(self, factor: &Value) -> Result<Option<Value>> {
        match factor {
            Value::Int(times) => self.0.checked_mul(i128::from(*times)).map_or_else(
                || {
                    Err(Error::new(
                        ErrorKind::Overflow,
                        "a timedelta is longer than 999999999 days",
                    ))
                },
                |micros| Self::checked(micros).map(Some),
            ),
            Value::Float(times) => rounded(self.0 as f64 * times)
                .and_then(Self::checked)
                .map(Some),
            _ => Ok(None),
        }
    }

    fn divided(self, operator: &str, by: &Value) -> Result<Option<Value>> {
        let zero = || Error::new(ErrorKind::ZeroDivision, "division by zero");
        if let Some(other) = by.as_object::<Self>() {
            if other.0 == 0 {
                return Err(zero());
            }
            let whole = self.0.div_euclid(other.0)
                - i128::from(other.0 < 0 && self.0.rem_euclid(other.0) != 0);
            return Ok(Some(match operator {
                "/" => Value::Float(self.0 as f64 / other.0 as f64),
                "//" => Value::from(whole),
                _ => Value::object(Self(self.0 - whole * other.0)),
            }));
        }
        match (operator, by) {
            ("/" | "//", Value::Int(0)) => Err(zero()),
            ("//", Value::Int(by)) => {
                let by = i128::from(*by);
                let whole =
                    self.0.div_euclid(by) - i128::from(by < 0 && self.0.rem_euclid(by) != 0);
                Ok(Some(Value::object(Self(whole))))
            }
            ("/", Value::Int(by)) => rounded(self.0 as f64 / *by as f64)
                .and_then(Self::checked)
                .map(Some),
            ("/", Value::Float(by)) if *by == 0.0 => Err(zero()),
            ("/", Value::Float(by)) => rounded(self.0 as f64 / by)
                .and_then(Self::checked)
                .map(Some),
            _ => Ok(None),
        }
    }
}

/// Microseconds, halves to even as Python rounds them.
fn rounded(micros: f64) -> Result<i128> {
    if !micros.is_finite() {
        return Err(value_error(
            "cannot convert float NaN or infinity to a timedelta",
        ));
    }
    Ok(micros.round_ties_even() as i128)
}

impl Object for Delta {
    fn type_name(&self) -> &str {
        "datetime.timedelta"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(Value::from(match name {
            "days" => self.days(),
            "seconds" => self.seconds(),
            "microseconds" => self.micros(),
            _ => return Ok(None),
        })))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if name != "total_seconds" {
            return Ok(None);
        }
        call.finish()?;
        Ok(Some(Value::Float(self.0 as f64 / SECOND as f64)))
    }

    fn methods(&self) -> &[&str] {
        &["total_seconds"]
    }

    fn is_true(&self) -> bool {
        self.0 != 0
    }

    fn operate(&self, operator: &str, other: &Value, swapped: bool) -> Result<Option<Value>> {
        match (operator, other.as_object::<Self>()) {
            ("+", Some(other)) => Self::checked(self.0 + other.0).map(Some),
            ("-", Some(other)) if swapped => Self::checked(other.0 - self.0).map(Some),
            ("-", Some(other)) => Self::checked(self.0 - other.0).map(Some),
            // The sign: nothing minus this.
            ("-", None) if swapped && other.as_int() == Some(0) => Self::checked(-self.0).map(Some),
            ("*", _) => self.scaled(other),
            ("/" | "//" | "%", _) if !swapped => self.divided(operator, other),
            _ => Ok(None),
        }
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>() == Some(self)
    }

    fn compare(&self, other: &Value) -> Option<Ordering> {
        Some(self.0.cmp(&other.as_object::<Self>()?.0))
    }

    fn hash(&self) -> Option<u64> {
        Some(self.0 as u64)
    }

    fn to_str(&self) -> String {
        let mut out = match self.days() {
            0 => String::new(),
            days @ (1 | -1) => format!("{days} day, "),
            days => format!("{days} days, "),
        };
        let seconds = self.seconds();
        out += &format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        if self.micros() > 0 {
            out += &format!(".{:06}", self.micros());
        }
        out
    }

    fn repr(&self) -> String {
        let parts: Vec<String> = [
            ("days", self.days()),
            ("seconds", self.seconds()),
            ("microseconds", self.micros()),
        ]
        .iter()
        .filter(|(_, count)| *count != 0)
        .map(|(name, count)| format!("{name}={count}"))
        .collect();
        let parts = if parts.is_empty() {
            "0".to_owned()
        } else {
            parts.join(", ")
        };
        format!("datetime.timedelta({parts})")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `datetime.timedelta`
#[derive(Debug)]
pub(super) struct DeltaClass;

impl Object for DeltaClass {
    fn type_name(&self) -> &str {
        "type"
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let mut micros: i128 = 0;
        for (name, unit) in UNITS {
            let Some(count) = call.optional(name)? else {
                continue;
            };
            let more = match &count {
                Value::Int(count) => i128::from(*count).checked_mul(unit),
                Value::Bool(flag) => Some(i128::from(*flag) * unit),
                Value::Float(count) => Some(rounded(count * unit as f64)?),
                other => {
                    return Err(type_error(format!(
                        "unsupported type for timedelta {name} component: {}",
                        other.type_name()
                    )));
                }
            };
            micros = more
                .and_then(|more| micros.checked_add(more))
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::Overflow,
                        "a timedelta is longer than 999999999 days",
                    )
                })?;
        }
        call.finish()?;
        Delta::checked(micros)
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn repr(&self) -> String {
        "<class 'datetime.timedelta'>".into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
