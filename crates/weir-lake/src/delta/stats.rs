//! Statistics of a file's columns, as Delta keeps them in the log.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, SecondsFormat};
use datafusion::common::ScalarValue;
use serde_json::{Map, Value, json};

use crate::view::ColumnStats;

/// Text longer than this gets no bounds: nobody prunes by it, and the log would carry it for ever.
const LONGEST_TEXT: usize = 64;

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

fn bounds(array: &dyn Array) -> Option<(ScalarValue, ScalarValue)> {
    match array.data_type() {
        DataType::Int64 => {
            let array = array.as_primitive::<Int64Type>();
            Some((compute::min(array)?.into(), compute::max(array)?.into()))
        }
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            Some((compute::min(array)?.into(), compute::max(array)?.into()))
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
        ScalarValue::Int64(Some(v)) => Some(json!(v)),
        ScalarValue::Float64(Some(v)) if v.is_finite() => Some(json!(v)),
        ScalarValue::Utf8(Some(v)) => Some(json!(v)),
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
        let found = ColumnStats {
            min: scalar("minValues"),
            max: scalar("maxValues"),
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
        DataType::Int64 => value.as_i64().map(ScalarValue::from),
        DataType::Float64 => value.as_f64().map(ScalarValue::from),
        DataType::Utf8 => value.as_str().map(ScalarValue::from),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            Some(ScalarValue::TimestampMicrosecond(
                Some(at.timestamp_micros()),
                zone.clone(),
            ))
        }
        _ => None,
    }
}
