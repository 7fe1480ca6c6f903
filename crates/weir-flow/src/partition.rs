use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::error::FlowError;
use crate::id::PartitionKey;
use crate::zone::{instant, offset, parse_zone};

/// How an asset is divided into parts that are brought up to date one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioning {
    /// Spans of time, on the wall clock of a zone.
    Time {
        /// How long a span is.
        every: Span,
        /// Whose wall clock counts.
        #[serde(default = "utc")]
        zone: String,
        /// The first day there is something of.
        start: NaiveDate,
    },
    /// Named parts.
    Keys(Vec<PartitionKey>),
}

/// The length of a part of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    Hour,
    Day,
    Week,
    Month,
}

/// One part of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimePartition {
    /// Its key: when it starts, on the wall clock.
    pub key: PartitionKey,
    /// The first instant in it.
    pub start: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Which parts are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionRange {
    /// All there are by now.
    All,
    /// Those that start on these days, both included.
    Days(NaiveDate, NaiveDate),
    /// These.
    Keys(Vec<PartitionKey>),
}

impl Partitioning {
    /// Returns the keys in `range` that have ended by `now`, oldest first.
    ///
    /// # Errors
    /// When the range holds nothing, more than `most`, or what there is not.
    pub fn keys(
        &self,
        range: &PartitionRange,
        now: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<PartitionKey>, FlowError> {
        let keys = match (self, range) {
            (Self::Keys(all), PartitionRange::All) => all.clone(),
            (Self::Keys(all), PartitionRange::Keys(wanted)) => {
                if let Some(unknown) = wanted.iter().find(|key| !all.contains(key)) {
                    return Err(no_partition(unknown, all));
                }
                all.iter().filter(|k| wanted.contains(k)).cloned().collect()
            }
            (Self::Keys(_), PartitionRange::Days(..)) => {
                return Err(FlowError::invalid(
                    "days were given for an asset that is divided by keys",
                )
                .with_hint("name the keys"));
            }
            (Self::Time { start, zone, .. }, range) => {
                let zone = parse_zone(zone)?;
                let today = (now.naive_utc() + offset(zone, now)).date();
                let (from, to) = match range {
                    PartitionRange::Days(from, to) => (*from, *to),
                    _ => (*start, today),
                };
                let all = self.spans(zone, from.max(*start), to.min(today), now, most)?;
                let all: Vec<_> = all.into_iter().map(|part| part.key).collect();
                match range {
                    PartitionRange::Keys(wanted) => {
                        if let Some(unknown) = wanted.iter().find(|key| !all.contains(key)) {
                            return Err(no_partition(unknown, &all));
                        }
                        all.into_iter().filter(|k| wanted.contains(k)).collect()
                    }
                    _ => all,
                }
            }
        };
        if keys.is_empty() {
            return Err(
                FlowError::invalid("the range holds no partition that has ended")
                    .with_hint("choose an earlier range"),
            );
        }
        if keys.len() > most {
            return Err(too_many(most));
        }
        Ok(keys)
    }

    /// Returns the span of time that `key` stands for; none when the asset is divided by keys.
    ///
    /// # Errors
    /// When the asset has no such part.
    pub fn span_of(&self, key: &PartitionKey) -> Result<Option<TimePartition>, FlowError> {
        let Self::Time { zone, .. } = self else {
            return Ok(None);
        };
        let zone = parse_zone(zone)?;
        let day = key.as_str().get(..10).and_then(|day| day.parse().ok());
        let day: NaiveDate = day.ok_or_else(|| no_partition(key, &[]))?;
        let after =
            (day + Days::new(2)).and_time(Default::default()).and_utc() + TimeDelta::days(32);
        let parts = self.spans(zone, day, day, after, usize::MAX)?;
        let found = parts.into_iter().find(|part| part.key == *key);
        found.map(Some).ok_or_else(|| no_partition(key, &[]))
    }

    /// Cuts the days `from..=to` into spans that have ended by `now`.
    fn spans(
        &self,
        zone: Tz,
        from: NaiveDate,
        to: NaiveDate,
        now: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<TimePartition>, FlowError> {
        let Self::Time { every, .. } = self else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut day = every.first_from(from);
        while day <= to {
            let Some(next) = every.next(day) else { break };
            let midnight = |day: NaiveDate| instant(zone, day.and_time(Default::default()));
            let (Some(start), Some(end)) = (midnight(day), midnight(next)) else {
                break;
            };
            match every {
                Span::Hour => found.extend(hours(zone, start, end, now)),
                // A day that clocks skip is none.
                _ if start < end && end <= now => found.push(TimePartition {
                    key: PartitionKey::new(day.to_string()),
                    start,
                    end,
                }),
                _ => {}
            }
            if found.len() > most {
                return Err(too_many(most));
            }
            day = next;
        }
        Ok(found)
    }
}

/// Cuts a day into hours. The key tells the offset: an hour that comes twice is two parts.
fn hours(
    zone: Tz,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Vec<TimePartition> {
    let mut found = Vec::new();
    let mut at = start;
    while at < end {
        let next = (at + TimeDelta::hours(1)).min(end);
        if next <= now {
            let wall = at.with_timezone(&zone).format("%Y-%m-%dT%H:%M%:z");
            found.push(TimePartition {
                key: PartitionKey::new(wall.to_string()),
                start: at,
                end: next,
            });
        }
        at = next;
    }
    found
}

impl Span {
    /// Returns the first day on or after `day` on which a span starts.
    fn first_from(self, day: NaiveDate) -> NaiveDate {
        use chrono::Datelike;
        match self {
            Self::Hour | Self::Day => day,
            Self::Week => match day.weekday().num_days_from_monday() {
                0 => day,
                past => day + Days::new(7 - u64::from(past)),
            },
            Self::Month => match day.day() {
                1 => day,
                _ => day.with_day(1).unwrap_or(day) + Months::new(1),
            },
        }
    }

    fn next(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Hour | Self::Day => day.checked_add_days(Days::new(1)),
            Self::Week => day.checked_add_days(Days::new(7)),
            Self::Month => day.checked_add_months(Months::new(1)),
        }
    }
}

fn no_partition(key: &PartitionKey, known: &[PartitionKey]) -> FlowError {
    let error = FlowError::new(
        crate::FlowErrorKind::NotFound,
        format!("there is no partition `{key}`, or it has not ended"),
    );
    match weir_core::did_you_mean(key.as_str(), known) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error,
    }
}

fn too_many(most: usize) -> FlowError {
    FlowError::invalid(format!("the range holds more than {most} partitions"))
        .with_hint("choose a shorter range, and the rest after it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(every: Span, zone: &str) -> Partitioning {
        Partitioning::Time {
            every,
            zone: zone.into(),
            start: "2024-01-01".parse().unwrap(),
        }
    }

    fn days(from: &str, to: &str) -> PartitionRange {
        PartitionRange::Days(from.parse().unwrap(), to.parse().unwrap())
    }

    fn keys(parts: &Partitioning, range: &PartitionRange) -> Vec<String> {
        let now = "2025-12-15T12:00:00Z".parse().unwrap();
        let keys = parts.keys(range, now, 1000).unwrap();
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn days_weeks_and_months_that_have_ended() {
        let day = time(Span::Day, "Asia/Tokyo");
        // In Tokyo the 15th still runs.
        assert_eq!(
            keys(&day, &days("2025-12-13", "2025-12-20")),
            ["2025-12-13", "2025-12-14"]
        );
        let week = time(Span::Week, "UTC");
        assert_eq!(
            keys(&week, &days("2025-12-01", "2025-12-31")),
            ["2025-12-01", "2025-12-08"]
        );
        let month = time(Span::Month, "UTC");
        assert_eq!(
            keys(&month, &days("2025-09-02", "2025-12-31")),
            ["2025-10-01", "2025-11-01"]
        );
        assert_eq!(keys(&month, &PartitionRange::All).len(), 23);
    }

    #[test]
    fn hours_of_days_with_jumps_are_all_there_once() {
        let hour = time(Span::Hour, "Europe/Berlin");
        assert_eq!(keys(&hour, &days("2025-03-30", "2025-03-30")).len(), 23);
        let long = keys(&hour, &days("2025-10-26", "2025-10-26"));
        assert_eq!(long.len(), 25);
        assert_eq!(long[2], "2025-10-26T02:00+02:00");
        assert_eq!(long[3], "2025-10-26T02:00+01:00");
        let span = hour.span_of(&long[3].as_str().into()).unwrap().unwrap();
        assert_eq!(span.end - span.start, TimeDelta::hours(1));
    }

    #[test]
    fn ranges_that_cannot_be_are_refused() {
        let now = "2025-12-15T12:00:00Z".parse().unwrap();
        let named = Partitioning::Keys(vec!["eu".into(), "us".into()]);
        let error = named
            .keys(&PartitionRange::Keys(vec!["eus".into()]), now, 10)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no partition `eus`, or it has not ended"
        );
        assert!(
            named
                .keys(&days("2025-01-01", "2025-01-02"), now, 10)
                .is_err()
        );
        let day = time(Span::Day, "UTC");
        assert!(day.keys(&PartitionRange::All, now, 10).is_err());
        assert!(
            day.keys(&days("2026-01-01", "2026-02-01"), now, 10)
                .is_err()
        );
    }
}
