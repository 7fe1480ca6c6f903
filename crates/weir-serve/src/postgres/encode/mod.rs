//! Arrow batches as Postgres rows, in text and in binary.

mod binary;
mod column;
pub(super) mod copy;
mod numeric;
mod text;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use bytes::{BufMut, BytesMut};
use pgwire::messages::data::{FieldDescription, RowDescription};
use weir_query::{type_modifier, type_oid};

pub(super) use self::column::Column;
#[cfg(test)]
pub(super) use self::numeric::send_text as send_numeric;
pub(super) use self::text::Zone;

/// How values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

/// The formats of a result's columns, as a client asks for them: none is all text, one is for all.
#[derive(Clone, Debug, Default)]
pub(super) struct Formats(pub(super) Vec<i16>);

impl Formats {
    pub(super) fn of(&self, column: usize) -> Format {
        let code = match self.0.as_slice() {
            [] => 0,
            [one] => *one,
            many => many.get(column).copied().unwrap_or(0),
        };
        match code {
            1 => Format::Binary,
            _ => Format::Text,
        }
    }
}

/// Describes the columns of a result.
pub(super) fn describe(schema: &Schema, formats: &Formats) -> RowDescription {
    let fields = schema.fields().iter().enumerate().map(|(i, field)| {
        let oid = type_oid(field.data_type());
        FieldDescription::new(
            field.name().replace('\0', ""),
            0,
            0,
            oid,
            weir_query::type_length(oid),
            type_modifier(field.data_type()),
            match formats.of(i) {
                Format::Text => 0,
                Format::Binary => 1,
            },
        )
    });
    RowDescription::new(fields.collect())
}

/// A batch whose values can be written row by row.
pub(super) struct Rows<'a> {
    columns: Vec<(Column<'a>, Format)>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        batch: &'a RecordBatch,
        formats: &Formats,
        zone: &'a Zone,
    ) -> Result<Self, ArrowError> {
        let columns = batch
            .columns()
            .iter()
            .enumerate()
            .map(|(i, array)| Ok((Column::new(array, zone)?, formats.of(i))))
            .collect::<Result<_, ArrowError>>()?;
        Ok(Self { columns })
    }

    /// Writes a row as a `DataRow` message.
    pub(super) fn data_row(&self, row: usize, out: &mut BytesMut) -> Result<(), ArrowError> {
        out.put_u8(b'D');
        let start = out.len();
        out.put_u32(0);
        self.values(row, out)?;
        let length = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Writes the number of columns, then each value with its length.
    fn values(&self, row: usize, out: &mut BytesMut) -> Result<(), ArrowError> {
        out.put_i16(self.columns.len() as i16);
        for (column, format) in &self.columns {
            if column.is_null(row) {
                out.put_i32(-1);
                continue;
            }
            let start = out.len();
            out.put_i32(0);
            match format {
                Format::Text => column.text(row, out)?,
                Format::Binary => column.binary(row, out)?,
            }
            let length = (out.len() - start - 4) as i32;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}
