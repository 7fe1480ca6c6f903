use std::collections::HashSet;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};

use super::csv::records;
use crate::context::Shared;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{Node, NodeDetail};
use crate::warehouse::{Cell, Table, TableColumn};

/// Reads the rows of a seed's file, with the types that its values have in common.
///
/// Columns whose type is given stay text, so that nothing is lost before the warehouse reads them.
pub(crate) fn read(shared: &Shared, node: &Node) -> Result<Table, ModelError> {
    let place = Place::file(node.original_path.as_str());
    let bytes = contents(shared, node)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        ModelError::new(ModelErrorKind::File, "the seed is not written in UTF-8")
            .at(Place::at(
                node.original_path.as_str(),
                u32::try_from(line).unwrap_or(0),
                0,
            ))
            .hint("save the file as UTF-8")
    })?;
    let delimiter = node.config.text("delimiter").unwrap_or(",");
    let mut characters = delimiter.chars();
    let (Some(delimiter), None) = (characters.next(), characters.next()) else {
        return Err(ModelError::new(
            ModelErrorKind::Properties,
            format!("`delimiter` must be one character, not `{delimiter}`"),
        )
        .at(place));
    };
    let given: HashSet<&str> = node
        .config
        .map("column_types")
        .keys()
        .map(String::as_str)
        .collect();
    table_of(&text, delimiter, &given).map_err(|what| {
        ModelError::new(ModelErrorKind::File, what)
            .at(place)
            .hint("every row needs as many values as the header has names")
    })
}

/// Reads a seed's file.
pub(super) fn contents(shared: &Shared, node: &Node) -> Result<Vec<u8>, ModelError> {
    let root = match &node.detail {
        NodeDetail::Seed { root_path, .. } => std::path::PathBuf::from(root_path),
        _ => shared.project.root().root.clone(),
    };
    std::fs::read(root.join(&node.original_path)).map_err(|error| {
        ModelError::new(
            ModelErrorKind::File,
            format!("cannot read {}", node.original_path),
        )
        .at(Place::file(node.original_path.as_str()))
        .caused_by(error)
        .hint("check that the file is there and may be read")
    })
}

fn table_of(text: &str, delimiter: char, given: &HashSet<&str>) -> Result<Table, String> {
    let mut records = records(text, delimiter).into_iter();
    let Some(header) = records.next() else {
        return Ok(Table::default());
    };
    let names = unique_names(header);
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let mut rows = 0;
    for (at, record) in records.enumerate() {
        if record.len() > names.len() {
            return Err(format!(
                "Row {} has {} values, but Table only has {} columns.",
                at,
                record.len(),
                names.len()
            ));
        }
        let mut values = record.into_iter();
        for column in &mut columns {
            column.push(values.next().unwrap_or_default());
        }
        rows += 1;
    }
    let mut typed: Vec<std::vec::IntoIter<Cell>> = Vec::with_capacity(columns.len());
    for (name, values) in names.iter().zip(columns) {
        typed.push(cells_of(values, given.contains(name.as_str())).into_iter());
    }
    let mut all = Vec::with_capacity(rows);
    for _ in 0..rows {
        all.push(
            typed
                .iter_mut()
                .map(|column| column.next().unwrap_or(Cell::Null))
                .collect(),
        );
    }
    Ok(Table {
        columns: names
            .into_iter()
            .map(|name| TableColumn::new(name, "text"))
            .collect(),
        rows: all,
    })
}

/// Names that are missing become letters, names that come again get a number.
fn unique_names(header: Vec<String>) -> Vec<String> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(header.len());
    for (at, name) in header.into_iter().enumerate() {
        let name = name.trim().to_owned();
        let base = if name.is_empty() { letters(at) } else { name };
        let mut unique = base.clone();
        let mut number = 2;
        while !seen.insert(unique.clone()) {
            unique = format!("{base}_{number}");
            number += 1;
        }
        names.push(unique);
    }
    names
}

fn letters(at: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or(0));
    letter.to_string().repeat(at / 26 + 1)
}

fn is_null(value: &str) -> bool {
    let value = value.trim();
    value.is_empty() || value.eq_ignore_ascii_case("null")
}

/// What all values of a column can be read as, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    Number,
    Date,
    Moment,
    Bool,
    Text,
}

const GUESSES: [Guess; 4] = [Guess::Number, Guess::Date, Guess::Moment, Guess::Bool];

fn cells_of(values: Vec<String>, as_text: bool) -> Vec<Cell> {
    let fits = |guess: Guess| {
        values
            .iter()
            .all(|value| is_null(value) || read_as(guess, value).is_some())
    };
    let guess = if as_text {
        Guess::Text
    } else {
        GUESSES
            .into_iter()
            .find(|guess| fits(*guess))
            .unwrap_or(Guess::Text)
    };
    let whole = guess == Guess::Number
        && values
            .iter()
            .all(|value| is_null(value) || matches!(read_as(guess, value), Some(Cell::Int(_))));
    values
        .into_iter()
        .map(|value| {
            // Text is kept with the spaces around it.
            let null = if guess == Guess::Text {
                value.is_empty() || value.eq_ignore_ascii_case("null")
            } else {
                is_null(&value)
            };
            if null {
                return Cell::Null;
            }
            match read_as(guess, &value) {
                // Whole numbers of a column that has others too are written like them.
                Some(Cell::Int(int)) if !whole => Cell::Decimal(int.to_string()),
                Some(cell) => cell,
                None => Cell::Text(value),
            }
        })
        .collect()
}

fn read_as(guess: Guess, value: &str) -> Option<Cell> {
    match guess {
        Guess::Number => number(value),
        Guess::Date => NaiveDate::parse_from_str(value.trim(), "%Y-%m-%d")
            .ok()
            .filter(|_| value.trim().len() <= 10)
            .map(Cell::Date),
        Guess::Moment => moment(value.trim()),
        Guess::Bool => match value.trim().to_ascii_lowercase().as_str() {
            "true" => Some(Cell::Bool(true)),
            "false" => Some(Cell::Bool(false)),
            _ => None,
        },
        Guess::Text => None,
    }
}

/// Reads a number as people write them: with separators of thousands, a sign of money or percent.
fn number(value: &str) -> Option<Cell> {
    let value = value.replace(',', "");
    let value = value.trim().trim_matches('%');
    let (sign, value) = match value.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", value.strip_prefix('+').unwrap_or(value)),
    };
    let value = value.trim_matches(|c| "$£€¥¢₡₱₩₭₮₦฿₤₫₪﷼ƒ".contains(c));
    let digits = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let exponent_fits = digits.is_empty()
        || digits
            .strip_prefix(['e', 'E'])
            .is_some_and(|exponent| exponent.parse::<i16>().is_ok());
    let begins = value.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let text = format!("{sign}{value}");
    if !begins || !exponent_fits || text.parse::<f64>().is_err() {
        return None;
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && digits.is_empty()
        && fraction.bytes().all(|byte| byte == b'0')
    {
        return whole
            .parse()
            .ok()
            .map(Cell::Int)
            .or(Some(Cell::Decimal(text)));
    }
    Some(text.parse().map_or(Cell::Decimal(text), Cell::Int))
}

/// Reads ISO 8601: a date, or a date and a time with or without a zone.
fn moment(value: &str) -> Option<Cell> {
    if value.len() < 7 || !value.is_ascii() {
        return None;
    }
    if value.len() == 7 {
        let date = NaiveDate::parse_from_str(&format!("{value}-01"), "%Y-%m-%d").ok()?;
        return Some(Cell::Timestamp(date.and_time(NaiveTime::MIN)));
    }
    let date = NaiveDate::parse_from_str(value.get(..10)?, "%Y-%m-%d").ok()?;
    let Some(rest) = value.get(11..) else {
        return (value.len() == 10).then(|| Cell::Timestamp(date.and_time(NaiveTime::MIN)));
    };
    let (time, zone) = split_zone(rest);
    let time = ["%H:%M:%S%.f", "%H:%M", "%H%M%S%.f", "%H%M"]
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(time, format).ok());
    let time = time.or_else(|| {
        rest.get(..2)
            .filter(|_| rest.len() == 2)
            .and_then(|hour| NaiveTime::from_hms_opt(hour.parse().ok()?, 0, 0))
    })?;
    let naive: NaiveDateTime = date.and_time(time);
    match zone {
        None => Some(Cell::Timestamp(naive)),
        Some(zone) => {
            let offset = offset(zone)?;
            let moment: DateTime<FixedOffset> = naive.and_local_timezone(offset).single()?;
            Some(Cell::TimestampTz(moment))
        }
    }
}

fn split_zone(rest: &str) -> (&str, Option<&str>) {
    match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (rest[..at].trim_end(), Some(&rest[at..])),
        None => (rest, None),
    }
}

fn offset(zone: &str) -> Option<FixedOffset> {
    if zone.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits
        .get(2..4)
        .map_or(Some(0), |minutes| minutes.parse().ok())?;
    let seconds = (hours * 60 + minutes) * 60;
    FixedOffset::east_opt(if zone.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::CellKind;

    fn kinds(text: &str) -> Vec<CellKind> {
        let table = table_of(text, ',', &HashSet::new()).expect("a table");
        table.rows[0].iter().map(Cell::kind).collect()
    }

    #[test]
    fn values_of_a_column_decide_its_type_together() {
        use CellKind::*;
        assert_eq!(
            kinds(
                "i,d,b,dt,ts,t,m\n1,1.5,true,2024-01-02,2024-01-02 03:04:05,x,1\n2,2,FALSE,2024-12-31,2024-01-02T03:04:05Z,1,a"
            ),
            [Int, Decimal, Bool, Date, Timestamp, Text, Text]
        );
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(number("1,234"), Some(Cell::Int(1234)));
        assert_eq!(number("-$5.50"), Some(Cell::Decimal("-5.50".to_owned())));
        assert_eq!(number("50%"), Some(Cell::Int(50)));
        assert_eq!(number("1e5"), Some(Cell::Decimal("1e5".to_owned())));
        assert_eq!(number("3.0"), Some(Cell::Int(3)));
        assert_eq!(number("1.2.3"), None);
        assert_eq!(number("-"), None);
        assert_eq!(number("12ab"), None);
    }

    #[test]
    fn empty_and_null_are_null_and_given_types_stay_text() {
        let table = table_of("a,b\n,007\nnull, x \n", ',', &HashSet::from(["b"])).expect("a table");
        assert_eq!(
            table.rows[0],
            vec![Cell::Null, Cell::Text("007".to_owned())]
        );
        assert_eq!(
            table.rows[1],
            vec![Cell::Null, Cell::Text(" x ".to_owned())]
        );
    }

    #[test]
    fn rows_that_are_too_long_are_refused() {
        assert!(table_of("a\n1,2\n", ',', &HashSet::new()).is_err());
        assert_eq!(
            table_of("a,b\n1\n", ',', &HashSet::new())
                .expect("a table")
                .rows[0][1],
            Cell::Null
        );
    }

    #[test]
    fn names_are_made_unique() {
        let table = table_of("a,,a\n1,2,3\n", ',', &HashSet::new()).expect("a table");
        let names: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "a_2"]);
    }
}
