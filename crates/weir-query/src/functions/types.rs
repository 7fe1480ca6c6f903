use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

/// Types the engine has no name for, or another meaning than Postgres.
#[derive(Debug)]
pub(crate) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql: &SqlType) -> Result<Option<FieldRef>> {
        let kind = match sql {
            // Microseconds, as Postgres and the lake have: nanoseconds reach from 1677 to 2262 only.
            SqlType::Timestamp(None | Some(0..=6), zone) => {
                let zone = match zone {
                    TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Some("UTC".into()),
                    TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => None,
                };
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone))
            }
            SqlType::Uuid | SqlType::JSON | SqlType::JSONB => Some(DataType::Utf8View),
            _ => None,
        };
        Ok(kind.map(|kind| Arc::new(Field::new("", kind, true))))
    }
}

/// Returns a list of text.
pub(super) fn texts() -> DataType {
    let item: FieldRef = Arc::new(Field::new_list_field(DataType::Utf8, true));
    DataType::List(item)
}

/// Returns an instant, with the precision Postgres has.
pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns a timestamp without a zone.
pub(super) fn local() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

pub(super) fn interval() -> DataType {
    DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano)
}

pub(super) fn is_text(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}
