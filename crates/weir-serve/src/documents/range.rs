//! Ranges of days that filters of dashboards say: `last_28_days`, or one day to another. Those that are
//! relative are resolved when somebody asks, so that a link and a mail stay about "this month".
//!
//! The application reads the same texts (`ui/src/pages/board-range.ts`).

use chrono::{Datelike, Days, Months, NaiveDate};

/// The relative ranges that pages offer; `last_N_days` is one for every number of days.
const NAMES: [&str; 10] = [
    "today",
    "yesterday",
    "last_7_days",
    "last_28_days",
    "last_90_days",
    "this_week",
    "this_month",
    "last_month",
    "this_quarter",
    "this_year",
];
/// The most days of `last_N_days`.
const MOST_DAYS: u64 = 36_500;

/// From which day to before which; nothing on a side that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: Option<NaiveDate>,
    pub(super) to: Option<NaiveDate>,
}

/// Reads a range as it is on a day.
///
/// # Errors
/// What is wrong with the text, and how it is written.
pub(super) fn range(text: &str, today: NaiveDate) -> Result<Range, String> {
    let known = match text.split_once("..") {
        Some((first, last)) => between(first, last),
        None => relative(text, today),
    };
    known.ok_or_else(|| {
        let meant = match weir_core::did_you_mean(text, &NAMES) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "there are {}, and `2026-01-01..2026-01-31`",
                NAMES.join(", ")
            ),
        };
        format!("`{text}` is no range of days; {meant}")
    })
}

/// Reads `2026-01-01..2026-01-31`, of which either day may be missing; the last day is part of it.
fn between(first: &str, last: &str) -> Option<Range> {
    let day = |text: &str| match text {
        "" => Some(None),
        text => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Some),
    };
    let (from, last) = (day(first)?, day(last)?);
    let to = match last {
        Some(last) => Some(last.succ_opt()?),
        None => None,
    };
    let is_some = from.is_some() || to.is_some();
    let in_order = from.is_none_or(|from| to.is_none_or(|to| from < to));
    (is_some && in_order).then_some(Range { from, to })
}

fn relative(name: &str, today: NaiveDate) -> Option<Range> {
    let first_of_month = today.with_day(1)?;
    let back = |days: u64| today.checked_sub_days(Days::new(days));
    let months = |from: Option<NaiveDate>, count: u32| {
        let to = from.and_then(|from| from.checked_add_months(Months::new(count)));
        (from, to)
    };
    let tomorrow = today.succ_opt();
    let (from, to) = match name {
        "today" => (Some(today), tomorrow),
        "yesterday" => (back(1), Some(today)),
        // Weeks begin on Mondays, as in SQL.
        "this_week" => {
            let monday = back(today.weekday().num_days_from_monday().into())?;
            (Some(monday), monday.checked_add_days(Days::new(7)))
        }
        "this_month" => months(Some(first_of_month), 1),
        "last_month" => months(first_of_month.checked_sub_months(Months::new(1)), 1),
        "this_quarter" => months(first_of_month.with_month(today.month0() / 3 * 3 + 1), 3),
        "this_year" => months(first_of_month.with_month(1), 12),
        other => {
            let digits = other.strip_prefix("last_")?.strip_suffix("_days")?;
            let days: u64 = digits.parse().ok()?;
            if !(1..=MOST_DAYS).contains(&days) {
                return None;
            }
            // Today is the last of them.
            (back(days - 1), tomorrow)
        }
    };
    Some(Range {
        from: Some(from?),
        to: Some(to?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, today: &str) -> String {
        let day = |day: Option<NaiveDate>| day.map_or("-".to_owned(), |day| day.to_string());
        match range(text, today.parse().unwrap()) {
            Ok(Range { from, to }) => format!("{} {}", day(from), day(to)),
            Err(why) => why,
        }
    }

    /// The same table is in `ui/src/pages/board-range.test.ts`.
    #[test]
    fn ranges_are_of_their_day() {
        for (text, today, wanted) in [
            ("today", "2026-11-22", "2026-11-22 2026-11-23"),
            ("yesterday", "2026-03-01", "2026-02-28 2026-03-01"),
            ("last_7_days", "2026-01-03", "2025-12-28 2026-01-04"),
            ("last_28_days", "2026-11-22", "2026-10-26 2026-11-23"),
            ("last_90_days", "2026-11-22", "2026-08-25 2026-11-23"),
            ("last_1_days", "2026-11-22", "2026-11-22 2026-11-23"),
            // A Sunday, and a Monday.
            ("this_week", "2026-11-22", "2026-11-16 2026-11-23"),
            ("this_week", "2026-11-23", "2026-11-23 2026-11-30"),
            ("this_month", "2028-02-29", "2028-02-01 2028-03-01"),
            ("last_month", "2026-03-31", "2026-02-01 2026-03-01"),
            ("last_month", "2026-01-15", "2025-12-01 2026-01-01"),
            ("this_quarter", "2026-11-22", "2026-10-01 2027-01-01"),
            ("this_quarter", "2026-03-31", "2026-01-01 2026-04-01"),
            ("this_year", "2026-11-22", "2026-01-01 2027-01-01"),
            ("2026-01-01..", "2026-11-22", "2026-01-01 -"),
            ("..2026-01-31", "2026-11-22", "- 2026-02-01"),
            (
                "2026-01-01..2026-01-31",
                "2026-11-22",
                "2026-01-01 2026-02-01",
            ),
            (
                "2026-01-01..2026-01-01",
                "2026-11-22",
                "2026-01-01 2026-01-02",
            ),
        ] {
            assert_eq!(told(text, today), wanted, "{text} on {today}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for text in [
            "",
            "..",
            "last_0_days",
            "last_99999_days",
            "last_x_days",
            "2026-01-31..2026-01-01",
            "2026-02-30..",
            "2026-01-01",
            "9999999-01-01..",
            "+262142-12-31..+262142-12-31",
            "'; drop",
        ] {
            let said = told(text, "2026-11-22");
            assert!(said.contains("is no range of days"), "{text}: {said}");
        }
        assert!(told("lst_month", "2026-11-22").contains("did you mean `last_month`"));
        assert!(range("last_36500_days", NaiveDate::MIN).is_err());
        assert!(range("tomorrow", NaiveDate::MAX).is_err());
        assert!(range("today", NaiveDate::MAX).is_err());
    }
}
