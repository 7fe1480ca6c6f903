use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// An exact number as its digits, such as `12.50`.
    Decimal(String),
    Text(String),
    Date(NaiveDate),
    Timestamp(NaiveDateTime),
    TimestampTz(DateTime<FixedOffset>),
    /// Objects and lists; numbers in them may be inexact.
    Json(serde_json::Value),
}

/// What a [`Cell`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CellKind {
    Null,
    Bool,
    Int,
    Float,
    Decimal,
    Text,
    Date,
    Timestamp,
    TimestampTz,
    Json,
}

impl Cell {
    /// Returns what it holds.
    pub fn kind(&self) -> CellKind {
        match self {
            Self::Null => CellKind::Null,
            Self::Bool(_) => CellKind::Bool,
            Self::Int(_) => CellKind::Int,
            Self::Float(_) => CellKind::Float,
            Self::Decimal(_) => CellKind::Decimal,
            Self::Text(_) => CellKind::Text,
            Self::Date(_) => CellKind::Date,
            Self::Timestamp(_) => CellKind::Timestamp,
            Self::TimestampTz(_) => CellKind::TimestampTz,
            Self::Json(_) => CellKind::Json,
        }
    }

    /// Returns the text that a warehouse reads back as the same value; none for null.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) if value.is_nan() => "NaN".to_owned(),
            Self::Float(value) if value.is_infinite() && *value > 0.0 => "Infinity".to_owned(),
            Self::Float(value) if value.is_infinite() => "-Infinity".to_owned(),
            Self::Float(value) => format!("{value:?}"),
            Self::Decimal(value) | Self::Text(value) => value.clone(),
            Self::Date(value) => value.to_string(),
            Self::Timestamp(value) => value.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
            Self::TimestampTz(value) => value.format("%Y-%m-%d %H:%M:%S%.f%:z").to_string(),
            Self::Json(value) => value.to_string(),
        })
    }

    /// Returns the value as a literal of standard SQL, of unknown type where it is no number or truth.
    pub fn literal(&self) -> String {
        match (self, self.text()) {
            (_, None) => "null".to_owned(),
            (Self::Bool(_) | Self::Int(_) | Self::Decimal(_), Some(text)) => text,
            (Self::Float(value), Some(text)) if value.is_finite() => text,
            (_, Some(text)) => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_quoted_where_they_are_no_numbers() {
        assert_eq!(Cell::Text("o'clock".to_owned()).literal(), "'o''clock'");
        assert_eq!(Cell::Float(f64::NAN).literal(), "'NaN'");
        assert_eq!(Cell::Float(0.1).literal(), "0.1");
        assert_eq!(Cell::Null.literal(), "null");
        assert_eq!(Cell::Decimal("1.50".to_owned()).literal(), "1.50");
        let day = NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day");
        assert_eq!(Cell::Date(day).literal(), "'2024-02-29'");
    }
}
