use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::encode::to_plain;

/// Memory in which a row group grows before it is sent on: what an answer holds at most.
const ROW_GROUP_BYTES: usize = 8 << 20;

/// Rows of a row group at most.
const ROW_GROUP_ROWS: usize = 128 << 10;

/// A Parquet file that leaves in pieces: each row group as it fills, the footer last.
pub(super) struct ParquetFile {
    schema: SchemaRef,
    /// None after the end.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetFile {
    /// Begins a file; `schema` has only types that Parquet has.
    pub(super) fn new(schema: SchemaRef) -> Result<Self, ArrowError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        Ok(Self {
            schema,
            writer: Some(writer),
        })
    }

    /// Takes rows; returns what of the file is ready.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Bytes, ArrowError> {
        let Some(writer) = &mut self.writer else {
            return Ok(Bytes::new());
        };
        writer.write(&to_plain(batch, &self.schema)?)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush()?;
        }
        Ok(Bytes::from(std::mem::take(writer.inner_mut())))
    }

    /// Returns the rest of the file.
    pub(super) fn finish(&mut self) -> Result<Bytes, ArrowError> {
        match self.writer.take() {
            Some(writer) => Ok(Bytes::from(writer.into_inner()?)),
            None => Ok(Bytes::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows));
        let texts = (from..from + rows).map(|n| (n % 3 > 0).then(|| format!("row {n} {}", n * n)));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true)])
            .unwrap()
    }

    #[test]
    fn a_file_leaves_in_pieces_that_fit_together() {
        let mut file = ParquetFile::new(batch(0, 1).schema()).unwrap();
        let (mut sent, mut pieces) = (Vec::new(), 0);
        for part in 0..40 {
            let bytes = file.write(&batch(part * 10_000, 10_000)).unwrap();
            pieces += usize::from(!bytes.is_empty());
            sent.extend_from_slice(&bytes);
        }
        let without_end = sent.len();
        sent.extend_from_slice(&file.finish().unwrap());
        assert!(pieces >= 3, "{pieces}");

        let read = |bytes: Vec<u8>| ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes));
        let whole = read(sent.clone()).unwrap();
        assert!(whole.metadata().num_row_groups() >= 3);
        let rows: Vec<RecordBatch> = whole.build().unwrap().map(Result::unwrap).collect();
        let rows = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
        assert_eq!(rows.columns(), batch(0, 400_000).columns());
        // What broke off is no file.
        assert!(read(sent[..without_end].to_vec()).is_err());
    }
}
