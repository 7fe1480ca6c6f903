//! Zones: `pytz` and what stands behind `tzinfo`.
//!
//! `replace(tzinfo=zone)` gives the zone's offset at that time, as everybody means it, and not the
//! local mean time of the nineteenth century that `pytz` is known for.

use std::any::Any;

use chrono::offset::{FixedOffset, LocalResult, Offset as _, TimeZone as _, Utc};
use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::{OffsetName as _, TZ_VARIANTS, Tz};
use weir_jinja::{Call, Error, ErrorKind, Function, Object, Result, Value};

use super::delta::Delta;
use super::module::Module;
use super::moment::Moment;
use super::{type_error, value_error};

/// A zone: of a name, or an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Fixed(FixedOffset),
    Named(Tz),
}

impl Zone {
    pub(super) const UTC: Self = Self::Named(Tz::UTC);

    /// The offset of a local time. Of a time that there is twice it is the later one, of one that
    /// there is not that of an hour before: as `pytz` has it.
    pub(super) fn offset_at(self, local: NaiveDateTime) -> FixedOffset {
        match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => match zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) => offset.fix(),
                LocalResult::Ambiguous(_, later) => later.fix(),
                LocalResult::None => match local.checked_sub_signed(TimeDelta::hours(1)) {
                    Some(before) => zone
                        .offset_from_local_datetime(&before)
                        .earliest()
                        .map_or_else(|| Utc.fix(), |at| at.fix()),
                    None => Utc.fix(),
                },
            },
        }
    }

    /// The local time of a time in UTC.
    pub(super) fn local(self, utc: NaiveDateTime) -> Option<NaiveDateTime> {
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
        };
        utc.checked_add_offset(offset)
    }

    /// What `%Z` writes.
    pub(super) fn abbreviation(self, local: NaiveDateTime) -> String {
        match self {
            Self::Fixed(offset) if offset.local_minus_utc() == 0 => "UTC".into(),
            Self::Fixed(offset) => format!("UTC{offset}"),
            Self::Named(zone) => zone
                .offset_from_local_datetime(&local)
                .latest()
                .and_then(|offset| offset.abbreviation().map(str::to_owned))
                .unwrap_or_else(|| zone.name().to_owned()),
        }
    }

    /// The zone that a value is.
    pub(super) fn of(value: &Value) -> Result<Option<Self>> {
        match value {
            Value::None => Ok(None),
            other => match other.as_object::<Self>() {
                Some(zone) => Ok(Some(*zone)),
                None => Err(type_error(format!(
                    "tzinfo argument must be None or of a tzinfo subclass, not type '{}'",
                    other.type_name()
                ))
                .with_hint("make one with `modules.pytz.timezone('Europe/Paris')`")),
            },
        }
    }
}

impl Object for Zone {
    fn type_name(&self) -> &str {
        "tzinfo"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok((name == "zone").then(|| Value::str(self.to_str())))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        if !self.methods().contains(&name) {
            return Ok(None);
        }
        let given = call.required("dt")?;
        call.named("is_dst");
        call.finish()?;
        let Some(moment) = given.as_object::<Moment>() else {
            return Err(call.wrong("dt", "a datetime", &given));
        };
        Ok(Some(match name {
            "localize" if moment.zone.is_some() => {
                return Err(value_error("Not naive datetime (tzinfo is already set)"));
            }
            "localize" => Value::object(Moment {
                naive: moment.naive,
                zone: Some(*self),
            }),
            "normalize" | "fromutc" => moment.in_zone(*self)?,
            "tzname" => Value::str(self.abbreviation(moment.naive)),
            _ => Delta::of(TimeDelta::seconds(i64::from(
                self.offset_at(moment.naive).local_minus_utc(),
            ))),
        }))
    }

    fn methods(&self) -> &[&str] {
        &["localize", "normalize", "fromutc", "tzname", "utcoffset"]
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>() == Some(self)
    }

    fn hash(&self) -> Option<u64> {
        Some(self.to_str().len() as u64)
    }

    fn to_str(&self) -> String {
        match self {
            Self::Fixed(offset) if offset.local_minus_utc() == 0 => "UTC".into(),
            Self::Fixed(offset) => format!("UTC{offset}"),
            Self::Named(zone) => zone.name().into(),
        }
    }

    fn repr(&self) -> String {
        match self.to_str().as_str() {
            "UTC" => "<UTC>".into(),
            name => format!("<DstTzInfo '{name}'>"),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `modules.pytz`
pub(super) fn module() -> Value {
    let names = || Value::tuple(TZ_VARIANTS.iter().map(|zone| zone.name()));
    Module::value([
        ("timezone", Function::value("timezone", timezone)),
        ("FixedOffset", Function::value("FixedOffset", fixed_offset)),
        ("utc", Value::object(Zone::UTC)),
        ("UTC", Value::object(Zone::UTC)),
        ("all_timezones", names()),
        ("common_timezones", names()),
    ])
}

fn timezone(call: &mut Call<'_>) -> Result<Value> {
    let name = call.required_str("zone")?;
    call.finish()?;
    match TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(&name))
    {
        Some(zone) => Ok(Value::object(Zone::Named(*zone))),
        None => {
            let names: Vec<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
            let error = Error::new(ErrorKind::Key, format!("unknown time zone '{name}'"));
            Err(match weir_core::did_you_mean(&name, &names) {
                Some(known) => error.with_hint(format!("did you mean `{known}`?")),
                None => error.with_hint("zones have names such as `Europe/Paris`"),
            })
        }
    }
}

fn fixed_offset(call: &mut Call<'_>) -> Result<Value> {
    let minutes = call.optional_int("offset")?.unwrap_or(0);
    call.finish()?;
    let offset = i32::try_from(minutes)
        .ok()
        .and_then(|minutes| FixedOffset::east_opt(minutes.checked_mul(60)?));
    offset
        .map(|offset| Value::object(Zone::Fixed(offset)))
        .ok_or_else(|| value_error(format!("absolute offset is too large: {minutes}")))
}
