use chrono::{Datelike, NaiveDate, NaiveDateTime};
use datafusion::common::{DataFusionError, Result};

use super::super::time::value_error;
use super::token::{Field, Item, items};

/// What a text says under a template.
#[derive(Debug, Default)]
pub(super) struct Parts {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    iso: (Option<i64>, Option<u32>, Option<u32>),
    hour: Option<u32>,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    micros: u32,
    second_of_day: Option<u32>,
    before_common_era: bool,
    /// Seconds east of Greenwich.
    pub(super) offset: Option<i32>,
}

/// Reads `text` by `template`.
pub(super) fn parts(text: &str, template: &str) -> Result<Parts> {
    if template.contains('%') {
        return strptime(text, template);
    }
    super::check_length(template)?;
    let items = items(template);
    let mut parts = Parts::default();
    let mut rest = text.trim_start();
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Literal(c) => {
                if c.is_alphanumeric() {
                    // Any character stands for it, as in Postgres.
                    let mut chars = rest.chars();
                    chars.next();
                    rest = chars.as_str();
                } else {
                    rest = rest
                        .trim_start_matches(|c: char| !c.is_alphanumeric() && c != '-' && c != '+');
                    if !c.is_whitespace() || rest.starts_with(*c) {
                        rest = rest.strip_prefix(*c).unwrap_or(rest);
                    }
                    rest = rest.trim_start();
                }
            }
            Item::Field { field, .. } => {
                rest = rest.trim_start_matches(|c: char| c.is_whitespace());
                // Digits right behind belong to the next field, so this one may not take them.
                let close = matches!(items.get(at + 1), Some(Item::Field { .. }));
                rest = parts
                    .take(*field, rest, close)
                    .ok_or_else(|| unfit(text, template))?;
            }
        }
    }
    Ok(parts)
}

fn strptime(text: &str, template: &str) -> Result<Parts> {
    use chrono::Timelike;
    let at = NaiveDateTime::parse_from_str(text, template)
        .or_else(|_| {
            NaiveDate::parse_from_str(text, template).map(|day| day.and_time(Default::default()))
        })
        .map_err(|_| unfit(text, template))?;
    Ok(Parts {
        year: Some(at.year().into()),
        month: Some(at.month()),
        day: Some(at.day()),
        hour: Some(at.hour()),
        minute: at.minute(),
        second: at.second(),
        micros: at.nanosecond() / 1_000,
        ..Parts::default()
    })
}

fn unfit(text: &str, template: &str) -> DataFusionError {
    let short: String = text.chars().take(64).collect();
    value_error(
        "22007",
        format!("`{short}` does not fit the template `{template}`"),
    )
}

/// Takes up to `most` digits off the front.
fn digits(text: &str, most: usize) -> Option<(u32, usize, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    let number = text[..count].parse().ok()?;
    Some((number, count, &text[count..]))
}

/// Takes one of some words off the front; returns which.
fn word<'a>(text: &'a str, words: &[&str], shortest: usize) -> Option<(u32, &'a str)> {
    let starts = |word: &str| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    words.iter().enumerate().find_map(|(at, word)| {
        let whole = starts(word).then_some(word.len());
        let short = || (shortest > 0 && starts(&word[..shortest])).then_some(shortest);
        let length = whole.or_else(short)?;
        Some((u32::try_from(at).ok()?, &text[length..]))
    })
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const HALVES: [&str; 4] = ["am", "pm", "a.m.", "p.m."];
const ERAS: [&str; 4] = ["ad", "bc", "a.d.", "b.c."];

impl Parts {
    fn take<'a>(&mut self, field: Field, text: &'a str, close: bool) -> Option<&'a str> {
        let number = |most| digits(text, most);
        Some(match field {
            Field::Year(width) | Field::IsoYear(width) => {
                let most = if close { width.into() } else { 9 };
                let (value, count, rest) = number(most)?;
                let mut year = i64::from(value);
                if count <= 2 && width < 4 {
                    year += if year < 70 { 2000 } else { 1900 };
                }
                match field {
                    Field::Year(_) => self.year = Some(year),
                    _ => self.iso.0 = Some(year),
                }
                rest
            }
            Field::YearComma => {
                let (thousands, _, rest) = number(3)?;
                let (units, _, rest) = digits(rest.strip_prefix(',')?, 3)?;
                self.year = Some(i64::from(thousands * 1_000 + units));
                rest
            }
            Field::Month => set(&mut self.month, number(2)?),
            Field::Day => set(&mut self.day, number(2)?),
            Field::DayOfYear => set(&mut self.day_of_year, number(3)?),
            Field::IsoWeek => set(&mut self.iso.1, number(2)?),
            Field::IsoDayOfWeek => set(&mut self.iso.2, number(1)?),
            Field::Hour24 => set(&mut self.hour, number(2)?),
            Field::Hour12 => {
                let (hour, count, rest) = number(2)?;
                if !(1..=12).contains(&hour) {
                    return None;
                }
                self.afternoon.get_or_insert(false);
                set(&mut self.hour, (hour, count, rest))
            }
            Field::Minute => put(&mut self.minute, number(2)?),
            Field::Second => put(&mut self.second, number(2)?),
            Field::SecondOfDay => set(&mut self.second_of_day, number(5)?),
            Field::Millisecond | Field::Microsecond | Field::Fraction(_) => {
                let (value, count, rest) = number(6)?;
                self.micros = value * 10_u32.pow(6 - count as u32);
                rest
            }
            Field::HalfDay { .. } => {
                let (which, rest) = word(text, &HALVES, 0)?;
                self.afternoon = Some(which % 2 == 1);
                rest
            }
            Field::Era { .. } => {
                let (which, rest) = word(text, &ERAS, 0)?;
                self.before_common_era = which % 2 == 1;
                rest
            }
            Field::MonthName | Field::MonthShort => {
                let (which, rest) = word(text, &MONTHS, 3)?;
                self.month = Some(which + 1);
                rest
            }
            Field::DayName | Field::DayShort => word(text, &DAYS, 3)?.1,
            Field::ZoneHours => {
                let sign = if text.starts_with('-') { -1 } else { 1 };
                let (hours, _, rest) = digits(text.trim_start_matches(['+', '-']), 2)?;
                self.offset = Some(sign * i32::try_from(hours).ok()? * 3600);
                rest
            }
            Field::ZoneMinutes => {
                let (minutes, _, rest) = number(2)?;
                let offset = self.offset.get_or_insert(0);
                let minutes = i32::try_from(minutes).ok()? * 60;
                *offset += if *offset < 0 { -minutes } else { minutes };
                rest
            }
            Field::Quarter | Field::DayOfWeek | Field::WeekOfMonth | Field::WeekOfYear => {
                // Postgres reads these and makes nothing of them, either.
                number(2)?.2
            }
            _ => return None,
        })
    }

    /// Returns the moment the parts stand for.
    pub(super) fn moment(&self) -> Result<NaiveDateTime> {
        let out = || value_error("22008", "date or time out of range");
        let mut hour = self.hour.unwrap_or(0);
        if let Some(afternoon) = self.afternoon {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        let (mut minute, mut second) = (self.minute, self.second);
        if let Some(seconds) = self.second_of_day {
            (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        }
        let date = self.date().ok_or_else(out)?;
        date.and_hms_micro_opt(hour, minute, second, self.micros)
            .ok_or_else(out)
    }

    fn date(&self) -> Option<NaiveDate> {
        if let (Some(year), Some(week), day) = self.iso {
            let day =
                chrono::Weekday::try_from(u8::try_from(day.unwrap_or(1).checked_sub(1)?).ok()?)
                    .ok()?;
            return NaiveDate::from_isoywd_opt(i32::try_from(year).ok()?, week, day);
        }
        let mut year = i32::try_from(self.year.unwrap_or(1)).ok()?;
        if self.before_common_era {
            year = 1 - year;
        }
        if let Some(day) = self.day_of_year {
            return NaiveDate::from_yo_opt(year, day);
        }
        NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }
}

fn set<'a>(place: &mut Option<u32>, (value, _, rest): (u32, usize, &'a str)) -> &'a str {
    *place = Some(value);
    rest
}

fn put<'a>(place: &mut u32, (value, _, rest): (u32, usize, &'a str)) -> &'a str {
    *place = value;
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_their_template() {
        for (text, template, expected) in [
            ("05 Dec 2000", "DD Mon YYYY", "2000-12-05 00:00:00"),
            ("2024-03-01", "YYYY-MM-DD", "2024-03-01 00:00:00"),
            ("20240301", "YYYYMMDD", "2024-03-01 00:00:00"),
            (
                "2024/03/01 03:04:05 PM",
                "YYYY/MM/DD HH12:MI:SS PM",
                "2024-03-01 15:04:05",
            ),
            ("1.3.24", "DD.MM.YY", "2024-03-01 00:00:00"),
            ("2024-061", "YYYY-DDD", "2024-03-01 00:00:00"),
            ("2024-W09-5", "IYYY-\"W\"IW-ID", "2024-03-01 00:00:00"),
            ("March 1, 2024", "Month DD, YYYY", "2024-03-01 00:00:00"),
            ("2024-03-01", "%Y-%m-%d", "2024-03-01 00:00:00"),
        ] {
            let at = parts(text, template).and_then(|parts| parts.moment());
            assert_eq!(at.unwrap().to_string(), expected, "{text} {template}");
        }
        assert!(parts("hello", "YYYY-MM-DD").is_err());
        assert!(parts("2024-13-01", "YYYY-MM-DD").unwrap().moment().is_err());
    }
}
