use std::fmt::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Decimal128Array,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, LargeStringArray, StringArray, StringViewArray, UInt32Array,
    UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::{BufMut, BytesMut};
use weir_query::{as_intervals, write_interval};

use super::binary;
use super::text::{self, Zone};

/// The values of one column, their type known.
pub(in crate::postgres) struct Column<'a> {
    array: ArrayRef,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(BooleanArray),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    Oid(UInt32Array),
    UInt64(UInt64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    BytesView(BinaryViewArray),
    FixedBytes(FixedSizeBinaryArray),
    Date(arrow::array::Date32Array),
    Time(arrow::array::Time64MicrosecondArray),
    Timestamp(arrow::array::TimestampMicrosecondArray),
    Instant(arrow::array::TimestampMicrosecondArray, &'a Zone),
    Interval(IntervalMonthDayNanoArray),
    Decimal(Decimal128Array, i8),
    /// Wider decimals, in text.
    WideDecimal(StringArray),
    List {
        offsets: Vec<usize>,
        items: Box<Column<'a>>,
        element: u32,
    },
    Json(Vec<String>),
}

/// Writes into bytes what formats as text.
pub(super) struct Text<'a>(pub(super) &'a mut BytesMut);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.put_slice(text.as_bytes());
        Ok(())
    }
}

impl<'a> Column<'a> {
    pub(in crate::postgres) fn new(array: &ArrayRef, zone: &'a Zone) -> Result<Self, ArrowError> {
        let as_type = |kind: &DataType| cast(array, kind);
        let micros =
            |zone: Option<std::sync::Arc<str>>| DataType::Timestamp(TimeUnit::Microsecond, zone);
        let values = match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Int16 => Values::Int16(array.as_primitive::<Int16Type>().clone()),
            DataType::Int8 | DataType::UInt8 => Values::Int16(
                as_type(&DataType::Int16)?
                    .as_primitive::<Int16Type>()
                    .clone(),
            ),
            DataType::Int32 => Values::Int32(array.as_primitive::<Int32Type>().clone()),
            DataType::UInt16 => Values::Int32(
                as_type(&DataType::Int32)?
                    .as_primitive::<Int32Type>()
                    .clone(),
            ),
            DataType::Int64 => Values::Int64(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt32 => Values::Oid(array.as_primitive::<UInt32Type>().clone()),
            DataType::UInt64 => Values::UInt64(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float32 => Values::Float32(array.as_primitive::<Float32Type>().clone()),
            DataType::Float16 => Values::Float32(
                as_type(&DataType::Float32)?
                    .as_primitive::<Float32Type>()
                    .clone(),
            ),
            DataType::Float64 => Values::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Utf8 => Values::Text(array.as_string::<i32>().clone()),
            DataType::LargeUtf8 => Values::LargeText(array.as_string::<i64>().clone()),
            DataType::Utf8View => Values::TextView(array.as_string_view().clone()),
            DataType::Binary => Values::Bytes(array.as_binary::<i32>().clone()),
            DataType::LargeBinary => {
                Values::BytesView(as_type(&DataType::BinaryView)?.as_binary_view().clone())
            }
            DataType::BinaryView => Values::BytesView(array.as_binary_view().clone()),
            DataType::FixedSizeBinary(_) => {
                Values::FixedBytes(array.as_fixed_size_binary().clone())
            }
            DataType::Date32 => Values::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Date64 => Values::Date(
                as_type(&DataType::Date32)?
                    .as_primitive::<Date32Type>()
                    .clone(),
            ),
            DataType::Time32(_) | DataType::Time64(_) => {
                let array = as_type(&DataType::Time64(TimeUnit::Microsecond))?;
                Values::Time(array.as_primitive::<Time64MicrosecondType>().clone())
            }
            DataType::Timestamp(_, None) => {
                let array = as_type(&micros(None))?;
                Values::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Timestamp(_, Some(name)) => {
                let array = as_type(&micros(Some(name.clone())))?;
                Values::Instant(
                    array.as_primitive::<TimestampMicrosecondType>().clone(),
                    zone,
                )
            }
            DataType::Interval(_) | DataType::Duration(_) => Values::Interval(as_intervals(array)?),
            DataType::Decimal128(_, scale) => {
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                let array = as_type(&DataType::Decimal128(*precision, *scale))?;
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            DataType::Decimal256(..) => {
                Values::WideDecimal(as_type(&DataType::Utf8)?.as_string::<i32>().clone())
            }
            DataType::Dictionary(_, value) => return Self::new(&as_type(value)?, zone),
            DataType::RunEndEncoded(_, value) => {
                return Self::new(&as_type(value.data_type())?, zone);
            }
            DataType::List(item) if is_flat(item.data_type()) => {
                let list = array.as_list::<i32>();
                Values::List {
                    offsets: list.offsets().iter().map(|o| *o as usize).collect(),
                    element: weir_query::type_oid(item.data_type()),
                    items: Box::new(Self::new(list.values(), zone)?),
                }
            }
            DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
                if is_flat(item.data_type()) =>
            {
                return Self::new(&as_type(&DataType::List(item.clone()))?, zone);
            }
            _ => Values::Json(json(array)?),
        };
        Ok(Self {
            array: array.clone(),
            values,
        })
    }

    pub(in crate::postgres) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.array.is_null(row)
    }

    /// Writes a value as Postgres' output functions do.
    pub(in crate::postgres) fn text(
        &self,
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), ArrowError> {
        let mut to = Text(out);
        // Writing into memory cannot fail.
        let _ = match &self.values {
            Values::Null => Ok(()),
            Values::Boolean(values) => to.write_str(if values.value(row) { "t" } else { "f" }),
            Values::Int16(values) => text::integer(values.value(row).into(), &mut to),
            Values::Int32(values) => text::integer(values.value(row).into(), &mut to),
            Values::Int64(values) => text::integer(values.value(row).into(), &mut to),
            Values::Oid(values) => text::integer(values.value(row).into(), &mut to),
            Values::UInt64(values) => text::integer(values.value(row).into(), &mut to),
            Values::Float32(values) => text::float4(values.value(row), &mut to),
            Values::Float64(values) => text::float8(values.value(row), &mut to),
            Values::Text(values) => text::plain(values.value(row), &mut to),
            Values::LargeText(values) => text::plain(values.value(row), &mut to),
            Values::TextView(values) => text::plain(values.value(row), &mut to),
            Values::Bytes(values) => text::bytea(values.value(row), &mut to),
            Values::BytesView(values) => text::bytea(values.value(row), &mut to),
            Values::FixedBytes(values) => text::bytea(values.value(row), &mut to),
            Values::Date(values) => text::date(values.value(row), &mut to),
            Values::Time(values) => text::time(values.value(row), &mut to),
            Values::Timestamp(values) => text::timestamp(values.value(row), &mut to),
            Values::Instant(values, zone) => text::instant(values.value(row), zone, &mut to),
            Values::Interval(values) => write_interval(values.value(row), &mut to),
            Values::Decimal(values, scale) => text::decimal(values.value(row), *scale, &mut to),
            Values::WideDecimal(values) => to.write_str(values.value(row)),
            Values::Json(values) => text::plain(&values[row], &mut to),
            Values::List { offsets, items, .. } => {
                let _ = to.write_str("{");
                for item in offsets[row]..offsets[row + 1] {
                    if item > offsets[row] {
                        let _ = to.write_str(",");
                    }
                    if items.is_null(item) {
                        let _ = to.write_str("NULL");
                        continue;
                    }
                    let start = to.0.len();
                    items.text(item, to.0)?;
                    text::quote_element(start, to.0);
                }
                to.write_str("}")
            }
        };
        Ok(())
    }

    /// Writes a value as Postgres' send functions do.
    pub(in crate::postgres) fn binary(
        &self,
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), ArrowError> {
        match &self.values {
            Values::Null => {}
            Values::Boolean(values) => out.put_u8(u8::from(values.value(row))),
            Values::Int16(values) => out.put_i16(values.value(row)),
            Values::Int32(values) => out.put_i32(values.value(row)),
            Values::Int64(values) => out.put_i64(values.value(row)),
            Values::Oid(values) => out.put_u32(values.value(row)),
            Values::UInt64(values) => {
                let value = values.value(row);
                out.put_i64(i64::try_from(value).map_err(|_| {
                    ArrowError::ComputeError(format!("{value} is out of range for type bigint"))
                })?);
            }
            Values::Float32(values) => out.put_f32(values.value(row)),
            Values::Float64(values) => out.put_f64(values.value(row)),
            Values::Bytes(values) => out.put_slice(values.value(row)),
            Values::BytesView(values) => out.put_slice(values.value(row)),
            Values::FixedBytes(values) => out.put_slice(values.value(row)),
            Values::Date(values) => out.put_i32(binary::date(values.value(row))),
            Values::Time(values) => out.put_i64(values.value(row)),
            Values::Timestamp(values) | Values::Instant(values, _) => {
                out.put_i64(binary::timestamp(values.value(row)));
            }
            Values::Interval(values) => binary::interval(values.value(row), out),
            Values::Decimal(values, scale) => {
                super::numeric::send(values.value(row), *scale, out);
            }
            Values::WideDecimal(values) => super::numeric::send_text(values.value(row), out),
            Values::Text(_) | Values::LargeText(_) | Values::TextView(_) | Values::Json(_) => {
                self.text(row, out)?;
            }
            Values::List {
                offsets,
                items,
                element,
            } => {
                let range = offsets[row]..offsets[row + 1];
                out.put_i32(i32::from(!range.is_empty()));
                out.put_i32(i32::from(range.clone().any(|item| items.is_null(item))));
                out.put_u32(*element);
                if !range.is_empty() {
                    out.put_i32(range.len() as i32);
                    out.put_i32(1);
                }
                for item in range {
                    if items.is_null(item) {
                        out.put_i32(-1);
                        continue;
                    }
                    let start = out.len();
                    out.put_i32(0);
                    items.binary(item, out)?;
                    let length = (out.len() - start - 4) as i32;
                    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
                }
            }
        }
        Ok(())
    }
}

/// Whether values of the type are no lists and have no parts.
fn is_flat(kind: &DataType) -> bool {
    !kind.is_nested() || matches!(kind, DataType::Dictionary(..) | DataType::RunEndEncoded(..))
}

/// Values with parts, as JSON.
fn json(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    use arrow::json::writer::make_encoder;
    let field = std::sync::Arc::new(arrow::datatypes::Field::new(
        "value",
        array.data_type().clone(),
        true,
    ));
    let options = crate::query::json_options();
    let Ok(mut encoder) = make_encoder(&field, array, &options) else {
        // Unions, mostly: shown as they are shown elsewhere.
        let options = FormatOptions::default().with_null("null");
        let formatter = ArrayFormatter::try_new(array, &options)?;
        return Ok((0..array.len())
            .map(|row| formatter.value(row).to_string())
            .collect());
    };
    let mut rows = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        let mut bytes = Vec::new();
        if !array.is_null(row) {
            encoder.encode(row, &mut bytes);
        }
        rows.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(rows)
}
