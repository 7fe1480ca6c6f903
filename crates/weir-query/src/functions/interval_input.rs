//! Text as intervals: PostgreSQL's own form, and ISO 8601.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::Result;

use super::time::value_error;

/// Reads `1 year 2 months 04:05:06`, `2 days ago` or `P1Y2M3DT4H5M6S` as months, days and seconds.
pub(super) fn parts(text: &str) -> Option<[f64; 3]> {
    if let Some(parts) = text.trim().strip_prefix('P') {
        return iso(parts);
    }
    let [mut months, mut days, mut seconds] = [0.0; 3];
    let mut words = text.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(':') {
            seconds += clock(word)?;
            continue;
        }
        if word == "ago" && words.peek().is_none() {
            return Some([-months, -days, -seconds]);
        }
        // A unit may follow its number without a blank.
        let end = word.find(|c: char| c.is_ascii_alphabetic());
        let (number, mut unit) = word.split_at(end.unwrap_or(word.len()));
        let count: f64 = number.parse().ok()?;
        if unit.is_empty() {
            // A number alone is one of seconds.
            unit = match words.peek() {
                Some(next)
                    if !next.contains(':') && !next.starts_with(|c: char| !c.is_alphabetic()) =>
                {
                    words.next()?
                }
                Some(_) => return None,
                None => "second",
            };
        }
        let unit = unit.to_ascii_lowercase();
        match unit.as_str() {
            "us" | "usec" | "usecs" | "microsecond" | "microseconds" => seconds += count / 1e6,
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => seconds += count / 1e3,
            unit => match unit.trim_end_matches('s') {
                "millennium" | "millennia" | "mil" => months += count * 12_000.0,
                "century" | "centurie" | "c" => months += count * 1_200.0,
                "decade" | "dec" => months += count * 120.0,
                "year" | "y" | "yr" => months += count * 12.0,
                "month" | "mon" => months += count,
                "week" | "w" => days += count * 7.0,
                "day" | "d" => days += count,
                "hour" | "h" | "hr" => seconds += count * 3600.0,
                "minute" | "min" | "m" => seconds += count * 60.0,
                "second" | "sec" | "" => seconds += count,
                _ => return None,
            },
        }
    }
    Some([months, days, seconds])
}

/// Reads `[-]hours:minutes[:seconds]` as seconds.
fn clock(word: &str) -> Option<f64> {
    let (sign, clock) = match word.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, word.trim_start_matches('+')),
    };
    let fields: Vec<f64> = clock
        .split(':')
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    if fields.len() > 3 {
        return None;
    }
    let scale = [3600.0, 60.0, 1.0];
    Some(
        sign * fields
            .iter()
            .zip(scale)
            .map(|(field, scale)| field * scale)
            .sum::<f64>(),
    )
}

/// Reads what follows the `P` of ISO 8601.
fn iso(text: &str) -> Option<[f64; 3]> {
    let [mut months, mut days, mut seconds] = [0.0; 3];
    let (dates, times) = text.split_once('T').unwrap_or((text, ""));
    for (part, is_time) in [(dates, false), (times, true)] {
        if is_time && part.contains(':') {
            seconds += clock(part)?;
            continue;
        }
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let count: f64 = rest[..end].parse().ok()?;
            match (&rest[end..=end], is_time) {
                ("Y", false) => months += count * 12.0,
                ("M", false) => months += count,
                ("W", false) => days += count * 7.0,
                ("D", false) => days += count,
                ("H", true) => seconds += count * 3600.0,
                ("M", true) => seconds += count * 60.0,
                ("S", true) => seconds += count,
                _ => return None,
            }
            rest = &rest[end + 1..];
        }
    }
    Some([months, days, seconds])
}

/// Reads text as an interval: parts of months become days, parts of days become time.
pub(super) fn of_text(text: &str) -> Result<IntervalMonthDayNano> {
    let wrong = || {
        let short: String = text.chars().take(64).collect();
        value_error("22007", format!("`{short}` is not an interval"))
    };
    let [months, days, seconds] = parts(text).ok_or_else(wrong)?;
    let of_month = (months - months.trunc()) * 30.0;
    let days = days + of_month;
    let micros = ((seconds + (days - days.trunc()) * 86_400.0) * 1e6).round();
    let fits = months.abs() < f64::from(i32::MAX)
        && days.abs() < f64::from(i32::MAX)
        && micros.abs() < 9.2e15;
    if !fits {
        return Err(value_error("22008", "interval out of range"));
    }
    Ok(IntervalMonthDayNano::new(
        months.trunc() as i32,
        days.trunc() as i32,
        micros as i64 * 1_000,
    ))
}
