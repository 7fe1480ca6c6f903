//! Which columns a table can have, and bringing rows to them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};

use crate::error::{LakeError, LakeErrorKind};

/// The most digits of a number with a decimal point.
const DIGITS: u8 = 38;

/// Returns the columns that rows of `columns` are stored as.
///
/// Types without a place in the open format become the nearest one that holds all of their values;
/// a type without one is an error that names the column.
pub fn stored_columns(columns: &Schema) -> Result<SchemaRef, LakeError> {
    let mut fields = Vec::with_capacity(columns.fields().len());
    for field in columns.fields() {
        let unfit = |why: String| {
            LakeError::new(LakeErrorKind::Invalid, "store column", field.name()).because(why)
        };
        let data_type = stored_type(field.data_type()).map_err(unfit)?;
        fields.push(
            Field::new(field.name(), data_type, field.is_nullable())
                .with_metadata(field.metadata().clone()),
        );
    }
    // There and back, so that the names of what is inside lists are the log's.
    let fail = |e: arrow::error::ArrowError| {
        LakeError::new(LakeErrorKind::Invalid, "store columns", "of the table").because(e)
    };
    let kernel: StructType = (&Schema::new(fields)).try_into_kernel().map_err(fail)?;
    let schema: Schema = (&kernel).try_into_arrow().map_err(fail)?;
    Ok(Arc::new(schema))
}

fn stored_type(data_type: &DataType) -> Result<DataType, String> {
    Ok(match data_type {
        // A column of nothing but NULL is text, as in Postgres.
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            DataType::Utf8
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            let scale = (*scale).max(0);
            DataType::Decimal128((*precision).min(DIGITS), scale.min(DIGITS as i8))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            let inner = stored_type(item.data_type())?;
            DataType::List(Arc::new(Field::new("element", inner, true)))
        }
        DataType::Struct(fields) => {
            let inner = fields.iter().map(|field| {
                stored_type(field.data_type()).map(|t| Field::new(field.name(), t, true))
            });
            DataType::Struct(inner.collect::<Result<Vec<_>, _>>()?.into())
        }
        DataType::Dictionary(_, value) => stored_type(value)?,
        DataType::RunEndEncoded(_, value) => stored_type(value.data_type())?,
        other => {
            return Err(format!(
                "values of type {other} have no place in a table; cast them to text"
            ));
        }
    })
}

/// Brings rows to the columns of `schema`, by place.
pub(super) fn fit(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(
            |(column, field)| match column.data_type() == field.data_type() {
                true => Ok(column.clone()),
                false => cast_with_options(column, field.data_type(), &options),
            },
        )
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}
