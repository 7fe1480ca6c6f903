//! Python's dates and modules, as templates use them.

mod regular;

use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};
use weir_jinja::{Call, Object, Result, Value};

use super::Clock;

/// Makes a `datetime` in UTC.
pub(crate) fn moment(moment: DateTime<Utc>) -> Value {
    aware(moment.fixed_offset())
}

/// Makes a `datetime` with a zone.
pub(crate) fn aware(moment: DateTime<FixedOffset>) -> Value {
    Value::object(Moment { naive: moment.naive_local(), offset: Some(*moment.offset()) })
}

/// Makes a `datetime` without a zone.
pub(crate) fn naive(moment: NaiveDateTime) -> Value {
    Value::object(Moment { naive: moment, offset: None })
}

/// Makes a `date`.
pub(crate) fn date(date: NaiveDate) -> Value {
    Value::object(Day(date))
}

/// `modules`.
pub(crate) fn modules(clock: &Arc<dyn Clock>) -> Value {
    let clock = Arc::clone(clock);
    let now = weir_jinja::Function::value("now", move |_: &mut Call<'_>| Ok(naive(clock.now().naive_utc())));
    let datetime = Value::dict([("now", now.clone()), ("utcnow", now.clone()), ("today", now)]);
    Value::dict([("datetime", Value::dict([("datetime", datetime)])), ("re", regular::module())])
}

#[derive(Debug, PartialEq)]
struct Moment {
    naive: NaiveDateTime,
    offset: Option<FixedOffset>,
}

impl Object for Moment {
    fn type_name(&self) -> &str {
        "datetime"
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "strftime" => {
                let format = call.required("format")?.to_str().replace("%f", "%6f");
                Value::str(self.naive.format(&format).to_string())
            }
            "isoformat" => Value::str(self.to_str().replacen(' ', "T", 1)),
            "date" => date(self.naive.date()),
            _ => return Ok(None),
        }))
    }

    fn to_str(&self) -> String {
        let text = self.naive.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        let text = text.strip_suffix(".000000").map_or(text.clone(), str::to_owned);
        match self.offset {
            Some(offset) => format!("{text}{offset}"),
            None => text,
        }
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>().is_some_and(|other| self == other)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[derive(Debug, PartialEq)]
struct Day(NaiveDate);

impl Object for Day {
    fn type_name(&self) -> &str {
        "date"
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "strftime" => Value::str(self.0.format(&call.required("format")?.to_str()).to_string()),
            "isoformat" => Value::str(self.0.to_string()),
            _ => return Ok(None),
        }))
    }

    fn to_str(&self) -> String {
        self.0.to_string()
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>().is_some_and(|other| self == other)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
