//! How large the answers of functions will be, from their arguments.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Int64Type, IntervalMonthDayNanoType, TimeUnit, TimestampNanosecondType,
};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

/// Returns the bytes of the answer for each row, or for the one row of a call with constants only.
pub(super) type Measure = fn(&Arguments) -> Vec<u64>;

const DAY_NANOS: i128 = 86_400_000_000_000;

/// The arguments of a call; constants are kept as one row.
pub(super) struct Arguments {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    array: ArrayRef,
    constant: bool,
    /// What an item of a list weighs on average.
    item_bytes: u64,
}

impl Arguments {
    pub(super) fn new(args: &[ColumnarValue], rows: usize) -> Result<Self> {
        let columns = args.iter().map(|arg| {
            let (array, constant) = match arg {
                ColumnarValue::Array(array) => (array.clone(), false),
                ColumnarValue::Scalar(value) => (value.to_array_of_size(1)?, true),
            };
            let item_bytes = item_bytes(&array);
            Ok(Column {
                array,
                constant,
                item_bytes,
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let constant = columns.iter().all(|column| column.constant);
        Ok(Self {
            columns,
            rows: if constant { 1 } else { rows },
        })
    }

    fn each(&self, size: impl Fn(usize) -> u64) -> Vec<u64> {
        (0..self.rows).map(size).collect()
    }

    fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns the bytes of an argument; none where it is NULL or absent.
    fn bytes(&self, argument: usize, row: usize) -> u64 {
        self.columns.get(argument).map_or(0, |column| {
            let row = if column.constant { 0 } else { row };
            bytes_of(&column.array, row, column.item_bytes)
        })
    }

    /// Returns how many items a list has.
    fn items(&self, argument: usize, row: usize) -> u64 {
        self.columns.get(argument).map_or(0, |column| {
            let row = if column.constant { 0 } else { row };
            items_of(&column.array, row).unwrap_or(1)
        })
    }

    /// Returns an argument as numbers; none where it is absent or no number.
    fn numbers(&self, argument: usize) -> Option<Numbers> {
        let column = self.columns.get(argument)?;
        let array = cast(&column.array, &DataType::Int64).ok()?;
        Some(Numbers {
            array,
            constant: column.constant,
        })
    }
}

struct Numbers {
    array: ArrayRef,
    constant: bool,
}

impl Numbers {
    fn at(&self, row: usize) -> Option<i64> {
        let row = if self.constant { 0 } else { row };
        let values = self.array.as_primitive::<Int64Type>();
        values.is_valid(row).then(|| values.value(row))
    }
}

fn items_of(array: &ArrayRef, row: usize) -> Option<u64> {
    if array.is_null(row) {
        return Some(0);
    }
    match array.data_type() {
        DataType::List(_) => Some(
            array
                .as_list::<i32>()
                .value_length(row)
                .unsigned_abs()
                .into(),
        ),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value_length(row).unsigned_abs()),
        DataType::FixedSizeList(_, size) => Some(size.unsigned_abs().into()),
        _ => None,
    }
}

fn item_bytes(array: &ArrayRef) -> u64 {
    let items = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().values(),
        DataType::LargeList(_) => array.as_list::<i64>().values(),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().values(),
        kind => return kind.primitive_width().unwrap_or(16) as u64,
    };
    (items.get_array_memory_size() / items.len().max(1)) as u64
}

fn bytes_of(array: &ArrayRef, row: usize, item_bytes: u64) -> u64 {
    if array.is_null(row) {
        return 0;
    }
    let bytes = match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value_length(row) as usize,
        DataType::LargeUtf8 => array.as_string::<i64>().value_length(row) as usize,
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value_length(row) as usize,
        DataType::LargeBinary => array.as_binary::<i64>().value_length(row) as usize,
        DataType::BinaryView => array.as_binary_view().value(row).len(),
        _ => {
            return items_of(array, row).unwrap_or(1).saturating_mul(item_bytes);
        }
    };
    bytes as u64
}

/// A value, so many times.
pub(super) fn repeat(args: &Arguments) -> Vec<u64> {
    let times = args.numbers(1);
    args.each(|row| {
        let times = times.as_ref().and_then(|times| times.at(row)).unwrap_or(0);
        // An empty value still takes its place in a list.
        args.bytes(0, row)
            .max(1)
            .saturating_mul(times.max(0) as u64)
    })
}

/// Text filled up to so many characters.
pub(super) fn pad(args: &Arguments) -> Vec<u64> {
    let characters = args.numbers(1);
    args.each(|row| {
        let characters = characters
            .as_ref()
            .and_then(|count| count.at(row))
            .unwrap_or(0);
        let widest = match args.len() {
            2 => 1,
            _ => 4,
        };
        (characters.max(0) as u64).saturating_mul(widest)
    })
}

/// Text with every occurrence of another text put by a third.
pub(super) fn replace(args: &Arguments) -> Vec<u64> {
    args.each(|row| {
        let (text, from, to) = (args.bytes(0, row), args.bytes(1, row), args.bytes(2, row));
        text.saturating_add((text / from.max(1)).saturating_mul(to))
    })
}

/// The same with a pattern, which may be found before every character.
pub(super) fn regexp_replace(args: &Arguments) -> Vec<u64> {
    args.each(|row| {
        let (text, by) = (args.bytes(0, row), args.bytes(2, row));
        let found = if args.len() > 3 {
            text.saturating_add(1)
        } else {
            1
        };
        // Groups that the replacement names can be as long as the text, of all of them together.
        text.saturating_mul(2)
            .saturating_add(found.saturating_mul(by))
    })
}

/// One after another.
pub(super) fn sum(args: &Arguments) -> Vec<u64> {
    args.each(|row| (0..args.len()).fold(0_u64, |sum, at| sum.saturating_add(args.bytes(at, row))))
}

/// Text of bytes, two digits each.
pub(super) fn doubled(args: &Arguments) -> Vec<u64> {
    args.each(|row| args.bytes(0, row).saturating_mul(2))
}

/// Values as JSON: a character may take six, a number twenty digits.
pub(super) fn escaped(args: &Arguments) -> Vec<u64> {
    let sums = sum(args).into_iter();
    sums.map(|sum| sum.saturating_mul(6)).collect()
}

/// One after another, with the first between them.
pub(super) fn joined(args: &Arguments) -> Vec<u64> {
    let sums = sum(args);
    let between = |row| args.bytes(0, row).saturating_mul(args.len() as u64);
    sums.into_iter()
        .enumerate()
        .map(|(row, sum)| sum.saturating_add(between(row)))
        .collect()
}

/// A list of so many items.
pub(super) fn resize(args: &Arguments) -> Vec<u64> {
    let items = args.numbers(1);
    args.each(|row| {
        let items = items.as_ref().and_then(|items| items.at(row)).unwrap_or(0);
        let wide = args
            .bytes(2, row)
            .max(args.columns.first().map_or(8, |column| column.item_bytes));
        (items.max(0) as u64).saturating_mul(wide.max(1))
    })
}

/// The items of a list as one text.
pub(super) fn array_to_string(args: &Arguments) -> Vec<u64> {
    args.each(|row| {
        // Digits take more room than numbers.
        let items = args.bytes(0, row).saturating_mul(3);
        let between = args.bytes(1, row).saturating_add(args.bytes(2, row));
        items.saturating_add(args.items(0, row).saturating_mul(between))
    })
}

/// A text cut into the items of a list, each of which takes its place there.
pub(super) fn string_to_array(args: &Arguments) -> Vec<u64> {
    const ITEM: u64 = 16;
    args.each(|row| {
        let text = args.bytes(0, row);
        let items = text / args.bytes(1, row).max(1) + 1;
        text.saturating_add(items.saturating_mul(ITEM))
    })
}

/// All values between two.
pub(super) fn series(args: &Arguments) -> Vec<u64> {
    let from_zero = args.len() == 1;
    let ends = |at: usize| {
        args.columns
            .get(at)
            .and_then(|column| points(&column.array))
    };
    let (start, stop) = match from_zero {
        true => (None, ends(0)),
        false => (ends(0), ends(1)),
    };
    let step = args.columns.get(2).and_then(|column| steps(&column.array));
    let at = |values: &Option<Vec<i128>>, column: usize, row: usize, otherwise: i128| {
        let constant = args
            .columns
            .get(column)
            .is_some_and(|column| column.constant);
        let row = if constant { 0 } else { row };
        values
            .as_ref()
            .and_then(|values| values.get(row).copied())
            .unwrap_or(otherwise)
    };
    args.each(|row| {
        let last = at(&stop, usize::from(!from_zero), row, 0);
        let first = at(&start, 0, row, 0);
        let step = at(&step, 2, row, 1).unsigned_abs().max(1);
        let values = last.abs_diff(first) / step + 1;
        u64::try_from(values).unwrap_or(u64::MAX).saturating_mul(8)
    })
}

/// Returns numbers as they are, days as days, and instants in nanoseconds.
fn points(array: &ArrayRef) -> Option<Vec<i128>> {
    Some(match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            days.iter()
                .map(|day| i128::from(day.unwrap_or(0)) * DAY_NANOS)
                .collect()
        }
        DataType::Timestamp(_, zone) => {
            let kind = DataType::Timestamp(TimeUnit::Nanosecond, zone.clone());
            let nanos = cast(array, &kind).ok()?;
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            nanos
                .iter()
                .map(|nanos| i128::from(nanos.unwrap_or(0)))
                .collect()
        }
        _ => {
            let numbers = cast(array, &DataType::Int64).ok()?;
            let numbers = numbers.as_primitive::<Int64Type>();
            numbers
                .iter()
                .map(|number| i128::from(number.unwrap_or(0)))
                .collect()
        }
    })
}

/// Returns steps in the unit of [`points`].
fn steps(array: &ArrayRef) -> Option<Vec<i128>> {
    let DataType::Interval(_) = array.data_type() else {
        return points(array);
    };
    let kind = super::types::interval();
    let spans = cast(array, &kind).ok()?;
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    let nanos = spans.iter().map(|span| {
        span.map_or(1, |span| {
            let days = i128::from(span.months) * 28 + i128::from(span.days);
            days * DAY_NANOS + i128::from(span.nanoseconds)
        })
    });
    Some(nanos.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::common::ScalarValue;

    use super::*;

    fn text(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(text))
    }

    fn number(number: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(number))
    }

    fn sizes(measure: Measure, args: &[ColumnarValue], rows: usize) -> Vec<u64> {
        measure(&Arguments::new(args, rows).unwrap())
    }

    #[test]
    fn constants_are_one_row() {
        assert_eq!(
            sizes(repeat, &[text("xy"), number(2_000_000_000)], 8_192),
            [4_000_000_000]
        );
        assert_eq!(sizes(repeat, &[text("x"), number(i64::MIN)], 1), [0]);
        assert_eq!(
            sizes(repeat, &[text("xxx"), number(i64::MAX)], 1),
            [u64::MAX]
        );
        assert_eq!(
            sizes(series, &[number(i64::MIN), number(i64::MAX)], 1),
            [u64::MAX]
        );
        assert_eq!(sizes(series, &[number(1), number(10), number(3)], 1), [32]);
        assert_eq!(sizes(series, &[number(5)], 1), [48]);
    }

    #[test]
    fn columns_are_measured_row_by_row() {
        let texts = ColumnarValue::Array(Arc::new(StringArray::from(vec![
            Some("a"),
            None,
            Some("abc"),
        ])));
        let times = ColumnarValue::Array(Arc::new(Int64Array::from(vec![3, 4, 5])));
        assert_eq!(sizes(repeat, &[texts.clone(), times], 3), [3, 4, 15]);
        assert_eq!(sizes(sum, &[texts.clone(), text("12")], 3), [3, 2, 5]);
        assert_eq!(
            sizes(replace, &[texts, text("a"), text("1234")], 3),
            [5, 0, 15]
        );
    }
}
