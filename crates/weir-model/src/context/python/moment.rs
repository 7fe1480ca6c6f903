//! `datetime`.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _};
use weir_jinja::{Call, Object, Result, Value};

use super::day::{
    CALENDAR, Day, Time, as_day, calendar, clock_text, day_of, micros, number, take_time, time_of,
};
use super::delta::Delta;
use super::zone::Zone;
use super::{Clock, in_range, out_of_range, strftime, type_error, value_error};

/// A `datetime`: a local time, with its zone if it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) naive: NaiveDateTime,
    pub(super) zone: Option<Zone>,
}

impl Moment {
    /// The time in UTC; one without a zone counts as being in it.
    fn utc(&self) -> NaiveDateTime {
        self.zone.map_or(self.naive, |zone| {
            self.naive
                .checked_sub_offset(zone.offset_at(self.naive))
                .unwrap_or(self.naive)
        })
    }

    pub(super) fn in_zone(&self, zone: Zone) -> Result<Value> {
        let naive = zone
            .local(self.utc())
            .filter(|local| in_range(local.date()))
            .ok_or_else(out_of_range)?;
        Ok(Value::object(Self {
            naive,
            zone: Some(zone),
        }))
    }

    fn moved(&self, by: Option<TimeDelta>, back: bool) -> Result<Option<Value>> {
        let naive = by.and_then(|by| {
            if back {
                self.naive.checked_sub_signed(by)
            } else {
                self.naive.checked_add_signed(by)
            }
        });
        let naive = naive
            .filter(|naive| in_range(naive.date()))
            .ok_or_else(out_of_range)?;
        Ok(Some(Value::object(Self {
            naive,
            zone: self.zone,
        })))
    }

    fn iso(&self, separator: &str, timespec: &str) -> Result<String> {
        let time = self.naive.time();
        let clock = match timespec {
            "auto" => clock_text(time),
            "hours" => time.format("%H").to_string(),
            "minutes" => time.format("%H:%M").to_string(),
            "seconds" => time.format("%H:%M:%S").to_string(),
            "milliseconds" => format!("{}.{:03}", time.format("%H:%M:%S"), micros(time) / 1_000),
            "microseconds" => format!("{}.{:06}", time.format("%H:%M:%S"), micros(time)),
            _ => return Err(value_error("Unknown timespec value")),
        };
        let zone = self
            .zone
            .map(|zone| zone.offset_at(self.naive).to_string())
            .unwrap_or_default();
        Ok(format!(
            "{}{separator}{clock}{zone}",
            self.naive.format("%Y-%m-%d")
        ))
    }

    fn replaced(&self, call: &mut Call<'_>) -> Result<Value> {
        let year = number(call, "year", Some(self.naive.year().into()))?;
        let month = number(call, "month", Some(self.naive.month().into()))?;
        let day = number(call, "day", Some(self.naive.day().into()))?;
        let time = take_time(call, self.naive.time())?;
        let zone = match call.optional("tzinfo")? {
            Some(zone) => Zone::of(&zone)?,
            None => self.zone,
        };
        Ok(Value::object(Self {
            naive: day_of(year, month, day)?.and_time(time),
            zone,
        }))
    }
}

impl Object for Moment {
    fn type_name(&self) -> &str {
        "datetime.datetime"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let naive = &self.naive;
        Ok(Some(match name {
            "year" => Value::from(naive.year()),
            "month" => Value::from(naive.month()),
            "day" => Value::from(naive.day()),
            "hour" => Value::from(naive.hour()),
            "minute" => Value::from(naive.minute()),
            "second" => Value::from(naive.second()),
            "microsecond" => Value::from(micros(naive.time())),
            "tzinfo" => self.zone.map_or(Value::None, Value::object),
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let value = match name {
            "strftime" => {
                let format = call.required_str("format")?;
                Value::str(strftime::write(&format, self.naive, self.zone))
            }
            "isoformat" => {
                let separator = call.optional_str("sep")?.unwrap_or_else(|| "T".into());
                let timespec = call
                    .optional_str("timespec")?
                    .unwrap_or_else(|| "auto".into());
                Value::str(self.iso(&separator, &timespec)?)
            }
            "date" => Value::object(Day(self.naive.date())),
            "time" => Value::object(Time(self.naive.time())),
            "replace" => self.replaced(call)?,
            "astimezone" => match call.optional("tz")? {
                Some(zone) => self.in_zone(Zone::of(&zone)?.unwrap_or(Zone::UTC))?,
                None => self.in_zone(Zone::UTC)?,
            },
            "timestamp" => {
                let utc = self.utc().and_utc();
                Value::Float(
                    utc.timestamp() as f64 + f64::from(utc.timestamp_subsec_micros()) / 1e6,
                )
            }
            "utcoffset" => self.zone.map_or(Value::None, |zone| {
                Delta::of(TimeDelta::seconds(i64::from(
                    zone.offset_at(self.naive).local_minus_utc(),
                )))
            }),
            "tzname" => self.zone.map_or(Value::None, |zone| {
                Value::str(zone.abbreviation(self.naive))
            }),
            _ => return calendar(self.naive.date(), name, call),
        };
        call.finish()?;
        Ok(Some(value))
    }

    fn methods(&self) -> &[&str] {
        const METHODS: [&str; 13] = [
            "strftime",
            "isoformat",
            "date",
            "time",
            "replace",
            "astimezone",
            "timestamp",
            "utcoffset",
            "tzname",
            CALENDAR[0],
            CALENDAR[1],
            CALENDAR[2],
            CALENDAR[3],
        ];
        &METHODS
    }

    fn operate(&self, operator: &str, other: &Value, swapped: bool) -> Result<Option<Value>> {
        if operator == "format" {
            return Ok(Some(Value::str(strftime::write(
                &other.to_str(),
                self.naive,
                self.zone,
            ))));
        }
        if let Some(delta) = other.as_object::<Delta>() {
            return match operator {
                "+" => self.moved(delta.chrono(), false),
                "-" if !swapped => self.moved(delta.chrono(), true),
                _ => Ok(None),
            };
        }
        match (operator, other.as_object::<Self>()) {
            ("-", Some(other)) if !swapped => {
                if self.zone.is_some() != other.zone.is_some() {
                    return Err(type_error(
                        "can't subtract offset-naive and offset-aware datetimes",
                    )
                    .with_hint("give both a zone, or none: `moment.replace(tzinfo=none)`"));
                }
                Ok(Some(Delta::of(self.utc() - other.utc())))
            }
            _ => Ok(None),
        }
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>().is_some_and(|other| {
            self.zone.is_some() == other.zone.is_some() && self.utc() == other.utc()
        })
    }

    fn compare(&self, other: &Value) -> Option<Ordering> {
        let other = other.as_object::<Self>()?;
        (self.zone.is_some() == other.zone.is_some()).then(|| self.utc().cmp(&other.utc()))
    }

    fn hash(&self) -> Option<u64> {
        Some(self.utc().and_utc().timestamp_micros() as u64)
    }

    fn to_str(&self) -> String {
        self.iso(" ", "auto").unwrap_or_default()
    }

    fn repr(&self) -> String {
        let naive = &self.naive;
        let mut parts: Vec<String> = [
            naive.year() as u32,
            naive.month(),
            naive.day(),
            naive.hour(),
            naive.minute(),
        ]
        .iter()
        .map(u32::to_string)
        .collect();
        let micros = micros(naive.time());
        if naive.second() > 0 || micros > 0 {
            parts.push(naive.second().to_string());
        }
        if micros > 0 {
            parts.push(micros.to_string());
        }
        parts.extend(self.zone.map(|zone| format!("tzinfo={}", zone.repr())));
        format!("datetime.datetime({})", parts.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `datetime.datetime`
#[derive(Debug)]
pub(super) struct MomentClass(pub(super) Arc<dyn Clock>);

impl MomentClass {
    fn now(&self) -> Moment {
        let now = self.0.now().naive_utc();
        // Python's clock has microseconds.
        let micros = micros(now.time());
        Moment {
            naive: now.with_nanosecond(micros * 1_000).unwrap_or(now),
            zone: None,
        }
    }

    fn from_timestamp(call: &mut Call<'_>) -> Result<NaiveDateTime> {
        let given = call.required("timestamp")?;
        let Some(seconds) = given.as_float() else {
            return Err(call.wrong("timestamp", "a number", &given));
        };
        let micros = (seconds * 1e6).round_ties_even();
        DateTime::from_timestamp_micros(micros as i64)
            .map(|moment| moment.naive_utc())
            .filter(|naive| micros.abs() < 1e18 && in_range(naive.date()))
            .ok_or_else(out_of_range)
    }
}

impl Object for MomentClass {
    fn type_name(&self) -> &str {
        "type"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "min" => Some(Value::object(Moment {
                naive: day_of(1, 1, 1)?.and_time(NaiveTime::MIN),
                zone: None,
            })),
            "max" => {
                let naive = day_of(9999, 12, 31)?.and_time(time_of(23, 59, 59, 999_999)?);
                Some(Value::object(Moment { naive, zone: None }))
            }
            _ => None,
        })
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let (year, month, day) = (
            number(call, "year", None)?,
            number(call, "month", None)?,
            number(call, "day", None)?,
        );
        let time = take_time(call, NaiveTime::MIN)?;
        let zone = call
            .optional("tzinfo")?
            .map_or(Ok(None), |zone| Zone::of(&zone))?;
        call.finish()?;
        Ok(Value::object(Moment {
            naive: day_of(year, month, day)?.and_time(time),
            zone,
        }))
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let zone = |call: &mut Call<'_>| {
            call.optional("tz")?
                .map_or(Ok(None), |zone| Zone::of(&zone))
        };
        let plain = |naive| Value::object(Moment { naive, zone: None });
        let value = match name {
            "now" => match zone(call)? {
                Some(zone) => self.now().in_zone(zone)?,
                None => Value::object(self.now()),
            },
            "utcnow" | "today" => Value::object(self.now()),
            "fromtimestamp" => {
                let naive = Self::from_timestamp(call)?;
                match zone(call)? {
                    Some(zone) => Moment { naive, zone: None }.in_zone(zone)?,
                    None => plain(naive),
                }
            }
            "utcfromtimestamp" => plain(Self::from_timestamp(call)?),
            "strptime" => {
                let (text, format) = (
                    call.required_str("date_string")?,
                    call.required_str("format")?,
                );
                let (naive, offset) = strftime::parse(&text, &format)?;
                Value::object(Moment {
                    naive,
                    zone: offset.map(Zone::Fixed),
                })
            }
            "fromisoformat" => {
                let text = call.required_str("date_string")?;
                let (naive, offset) = strftime::parse_iso(&text)
                    .ok_or_else(|| value_error(format!("Invalid isoformat string: '{text}'")))?;
                Value::object(Moment {
                    naive,
                    zone: offset.map(Zone::Fixed),
                })
            }
            "combine" => {
                let (date, time) = (call.required("date")?, call.required("time")?);
                let zone = call
                    .optional("tzinfo")?
                    .map_or(Ok(None), |zone| Zone::of(&zone))?;
                let Some(day) = as_day(&date) else {
                    return Err(call.wrong("date", "a date", &date));
                };
                let Some(time_of_day) = time.as_object::<Time>() else {
                    return Err(call.wrong("time", "a time", &time));
                };
                Value::object(Moment {
                    naive: day.and_time(time_of_day.0),
                    zone,
                })
            }
            _ => return Ok(None),
        };
        call.finish()?;
        Ok(Some(value))
    }

    fn methods(&self) -> &[&str] {
        &[
            "now",
            "utcnow",
            "today",
            "fromtimestamp",
            "utcfromtimestamp",
            "strptime",
            "fromisoformat",
            "combine",
        ]
    }

    fn repr(&self) -> String {
        "<class 'datetime.datetime'>".into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
