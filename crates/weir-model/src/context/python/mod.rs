//! Python's modules as templates use them: `datetime`, `pytz`, `re` and `itertools`.
//!
//! The machine's own zone is taken to be UTC, so that a project gives the same text everywhere.

mod day;
mod delta;
mod iterate;
mod matched;
mod module;
mod moment;
mod pattern;
mod strftime;
mod zone;

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};
use weir_jinja::{Error, ErrorKind, Value};

use self::{day::Day, module::Module, moment::Moment, zone::Zone};
use super::Clock;

/// Makes a `datetime` in UTC.
pub(crate) fn moment(moment: DateTime<Utc>) -> Value {
    Value::object(Moment {
        naive: moment.naive_utc(),
        zone: Some(Zone::UTC),
    })
}

/// Makes a `datetime` with a zone.
pub(crate) fn aware(moment: DateTime<FixedOffset>) -> Value {
    let zone = if moment.offset().local_minus_utc() == 0 {
        Zone::UTC
    } else {
        Zone::Fixed(*moment.offset())
    };
    Value::object(Moment {
        naive: moment.naive_local(),
        zone: Some(zone),
    })
}

/// Makes a `datetime` without a zone.
pub(crate) fn naive(moment: NaiveDateTime) -> Value {
    Value::object(Moment {
        naive: moment,
        zone: None,
    })
}

/// Makes a `date`.
pub(crate) fn date(date: NaiveDate) -> Value {
    Value::object(Day(date))
}

/// The modules that depend on nothing.
static SHARED: LazyLock<[Value; 3]> =
    LazyLock::new(|| [zone::module(), pattern::module(), iterate::module()]);

/// `modules`.
pub(crate) fn modules(clock: &Arc<dyn Clock>) -> Value {
    let datetime = [
        ("date", Value::object(day::DayClass(Arc::clone(clock)))),
        (
            "datetime",
            Value::object(moment::MomentClass(Arc::clone(clock))),
        ),
        ("time", Value::object(day::TimeClass)),
        ("timedelta", Value::object(delta::DeltaClass)),
    ];
    let [pytz, re, itertools] = &*SHARED;
    Module::value([
        ("datetime", Module::value(datetime)),
        ("pytz", pytz.clone()),
        ("re", re.clone()),
        ("itertools", itertools.clone()),
    ])
}

fn type_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Type, message)
}

fn value_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Value, message)
}

fn out_of_range() -> Error {
    Error::new(ErrorKind::Overflow, "date value out of range")
}

/// Whether Python could hold the date: years have four digits.
fn in_range(date: NaiveDate) -> bool {
    use chrono::Datelike as _;
    (1..=9999).contains(&date.year())
}

#[cfg(test)]
mod tests;
