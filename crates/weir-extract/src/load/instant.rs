//! Dates and times as text: RFC 3339, what PostgreSQL writes, and what taps make of both.

use super::column::ColumnType;
use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// A date and a time as written, with the offset where there is one.
struct Written {
    days: i64,
    micros: i64,
    /// Seconds east of Greenwich.
    offset: Option<i32>,
}

/// Returns the days since 1970 of a date; a time after it must be midnight or absent.
pub(super) fn date(text: &str) -> Option<i32> {
    let written = read(text)?;
    (written.micros == 0).then(|| i32::try_from(written.days).ok())?
}

/// Returns microseconds since the epoch; without an offset it is taken as UTC.
pub(super) fn instant(text: &str) -> Option<i64> {
    let written = read(text)?;
    let local = written.days.checked_mul(MICROS_A_DAY)? + written.micros;
    Some(local - i64::from(written.offset.unwrap_or(0)) * 1_000_000)
}

/// Returns microseconds since the epoch of what the clock shows; an offset is left aside.
pub(super) fn local(text: &str) -> Option<i64> {
    let written = read(text)?;
    Some(written.days.checked_mul(MICROS_A_DAY)? + written.micros)
}

/// Returns the type that holds a date or a time as written; none for any other text.
pub(super) fn type_of(text: &str) -> Option<ColumnType> {
    let written = read(text)?;
    Some(match (written.offset, text.contains(':')) {
        (Some(_), _) => ColumnType::Timestamp,
        (None, true) => ColumnType::LocalTimestamp,
        (None, false) => ColumnType::Date,
    })
}

fn read(text: &str) -> Option<Written> {
    common(text).or_else(|| any(text))
}

/// Reads what nearly all dates and times look like: `2026-11-03`, and `2026-11-03T04:05:06` with nothing behind
/// it, `Z` or `+01:00`. What does not, or is no date, is for [`any`] to judge.
fn common(text: &str) -> Option<Written> {
    let text = text.as_bytes();
    if !matches!(text.len(), 10 | 19 | 20 | 25) || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let two = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
    };
    let year = i32::try_from(two(0)? * 100 + two(2)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, two(5)?, two(8)?)?;
    let days = i64::from(date.num_days_from_ce()) - 719_163;
    let mut written = Written {
        days,
        micros: 0,
        offset: None,
    };
    if text.len() == 10 {
        return Some(written);
    }
    if !matches!(text[10], b'T' | b't' | b' ') || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let time = NaiveTime::from_hms_opt(two(11)?, two(14)?, two(17)?)?;
    written.micros = i64::from(time.num_seconds_from_midnight()) * 1_000_000;
    written.offset = match (&text[19..], text.len()) {
        ([], _) => None,
        ([b'Z' | b'z'], _) => Some(0),
        ([sign @ (b'+' | b'-'), ..], 25) if text[22] == b':' => {
            let (hours, minutes) = (two(20)?, two(23)?);
            if hours > 15 || minutes > 59 {
                return None;
            }
            let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some(written)
}

fn any(text: &str) -> Option<Written> {
    let text = text.trim();
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let mut parts = date.splitn(3, '-');
    let year: i32 = digits(parts.next()?, 4..=6)?;
    let month: u32 = digits(parts.next()?, 1..=2)?;
    let day: u32 = digits(parts.next()?, 1..=2)?;
    let year = if before_christ { 1 - year } else { year };
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let days = i64::from(date.num_days_from_ce()) - 719_163;
    let rest = rest.trim();
    if rest.is_empty() {
        return Some(Written {
            days,
            micros: 0,
            offset: None,
        });
    }
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (rest[..at].trim_end(), Some(offset(&rest[at..])?)),
        None => (rest, None),
    };
    Some(Written {
        days,
        micros: micros(clock)?,
        offset,
    })
}

fn digits<T: std::str::FromStr>(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<T> {
    let fits = length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

fn micros(clock: &str) -> Option<i64> {
    let mut parts = clock.splitn(3, ':');
    let hour: u32 = digits(parts.next()?, 1..=2)?;
    let minute: u32 = digits(parts.next()?, 2..=2)?;
    let (second, fraction) = match parts.next() {
        None => ("0", ""),
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "")),
    };
    let second: u32 = digits(second, 1..=2)?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut micro = 0_i64;
    for place in 0..6 {
        let digit = fraction.as_bytes().get(place).map_or(0, |b| b - b'0');
        micro = micro * 10 + i64::from(digit);
    }
    if (hour, minute, second) == (24, 0, 0) {
        return Some(MICROS_A_DAY);
    }
    // A leap second is the first of the next minute, as in PostgreSQL.
    let (second, leap) = if second == 60 { (59, 1) } else { (second, 0) };
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    Some((i64::from(time.num_seconds_from_midnight()) + leap) * 1_000_000 + micro)
}

/// Reads `Z`, `+01`, `+0130`, `+01:30` and `+01:30:15`.
fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'Z' | b'z' if text.len() == 1 => return Some(0),
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let rest: String = rest.chars().filter(|c| *c != ':').collect();
    if !rest.bytes().all(|b| b.is_ascii_digit()) || ![2, 4, 6].contains(&rest.len()) {
        return None;
    }
    let part = |from: usize| -> i32 {
        let part = rest.get(from..from + 2).unwrap_or("0");
        part.parse().unwrap_or(0)
    };
    let seconds = part(0) * 3600 + part(2) * 60 + part(4);
    (seconds <= 16 * 3600).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_all_writers_are_read() {
        let wanted = Some(1_704_067_201_000_000);
        for text in [
            "2024-01-01T00:00:01.000000+00:00",
            "2024-01-01T00:00:01Z",
            "2024-01-01 00:00:01+00",
            "2024-01-01 01:30:01+0130",
            "2023-12-31 19:00:01-05:00",
            "2024-01-01T00:00:01",
        ] {
            assert_eq!(instant(text), wanted, "{text}");
        }
        assert_eq!(instant("1970-01-01 00:00:00.1234567Z"), Some(123_456));
        assert_eq!(local("1970-01-01 00:00:01+05"), Some(1_000_000));
        assert_eq!(
            instant("0044-03-15 00:00:00+00 BC").map(|t| t < 0),
            Some(true)
        );
        assert_eq!(instant("1970-01-01T24:00:00Z"), Some(MICROS_A_DAY));
    }

    #[test]
    fn the_short_way_reads_what_the_long_one_does() {
        let parts = |written: Written| (written.days, written.micros, written.offset);
        let mut short = 0;
        for date in [
            "2024-02-29",
            "2023-02-29",
            "0001-01-01",
            "9999-12-31",
            "2024-13-01",
            "20-4-02-29x",
        ] {
            for clock in [
                "",
                "T00:00:00",
                " 23:59:59",
                "t12:30:07",
                "T24:00:00",
                "T23:59:60",
                "X00:00:00",
            ] {
                for offset in [
                    "", "Z", "z", "+00:00", "-05:30", "+15:59", "+16:00", "+25:00", "+00-00",
                ] {
                    let text = format!("{date}{clock}{offset}");
                    if let Some(common) = common(&text) {
                        short += 1;
                        assert_eq!(Some(parts(common)), any(&text).map(parts), "{text}");
                    }
                }
            }
        }
        assert_eq!(short, 3 * (1 + 3 * 6));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "infinity",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "2024-01-01T25:00:00Z",
            "2024-01-01T00:00:00+99:00",
            "2024-01-01T00:00:00.x",
            "today",
            "é-01-01",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
        assert_eq!(date("2024-01-02"), Some(19_724));
        assert_eq!(date("2024-01-02T00:00:00Z"), Some(19_724));
        assert_eq!(date("2024-01-02T10:00:00Z"), None);
    }
}
