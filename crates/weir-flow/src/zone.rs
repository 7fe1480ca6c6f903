//! Wall clocks: where a zone's clocks jump, and what that does to a time of day.

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use weir_core::did_you_mean;

use crate::error::FlowError;

/// Returns the zone called `name`, as IANA's database writes it.
///
/// # Errors
/// When there is none, with the name that was probably meant.
pub fn parse_zone(name: &str) -> Result<Tz, FlowError> {
    name.parse().map_err(|_| {
        let error = FlowError::invalid(format!("there is no time zone `{name}`"));
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS
            .iter()
            .map(|zone| zone.name())
            .collect();
        // People remember the city and forget the continent.
        let city = |zone: &&str| zone.rsplit('/').next().map(str::to_owned);
        let cities: Vec<String> = names.iter().filter_map(city).collect();
        let by_city = did_you_mean(&name.replace(' ', "_"), &cities)
            .and_then(|found| cities.iter().position(|city| city == found))
            .and_then(|position| names.get(position).copied());
        match did_you_mean(name, &names).or(by_city) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => error.with_hint("use a name of IANA's database, such as `Europe/Berlin`"),
        }
    })
}

/// Returns by how much the zone's clocks are ahead of UTC at `at`.
pub(crate) fn offset(zone: Tz, at: DateTime<Utc>) -> Duration {
    let fixed = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    Duration::seconds(i64::from(fixed.local_minus_utc()))
}

/// Returns the first instant after `from` and up to `until` at which the clocks jump.
///
/// A jump that is undone within a day is not seen: no zone has one.
pub(crate) fn next_jump(
    zone: Tz,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let before = offset(zone, from);
    let mut low = from;
    while low < until {
        let high = (low + Duration::days(1)).min(until);
        if offset(zone, high) != before {
            return Some(first_with_other_offset(zone, before, low, high));
        }
        low = high;
    }
    None
}

/// Halves the span until one second is left; zones jump at whole seconds.
fn first_with_other_offset(
    zone: Tz,
    before: Duration,
    low: DateTime<Utc>,
    high: DateTime<Utc>,
) -> DateTime<Utc> {
    let (mut low, mut high) = (low.timestamp(), high.timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match DateTime::from_timestamp(middle, 0) {
            Some(at) if offset(zone, at) == before => low = middle,
            _ => high = middle,
        }
    }
    DateTime::from_timestamp(high, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Returns the instant at which the zone's clocks show `wall`: the first of two, and where clocks
/// skip it, the first instant after the skip.
pub(crate) fn instant(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(at) => Some(at.with_timezone(&Utc)),
        MappedLocalTime::Ambiguous(one, other) => Some(one.min(other).with_timezone(&Utc)),
        MappedLocalTime::None => {
            // Clocks differ from UTC by less than a day, before and after.
            let around = wall.and_utc();
            next_jump_over(zone, wall, around - Duration::hours(27))
        }
    }
}

/// Finds the jump that skips `wall`, looking from `from` on.
fn next_jump_over(zone: Tz, wall: NaiveDateTime, mut from: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let until = from + Duration::hours(54);
    while let Some(jump) = next_jump(zone, from, until) {
        if jump.naive_utc() + offset(zone, jump) > wall {
            return Some(jump);
        }
        from = jump;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, wall: &str) -> String {
        let zone = parse_zone(zone).unwrap();
        let wall = NaiveDateTime::parse_from_str(wall, "%Y-%m-%d %H:%M").unwrap();
        let at = instant(zone, wall).unwrap();
        at.with_timezone(&zone).format("%m-%d %H:%M %z").to_string()
    }

    #[test]
    fn a_skipped_time_is_the_first_after_it() {
        assert_eq!(at("Europe/Berlin", "2025-03-30 02:30"), "03-30 03:00 +0200");
        // Half an hour only.
        assert_eq!(
            at("Australia/Lord_Howe", "2025-10-05 02:10"),
            "10-05 02:30 +1100"
        );
        // Midnight does not exist.
        assert_eq!(at("Africa/Cairo", "2025-04-25 00:00"), "04-25 01:00 +0300");
        // Samoa had no 30 December 2011 at all.
        assert_eq!(at("Pacific/Apia", "2011-12-30 12:00"), "12-31 00:00 +1400");
    }

    #[test]
    fn a_time_that_comes_twice_is_the_first() {
        assert_eq!(at("Europe/Berlin", "2025-10-26 02:30"), "10-26 02:30 +0200");
        assert_eq!(
            at("Australia/Lord_Howe", "2025-04-06 01:45"),
            "04-06 01:45 +1100"
        );
    }

    #[test]
    fn says_which_zone_was_meant() {
        let hint = |name: &str| parse_zone(name).unwrap_err().hint().map(str::to_owned);
        assert_eq!(
            hint("Europe/Berln").as_deref(),
            Some("did you mean `Europe/Berlin`?")
        );
        assert_eq!(
            hint("Kathmandu").as_deref(),
            Some("did you mean `Asia/Kathmandu`?")
        );
        assert_eq!(
            hint("New York").as_deref(),
            Some("did you mean `America/New_York`?")
        );
        assert!(hint("%%").unwrap().contains("IANA"));
    }
}
