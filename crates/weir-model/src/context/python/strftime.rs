//! Dates and times written and read by format: `strftime`, `strptime`, `fromisoformat`.

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use weir_jinja::Result;

use super::day::micros;
use super::value_error;
use super::zone::Zone;

/// What chrono writes as Python does, in English.
const SHARED: &str = "aAbBdHIjmMpSUwWyYGuVcxXDFTReCghnklrPs";

/// Writes a time by a format. What is no directive stays as it is.
pub(super) fn write(format: &str, moment: NaiveDateTime, zone: Option<Zone>) -> String {
    let mut out = String::with_capacity(format.len() + 16);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let directive = &rest[at + 1..];
        let mut letters = directive.chars();
        let first = letters.next();
        let flag = first.filter(|letter| matches!(letter, '-' | '_' | '0'));
        let letter = if flag.is_some() {
            letters.next()
        } else {
            first
        };
        rest = letters.as_str();
        match letter {
            Some('%') => out.push('%'),
            Some('f') => out.push_str(&format!("{:06}", micros(moment.time()))),
            Some('z') => out.push_str(
                &zone
                    .map(|zone| offset_text(zone.offset_at(moment)))
                    .unwrap_or_default(),
            ),
            Some('Z') => out.push_str(
                &zone
                    .map(|zone| zone.abbreviation(moment))
                    .unwrap_or_default(),
            ),
            Some('s') => out.push_str(&moment.and_utc().timestamp().to_string()),
            Some(letter) if SHARED.contains(letter) => {
                let directive: String = ['%'].into_iter().chain(flag).chain([letter]).collect();
                out.push_str(&moment.format(&directive).to_string());
            }
            _ => {
                out.push('%');
                out.extend(flag);
                out.extend(letter);
            }
        }
    }
    out.push_str(rest);
    out
}

/// `+0100`, with seconds if there are any.
fn offset_text(offset: FixedOffset) -> String {
    let seconds = offset.local_minus_utc();
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    let text = format!("{sign}{:02}{:02}", size / 3600, size / 60 % 60);
    if size % 60 == 0 {
        text
    } else {
        format!("{text}{:02}", size % 60)
    }
}

/// What has been read so far.
struct Fields<'a> {
    rest: &'a str,
    year: i32,
    month: u32,
    day: u32,
    of_year: Option<u32>,
    hour: u32,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    micro: u32,
    offset: Option<FixedOffset>,
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
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// `datetime.strptime(text, format)`
pub(super) fn parse(text: &str, format: &str) -> Result<(NaiveDateTime, Option<FixedOffset>)> {
    let mut fields = Fields {
        rest: text,
        year: 1900,
        month: 1,
        day: 1,
        of_year: None,
        hour: 0,
        afternoon: None,
        minute: 0,
        second: 0,
        micro: 0,
        offset: None,
    };
    let mismatch = || {
        value_error(format!(
            "time data '{text}' does not match format '{format}'"
        ))
    };
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        let read = match letter {
            '%' => match letters.next() {
                Some(directive) => fields.directive(directive).map_err(|bad| {
                    value_error(format!("'{bad}' is a bad directive in format '{format}'"))
                })?,
                None => return Err(value_error(format!("stray % in format '{format}'"))),
            },
            letter if letter.is_whitespace() => {
                fields.rest = fields.rest.trim_start();
                Some(())
            }
            letter => {
                let stripped = fields
                    .rest
                    .chars()
                    .next()
                    .filter(|first| first.eq_ignore_ascii_case(&letter))
                    .map(|first| &fields.rest[first.len_utf8()..]);
                stripped.map(|rest| fields.rest = rest)
            }
        };
        read.ok_or_else(mismatch)?;
    }
    if !fields.rest.is_empty() {
        return Err(value_error(format!(
            "unconverted data remains: {}",
            fields.rest
        )));
    }
    let offset = fields.offset;
    fields
        .moment()
        .map(|moment| (moment, offset))
        .ok_or_else(|| value_error("day is out of range for month"))
}

impl Fields<'_> {
    /// Reads one directive: nothing if the text does not fit, an error if there is no such one.
    fn directive(&mut self, directive: char) -> Result<Option<()>, char> {
        Ok(match directive {
            'Y' => self.digits(4, 4, 9999).map(|year| self.year = year as i32),
            'y' => self.digits(2, 2, 99).map(|year| {
                self.year = year as i32 + if year < 69 { 2000 } else { 1900 };
            }),
            'm' => self
                .digits(1, 2, 12)
                .filter(|month| *month > 0)
                .map(|month| self.month = month),
            'd' | 'e' => self
                .digits(1, 2, 31)
                .filter(|day| *day > 0)
                .map(|day| self.day = day),
            'j' => self
                .digits(1, 3, 366)
                .filter(|day| *day > 0)
                .map(|day| self.of_year = Some(day)),
            'H' => self.digits(1, 2, 23).map(|hour| self.hour = hour),
            'I' => self.digits(1, 2, 12).filter(|hour| *hour > 0).map(|hour| {
                self.hour = hour % 12;
                self.afternoon.get_or_insert(false);
            }),
            'M' => self.digits(1, 2, 59).map(|minute| self.minute = minute),
            'S' => self
                .digits(1, 2, 61)
                .map(|second| self.second = second.min(59)),
            'f' => self.fraction(),
            'p' => self
                .word(&["am", "pm"], 2)
                .map(|at| self.afternoon = Some(at == 1)),
            'b' | 'h' => self.word(&MONTHS, 3).map(|at| self.month = at as u32 + 1),
            'B' => self
                .word(&MONTHS, usize::MAX)
                .map(|at| self.month = at as u32 + 1),
            'a' => self.word(&WEEKDAYS, 3).map(drop),
            'A' => self.word(&WEEKDAYS, usize::MAX).map(drop),
            'z' => self.zone(),
            'Z' => self.word(&["utc", "gmt"], 3).map(drop),
            'T' | 'X' => self.all("H:M:S")?,
            'R' => self.all("H:M")?,
            'D' | 'x' => self.all("m/d/y")?,
            'F' => self.all("Y-m-d")?,
            '%' => self.literal("%"),
            other => return Err(other),
        })
    }

    /// Several directives with the signs between them.
    fn all(&mut self, parts: &str) -> Result<Option<()>, char> {
        for part in parts.chars() {
            let read = if part.is_alphabetic() {
                self.directive(part)?
            } else {
                self.literal(&part.to_string())
            };
            if read.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    fn literal(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn digits(&mut self, least: usize, most: usize, limit: u32) -> Option<u32> {
        let mut length = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        // A digit too many belongs to what follows: `%H%M` reads 930 as 9 and 30 where it must.
        while length >= least.max(1) {
            let number: u32 = self.rest[..length].parse().ok()?;
            if number <= limit {
                self.rest = &self.rest[length..];
                return Some(number);
            }
            length -= 1;
        }
        None
    }

    fn fraction(&mut self) -> Option<()> {
        let length = self
            .rest
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_digit)
            .count();
        let number: u32 = self.rest[..length].parse().ok()?;
        self.micro = number * 10_u32.pow(6 - length as u32);
        self.rest = &self.rest[length..];
        Some(())
    }

    fn word(&mut self, words: &[&str], length: usize) -> Option<usize> {
        for (at, word) in words.iter().enumerate() {
            let word = &word[..length.min(word.len())];
            if self
                .rest
                .get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
            {
                self.rest = &self.rest[word.len()..];
                return Some(at);
            }
        }
        None
    }

    fn zone(&mut self) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            self.offset = FixedOffset::east_opt(0);
            return Some(());
        }
        let sign = match self.rest.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.digits(2, 2, 23)?;
        let colon = self.literal(":").is_some();
        let minutes = self.digits(2, 2, 59)?;
        let mut seconds = (hours * 3600 + minutes * 60) as i32;
        if colon && self.rest.starts_with(':')
            || !colon && self.rest.starts_with(|next: char| next.is_ascii_digit())
        {
            self.literal(":");
            seconds += self.digits(2, 2, 59)? as i32;
        }
        self.offset = Some(FixedOffset::east_opt(sign * seconds)?);
        Some(())
    }

    fn moment(&self) -> Option<NaiveDateTime> {
        let date = match self.of_year {
            Some(day) => NaiveDate::from_yo_opt(self.year, day)?,
            None => NaiveDate::from_ymd_opt(self.year, self.month, self.day)?,
        };
        let hour = self.hour
            + if self.afternoon == Some(true) && self.hour < 12 {
                12
            } else {
                0
            };
        Some(date.and_time(NaiveTime::from_hms_micro_opt(
            hour,
            self.minute,
            self.second,
            self.micro,
        )?))
    }
}

/// `2024-03-01` or `20240301`
pub(super) fn parse_iso_date(text: &str) -> Option<NaiveDate> {
    let format = if text.contains('-') {
        "%Y-%m-%d"
    } else {
        "%Y%m%d"
    };
    let long_enough = text.len() == if text.contains('-') { 10 } else { 8 };
    long_enough
        .then(|| parse(text, format).ok())?
        .map(|(moment, _)| moment.date())
}

/// `2024-03-01T12:30:00.5+01:00` and shorter
pub(super) fn parse_iso(text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    let date_length = if text.as_bytes().get(4) == Some(&b'-') {
        10
    } else {
        8
    };
    let date = parse_iso_date(text.get(..date_length)?)?;
    let rest = &text[date_length..];
    let Some(separator) = rest.chars().next() else {
        return Some((date.and_time(NaiveTime::MIN), None));
    };
    let clock = &rest[separator.len_utf8()..];
    let zone_at = clock.find(['+', '-', 'Z']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let formats = ["%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%H", "%H%M%S", "%H%M"];
    let time = formats
        .iter()
        .find_map(|format| parse(clock, format).ok())?
        .0
        .time();
    let offset = if zone.is_empty() {
        None
    } else {
        Some(parse(zone, "%z").ok()?.1?)
    };
    Some((
        date.and_time(time.with_nanosecond(micros(time) * 1_000)?),
        offset,
    ))
}
