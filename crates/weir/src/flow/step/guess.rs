//! Which types the columns of text files have.

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// What the values of a column have all been so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    seen: bool,
    whole: bool,
    number: bool,
    truth: bool,
    date: bool,
    /// Without a zone.
    wall: bool,
    /// With one.
    moment: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            seen: false,
            whole: true,
            number: true,
            truth: true,
            date: true,
            wall: true,
            moment: true,
        }
    }
}

impl Guess {
    /// Takes one more value into account.
    pub(super) fn see(&mut self, text: &str) {
        self.seen = true;
        self.whole &= is_number(text) && text.parse::<i64>().is_ok();
        self.number &= is_number(text) && text.parse::<f64>().is_ok();
        self.truth &= matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE");
        let is_date = text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
        self.date &= is_date;
        self.wall &= is_date
            || ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .iter()
                .any(|form| NaiveDateTime::parse_from_str(text, form).is_ok());
        self.moment &= DateTime::parse_from_rfc3339(text).is_ok();
    }

    /// Returns the type that holds all values.
    pub(super) fn kind(self) -> DataType {
        match self {
            Self { seen: false, .. } => DataType::Null,
            Self { whole: true, .. } => DataType::Int64,
            Self { number: true, .. } => DataType::Float64,
            Self { truth: true, .. } => DataType::Boolean,
            Self { date: true, .. } => DataType::Date32,
            Self { wall: true, .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self { moment: true, .. } => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            _ => DataType::Utf8,
        }
    }
}

/// Whether a text means a number and nothing else: `007` and `+1` are names.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut letters = digits.chars();
    let first = letters.next();
    let second = letters.next();
    first.is_some_and(|c| c.is_ascii_digit())
        && !(first == Some('0') && second.is_some_and(|c| c.is_ascii_digit()))
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
}

/// Returns the type that holds the values of both.
pub(super) fn both(one: &DataType, other: &DataType) -> DataType {
    use DataType::{Date32, Float32, Float64, Int8, Int16, Int32, Int64, Null, Timestamp, Utf8};
    let is_whole = |kind: &DataType| matches!(kind, Int8 | Int16 | Int32 | Int64);
    let is_float = |kind: &DataType| matches!(kind, Float32 | Float64);
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (Null, kind) | (kind, Null) => kind.clone(),
        (one, other) if is_whole(one) && is_whole(other) => Int64,
        (one, other)
            if (is_whole(one) || is_float(one)) && (is_whole(other) || is_float(other)) =>
        {
            Float64
        }
        (Date32, Timestamp(_, None)) | (Timestamp(_, None), Date32) => {
            Timestamp(TimeUnit::Microsecond, None)
        }
        (Timestamp(_, Some(_)), Timestamp(_, Some(_))) => {
            Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        (Timestamp(_, None), Timestamp(_, None)) => Timestamp(TimeUnit::Microsecond, None),
        _ => Utf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str]) -> DataType {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(value));
        guess.kind()
    }

    #[test]
    fn types_are_those_that_lose_nothing() {
        let micros =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        assert_eq!(kind(&[]), DataType::Null);
        assert_eq!(kind(&["1", "-20", "0"]), DataType::Int64);
        assert_eq!(kind(&["1", "2.5", "1e9"]), DataType::Float64);
        // A post code keeps its zeros, and so does whatever stands beside it.
        assert_eq!(kind(&["007", "12"]), DataType::Utf8);
        assert_eq!(kind(&["NaN"]), DataType::Utf8);
        assert_eq!(kind(&["99999999999999999999"]), DataType::Float64);
        assert_eq!(kind(&["true", "False"]), DataType::Boolean);
        assert_eq!(kind(&["2026-11-22"]), DataType::Date32);
        assert_eq!(kind(&["2026-13-22"]), DataType::Utf8);
        assert_eq!(kind(&["2026-11-22", "2026-11-22 10:00:00"]), micros(None));
        assert_eq!(kind(&["2026-11-22T10:00:00+01:00"]), micros(Some("UTC")));
        assert_eq!(
            both(&DataType::Int64, &DataType::Float64),
            DataType::Float64
        );
        assert_eq!(both(&DataType::Null, &DataType::Date32), DataType::Date32);
        assert_eq!(both(&DataType::Int64, &DataType::Utf8), DataType::Utf8);
    }
}
