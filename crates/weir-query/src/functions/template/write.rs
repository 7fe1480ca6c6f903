use std::fmt::Write;

use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::Result;

use super::super::text::moment as moment_of;
use super::token::{Case, Field, Item};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];
/// The Julian day of the first day of the common era, less one.
const JULIAN: i64 = 1_721_425;

/// Writes a moment; `zone` is its offset in seconds and its name.
pub(super) fn moment(at: &NaiveDateTime, zone: Option<(i32, &str)>, items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        match item {
            Item::Literal(c) => text.push(*c),
            Item::Field {
                field,
                case,
                fill,
                ordinal,
            } => {
                let start = text.len();
                field_text(&mut text, at, zone, *field, *case, *fill);
                if let Some(case) = ordinal {
                    let suffix = ordinal_of(text[start..].trim());
                    text += &cased(suffix, *case);
                }
            }
        }
    }
    text
}

fn field_text(
    text: &mut String,
    at: &NaiveDateTime,
    zone: Option<(i32, &str)>,
    field: Field,
    case: Case,
    fill: bool,
) {
    let mut number = |value: i64, width: usize| {
        let width = if fill { 0 } else { width };
        let _ = match value < 0 {
            true => write!(text, "-{:0width$}", value.unsigned_abs()),
            false => write!(text, "{value:0width$}"),
        };
    };
    let year = i64::from(at.year());
    // There is no year 0: the one before 1 is 1 BC.
    let shown = if year <= 0 { 1 - year } else { year };
    let iso = at.iso_week();
    match field {
        Field::Hour24 => number(at.hour().into(), 2),
        Field::Hour12 => number(at.hour12().1.into(), 2),
        Field::Minute => number(at.minute().into(), 2),
        Field::Second => number(at.second().into(), 2),
        Field::SecondOfDay => number(at.num_seconds_from_midnight().into(), 0),
        Field::Millisecond => number(i64::from(at.nanosecond() / 1_000_000), 3),
        Field::Microsecond => number(i64::from(at.nanosecond() / 1_000), 6),
        Field::Fraction(digits) => {
            let micros = i64::from(at.nanosecond() / 1_000);
            number(micros / 10_i64.pow(6 - u32::from(digits)), digits.into());
        }
        Field::Year(4) => number(shown, 4),
        Field::Year(digits) => number(shown % 10_i64.pow(digits.into()), digits.into()),
        Field::YearComma => {
            let _ = write!(text, "{},{:03}", shown / 1_000, shown % 1_000);
        }
        Field::IsoYear(4) => number(iso.year().into(), 4),
        Field::IsoYear(digits) => {
            number(
                i64::from(iso.year()) % 10_i64.pow(digits.into()),
                digits.into(),
            );
        }
        Field::Month => number(at.month().into(), 2),
        Field::DayOfYear => number(at.ordinal().into(), 3),
        Field::IsoDayOfYear => {
            let day = (iso.week0() * 7 + at.weekday().num_days_from_monday() + 1).into();
            number(day, 3);
        }
        Field::Day => number(at.day().into(), 2),
        Field::DayOfWeek => number(i64::from(at.weekday().num_days_from_sunday()) + 1, 1),
        Field::IsoDayOfWeek => number(at.weekday().number_from_monday().into(), 1),
        Field::WeekOfMonth => number(i64::from((at.day() - 1) / 7) + 1, 1),
        Field::WeekOfYear => number(i64::from(at.ordinal0() / 7) + 1, 2),
        Field::IsoWeek => number(iso.week().into(), 2),
        Field::Century => number((shown + 99) / 100, 2),
        Field::Julian => number(i64::from(at.num_days_from_ce()) + JULIAN, 0),
        Field::Quarter => number(i64::from(at.month0() / 3) + 1, 1),
        Field::HalfDay { dots } => {
            let word = match (at.hour() >= 12, dots) {
                (true, true) => "p.m.",
                (true, false) => "pm",
                (false, true) => "a.m.",
                (false, false) => "am",
            };
            *text += &cased(word, case);
        }
        Field::Era { dots } => {
            let word = match (year <= 0, dots) {
                (true, true) => "b.c.",
                (true, false) => "bc",
                (false, true) => "a.d.",
                (false, false) => "ad",
            };
            *text += &cased(word, case);
        }
        Field::MonthName => padded(text, MONTHS[at.month0() as usize], case, fill, 9),
        Field::MonthShort => *text += &cased(&MONTHS[at.month0() as usize][..3], case),
        Field::MonthRoman => padded(text, ROMAN[at.month0() as usize], case, fill, 4),
        Field::DayName => {
            let name = DAYS[at.weekday().num_days_from_sunday() as usize];
            padded(text, name, case, fill, 9);
        }
        Field::DayShort => {
            let name = DAYS[at.weekday().num_days_from_sunday() as usize];
            *text += &cased(&name[..3], case);
        }
        Field::ZoneName | Field::ZoneHours | Field::ZoneMinutes | Field::ZoneOffset => {
            if let Some(zone) = zone {
                zone_text(text, zone, field, case);
            }
        }
    }
}

fn zone_text(text: &mut String, (seconds, name): (i32, &str), field: Field, case: Case) {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let _ = match field {
        Field::ZoneHours => write!(text, "{sign}{hours:02}"),
        Field::ZoneMinutes => write!(text, "{minutes:02}"),
        Field::ZoneOffset if minutes == 0 => write!(text, "{sign}{hours:02}"),
        Field::ZoneOffset => write!(text, "{sign}{hours:02}:{minutes:02}"),
        // Only the one zone without summer time has a name that is surely right.
        _ if name == "UTC" => write!(text, "{}", cased("utc", case)),
        _ if minutes == 0 => write!(text, "{sign}{hours:02}"),
        _ => write!(text, "{sign}{hours:02}:{minutes:02}"),
    };
}

fn padded(text: &mut String, word: &str, case: Case, fill: bool, width: usize) {
    let word = cased(word, case);
    let width = if fill { 0 } else { width };
    let _ = write!(text, "{word:<width$}");
}

fn cased(word: &str, case: Case) -> String {
    match case {
        Case::Upper => word.to_uppercase(),
        Case::Lower => word.to_lowercase(),
        Case::Title => {
            let mut chars = word.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(chars).collect()
        }
    }
}

fn ordinal_of(number: &str) -> &'static str {
    match (
        number.ends_with("11") || number.ends_with("12") || number.ends_with("13"),
        number.chars().last(),
    ) {
        (false, Some('1')) => "st",
        (false, Some('2')) => "nd",
        (false, Some('3')) => "rd",
        _ => "th",
    }
}

/// Writes a span of time: its months as years and months, hours beyond a day as they are.
pub(super) fn interval(span: IntervalMonthDayNano, items: &[Item]) -> Result<String> {
    let mut text = String::new();
    let micros = span.nanoseconds / 1_000;
    let hours = micros / 3_600_000_000;
    let clock = moment_of(micros.rem_euclid(3_600_000_000))?;
    for item in items {
        match item {
            Item::Literal(c) => text.push(*c),
            Item::Field {
                field, case, fill, ..
            } => {
                let number = match field {
                    Field::Hour24 => Some((hours, 2)),
                    Field::Hour12 => Some((if hours % 12 == 0 { 12 } else { hours % 12 }, 2)),
                    Field::Year(4) => Some((i64::from(span.months / 12), 4)),
                    Field::Month => Some((i64::from(span.months % 12), 2)),
                    Field::Day => Some((i64::from(span.days), 2)),
                    _ => None,
                };
                match number {
                    Some((value, width)) => {
                        let width = if *fill { 0 } else { width };
                        let _ = write!(text, "{value:0width$}");
                    }
                    None => field_text(&mut text, &clock, None, *field, *case, *fill),
                }
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::super::token::items;
    use super::*;

    #[test]
    fn templates_are_those_of_postgres() {
        let at = NaiveDate::from_ymd_opt(2024, 3, 1)
            .and_then(|day| day.and_hms_micro_opt(15, 4, 5, 678_900))
            .unwrap();
        for (template, text) in [
            ("YYYY-MM-DD HH24:MI:SS", "2024-03-01 15:04:05"),
            ("YYYY-MM", "2024-03"),
            ("HH12:MI am", "03:04 pm"),
            ("FMMonth FMDDth, YYYY", "March 1st, 2024"),
            ("Month|", "March    |"),
            ("DY dd Mon yy", "FRI 01 Mar 24"),
            ("IYYY-IW-ID", "2024-09-5"),
            ("MS US FF3", "678 678900 678"),
            ("Q \"quarter\"", "1 quarter"),
            ("DDD J", "061 2460371"),
            ("SSSS", "54245"),
        ] {
            assert_eq!(moment(&at, None, &items(template)), text, "{template}");
        }
    }
}
