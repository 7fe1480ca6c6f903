//! Statistics of a file's columns, as Delta keeps them in the log.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{
    ArrowNumericType, DataType, Date32Type, Decimal128Type, DecimalType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};
use datafusion::common::ScalarValue;
use serde_json::{Map, Value, json};

use crate::view::ColumnStats;

/// Text longer than this gets no bounds: nobody prunes by it, and the log would carry it for ever.
const LONGEST_TEXT: usize = 64;

/// Decimals of so many digits survive a double, which is what numbers in the log are to many readers.
const EXACT: i128 = 1_000_000_000_000_000;

/// Digits that a number has at most which is not cut.
const DIGITS: u8 = 38;

const DAY_SECONDS: i64 = 86_400;

/// In microseconds. Some writers cut instants to it, so that one as large may be a part of it larger.
const MILLISECOND: i64 = 1_000;

/// Gathers the statistics of a file's batches.
#[derive(Default)]
pub(super) struct Gather {
    columns: HashMap<String, (ColumnStats, bool)>,
}

impl Gather {
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let (stats, unbounded) = self.columns.entry(field.name().clone()).or_default();
            *stats.nulls.get_or_insert(0) += array.null_count() as u64;
            if *unbounded || array.null_count() == array.len() {
                continue;
            }
            match bounds(array) {
                Some((min, max)) => {
                    if stats.min.as_ref().is_none_or(|old| min < *old) {
                        stats.min = Some(min);
                    }
                    if stats.max.as_ref().is_none_or(|old| max > *old) {
                        stats.max = Some(max);
                    }
                }
                None => {
                    *unbounded = true;
                    (stats.min, stats.max) = (None, None);
                }
            }
        }
    }

    pub(super) fn finish(self) -> HashMap<String, ColumnStats> {
        self.columns
            .into_iter()
            .map(|(name, (stats, _))| (name, stats))
            .collect()
    }
}

/// Returns the least and the largest value; none of a type that has no bounds here.
fn bounds(array: &dyn Array) -> Option<(ScalarValue, ScalarValue)> {
    match array.data_type() {
        DataType::Int8 => plain::<Int8Type>(array),
        DataType::Int16 => plain::<Int16Type>(array),
        DataType::Int32 => plain::<Int32Type>(array),
        DataType::Int64 => plain::<Int64Type>(array),
        DataType::Float32 => plain::<Float32Type>(array),
        DataType::Float64 => plain::<Float64Type>(array),
        DataType::Date32 => {
            let array = array.as_primitive::<Date32Type>();
            let scalar = |v| ScalarValue::Date32(Some(v));
            Some((scalar(compute::min(array)?), scalar(compute::max(array)?)))
        }
        DataType::Decimal128(digits, scale) => {
            let array = array.as_primitive::<Decimal128Type>();
            let scalar = |v| ScalarValue::Decimal128(Some(v), *digits, *scale);
            Some((scalar(compute::min(array)?), scalar(compute::max(array)?)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let array = array.as_primitive::<TimestampMicrosecondType>();
            let scalar = |v| ScalarValue::TimestampMicrosecond(Some(v), zone.clone());
            Some((scalar(compute::min(array)?), scalar(compute::max(array)?)))
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            let (min, max) = (compute::min_string(array)?, compute::max_string(array)?);
            let short = min.len() <= LONGEST_TEXT && max.len() <= LONGEST_TEXT;
            short.then(|| (ScalarValue::from(min), ScalarValue::from(max)))
        }
        _ => None,
    }
}

fn plain<T: ArrowNumericType>(array: &dyn Array) -> Option<(ScalarValue, ScalarValue)>
where
    ScalarValue: From<T::Native>,
{
    let array = array.as_primitive::<T>();
    Some((compute::min(array)?.into(), compute::max(array)?.into()))
}

/// Returns the statistics as the JSON text of a Delta `add` action.
pub(super) fn to_json(rows: u64, columns: &HashMap<String, ColumnStats>) -> String {
    let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (name, stats) in columns {
        if let (Some(low), Some(high)) = (
            stats.min.as_ref().and_then(scalar_to_json),
            stats.max.as_ref().and_then(scalar_to_json),
        ) {
            min.insert(name.clone(), low);
            max.insert(name.clone(), high);
        }
        if let Some(count) = stats.nulls {
            nulls.insert(name.clone(), json!(count));
        }
    }
    json!({"numRecords": rows, "minValues": min, "maxValues": max, "nullCount": nulls}).to_string()
}

fn scalar_to_json(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Int8(Some(v)) => Some(json!(v)),
        ScalarValue::Int16(Some(v)) => Some(json!(v)),
        ScalarValue::Int32(Some(v)) => Some(json!(v)),
        ScalarValue::Int64(Some(v)) => Some(json!(v)),
        // The double that says the same, so that it reads back as the same.
        ScalarValue::Float32(Some(v)) if v.is_finite() => Some(json!(f64::from(*v))),
        ScalarValue::Float64(Some(v)) if v.is_finite() => Some(json!(v)),
        ScalarValue::Utf8(Some(v)) => Some(json!(v)),
        ScalarValue::Date32(Some(v)) => {
            let date = DateTime::from_timestamp(i64::from(*v) * DAY_SECONDS, 0)?;
            Some(json!(date.format("%Y-%m-%d").to_string()))
        }
        ScalarValue::Decimal128(Some(v), _, scale) if v.abs() < EXACT => {
            serde_json::from_str(&Decimal128Type::format_decimal(*v, DIGITS, *scale)).ok()
        }
        ScalarValue::TimestampMicrosecond(Some(v), _) => Some(json!(
            DateTime::from_timestamp_micros(*v)?.to_rfc3339_opts(SecondsFormat::Micros, true)
        )),
        _ => None,
    }
}

/// Reads the statistics of an `add` action, whoever wrote it; what is not understood is left out.
pub(super) fn from_json(
    text: &str,
    schema: &Schema,
) -> (Option<u64>, HashMap<String, ColumnStats>) {
    let stats: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let mut columns = HashMap::new();
    for field in schema.fields() {
        let scalar =
            |part: &str| scalar_from_json(stats.get(part)?.get(field.name())?, field.data_type());
        let nulls = stats
            .get("nullCount")
            .and_then(|n| n.get(field.name())?.as_u64());
        let max = scalar("maxValues").map(|max| match max {
            ScalarValue::TimestampMicrosecond(Some(at), zone) if at % MILLISECOND == 0 => {
                ScalarValue::TimestampMicrosecond(at.checked_add(MILLISECOND - 1), zone)
            }
            max => max,
        });
        let found = ColumnStats {
            min: scalar("minValues"),
            max,
            nulls,
        };
        if found != ColumnStats::default() {
            columns.insert(field.name().clone(), found);
        }
    }
    (stats.get("numRecords").and_then(Value::as_u64), columns)
}

fn scalar_from_json(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Int8 => value.as_i64()?.try_into().ok().map(|v: i8| v.into()),
        DataType::Int16 => value.as_i64()?.try_into().ok().map(|v: i16| v.into()),
        DataType::Int32 => value.as_i64()?.try_into().ok().map(|v: i32| v.into()),
        DataType::Int64 => value.as_i64().map(ScalarValue::from),
        DataType::Float32 => float(value.as_f64()?),
        DataType::Float64 => value.as_f64().map(ScalarValue::from),
        DataType::Utf8 => value.as_str().map(ScalarValue::from),
        DataType::Date32 => {
            let date = NaiveDate::parse_from_str(value.as_str()?, "%Y-%m-%d").ok()?;
            let days = date.signed_duration_since(NaiveDate::default()).num_days();
            Some(ScalarValue::Date32(Some(days.try_into().ok()?)))
        }
        DataType::Decimal128(digits, scale) => {
            let unscaled = decimal(&value.as_number()?.to_string(), *scale)?;
            Some(ScalarValue::Decimal128(Some(unscaled), *digits, *scale))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let text = value.as_str()?;
            let at = match DateTime::parse_from_rfc3339(text) {
                Ok(at) => at.timestamp_micros(),
                // Without a zone, as some writers say it of columns without one.
                Err(_) if zone.is_none() => {
                    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
                    at.ok()?.and_utc().timestamp_micros()
                }
                Err(_) => return None,
            };
            Some(ScalarValue::TimestampMicrosecond(Some(at), zone.clone()))
        }
        _ => None,
    }
}

/// A double that is a float: one that is not may lie on the wrong side of what it bounds.
fn float(value: f64) -> Option<ScalarValue> {
    let narrow = value as f32;
    (f64::from(narrow).to_bits() == value.to_bits()).then(|| ScalarValue::from(narrow))
}

/// Reads digits and a point as a multiple of 10^-scale; none where that says less, or more than a double can.
fn decimal(text: &str, scale: i8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let unscaled = digits.checked_mul(10_i128.checked_pow(missing.try_into().ok()?)?)?;
    (unscaled.abs() < EXACT).then_some(unscaled)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn bounds_of_all_types_survive_the_log() {
        let decimals = Decimal128Array::from(vec![-1_050, 99_999_999, 0]);
        let large = Decimal128Array::from(vec![0, 10_i128.pow(30), 1]);
        // As a double 838774103014237.2 and .3 are told apart, and not written apart.
        let long = Decimal128Array::from(vec![8_387_741_030_142_373, 5_677_776_183_320_767, 0]);
        let arrays: [(&str, ArrayRef); 9] = [
            ("day", Arc::new(Date32Array::from(vec![-1, 20_000, 3]))),
            (
                "price",
                Arc::new(decimals.with_precision_and_scale(15, 2).unwrap()),
            ),
            (
                "large",
                Arc::new(large.with_precision_and_scale(38, 0).unwrap()),
            ),
            (
                "whole",
                Arc::new(Int32Array::from(vec![Some(7), None, Some(-3)])),
            ),
            ("share", Arc::new(Float32Array::from(vec![0.1, 2.5, -0.3]))),
            (
                "double",
                Arc::new(Float64Array::from(vec![
                    0.922_188_562_469_887_5,
                    0.952_244_455_291_193_7,
                    0.93,
                ])),
            ),
            (
                "unordered",
                Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 2.0])),
            ),
            (
                "long",
                Arc::new(long.with_precision_and_scale(16, 1).unwrap()),
            ),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![
                    1,
                    2,
                    1_700_000_000_000_001,
                ])),
            ),
        ];
        let fields = arrays
            .iter()
            .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = arrays.iter().map(|(_, array)| array.clone()).collect();
        let mut gather = Gather::default();
        gather.add(&RecordBatch::try_new(schema.clone(), columns).unwrap());
        let told = gather.finish();
        let (rows, read) = from_json(&to_json(3, &told), &schema);
        assert_eq!(rows, Some(3));
        for name in ["day", "price", "whole", "share", "double", "at"] {
            assert!(told[name].min.is_some(), "{name}");
            assert_eq!(read[name], told[name], "{name}");
        }
        // More digits than the log's numbers have: no bound, rather than a wrong one.
        for name in ["large", "long", "unordered"] {
            assert_eq!((&read[name].min, &read[name].max), (&None, &None), "{name}");
            assert_eq!(read[name].nulls, Some(0), "{name}");
        }
    }

    #[test]
    fn bounds_of_other_writers_are_read_or_left() {
        let price = DataType::Decimal128(10, 2);
        let read = |text: &str, kind: &DataType| {
            scalar_from_json(&serde_json::from_str(text).unwrap(), kind)
        };
        let is = |unscaled| Some(ScalarValue::Decimal128(Some(unscaled), 10, 2));
        assert_eq!(read("12.5", &price), is(1250));
        assert_eq!(read("-3", &price), is(-300));
        assert_eq!(read("-0.07", &price), is(-7));
        for other in ["0.125", "1e30", "\"12.5\""] {
            assert_eq!(read(other, &price), None, "{other}");
        }
        assert_eq!(read("\"soon\"", &DataType::Date32), None);
        let plain = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(
            read("\"1970-01-01T00:00:01.5\"", &plain),
            Some(ScalarValue::TimestampMicrosecond(Some(1_500_000), None))
        );
        // Cut to milliseconds, the largest may have been up to one larger.
        let schema = Schema::new(vec![Field::new("at", plain, true)]);
        let text = r#"{"minValues": {"at": "1970-01-01T00:00:01.500"}, "maxValues": {"at": "1970-01-01T00:00:01.500"}}"#;
        let at = &from_json(text, &schema).1["at"];
        let is = |micros| Some(ScalarValue::TimestampMicrosecond(Some(micros), None));
        assert_eq!((&at.min, &at.max), (&is(1_500_000), &is(1_500_999)));
    }
}
