use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};

/// One value to place in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// An instant in microseconds since the epoch, UTC, with the text it came as (kept when the
    /// column holds text; may be empty for instants that never were text).
    Timestamp(i64, &'a str),
    String(&'a str),
    Binary(&'a [u8]),
}

/// The type of a column, as far as rows on their way in are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    Boolean,
    /// 64-bit integers, all of which a double holds exactly.
    Integer,
    /// 64-bit integers, some beyond 2^53: may become text, never a double.
    BigInteger,
    Float,
    Timestamp,
    String,
    Binary,
}

/// What became of a value given to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It lies in the column with its own type.
    Kept,
    /// The column took a wider type, and all its values with it.
    Widened { from: ColumnKind, to: ColumnKind },
    /// It is not in the table; the reason is a stable word for a discards row.
    Refused(&'static str),
}

/// The largest magnitude up to which every integer is exact as a double.
const EXACT: u64 = 1 << 53;

impl Value<'_> {
    /// Returns the narrowest kind that holds the value.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Value::Boolean(_) => ColumnKind::Boolean,
            Value::Integer(i) if i.unsigned_abs() > EXACT => ColumnKind::BigInteger,
            Value::Integer(_) => ColumnKind::Integer,
            Value::Float(_) => ColumnKind::Float,
            Value::Timestamp(..) => ColumnKind::Timestamp,
            Value::String(_) => ColumnKind::String,
            Value::Binary(_) => ColumnKind::Binary,
        }
    }
}

impl ColumnKind {
    /// Returns the Arrow type columns of this kind have in memory and in Parquet.
    pub fn data_type(self) -> DataType {
        match self {
            ColumnKind::Boolean => DataType::Boolean,
            ColumnKind::Integer | ColumnKind::BigInteger => DataType::Int64,
            ColumnKind::Float => DataType::Float64,
            ColumnKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnKind::String => DataType::Utf8,
            ColumnKind::Binary => DataType::Binary,
        }
    }

    /// Returns the kind of an Arrow column written by us; `None` for a type we never write.
    pub fn of(data_type: &DataType, big: bool) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => ColumnKind::Boolean,
            DataType::Int64 if big => ColumnKind::BigInteger,
            DataType::Int64 => ColumnKind::Integer,
            DataType::Float64 => ColumnKind::Float,
            DataType::Timestamp(TimeUnit::Microsecond, _) => ColumnKind::Timestamp,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ColumnKind::Binary,
            _ => return None,
        })
    }

    /// Returns the kind that holds the values of both.
    ///
    /// Integer, then float, then text; integers a double cannot hold go straight to text.
    pub fn join(self, other: Self) -> Option<Self> {
        use ColumnKind::{BigInteger, Binary, Float, Integer, String};
        Some(match (self, other) {
            (a, b) if a == b => a,
            (Binary, _) | (_, Binary) => return None,
            (Integer, BigInteger) | (BigInteger, Integer) => BigInteger,
            (Integer, Float) | (Float, Integer) => Float,
            _ => String,
        })
    }
}

/// Values of one column in the making; shorter than the table while its last rows are null.
pub(super) struct Column {
    builder: Builder,
    kind: ColumnKind,
    len: usize,
}

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Timestamp(TimestampMicrosecondBuilder),
    String(StringBuilder),
    Binary(BinaryBuilder),
}

impl Column {
    pub(super) fn new(kind: ColumnKind) -> Self {
        let builder = match kind {
            ColumnKind::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnKind::Integer | ColumnKind::BigInteger => Builder::Integer(Int64Builder::new()),
            ColumnKind::Float => Builder::Float(Float64Builder::new()),
            ColumnKind::Timestamp => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            ColumnKind::String => Builder::String(StringBuilder::new()),
            ColumnKind::Binary => Builder::Binary(BinaryBuilder::new()),
        };
        Self {
            builder,
            kind,
            len: 0,
        }
    }

    /// Returns a column that begins with `values`, which must have the type of `kind`.
    fn holding(kind: ColumnKind, values: &dyn Array) -> Self {
        let mut column = Column::new(kind);
        match &mut column.builder {
            Builder::Boolean(b) => b.append_array(values.as_boolean()),
            Builder::Integer(b) => b.append_array(values.as_primitive()),
            Builder::Float(b) => b.append_array(values.as_primitive()),
            Builder::Timestamp(b) => b.append_array(values.as_primitive()),
            Builder::String(b) => {
                let _ = b.append_array(values.as_string::<i32>());
            }
            Builder::Binary(b) => {
                let _ = b.append_array(values.as_binary::<i32>());
            }
        }
        column.len = values.len();
        column
    }

    /// Drops the values after the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        if self.len > len {
            let values = self.take();
            *self = Column::holding(self.kind, &values.slice(0, len));
        }
    }

    pub(super) fn kind(&self) -> ColumnKind {
        self.kind
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends nulls until the column has `len` values.
    pub(super) fn pad(&mut self, len: usize) {
        let missing = len.saturating_sub(self.len());
        if missing == 0 {
            return;
        }
        self.len = len;
        match &mut self.builder {
            Builder::Boolean(b) => b.append_nulls(missing),
            Builder::Integer(b) => b.append_nulls(missing),
            Builder::Float(b) => b.append_nulls(missing),
            Builder::Timestamp(b) => b.append_nulls(missing),
            Builder::String(b) => (0..missing).for_each(|_| b.append_null()),
            Builder::Binary(b) => (0..missing).for_each(|_| b.append_null()),
        }
    }

    /// Appends `value`, widening the column unless `fixed`.
    pub(super) fn push(&mut self, value: Value<'_>, fixed: bool) -> Placed {
        if self.push_exact(value) {
            return Placed::Kept;
        }
        let from = self.kind;
        match from.join(value.kind()) {
            Some(to) if !fixed => {
                self.widen(to);
                let placed = self.push_exact(value);
                debug_assert!(placed, "a joined kind holds the value");
                Placed::Widened { from, to }
            }
            Some(to) if to.data_type() == from.data_type() => {
                // A fixed integer column takes every integer.
                if let (Builder::Integer(b), Value::Integer(i)) = (&mut self.builder, value) {
                    b.append_value(i);
                    self.len += 1;
                }
                Placed::Kept
            }
            _ => Placed::Refused("type_conflict"),
        }
    }

    /// Appends `value` if the present kind holds it exactly.
    fn push_exact(&mut self, value: Value<'_>) -> bool {
        match (&mut self.builder, value) {
            (Builder::Boolean(b), Value::Boolean(v)) => b.append_value(v),
            (Builder::Integer(b), Value::Integer(v))
                if self.kind == ColumnKind::BigInteger || v.unsigned_abs() <= EXACT =>
            {
                b.append_value(v);
            }
            (Builder::Float(b), Value::Float(v)) => b.append_value(v),
            (Builder::Float(b), Value::Integer(v)) if v.unsigned_abs() <= EXACT => {
                b.append_value(v as f64);
            }
            (Builder::Timestamp(b), Value::Timestamp(v, _)) => b.append_value(v),
            (Builder::Binary(b), Value::Binary(v)) => b.append_value(v),
            (Builder::String(b), value) => match value {
                Value::String(v) => b.append_value(v),
                Value::Timestamp(_, text) if !text.is_empty() => b.append_value(text),
                Value::Timestamp(v, _) => b.append_value(timestamp_text(v)),
                Value::Boolean(v) => b.append_value(if v { "true" } else { "false" }),
                Value::Integer(v) => b.append_value(v.to_string()),
                Value::Float(v) => b.append_value(float_text(v)),
                Value::Binary(_) => return false,
            },
            _ => return false,
        }
        self.len += 1;
        true
    }

    /// Converts the values so far to the wider kind `to`.
    pub(super) fn widen(&mut self, to: ColumnKind) {
        if to.data_type() != self.kind.data_type() && self.len() == 0 {
            *self = Column::new(to);
        } else if to.data_type() != self.kind.data_type() {
            let values = self.take();
            *self = Column::holding(to, &widen_array(&values, to));
        }
        self.kind = to;
    }

    /// Takes the values out, leaving the column empty and of the same kind.
    pub(super) fn take(&mut self) -> ArrayRef {
        self.len = 0;
        let mut values: ArrayRef = match &mut self.builder {
            Builder::Boolean(b) => Arc::new(b.finish()),
            Builder::Integer(b) => Arc::new(b.finish()),
            Builder::Float(b) => Arc::new(b.finish()),
            Builder::Timestamp(b) => Arc::new(b.finish()),
            Builder::String(b) => Arc::new(b.finish()),
            Builder::Binary(b) => Arc::new(b.finish()),
        };
        // Builders grow by doubling; rows may stay in memory for long.
        values.shrink_to_fit();
        values
    }
}

/// Converts an array written under a narrower kind to `to`, the way [`Column::widen`] does.
///
/// Text of numbers is their shortest exact form, text of instants RFC 3339 in UTC. An array that
/// already has the type is returned as it is.
pub(crate) fn widen_array(array: &dyn Array, to: ColumnKind) -> ArrayRef {
    use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
    let target = to.data_type();
    if *array.data_type() == target {
        return array.slice(0, array.len());
    }
    match (array.data_type(), &target) {
        (DataType::Int64, DataType::Utf8) => text(
            array
                .as_primitive::<Int64Type>()
                .iter()
                .map(|v| v.map(|v| v.to_string())),
        ),
        (DataType::Float64, DataType::Utf8) => text(
            array
                .as_primitive::<Float64Type>()
                .iter()
                .map(|v| v.map(float_text)),
        ),
        (DataType::Boolean, DataType::Utf8) => {
            text(array.as_boolean().iter().map(|v| v.map(|v| v.to_string())))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Utf8) => text(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .map(|v| v.map(timestamp_text)),
        ),
        // Integer to float, and anything another writer put there.
        _ => arrow::compute::cast(array, &target)
            .unwrap_or_else(|_| arrow::array::new_null_array(&target, array.len())),
    }
}

fn text(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<arrow::array::StringArray>())
}

fn float_text(value: f64) -> String {
    value.to_string()
}

fn timestamp_text(micros: i64) -> String {
    match chrono::DateTime::from_timestamp_micros(micros) {
        Some(at) => at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => micros.to_string(),
    }
}
