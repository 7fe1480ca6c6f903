use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDateTime, Timelike, Utc};
use chrono_tz::Tz;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

use crate::error::FlowError;
use crate::zone::{instant, next_jump, offset, parse_zone};

/// The version of the time zone database that instants are computed with.
pub const TZDATA_VERSION: &str = chrono_tz::IANA_TZDB_VERSION;

/// When something runs: a cron expression on the wall clock of a time zone.
///
/// Five fields (minute, hour, day of month, month, day of week), or six with seconds in front;
/// `L`, `W`, `#` and names such as `MON` or `@daily` work as croner describes them.
///
/// Where clocks jump:
/// - An expression whose hour is not `*` names times of day. A time that clocks skip runs at the
///   first instant after the skip, once, also when several skipped times fall together there; a time
///   that comes twice runs the first time only.
/// - With hour `*` it is a rhythm (`*/15 * * * *`, `@hourly`) and follows time as it passes: nothing
///   runs for a time that clocks skip, and an hour that comes twice has its runs twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "CronText", into = "CronText")]
pub struct Cron {
    text: String,
    zone: Tz,
    pattern: Arc<croner::Cron>,
    rhythm: bool,
}

#[derive(Serialize, Deserialize)]
struct CronText {
    cron: String,
    #[serde(default = "utc")]
    zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Cron {
    /// Reads an expression and the name of a zone.
    ///
    /// # Errors
    /// When the expression says nothing or can never come true, or there is no such zone.
    pub fn parse(text: &str, zone: &str) -> Result<Self, FlowError> {
        let zone = parse_zone(zone)?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let pattern = parser.parse(&text).map_err(|error| invalid(&text, error))?;
        let cron = Self {
            rhythm: is_rhythm(&text),
            text,
            zone,
            pattern: Arc::new(pattern),
        };
        let start = DateTime::UNIX_EPOCH.naive_utc();
        match cron.pattern.find_next_occurrence(&start, true) {
            Ok(_) => Ok(cron),
            Err(_) => Err(FlowError::invalid(format!(
                "the schedule `{}` never comes true",
                cron.text
            ))
            .with_hint("no year has such a day; check day of month and month")),
        }
    }

    /// Returns the expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whose wall clock counts.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// Returns the first instant after `after` at which this comes true; none when the calendar ends.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.rhythm {
            self.next_of_rhythm(after)
        } else {
            self.next_time_of_day(after)
        }
    }

    /// Returns the latest instants up to and including `until` that are after `after`, oldest first,
    /// at most `max`; and whether there are more.
    pub fn latest(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> (Vec<DateTime<Utc>>, bool) {
        // Looking back ever further costs about as much as what is found, however long ago `after`.
        let mut span = Duration::minutes(2);
        loop {
            let from = (until - span).max(after);
            let mut found: Vec<_> = self.between(from, until).collect();
            if from == after || found.len() > max {
                let more = found.len().saturating_sub(max);
                found.drain(..more);
                return (found, more > 0);
            }
            span = span * 2;
        }
    }

    /// Returns the instants after `after`, up to and including `until`.
    pub fn between(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        let mut last = after;
        std::iter::from_fn(move || {
            last = self.next_after(last).filter(|&at| at <= until)?;
            Some(last)
        })
    }

    /// Every wall time stands for one instant, and later wall times never for earlier instants. So
    /// the first one that gives an instant after `after` is the answer.
    fn next_time_of_day(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut wall = whole_second(after.naive_utc() + offset(self.zone, after));
        loop {
            wall = self.pattern.find_next_occurrence(&wall, false).ok()?;
            match instant(self.zone, wall) {
                Some(at) if at > after => return Some(at),
                _ => {}
            }
        }
    }

    /// Between two jumps of the clocks wall time is UTC plus a constant.
    fn next_of_rhythm(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = after;
        let mut inclusive = false;
        loop {
            let ahead = offset(self.zone, from);
            let wall = whole_second(from.naive_utc() + ahead);
            let next = self.pattern.find_next_occurrence(&wall, inclusive).ok()?;
            let next = (next - ahead).and_utc();
            match next_jump(self.zone, from, next) {
                None => return Some(next),
                Some(jump) => {
                    from = jump;
                    inclusive = true;
                }
            }
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone.name())
    }
}

impl TryFrom<CronText> for Cron {
    type Error = FlowError;

    fn try_from(text: CronText) -> Result<Self, FlowError> {
        Self::parse(&text.cron, &text.zone)
    }
}

impl From<Cron> for CronText {
    fn from(cron: Cron) -> Self {
        Self {
            cron: cron.text,
            zone: cron.zone.name().to_owned(),
        }
    }
}

/// Whether the hour is left open.
fn is_rhythm(text: &str) -> bool {
    if text.starts_with('@') {
        return text.eq_ignore_ascii_case("@hourly");
    }
    let fields: Vec<&str> = text.split(' ').collect();
    let hour = if fields.len() > 5 { 2 } else { 1 };
    matches!(fields.get(hour), Some(&("*" | "?" | "*/1" | "0-23")))
}

fn whole_second(wall: NaiveDateTime) -> NaiveDateTime {
    wall.with_nanosecond(0).unwrap_or(wall)
}

fn invalid(text: &str, error: CronError) -> FlowError {
    FlowError::invalid(format!("the schedule `{text}` is not a cron expression"))
        .because(error)
        .with_hint(
            "write minute, hour, day of month, month and day of week, such as `30 6 * * MON-FRI`",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walls(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(cron, zone).unwrap();
        let from: DateTime<Utc> = from.parse().unwrap();
        cron.between(from, DateTime::<Utc>::MAX_UTC)
            .take(count)
            .map(|at| {
                at.with_timezone(&cron.zone)
                    .format("%d %H:%M%z")
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn a_skipped_time_runs_once_at_the_next_instant() {
        assert_eq!(
            walls("30 2 * * *", "Europe/Berlin", "2025-03-28T12:00:00Z", 3),
            ["29 02:30+0100", "30 03:00+0200", "31 02:30+0200"]
        );
        // Four skipped times and one that is there fall together.
        assert_eq!(
            walls("*/15 2,3 * * *", "Europe/Berlin", "2025-03-30T00:00:00Z", 3),
            ["30 03:00+0200", "30 03:15+0200", "30 03:30+0200"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_runs_once() {
        assert_eq!(
            walls("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 2),
            ["26 02:30+0200", "27 02:30+0100"]
        );
        // From within the second pass.
        assert_eq!(
            walls("45 2 * * *", "Europe/Berlin", "2025-10-26T01:30:00Z", 1),
            ["27 02:45+0100"]
        );
    }

    #[test]
    fn a_rhythm_follows_time_as_it_passes() {
        assert_eq!(
            walls("30 * * * *", "Europe/Berlin", "2025-10-25T23:00:00Z", 4),
            [
                "26 01:30+0200",
                "26 02:30+0200",
                "26 02:30+0100",
                "26 03:30+0100"
            ]
        );
        assert_eq!(
            walls("30 * * * *", "Europe/Berlin", "2025-03-30T00:00:00Z", 2),
            ["30 01:30+0100", "30 03:30+0200"]
        );
    }

    #[test]
    fn a_lost_day_runs_once() {
        assert_eq!(
            walls("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", 3),
            ["29 09:00-1000", "31 00:00+1400", "31 09:00+1400"]
        );
    }

    #[test]
    fn the_latest_are_found_however_long_ago() {
        let cron = Cron::parse("* * * * * *", "UTC").unwrap();
        let until: DateTime<Utc> = "2025-06-01T00:00:00Z".parse().unwrap();
        let (found, more) = cron.latest(DateTime::UNIX_EPOCH, until, 3);
        assert!(more);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], until);
        let yearly = Cron::parse("@yearly", "UTC").unwrap();
        let (found, more) = yearly.latest("2022-06-01T00:00:00Z".parse().unwrap(), until, 10);
        assert_eq!((found.len(), more), (3, false));
    }

    #[test]
    fn what_never_comes_true_is_refused() {
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            let error = Cron::parse(text, "UTC").unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the schedule `{text}` never comes true")
            );
        }
        for text in ["", "every day", "61 * * * *", "* * * *", "0 0 1 1 * 2025 7"] {
            let error = Cron::parse(text, "UTC").unwrap_err();
            assert!(error.to_string().contains("not a cron expression"));
            assert!(error.hint().is_some());
        }
        assert!(Cron::parse("0 0 29 2 *", "UTC").is_ok());
    }

    #[test]
    fn is_read_back_as_written() {
        let cron = Cron::parse("0 6 * * MON", "Asia/Tehran").unwrap();
        let json = serde_json::to_string(&cron).unwrap();
        assert_eq!(json, r#"{"cron":"0 6 * * MON","zone":"Asia/Tehran"}"#);
        assert_eq!(serde_json::from_str::<Cron>(&json).unwrap(), cron);
    }
}
