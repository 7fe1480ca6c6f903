//! The types of columns, and which of them holds the values of two.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, TimeUnit};
pub use weir_core::changelog::{DEFAULT, DEFAULT_BEFORE, KEY};

/// Digits of a number with a decimal point.
pub(crate) const DIGITS: u8 = 38;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Boolean,
    /// 64 bits, signed.
    Integer,
    Double,
    /// 38 digits, so many of them after the point.
    Decimal(u8),
    Date,
    /// An instant, in microseconds.
    Timestamp,
    /// A time on a calendar and a clock that may be anywhere, in microseconds.
    LocalTimestamp,
    Binary,
    /// Text; JSON where the source has structure.
    Text,
}

impl ColumnType {
    /// Returns the type rows have in memory and in files.
    pub fn data_type(self) -> DataType {
        match self {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Double => DataType::Float64,
            ColumnType::Decimal(scale) => DataType::Decimal128(DIGITS, scale as i8),
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::LocalTimestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Binary => DataType::Binary,
            ColumnType::Text => DataType::Utf8,
        }
    }

    /// Returns the type of a column that was written by us; text for any other.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => ColumnType::Boolean,
            DataType::Int64 => ColumnType::Integer,
            DataType::Float64 => ColumnType::Double,
            DataType::Decimal128(_, scale) => ColumnType::Decimal((*scale).max(0) as u8),
            DataType::Date32 => ColumnType::Date,
            DataType::Timestamp(_, Some(_)) => ColumnType::Timestamp,
            DataType::Timestamp(_, None) => ColumnType::LocalTimestamp,
            DataType::Binary => ColumnType::Binary,
            _ => ColumnType::Text,
        }
    }

    /// Returns the type that holds the values of both: numbers stay numbers and times stay times,
    /// everything else becomes text.
    pub fn join(self, other: Self) -> Self {
        use ColumnType::{Date, Decimal, Double, Integer, LocalTimestamp, Text, Timestamp};
        match (self, other) {
            (a, b) if a == b => a,
            (Integer, Double) | (Double, Integer) => Double,
            (Integer, Decimal(scale)) | (Decimal(scale), Integer) => Decimal(scale),
            (Decimal(a), Decimal(b)) => Decimal(a.max(b)),
            (Decimal(_), Double) | (Double, Decimal(_)) => Double,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            (Date, LocalTimestamp) | (LocalTimestamp, Date) => LocalTimestamp,
            (LocalTimestamp, Timestamp) | (Timestamp, LocalTimestamp) => Timestamp,
            _ => Text,
        }
    }
}

/// A column of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
    pub is_key: bool,
    pub default: Option<ColumnDefault>,
}

/// What rows have in a column that came later than they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefault {
    /// The value, as text.
    pub value: String,
    /// Rows from this position on tell their own.
    pub before: i64,
}

impl Column {
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            is_key: false,
            default: None,
        }
    }

    /// Makes it a part of the key by which rows are told apart.
    pub fn key(mut self) -> Self {
        self.is_key = true;
        self
    }

    pub(crate) fn field(&self) -> Field {
        let mut metadata = HashMap::new();
        if self.is_key {
            metadata.insert(KEY.into(), "true".into());
        }
        if let Some(default) = &self.default {
            metadata.insert(DEFAULT.into(), default.value.clone());
            metadata.insert(DEFAULT_BEFORE.into(), default.before.to_string());
        }
        Field::new(&self.name, self.column_type.data_type(), true).with_metadata(metadata)
    }

    pub(crate) fn of(field: &Field) -> Self {
        Self {
            name: field.name().clone(),
            column_type: ColumnType::of(field.data_type()),
            is_key: field.metadata().contains_key(KEY),
            default: default_of(field),
        }
    }
}

fn default_of(field: &Field) -> Option<ColumnDefault> {
    Some(ColumnDefault {
        value: field.metadata().get(DEFAULT)?.clone(),
        before: field.metadata().get(DEFAULT_BEFORE)?.parse().ok()?,
    })
}
