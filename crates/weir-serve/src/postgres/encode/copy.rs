//! Rows as `COPY ... TO STDOUT` writes them.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use bytes::{BufMut, BytesMut};

use super::text::Zone;
use super::{Column, Format, Formats, Rows};

/// How rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::postgres) enum Style {
    Text {
        delimiter: u8,
        null: String,
        header: bool,
    },
    Csv {
        delimiter: u8,
        quote: u8,
        null: String,
        header: bool,
        force_quote: bool,
    },
    Binary,
}

impl Style {
    pub(in crate::postgres) fn format(&self) -> Format {
        match self {
            Style::Binary => Format::Binary,
            Style::Text { .. } | Style::Csv { .. } => Format::Text,
        }
    }
}

/// Writes a message of `CopyData` with what `write` writes.
fn message<T>(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> T) -> T {
    out.put_u8(b'd');
    let start = out.len();
    out.put_u32(0);
    let result = write(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    result
}

/// Writes what comes before the first row.
pub(in crate::postgres) fn begin(style: &Style, schema: &Schema, out: &mut BytesMut) {
    match style {
        Style::Binary => message(out, |out| {
            out.put_slice(b"PGCOPY\n\xff\r\n\0");
            out.put_u64(0);
        }),
        Style::Text { header: false, .. } | Style::Csv { header: false, .. } => {}
        Style::Text { delimiter, .. } => message(out, |out| {
            for (i, field) in schema.fields().iter().enumerate() {
                separate(i, *delimiter, out);
                escape(field.name().as_bytes(), *delimiter, out);
            }
            out.put_u8(b'\n');
        }),
        Style::Csv {
            delimiter, quote, ..
        } => message(out, |out| {
            for (i, field) in schema.fields().iter().enumerate() {
                separate(i, *delimiter, out);
                let start = out.len();
                out.put_slice(field.name().as_bytes());
                enclose(start, *delimiter, *quote, "", false, out);
            }
            out.put_u8(b'\n');
        }),
    }
}

/// Writes what comes after the last row.
pub(in crate::postgres) fn end(style: &Style, out: &mut BytesMut) {
    if *style == Style::Binary {
        message(out, |out| out.put_i16(-1));
    }
}

/// A batch whose rows are copied out.
pub(in crate::postgres) enum Copied<'a> {
    Binary(Rows<'a>),
    Text(Vec<Column<'a>>, &'a Style),
}

impl<'a> Copied<'a> {
    pub(in crate::postgres) fn new(
        style: &'a Style,
        batch: &'a RecordBatch,
        zone: &'a Zone,
    ) -> Result<Self, ArrowError> {
        Ok(match style {
            Style::Binary => Self::Binary(Rows::new(batch, &Formats(vec![1]), zone)?),
            _ => Self::Text(
                batch
                    .columns()
                    .iter()
                    .map(|array| Column::new(array, zone))
                    .collect::<Result<_, _>>()?,
                style,
            ),
        })
    }

    pub(in crate::postgres) fn row(
        &self,
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), ArrowError> {
        message(out, |out| match self {
            Self::Binary(rows) => rows.values(row, out),
            Self::Text(columns, style) => {
                for (i, column) in columns.iter().enumerate() {
                    value(style, i, column, row, out)?;
                }
                out.put_u8(b'\n');
                Ok(())
            }
        })
    }
}

fn separate(column: usize, delimiter: u8, out: &mut BytesMut) {
    if column > 0 {
        out.put_u8(delimiter);
    }
}

fn value(
    style: &Style,
    i: usize,
    column: &Column<'_>,
    row: usize,
    out: &mut BytesMut,
) -> Result<(), ArrowError> {
    match style {
        Style::Text {
            delimiter, null, ..
        } => {
            separate(i, *delimiter, out);
            if column.is_null(row) {
                out.put_slice(null.as_bytes());
                return Ok(());
            }
            let start = out.len();
            column.text(row, out)?;
            let text = out.split_off(start);
            escape(&text, *delimiter, out);
        }
        Style::Csv {
            delimiter,
            quote,
            null,
            force_quote,
            ..
        } => {
            separate(i, *delimiter, out);
            if column.is_null(row) {
                out.put_slice(null.as_bytes());
                return Ok(());
            }
            let start = out.len();
            column.text(row, out)?;
            enclose(start, *delimiter, *quote, null, *force_quote, out);
        }
        Style::Binary => {}
    }
    Ok(())
}

/// Writes text with what would end a value or a row escaped.
fn escape(text: &[u8], delimiter: u8, out: &mut BytesMut) {
    for byte in text {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0x08 => out.put_slice(b"\\b"),
            0x0b => out.put_slice(b"\\v"),
            0x0c => out.put_slice(b"\\f"),
            byte if *byte == delimiter => out.put_slice(&[b'\\', *byte]),
            byte => out.put_u8(*byte),
        }
    }
}

/// Puts quotes around the value that begins at `start` where it needs them.
fn enclose(start: usize, delimiter: u8, quote: u8, null: &str, force: bool, out: &mut BytesMut) {
    let value = &out[start..];
    let special = |byte: &u8| *byte == delimiter || *byte == quote || matches!(byte, b'\n' | b'\r');
    if !force && value != null.as_bytes() && value != b"\\." && !value.iter().any(special) {
        return;
    }
    let value = out.split_off(start);
    out.put_u8(quote);
    for byte in &value {
        if *byte == quote {
            out.put_u8(quote);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quote);
}
