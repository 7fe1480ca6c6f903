//! The rows of a query as a file.

use std::path::Path;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use weir_query::{QueryError, QueryResult};

use super::encode::{Encoder, Flat, plain, to_plain};
use super::format::Format;

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object per line.
    JsonLines,
}

/// Why rows are not in a file.
#[derive(Debug, thiserror::Error)]
pub enum RowsFileError {
    /// The query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The rows have no form in the format.
    #[error("the rows cannot be written in this format")]
    Format(#[from] ArrowError),
    /// The file cannot be written.
    #[error("the file cannot be written")]
    File(#[from] std::io::Error),
}

/// Writes the rows of a query into a new file; returns how many those are.
///
/// # Errors
/// What is in the file then is not all, and is left to the caller.
pub async fn write_rows(
    result: QueryResult,
    format: FileFormat,
    path: &Path,
) -> Result<u64, RowsFileError> {
    let mut file = tokio::fs::File::create_new(path).await?;
    let encoded = match format {
        FileFormat::Arrow => return write_arrow(result, file).await,
        FileFormat::Parquet => Format::Parquet,
        FileFormat::Csv => Format::Csv,
        FileFormat::JsonLines => Format::JsonLines,
    };
    let mut encoder = Encoder::new(encoded, &result)?;
    let mut rows = result.rows;
    file.write_all(&encoder.head()?).await?;
    while let Some(batch) = rows.next().await {
        file.write_all(&encoder.batch(&batch?)?).await?;
    }
    file.write_all(&encoder.end()?).await?;
    file.flush().await?;
    Ok(encoder.rows())
}

/// Writes the file format of Arrow, which unlike its stream can be read from any place.
async fn write_arrow(result: QueryResult, mut file: tokio::fs::File) -> Result<u64, RowsFileError> {
    let schema = plain(&Arc::clone(&result.schema), Flat::Parquet);
    let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
    let (mut rows, mut count) = (result.rows, 0);
    while let Some(batch) = rows.next().await {
        let batch = to_plain(&batch?, &schema)?;
        count += batch.num_rows() as u64;
        writer.write(&batch)?;
        let bytes = std::mem::take(writer.get_mut());
        file.write_all(&bytes).await?;
    }
    writer.finish()?;
    let bytes = std::mem::take(writer.get_mut());
    file.write_all(&bytes).await?;
    file.flush().await?;
    Ok(count)
}
