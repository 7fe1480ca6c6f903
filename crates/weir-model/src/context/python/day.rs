//! `date` and `time`.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate, NaiveTime, TimeDelta, Timelike as _};
use weir_jinja::{Call, Object, Result, Value};

use super::delta::Delta;
use super::moment::Moment;
use super::{Clock, in_range, out_of_range, strftime, value_error};

/// A `date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day(pub(super) NaiveDate);

/// A number of a date or time that must be given, or may be.
pub(super) fn number(call: &mut Call<'_>, name: &str, default: Option<i64>) -> Result<u32> {
    let number = match (call.optional_int(name)?, default) {
        (Some(number), _) | (None, Some(number)) => number,
        (None, None) => {
            call.required(name)?;
            0
        }
    };
    u32::try_from(number).map_err(|_| value_error(format!("{name} is out of range")))
}

pub(super) fn day_of(year: u32, month: u32, day: u32) -> Result<NaiveDate> {
    if !(1..=9999).contains(&year) {
        return Err(value_error(format!("year {year} is out of range")));
    }
    if !(1..=12).contains(&month) {
        return Err(value_error("month must be in 1..12"));
    }
    i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .ok_or_else(|| value_error("day is out of range for month"))
}

pub(super) fn time_of(hour: u32, minute: u32, second: u32, micro: u32) -> Result<NaiveTime> {
    let limits = [
        ("hour", hour, 23),
        ("minute", minute, 59),
        ("second", second, 59),
        ("microsecond", micro, 999_999),
    ];
    for (name, number, limit) in limits {
        if number > limit {
            return Err(value_error(format!("{name} must be in 0..{limit}")));
        }
    }
    NaiveTime::from_hms_micro_opt(hour, minute, second, micro).ok_or_else(out_of_range)
}

/// What dates and datetimes have in common: numbers of the calendar.
pub(super) fn calendar(date: NaiveDate, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
    let value = match name {
        "weekday" => Value::from(date.weekday().num_days_from_monday()),
        "isoweekday" => Value::from(date.weekday().number_from_monday()),
        "isocalendar" => {
            let week = date.iso_week();
            Value::tuple([
                Value::from(week.year()),
                Value::from(week.week()),
                Value::from(date.weekday().number_from_monday()),
            ])
        }
        "toordinal" => Value::from(date.num_days_from_ce()),
        _ => return Ok(None),
    };
    call.finish()?;
    Ok(Some(value))
}

pub(super) const CALENDAR: [&str; 4] = ["weekday", "isoweekday", "isocalendar", "toordinal"];

impl Object for Day {
    fn type_name(&self) -> &str {
        "datetime.date"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "year" => Value::from(self.0.year()),
            "month" => Value::from(self.0.month()),
            "day" => Value::from(self.0.day()),
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let value = match name {
            "strftime" => {
                let format = call.required_str("format")?;
                Value::str(strftime::write(
                    &format,
                    self.0.and_time(NaiveTime::MIN),
                    None,
                ))
            }
            "isoformat" => Value::str(self.to_str()),
            "replace" => {
                let year = number(call, "year", Some(self.0.year().into()))?;
                let month = number(call, "month", Some(self.0.month().into()))?;
                let day = number(call, "day", Some(self.0.day().into()))?;
                Value::object(Self(day_of(year, month, day)?))
            }
            _ => return calendar(self.0, name, call),
        };
        call.finish()?;
        Ok(Some(value))
    }

    fn methods(&self) -> &[&str] {
        const METHODS: [&str; 7] = [
            "strftime",
            "isoformat",
            "replace",
            CALENDAR[0],
            CALENDAR[1],
            CALENDAR[2],
            CALENDAR[3],
        ];
        &METHODS
    }

    fn operate(&self, operator: &str, other: &Value, swapped: bool) -> Result<Option<Value>> {
        if operator == "format" {
            let format = other.to_str();
            return Ok(Some(Value::str(strftime::write(
                &format,
                self.0.and_time(NaiveTime::MIN),
                None,
            ))));
        }
        if let Some(delta) = other.as_object::<Delta>() {
            // Only whole days count for a date.
            let days = TimeDelta::try_days(
                i64::try_from(delta.0.div_euclid(86_400_000_000)).unwrap_or(i64::MAX),
            );
            let moved = match operator {
                "+" => days.and_then(|days| self.0.checked_add_signed(days)),
                "-" if !swapped => days.and_then(|days| self.0.checked_sub_signed(days)),
                _ => return Ok(None),
            };
            return moved
                .filter(|date| in_range(*date))
                .map(|date| Some(Value::object(Self(date))))
                .ok_or_else(out_of_range);
        }
        match (operator, other.as_object::<Self>()) {
            ("-", Some(other)) if !swapped => Ok(Some(Delta::of(self.0 - other.0))),
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
        u64::try_from(self.0.num_days_from_ce()).ok()
    }

    fn to_str(&self) -> String {
        self.0.format("%Y-%m-%d").to_string()
    }

    fn repr(&self) -> String {
        format!(
            "datetime.date({}, {}, {})",
            self.0.year(),
            self.0.month(),
            self.0.day()
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `datetime.date`
#[derive(Debug)]
pub(super) struct DayClass(pub(super) Arc<dyn Clock>);

impl Object for DayClass {
    fn type_name(&self) -> &str {
        "type"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "min" => Some(Value::object(Day(day_of(1, 1, 1)?))),
            "max" => Some(Value::object(Day(day_of(9999, 12, 31)?))),
            _ => None,
        })
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let (year, month, day) = (
            number(call, "year", None)?,
            number(call, "month", None)?,
            number(call, "day", None)?,
        );
        call.finish()?;
        Ok(Value::object(Day(day_of(year, month, day)?)))
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let date = match name {
            "today" => self.0.now().date_naive(),
            "fromisoformat" => {
                let text = call.required_str("date_string")?;
                strftime::parse_iso_date(&text)
                    .ok_or_else(|| value_error(format!("Invalid isoformat string: '{text}'")))?
            }
            "fromordinal" => {
                let days = number(call, "ordinal", None)?;
                i32::try_from(days)
                    .ok()
                    .and_then(NaiveDate::from_num_days_from_ce_opt)
                    .filter(|date| in_range(*date))
                    .ok_or_else(out_of_range)?
            }
            _ => return Ok(None),
        };
        call.finish()?;
        Ok(Some(Value::object(Day(date))))
    }

    fn methods(&self) -> &[&str] {
        &["today", "fromisoformat", "fromordinal"]
    }

    fn repr(&self) -> String {
        "<class 'datetime.date'>".into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A `time` of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) NaiveTime);

/// The microseconds of a second.
pub(super) fn micros(time: NaiveTime) -> u32 {
    // A leap second has more than a million.
    time.nanosecond() / 1_000 % 1_000_000
}

impl Object for Time {
    fn type_name(&self) -> &str {
        "datetime.time"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "hour" => Value::from(self.0.hour()),
            "minute" => Value::from(self.0.minute()),
            "second" => Value::from(self.0.second()),
            "microsecond" => Value::from(micros(self.0)),
            "tzinfo" => Value::None,
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let value = match name {
            "strftime" => {
                let format = call.required_str("format")?;
                let day = day_of(1900, 1, 1)?;
                Value::str(strftime::write(&format, day.and_time(self.0), None))
            }
            "isoformat" => Value::str(self.to_str()),
            _ => return Ok(None),
        };
        call.finish()?;
        Ok(Some(value))
    }

    fn methods(&self) -> &[&str] {
        &["strftime", "isoformat"]
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>() == Some(self)
    }

    fn compare(&self, other: &Value) -> Option<Ordering> {
        Some(self.0.cmp(&other.as_object::<Self>()?.0))
    }

    fn hash(&self) -> Option<u64> {
        Some(self.0.num_seconds_from_midnight().into())
    }

    fn to_str(&self) -> String {
        clock_text(self.0)
    }

    fn repr(&self) -> String {
        let mut parts = vec![self.0.hour(), self.0.minute()];
        if self.0.second() > 0 || micros(self.0) > 0 {
            parts.push(self.0.second());
        }
        if micros(self.0) > 0 {
            parts.push(micros(self.0));
        }
        let parts: Vec<String> = parts.iter().map(u32::to_string).collect();
        format!("datetime.time({})", parts.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `12:30:00`, with microseconds if there are any.
pub(super) fn clock_text(time: NaiveTime) -> String {
    let text = time.format("%H:%M:%S").to_string();
    match micros(time) {
        0 => text,
        micros => format!("{text}.{micros:06}"),
    }
}

/// Takes hour, minute, second and microsecond.
pub(super) fn take_time(call: &mut Call<'_>, default: NaiveTime) -> Result<NaiveTime> {
    let hour = number(call, "hour", Some(default.hour().into()))?;
    let minute = number(call, "minute", Some(default.minute().into()))?;
    let second = number(call, "second", Some(default.second().into()))?;
    let micro = number(call, "microsecond", Some(micros(default).into()))?;
    time_of(hour, minute, second, micro)
}

/// `datetime.time`
#[derive(Debug)]
pub(super) struct TimeClass;

impl Object for TimeClass {
    fn type_name(&self) -> &str {
        "type"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "min" => Some(Value::object(Time(NaiveTime::MIN))),
            "max" => Some(Value::object(Time(time_of(23, 59, 59, 999_999)?))),
            _ => None,
        })
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let time = take_time(call, NaiveTime::MIN)?;
        call.finish()?;
        Ok(Value::object(Time(time)))
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn repr(&self) -> String {
        "<class 'datetime.time'>".into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A date of a value that is one, or of a datetime.
pub(super) fn as_day(value: &Value) -> Option<NaiveDate> {
    value.as_object::<Day>().map(|day| day.0).or_else(|| {
        value
            .as_object::<Moment>()
            .map(|moment| moment.naive.date())
    })
}
