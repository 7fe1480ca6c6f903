//! Times as senders write them, and the rule for what time an event happened.

use crate::record::Clock;

/// The years 1 to 9999, which is what every reader of the lake can show.
const SHOWN: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Reads a date or a date with time in ISO 8601, as SDKs write them: microseconds since the
/// epoch. A time without zone is UTC; digits beyond microseconds are cut.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    // Nearly every string is refused by this line.
    if b.len() < 10 || b.len() > 40 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let year = number(&b[0..4])?;
    let (month, day) = (number(&b[5..7])?, number(&b[8..10])?);
    let date = chrono::NaiveDate::from_ymd_opt(year as i32, month, day)?;
    let days = i64::from(date.to_epoch_days());
    let (seconds, micros, rest) = match b.get(10) {
        None => return Some(days * 86_400_000_000),
        Some(b'T' | b't' | b' ') => clock(&b[11..])?,
        Some(_) => return None,
    };
    let offset = zone(rest)?;
    Some((days * 86_400 + seconds - offset) * 1_000_000 + micros)
}

/// Reads `HH:MM[:SS[.fraction]]`: seconds, microseconds, and what follows.
fn clock(b: &[u8]) -> Option<(i64, i64, &[u8])> {
    if b.get(2) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (number(&b[0..2])?, number(b.get(3..5)?)?);
    let mut rest = &b[5..];
    let mut second = 0;
    let mut micros = 0;
    if let [b':', after @ ..] = rest {
        second = number(after.get(0..2)?)?;
        rest = &after[2..];
        if let [b'.' | b',', fraction @ ..] = rest {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            micros = (0..6).fold(0, |sum, at| {
                let digit = fraction[..digits]
                    .get(at)
                    .map_or(0, |b| i64::from(b - b'0'));
                sum * 10 + digit
            });
            rest = &fraction[digits..];
        }
    }
    // A leap second is the second after it, as everywhere.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((i64::from(hour * 3600 + minute * 60 + second), micros, rest))
}

/// Reads `Z`, `±HH`, `±HHMM`, `±HH:MM` or nothing: seconds east of UTC.
fn zone(b: &[u8]) -> Option<i64> {
    let (sign, digits) = match b {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (number(digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        5 if digits[2] == b':' => (number(&digits[..2])?, number(&digits[3..])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0'))
    })
}

/// Reads a time written as a number: seconds, milliseconds or microseconds since the epoch, told
/// apart by size (the ranges do not meet between 1973 and 5000).
pub(crate) fn parse_number(text: &str) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    let micros = match value {
        v if !(0.0..1e17).contains(&v) => return None,
        v if v < 1e11 => v * 1e6,
        v if v < 1e14 => v * 1e3,
        v => v,
    };
    Some(micros as i64)
}

/// What the sender and the door say about when an event happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) received_at: i64,
    pub(crate) sent_at: Option<i64>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) original: Option<i64>,
}

/// When an event happened: by our clock, and in the sender's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) timestamp: i64,
    pub(crate) original: Option<i64>,
}

impl Times {
    /// Applies the rule: `timestamp = received_at − (sent_at − original_timestamp)`.
    ///
    /// Segment's SDKs put the sender's time into `timestamp`, RudderStack's into
    /// `originalTimestamp`. A sender that gives both has corrected the time itself.
    pub(crate) fn resolve(self, clock: Clock) -> When {
        let original = self.original.or(self.timestamp);
        let timestamp = match (clock, self.timestamp, self.original, self.sent_at) {
            (_, Some(timestamp), Some(_), _) => timestamp,
            (Clock::Trust, timestamp, original, _) => {
                timestamp.or(original).unwrap_or(self.received_at)
            }
            (Clock::Correct, _, _, Some(sent)) => match original {
                Some(original) => self
                    .received_at
                    .saturating_sub(sent.saturating_sub(original)),
                None => self.received_at,
            },
            (Clock::Correct, _, _, None) => original.unwrap_or(self.received_at),
        };
        // Two absurd clocks can add up to a year nobody can show.
        let timestamp = if SHOWN.contains(&timestamp) {
            timestamp
        } else {
            self.received_at
        };
        When {
            timestamp,
            original,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn iso_dates_and_times() {
        let at = |text: &str| {
            chrono::DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp_micros()
        };
        for (text, same) in [
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2024-02-29T12:34:56.789Z", "2024-02-29T12:34:56.789Z"),
            (
                "2024-02-29T12:34:56.7891234Z",
                "2024-02-29T12:34:56.789123Z",
            ),
            ("2024-02-29 12:34:56", "2024-02-29T12:34:56Z"),
            ("2024-02-29T12:34", "2024-02-29T12:34:00Z"),
            ("2024-02-29T12:34:56+0530", "2024-02-29T12:34:56+05:30"),
            ("2024-02-29T12:34:56-08", "2024-02-29T12:34:56-08:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(text), Some(at(same)), "{text}");
        }
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-02-29T",
            "2024-02-29T25:00",
            "2024-02-29T12:34:56.",
            "2024-02-29x",
            "20240229",
            "2024-2-9",
            "2024-02-29T12:34:56+5",
            "12345-67-8901",
            "2024-02-29T12:34:56 ",
            "",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_told_apart_by_size() {
        assert_eq!(parse_number("1700000000"), Some(1_700_000_000_000_000));
        assert_eq!(parse_number("1700000000123"), Some(1_700_000_000_123_000));
        assert_eq!(
            parse_number("1700000000123456"),
            Some(1_700_000_000_123_456)
        );
        assert_eq!(parse_number("-1"), None);
        assert_eq!(parse_number("1e400"), None);
        assert_eq!(parse_number("nan"), None);
    }

    #[test]
    fn the_senders_clock_is_corrected() {
        let hour = 3_600_000_000;
        let times = Times {
            received_at: 10 * hour,
            sent_at: Some(3 * hour),
            timestamp: Some(2 * hour),
            original: None,
        };
        let when = times.resolve(Clock::Correct);
        assert_eq!((when.timestamp, when.original), (9 * hour, Some(2 * hour)));
        assert_eq!(times.resolve(Clock::Trust).timestamp, 2 * hour);
        let rudder = Times {
            original: times.timestamp,
            timestamp: None,
            ..times
        };
        assert_eq!(rudder.resolve(Clock::Correct).timestamp, 9 * hour);
        let unsent = Times {
            sent_at: None,
            ..times
        };
        assert_eq!(unsent.resolve(Clock::Correct).timestamp, 2 * hour);
        let both = Times {
            original: Some(1),
            ..times
        };
        assert_eq!(both.resolve(Clock::Correct).timestamp, 2 * hour);
        let nothing = Times {
            received_at: 5,
            ..Times::default()
        };
        assert_eq!(
            nothing.resolve(Clock::Correct),
            When {
                timestamp: 5,
                original: None
            }
        );
    }

    #[test]
    fn years_nobody_can_show_are_not_made() {
        let (first, last) = (*SHOWN.start(), *SHOWN.end());
        let times = Times {
            received_at: 7,
            sent_at: Some(first),
            timestamp: Some(last),
            original: None,
        };
        assert_eq!(
            times.resolve(Clock::Correct),
            When {
                timestamp: 7,
                original: Some(last)
            }
        );
    }

    proptest! {
        #[test]
        fn reads_what_chrono_writes(micros in -62_135_596_800_000_000i64..253_402_300_799_000_000) {
            let at = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(parse(&at.to_rfc3339()), Some(micros));
            prop_assert_eq!(parse(&at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()), Some(micros));
        }

        #[test]
        fn never_panics(text in ".{0,50}", a: i64, b: i64, c: i64, d: Option<i64>) {
            let _ = parse(&text);
            let _ = parse_number(&text);
            let times = Times { received_at: a, sent_at: Some(b), timestamp: Some(c), original: d };
            let _ = times.resolve(Clock::Correct);
        }
    }
}
