use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};

/// Days from 1970 to 2000, where Postgres begins to count.
const DAYS: i32 = 10_957;

/// The same in microseconds.
const MICROS: i64 = DAYS as i64 * 86_400_000_000;

/// Returns a date as days since 2000.
pub(super) fn date(days: i32) -> i32 {
    days.saturating_sub(DAYS)
}

/// Returns an instant as microseconds since 2000.
pub(super) fn timestamp(micros: i64) -> i64 {
    micros.saturating_sub(MICROS)
}

/// Writes an interval: microseconds, days, months.
pub(super) fn interval(value: IntervalMonthDayNano, out: &mut BytesMut) {
    out.put_i64(value.nanoseconds / 1_000);
    out.put_i32(value.days);
    out.put_i32(value.months);
}
