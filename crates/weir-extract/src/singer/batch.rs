//! The files that a BATCH message names, as records.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::message::{Message, read};
use crate::error::{ExtractError, ExtractErrorKind};

/// As many rows of a Parquet file are in memory at a time.
const ROWS: usize = 1024;

/// The records of the files of a BATCH, each as a RECORD message. They are read as they are asked for.
pub struct BatchRecords {
    /// The stream's name, as JSON.
    stream: String,
    format: Format,
    compression: Option<String>,
    files: std::vec::IntoIter<String>,
    open: Option<(String, Lines)>,
}

type Lines = Box<dyn Iterator<Item = io::Result<String>> + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    JsonLines,
    Parquet,
}

impl BatchRecords {
    /// Reads a line of a tap; none unless it is a BATCH.
    ///
    /// # Errors
    /// When its files are of a format that is not read.
    pub fn of(line: &str) -> Result<Option<Self>, ExtractError> {
        // Looking for a word that only these have is much cheaper than reading each record twice.
        if memchr::memmem::find(line.as_bytes(), b"manifest").is_none() {
            return Ok(None);
        }
        let Ok(Message::Batch {
            stream,
            format,
            compression,
            files,
        }) = read(line)
        else {
            return Ok(None);
        };
        let format = match format.as_str() {
            "jsonl" => Format::JsonLines,
            "parquet" => Format::Parquet,
            other => {
                let message = format!("a BATCH of stream `{stream}` has files of format `{other}`");
                return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                    .hint("set the tap's `batch_config.encoding.format` to `jsonl` or `parquet`"));
            }
        };
        Ok(Some(Self {
            stream: Value::from(stream.as_ref()).to_string(),
            format,
            compression,
            files: files.into_iter(),
            open: None,
        }))
    }

    fn lines(&self, address: &str) -> Result<Lines, ExtractError> {
        let path = path_of(address)?;
        let unopened = |error: &dyn std::fmt::Display| {
            let message = format!("a file of a BATCH cannot be opened: `{}`", path.display());
            ExtractError::new(ExtractErrorKind::Protocol, message)
                .because(io::Error::other(error.to_string()))
        };
        match self.format {
            Format::JsonLines => {
                let file = File::open(&path).map_err(|error| unopened(&error))?;
                let bytes = unpacked(file, self.compression.as_deref())?;
                Ok(Box::new(BufReader::new(bytes).lines()))
            }
            // Parquet packs its own pages.
            Format::Parquet => parquet(&path).map_err(|error| unopened(&error)),
        }
    }
}

impl Iterator for BatchRecords {
    type Item = Result<String, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((address, lines)) = &mut self.open else {
                let address = self.files.next()?;
                match self.lines(&address) {
                    Ok(lines) => self.open = Some((address, lines)),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match lines.next() {
                None => self.open = None,
                Some(Ok(record)) if record.trim().is_empty() => {}
                Some(Ok(record)) => {
                    let stream = &self.stream;
                    return Some(Ok(format!(
                        r#"{{"type":"RECORD","stream":{stream},"record":{record}}}"#
                    )));
                }
                Some(Err(error)) => {
                    let message = format!("a file of a BATCH cannot be read: `{address}`");
                    // What is broken does not get better by reading on.
                    self.open = None;
                    self.files = Vec::new().into_iter();
                    let told = ExtractError::new(ExtractErrorKind::Protocol, message);
                    return Some(Err(told.because(error)));
                }
            }
        }
    }
}

fn path_of(address: &str) -> Result<PathBuf, ExtractError> {
    match address.strip_prefix("file://") {
        Some(path) => Ok(PathBuf::from(path)),
        None if !address.contains("://") => Ok(PathBuf::from(address)),
        None => {
            let message = format!("a BATCH names `{address}`, which is no file of this machine");
            Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                .hint("let the tap write its batches to a folder: `batch_config.storage.root: file:///...`"))
        }
    }
}

fn unpacked(file: File, compression: Option<&str>) -> Result<Box<dyn Read + Send>, ExtractError> {
    match compression {
        None => Ok(Box::new(file)),
        Some("gzip" | "gz") => Ok(Box::new(flate2::read::MultiGzDecoder::new(file))),
        Some(other) => {
            let message = format!("a BATCH is compressed with `{other}`");
            Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                .hint("set the tap's `batch_config.encoding.compression` to `gzip` or `none`"))
        }
    }
}

/// Reads the rows of a file as objects of JSON.
fn parquet(path: &Path) -> Result<Lines, ArrowError> {
    let rows = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
        .with_batch_size(ROWS)
        .build()?;
    Ok(Box::new(rows.flat_map(
        |rows| match rows.and_then(|rows| objects(&rows)) {
            Ok(lines) => lines.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(io::Error::other(error))],
        },
    )))
}

fn objects(rows: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(rows)?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}
