//! Moments and spans of time as people write them on the command line.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// Reads a date, or a moment in UTC unless it has an offset.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim().trim_matches(['\'', '"']);
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let plain = text.replacen(' ', "T", 1);
    plain
        .parse::<NaiveDateTime>()
        .ok()
        .map(|plain| plain.and_utc())
}

/// Reads `3 days` before `now`, or `{'start': '2024-01-01', 'end': '2024-02-01'}`.
pub(crate) fn span(text: &str, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let text = text.trim();
    if let Some(inside) = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let mut ends = (None, None);
        for part in inside.split(',') {
            let (key, value) = part.split_once(':')?;
            match key.trim().trim_matches(['\'', '"']) {
                "start" => ends.0 = Some(moment(value)?),
                "end" => ends.1 = Some(moment(value)?),
                _ => return None,
            }
        }
        return ends.0.zip(ends.1).filter(|(start, end)| start < end);
    }
    let (count, unit) = text.split_once(char::is_whitespace)?;
    let count: u32 = count.parse().ok()?;
    let start = match unit.trim().trim_end_matches('s') {
        "hour" => now.checked_sub_signed(TimeDelta::hours(i64::from(count))),
        "day" => now.checked_sub_days(Days::new(u64::from(count))),
        "month" => now.checked_sub_months(Months::new(count)),
        "year" => now.checked_sub_months(Months::new(count.checked_mul(12)?)),
        _ => None,
    };
    start.map(|start| (start, now))
}

#[cfg(test)]
mod tests {
    use super::{moment, span};

    #[test]
    fn moments_are_dates_or_times() {
        let text = |text: &str| moment(text).map(|moment| moment.to_rfc3339());
        assert_eq!(
            text("2024-01-31").as_deref(),
            Some("2024-01-31T00:00:00+00:00")
        );
        assert_eq!(
            text("2024-01-31 12:30:00").as_deref(),
            Some("2024-01-31T12:30:00+00:00")
        );
        assert_eq!(
            text("2024-01-31T12:30:00+02:00").as_deref(),
            Some("2024-01-31T10:30:00+00:00")
        );
        assert_eq!(text("yesterday"), None);
    }

    #[test]
    fn spans_end_now_or_say_their_ends() {
        let now = moment("2024-03-31").expect("a date");
        let texts = |text: &str| {
            let (start, end) = span(text, now)?;
            Some(format!("{} {}", start.date_naive(), end.date_naive()))
        };
        assert_eq!(texts("3 days").as_deref(), Some("2024-03-28 2024-03-31"));
        assert_eq!(texts("1 month").as_deref(), Some("2024-02-29 2024-03-31"));
        let written = "{'start': '2024-01-01', 'end': '2024-02-01'}";
        assert_eq!(texts(written).as_deref(), Some("2024-01-01 2024-02-01"));
        assert_eq!(texts("some days"), None);
        assert_eq!(texts("{'start': '2024-02-01', 'end': '2024-01-01'}"), None);
    }
}
