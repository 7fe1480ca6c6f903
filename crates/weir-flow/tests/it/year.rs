//! A year of schedules over many zones, against an oracle that looks at every minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use weir_flow::*;

use crate::world::*;

/// Zones with whole, half and odd offsets, jumps of half an hour, at midnight, over a month, and none.
const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Africa/Cairo",
    "America/St_Johns",
];

const PATTERNS: [&str; 12] = [
    "30 2 * * *",
    "0 0 * * *",
    "15 1 * * 0",
    "*/20 1-3 * * *",
    "59 23 31 * *",
    "0 0,3,12 * * *",
    "45 2 1 * 1",
    "10 */2 * * *",
    "30 * * * *",
    "*/15 * * * *",
    "7 * 1-7 3,10 *",
    "0 2 29 2 *",
];

/// The years that are looked at: of late, when Tehran and Apia gave up, and when Apia lost a day.
const YEARS: [(i32, &str); 5] = [
    (2024, ""),
    (2025, ""),
    (2022, "Asia/Tehran"),
    (2021, "Pacific/Apia"),
    (2011, "Pacific/Apia"),
];

/// A pattern as the oracle reads it: by the letter.
struct Naive {
    fields: [BTreeSet<u32>; 5],
    any_day: bool,
    any_weekday: bool,
    rhythm: bool,
}

impl Naive {
    fn new(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let mut fields: [BTreeSet<u32>; 5] = Default::default();
        for (at, word) in words.iter().enumerate() {
            for part in word.split(',') {
                let (range, step) = part.split_once('/').unwrap_or((part, "1"));
                let (low, high) = match range {
                    "*" => bounds[at],
                    _ => {
                        let (low, high) = range.split_once('-').unwrap_or((range, range));
                        (low.parse().unwrap(), high.parse().unwrap())
                    }
                };
                fields[at].extend((low..=high).step_by(step.parse().unwrap()));
            }
        }
        Self {
            fields,
            any_day: words[2] == "*",
            any_weekday: words[4] == "*",
            rhythm: words[1] == "*",
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        let [minute, hour, day, month, weekday] = &self.fields;
        let by_day = day.contains(&wall.day());
        let by_weekday = weekday.contains(&wall.weekday().num_days_from_sunday());
        let on_day = match (self.any_day, self.any_weekday) {
            (false, false) => by_day || by_weekday,
            _ => by_day && by_weekday,
        };
        minute.contains(&wall.minute())
            && hour.contains(&wall.hour())
            && month.contains(&wall.month())
            && on_day
    }

    /// Looks at every minute of the span.
    fn instants(&self, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let minute = TimeDelta::minutes(1);
        let wall = |at: DateTime<Utc>| zone.from_utc_datetime(&at.naive_utc()).naive_local();
        let mut found = Vec::new();
        let mut latest = wall(from);
        let mut at = from + minute;
        while at <= to {
            let now = wall(at);
            let fires = if self.rhythm {
                self.matches(now)
            } else {
                // All wall times since the latest, so also those that clocks skipped; none of those
                // that were shown before.
                let mut shown = latest + minute;
                let mut fires = false;
                while shown <= now {
                    fires |= self.matches(shown);
                    shown += minute;
                }
                fires
            };
            if fires {
                found.push(at);
            }
            latest = latest.max(now);
            at += minute;
        }
        found
    }
}

fn year(year: i32) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
    (start(year), start(year + 1))
}

#[test]
fn every_instant_of_a_year_is_as_the_oracle_says() {
    let mut compared = 0;
    for (number, only) in YEARS {
        let (from, to) = year(number);
        for name in ZONES
            .iter()
            .filter(|name| only.is_empty() || **name == only)
        {
            let zone = parse_zone(name).unwrap();
            for pattern in PATTERNS {
                let cron = Cron::parse(pattern, name).unwrap();
                let expected = Naive::new(pattern).instants(zone, from, to);
                let found: Vec<_> = cron.between(from, to).collect();
                assert_eq!(found, expected, "`{pattern}` in {name} in {number}");
                compared += found.len();
            }
        }
    }
    assert!(compared > 1_000_000, "{compared}");
}

/// What the scheduler opens over a year in which it is away for hours at a time.
#[tokio::test]
async fn a_scheduler_opens_each_instant_of_a_year_once() {
    let (from, to) = year(2025);
    let patterns = ["30 2 * * *", "0 0 * * *", "*/20 2 * * 0", "45 2 1 * 1"];
    let mut schedules = Vec::new();
    let mut expected: BTreeMap<String, Vec<DateTime<Utc>>> = BTreeMap::new();
    for zone in ZONES {
        for pattern in patterns {
            let name = format!("{pattern} {zone}");
            let naive = Naive::new(pattern);
            expected.insert(
                name.clone(),
                naive.instants(parse_zone(zone).unwrap(), from, to),
            );
            let cron = Cron::parse(pattern, zone).unwrap();
            let missed = MissedTicks::All { max: 1_000 };
            schedules.push(Schedule {
                max_open_runs: u32::MAX,
                ..schedule(&name, "a", Trigger::Cron { cron, missed })
            });
        }
    }
    let project = || project(graph([model("a", &[])]), schedules.clone());
    let mut world = World::new("2025-01-01T00:00:00Z", project()).await;
    // Another process that ticks at the same times, over connections of its own.
    let store = Arc::new(open_store(world.folder.path()).await);
    let flow = Flow::new(store, world.clock.clone());
    flow.apply(project()).await.unwrap();
    let mut other = flow.scheduler(Arc::new(()), 2);

    let mut away = [1, 26, 7, 2, 90, 13].into_iter().cycle();
    while world.clock.now() < to {
        let next = world.clock.now() + TimeDelta::hours(away.next().unwrap());
        world.clock.set(next.min(to));
        let (one, two) = tokio::join!(world.scheduler.tick(), other.tick());
        one.unwrap();
        two.unwrap();
    }
    let filter = RunFilter {
        most: u32::MAX,
        ..RunFilter::default()
    };
    let mut opened: BTreeMap<String, Vec<DateTime<Utc>>> = BTreeMap::new();
    for run in world.flow.store().runs(&filter).await.unwrap() {
        let of_schedule = opened.entry(run.schedule.unwrap().to_string()).or_default();
        of_schedule.push(run.scheduled_at.unwrap());
    }
    for instants in opened.values_mut() {
        instants.sort();
    }
    assert_eq!(opened, expected);
}
