//! Formats that tell their types: Parquet and Avro, by way of Arrow.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_avro::reader::ReaderBuilder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::blocks;
use super::rows::{Broken, Declared, Each, Found, poison};
use crate::load::{Cell, ColumnType};

/// Rows that are read at once.
const BATCH: usize = 8192;

pub(super) fn parquet(path: &Path, each: &mut Each<'_>) -> Result<Declared, Broken> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let schema = builder.schema().clone();
    rows(&schema, builder.with_batch_size(BATCH).build()?, each)
}

/// Reads an object container file, blocks uncompressed or by deflate, snappy or zstandard.
pub(super) fn avro(path: &Path, each: &mut Each<'_>) -> Result<Declared, Broken> {
    let reader = ReaderBuilder::new()
        .with_batch_size(BATCH)
        .build(BufReader::new(File::open(path)?))?;
    let schema = reader.schema();
    let mut number = 0;
    let declared = rows(&schema, reader, &mut |found| {
        number = found.line;
        each(found)
    })?;
    // What reads blocks takes one that breaks off for the end.
    if !blocks::are_whole(path)? {
        each(Found {
            line: number + 1,
            row: Err(poison("the file cannot be read further: it breaks off", "")),
        });
    }
    Ok(declared)
}

fn rows(
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    each: &mut Each<'_>,
) -> Result<Declared, Broken> {
    let fields = schema.fields().iter();
    let declared: Declared = fields
        .map(|field| (field.name().clone(), stored_as(field)))
        .collect();
    let options = FormatOptions::default();
    let mut line = 0;
    for batch in batches {
        let batch = batch?;
        let mut brought = Vec::with_capacity(declared.len());
        let columns = batch.columns().iter().zip(schema.fields());
        for ((column, field), (_, column_type)) in columns.zip(&declared) {
            let wanted = column_type.data_type();
            brought.push(if column.data_type().is_nested() {
                as_json(column)?
            } else if is_uuid(field) {
                as_uuids(column)
            } else if arrow::compute::can_cast_types(column.data_type(), &wanted) {
                cast(column, &wanted)?
            } else {
                column.clone()
            });
        }
        let formatters = brought
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            line += 1;
            let values: Vec<Option<String>> = brought
                .iter()
                .zip(&formatters)
                .map(|(column, formatter)| {
                    let prefix = if *column.data_type() == DataType::Binary {
                        "\\x"
                    } else {
                        ""
                    };
                    (!column.is_null(row)).then(|| format!("{prefix}{}", formatter.value(row)))
                })
                .collect();
            let cells: Vec<(&str, Cell<'_>)> = declared
                .iter()
                .zip(&values)
                .map(|((name, _), value)| {
                    (
                        name.as_str(),
                        value.as_deref().map_or(Cell::Null, Cell::Text),
                    )
                })
                .collect();
            if !each(Found {
                line,
                row: Ok(&cells),
            }) {
                return Ok(declared);
            }
        }
    }
    Ok(declared)
}

/// Writes lists, structures and maps as JSON.
fn as_json(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(&field, column.as_ref(), &options)?;
    let texts = (0..column.len()).map(|row| {
        if column.is_null(row) || encoder.is_null(row) {
            return Ok(None);
        }
        let mut text = Vec::new();
        encoder.encode(row, &mut text);
        let text = String::from_utf8(text);
        text.map(Some)
            .map_err(|error| ArrowError::JsonError(error.to_string()))
    });
    let texts: StringArray = texts.collect::<Result<_, _>>()?;
    Ok(Arc::new(texts))
}

/// Whether 16 bytes are an UUID, in the words of Avro or of Arrow.
fn is_uuid(field: &Field) -> bool {
    let says = |key: &str, uuid: &str| field.metadata().get(key).is_some_and(|is| is == uuid);
    *field.data_type() == DataType::FixedSizeBinary(16)
        && (says("logicalType", "uuid") || says("ARROW:extension:name", "arrow.uuid"))
}

fn as_uuids(column: &ArrayRef) -> ArrayRef {
    let bytes = column.as_fixed_size_binary_opt();
    let texts = bytes.into_iter().flatten().map(|bytes| {
        let uuid = uuid::Uuid::from_slice(bytes?).ok()?;
        Some(uuid.to_string())
    });
    Arc::new(texts.collect::<StringArray>())
}

/// Returns the type that values of a column have in the lake.
fn stored_as(field: &Field) -> ColumnType {
    match field.data_type() {
        _ if is_uuid(field) => ColumnType::Text,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => ColumnType::Integer,
        DataType::UInt64 => ColumnType::Decimal(0),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(_, scale) if *scale >= 0 => ColumnType::Decimal(scale.unsigned_abs()),
        DataType::Boolean => ColumnType::Boolean,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(_, Some(_)) => ColumnType::Timestamp,
        DataType::Timestamp(_, None) => ColumnType::LocalTimestamp,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => ColumnType::Binary,
        _ => ColumnType::Text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::rows::tests::rows;
    use crate::spec::FileFormat;

    /// Zig-zag and seven bits a byte, as Avro writes numbers.
    fn long(value: i64, out: &mut Vec<u8>) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            out.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).unwrap());
    }

    fn text(value: &str, out: &mut Vec<u8>) {
        long(value.len().try_into().unwrap(), out);
        out.extend(value.as_bytes());
    }

    /// A file by the specification of Avro 1.11: header, and one block of rows.
    fn avro(codec: &str, schema: &str, rows: i64, block: &[u8]) -> Vec<u8> {
        let block = match codec {
            "deflate" => {
                let level = flate2::Compression::default();
                let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), level);
                packed.write_all(block).unwrap();
                packed.finish().unwrap()
            }
            "zstandard" => zstd::encode_all(block, 3).unwrap(),
            _ => block.to_vec(),
        };
        let mut file = b"Obj\x01".to_vec();
        long(2, &mut file);
        text("avro.schema", &mut file);
        text(schema, &mut file);
        text("avro.codec", &mut file);
        text(codec, &mut file);
        long(0, &mut file);
        let sync = [7; 16];
        file.extend(sync);
        long(rows, &mut file);
        long(block.len().try_into().unwrap(), &mut file);
        file.extend(block);
        file.extend(sync);
        file
    }

    #[test]
    fn rows_of_avro_keep_their_types_and_structure() {
        let schema = r#"{"type": "record", "name": "order", "fields": [
            {"name": "id", "type": "long"},
            {"name": "note", "type": ["null", "string"]},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "on", "type": {"type": "int", "logicalType": "date"}},
            {"name": "uid", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "tags", "type": {"type": "array", "items": "string"}}
        ]}"#;
        let uid = "01234567-89ab-cdef-0123-456789abcdef";
        let mut block = Vec::new();
        long(-5, &mut block);
        long(1, &mut block);
        text("déjà", &mut block);
        long(1_700_000_000_123_456, &mut block);
        long(19_000, &mut block);
        text(uid, &mut block);
        long(2, &mut block);
        text("a", &mut block);
        text("\"b\"", &mut block);
        long(0, &mut block);
        long(i64::MAX, &mut block);
        long(0, &mut block);
        long(0, &mut block);
        long(-1, &mut block);
        text(uid, &mut block);
        long(0, &mut block);
        for codec in ["null", "deflate", "zstandard"] {
            let file = avro(codec, schema, 2, &block);
            let found = rows("orders.avro", FileFormat::Avro, &file);
            assert_eq!(found.len(), 2, "{codec}: {found:?}");
            for wanted in [
                r#"("id", Text("-5"))"#,
                r#"("note", Text("déjà"))"#,
                r#"("at", Text("2023-11-14T22:13:20.123456Z"))"#,
                r#"("on", Text("2022-01-08"))"#,
                r#"("uid", Text("01234567-89ab-cdef-0123-456789abcdef"))"#,
                r#"("tags", Text("[\"a\",\"\\\"b\\\"\"]"))"#,
            ] {
                assert!(found[0].1.contains(wanted), "{codec}: {}", found[0].1);
            }
            for wanted in [
                r#"("id", Text("9223372036854775807"))"#,
                r#"("note", Null)"#,
                r#"("on", Text("1969-12-31"))"#,
                r#"("tags", Text("[]"))"#,
            ] {
                assert!(found[1].1.contains(wanted), "{codec}: {}", found[1].1);
            }
            // What breaks off is told.
            let found = rows("orders.avro", FileFormat::Avro, &file[..file.len() - 24]);
            let last = &found.last().unwrap().1;
            assert!(last.starts_with("bad: "), "{codec}: {last}");
        }
        let found = rows("orders.avro", FileFormat::Avro, b"Obj\x01nonsense");
        assert!(found[0].1.starts_with("bad: "), "{found:?}");
    }
}
