//! Fingerprints of rows that a server and the lake compute alike: what differs is found without sending
//! the rows.
//!
//! Each value is written as one text that both sides agree on, a row is the MD5 of its values' texts with a
//! separator after each, and rows fall into buckets by the MD5 of their keys. A bucket's fingerprint is the
//! number of its rows and the sum of the first halves of theirs.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use md5::{Digest, Md5};

use super::table::{Table, quoted};
use crate::load::{Column, ColumnType};

/// Rows are in one of so many buckets: three hexadecimal digits.
pub(super) const BUCKETS: usize = 4096;

/// How the rows of one table are compared.
pub(super) struct Fingerprint {
    columns: Vec<Compared>,
    /// Places among `columns` of those by which rows are told apart; all of them without a key.
    keys: Vec<usize>,
}

struct Compared {
    /// The column of the source.
    field: String,
    /// The column of the lake's table, and its type.
    column: String,
    column_type: ColumnType,
}

/// A row in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) key: u128,
    pub(super) row: u128,
}

impl Digests {
    pub(super) fn bucket(self) -> usize {
        usize::try_from(self.key >> 116).unwrap_or(0)
    }

    /// Returns what a row adds to its bucket's sum.
    pub(super) fn half(self) -> i64 {
        (self.row >> 64) as u64 as i64
    }
}

impl Fingerprint {
    /// Returns how `table` is compared with the columns that hold its fields; none where its key is not
    /// among them. With `only_keys`, all rows of one key are the same.
    pub(super) fn of(table: &Table, kept: &[(&str, &Column)], only_keys: bool) -> Option<Self> {
        let mut columns = Vec::new();
        let mut keys = Vec::new();
        for (field, column) in kept {
            let Some(own) = table.columns.iter().find(|own| own.name == *field) else {
                continue;
            };
            if only_keys && !own.is_key {
                continue;
            }
            if own.is_key {
                keys.push(columns.len());
            }
            columns.push(Compared {
                field: (*field).to_owned(),
                column: column.name.clone(),
                column_type: column.column_type,
            });
        }
        if keys.len() != table.keys().len() || columns.is_empty() {
            return None;
        }
        if keys.is_empty() {
            keys = (0..columns.len()).collect();
        }
        Some(Self { columns, keys })
    }

    /// Returns the columns of the lake's table that are compared.
    pub(super) fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.column.clone()).collect()
    }

    /// Returns the fields by which rows are told apart.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|at| self.columns[*at].field.as_str())
    }

    fn digest_sql(&self, places: impl Iterator<Item = usize>) -> String {
        let texts = places.map(|at| {
            let text = text_sql(
                &quoted(&self.columns[at].field),
                self.columns[at].column_type,
            );
            format!("COALESCE('v' || {text}, 'n') || chr(31)")
        });
        let texts: Vec<String> = texts.collect();
        // Servers may keep text in another encoding.
        format!("md5(convert_to({}, 'UTF8'))", texts.join(" || "))
    }

    /// Returns the expression for the digest of a row's values.
    pub(super) fn row_sql(&self) -> String {
        self.digest_sql(0..self.columns.len())
    }

    /// Returns the query for the digests of all rows: `weir_key` and `weir_row`.
    fn digests_sql(&self, table: &Table, columns: &str) -> String {
        format!(
            "SELECT {columns}{} AS weir_key, {} AS weir_row FROM {}",
            self.digest_sql(self.keys.iter().copied()),
            self.digest_sql(0..self.columns.len()),
            table.quoted()
        )
    }

    /// Returns the query for the buckets of the source: number, rows and sum.
    pub(super) fn buckets_sql(&self, table: &Table) -> String {
        format!(
            "SELECT ('x' || substr(weir_key, 1, 3))::bit(12)::int, count(*), \
             sum(('x' || substr(weir_row, 1, 16))::bit(64)::bigint) FROM ({}) AS digests GROUP BY 1",
            self.digests_sql(table, "")
        )
    }

    /// Returns the query for the rows of some buckets: all columns of the table, then both digests. With
    /// `only_keys`, columns that are no part of the key are NULL.
    pub(super) fn rows_sql(&self, table: &Table, buckets: &[usize], only_keys: bool) -> String {
        let columns = table
            .columns
            .iter()
            .map(|column| match only_keys && !column.is_key {
                true => format!("NULL AS {}", quoted(&column.name)),
                false => quoted(&column.name),
            });
        let list = columns.collect::<Vec<_>>().join(", ") + ", ";
        let buckets: Vec<String> = buckets.iter().map(|at| format!("'{at:03x}'")).collect();
        format!(
            "COPY (SELECT * FROM ({}) AS digests WHERE substr(weir_key, 1, 3) IN ({})) TO STDOUT",
            self.digests_sql(table, &list),
            buckets.join(", ")
        )
    }

    /// Returns the digests of rows of the lake.
    pub(super) fn digests(&self, rows: &RecordBatch) -> Result<Vec<Digests>, ArrowError> {
        Ok(self.digests_of(&self.cast(rows)?, rows.num_rows()))
    }

    /// Returns the digests of rows whose columns have their types.
    pub(super) fn digests_of(&self, columns: &[ArrayRef], rows: usize) -> Vec<Digests> {
        let mut digests = Vec::with_capacity(rows);
        let (mut key, mut whole, mut text) = (String::new(), String::new(), String::new());
        for row in 0..rows {
            key.clear();
            whole.clear();
            for (at, (column, compared)) in columns.iter().zip(&self.columns).enumerate() {
                text.clear();
                match column.is_null(row) {
                    true => text.push('n'),
                    false => {
                        text.push('v');
                        write_text(&mut text, column, compared.column_type, row);
                    }
                }
                text.push('\u{1f}');
                whole.push_str(&text);
                if self.keys.contains(&at) {
                    key.push_str(&text);
                }
            }
            digests.push(Digests {
                key: md5_of(&key),
                row: md5_of(&whole),
            });
        }
        digests
    }

    /// Returns the values by which a row is told apart, as columns of their types take them again.
    pub(super) fn key_values(
        &self,
        columns: &[ArrayRef],
        row: usize,
    ) -> Result<Vec<Option<String>>, ArrowError> {
        let values = self.keys.iter().map(|at| {
            let column = &columns[*at];
            if column.is_null(row) {
                return Ok(None);
            }
            let options = arrow::util::display::FormatOptions::default();
            let shown = arrow::util::display::ArrayFormatter::try_new(column, &options)?;
            let prefix = match column.data_type() {
                arrow::datatypes::DataType::Binary => "\\x",
                _ => "",
            };
            Ok(Some(format!("{prefix}{}", shown.value(row))))
        });
        values.collect()
    }

    /// Brings columns to the types they are compared as: once for all rows, since it may copy them.
    pub(super) fn cast(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let columns = rows.columns().iter().zip(&self.columns);
        columns
            .map(|(column, compared)| cast(column, &compared.column_type.data_type()))
            .collect()
    }
}

fn md5_of(text: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(text.as_bytes()).into())
}

/// Returns the text of a value as the server writes it; NULL for what the lake has no value of.
fn text_sql(column: &str, column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Boolean => format!("{column}::text"),
        ColumnType::Integer => format!("{column}::bigint::text"),
        // The bits of a number are the same everywhere, its digits are not.
        ColumnType::Double => format!("encode(float8send({column}::text::float8), 'hex')"),
        ColumnType::Decimal(scale) => format!(
            "CASE WHEN {column}::text <> 'NaN' THEN {column}::numeric(38, {scale})::text END"
        ),
        ColumnType::Date => {
            format!(
                "CASE WHEN isfinite({column}) THEN ({column}::date - DATE '1970-01-01')::text END"
            )
        }
        ColumnType::Timestamp | ColumnType::LocalTimestamp => format!(
            "CASE WHEN isfinite({column}) THEN (extract(epoch FROM {column}) * 1000000)::bigint::text END"
        ),
        ColumnType::Binary => format!("encode({column}, 'hex')"),
        // As the log and COPY write it, which a cast to text does not for every type.
        ColumnType::Text => {
            format!("CASE WHEN {column} IS NOT NULL THEN format('%s', {column}) END")
        }
    }
}

fn write_text(out: &mut String, column: &ArrayRef, column_type: ColumnType, row: usize) {
    use std::fmt::Write;
    let _ = match column_type {
        ColumnType::Boolean => write!(out, "{}", column.as_boolean().value(row)),
        ColumnType::Integer => write!(out, "{}", column.as_primitive::<Int64Type>().value(row)),
        ColumnType::Double => {
            let bits = column.as_primitive::<Float64Type>().value(row).to_bits();
            write!(out, "{bits:016x}")
        }
        ColumnType::Decimal(scale) => decimal(
            out,
            column.as_primitive::<Decimal128Type>().value(row),
            scale,
        ),
        ColumnType::Date => write!(out, "{}", column.as_primitive::<Date32Type>().value(row)),
        ColumnType::Timestamp | ColumnType::LocalTimestamp => {
            let micros = column.as_primitive::<TimestampMicrosecondType>();
            write!(out, "{}", micros.value(row))
        }
        ColumnType::Binary => {
            let bytes = column.as_binary::<i32>().value(row);
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        ColumnType::Text => {
            out.push_str(column.as_string::<i32>().value(row));
            Ok(())
        }
    };
}

fn decimal(out: &mut String, units: i128, scale: u8) -> std::fmt::Result {
    use std::fmt::Write;
    let digits = units.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    match fraction.is_empty() {
        true => write!(out, "{sign}{whole}"),
        false => write!(out, "{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_all_places_as_the_server_writes_them() {
        let text = |units, scale| {
            let mut out = String::new();
            decimal(&mut out, units, scale).unwrap();
            out
        };
        assert_eq!(text(150, 2), "1.50");
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(0, 0), "0");
        assert_eq!(text(0, 3), "0.000");
        assert_eq!(text(-12, 0), "-12");
    }

    #[test]
    fn digests_are_md5() {
        let digests = Digests {
            key: md5_of("v1\u{1f}"),
            row: md5_of(""),
        };
        assert_eq!(digests.half().cast_unsigned(), 0xd41d_8cd9_8f00_b204);
        assert!(digests.bucket() < BUCKETS);
        assert_eq!(md5_of("") as u64, 0xe980_0998_ecf8_427e);
    }
}
