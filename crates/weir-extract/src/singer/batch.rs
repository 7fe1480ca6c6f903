//! The files that a BATCH message names, as records.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use serde_json::Value;

use super::message::{Message, read};
use crate::error::{ExtractError, ExtractErrorKind};

/// Reads a line of a tap: if it is a BATCH, hands out a RECORD for each line of its files, and otherwise
/// the line itself.
pub fn expand(
    line: &str,
    each: &mut dyn FnMut(&str) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    // Looking for a word that only these have is much cheaper than reading each record twice.
    if memchr::memmem::find(line.as_bytes(), b"manifest").is_none() {
        return each(line);
    }
    let Ok(Message::Batch {
        stream,
        format,
        compression,
        files,
    }) = read(line)
    else {
        return each(line);
    };
    if format != "jsonl" {
        let message = format!("a BATCH of stream `{stream}` has files of format `{format}`");
        return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
            .hint("set the tap's `batch_config.encoding.format` to `jsonl`"));
    }
    let stream = Value::from(stream.as_ref()).to_string();
    for file in files {
        for record in BufReader::new(open(&file, compression.as_deref())?).lines() {
            let record = record.map_err(|error| {
                let message = format!("a file of a BATCH cannot be read: `{file}`");
                ExtractError::new(ExtractErrorKind::Protocol, message).because(error)
            })?;
            if !record.trim().is_empty() {
                each(&format!(
                    r#"{{"type":"RECORD","stream":{stream},"record":{record}}}"#
                ))?;
            }
        }
    }
    Ok(())
}

fn open(address: &str, compression: Option<&str>) -> Result<Box<dyn Read>, ExtractError> {
    let path = match address.strip_prefix("file://") {
        Some(path) => PathBuf::from(path),
        None if !address.contains("://") => PathBuf::from(address),
        None => {
            let message = format!("a BATCH names `{address}`, which is no file of this machine");
            return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                .hint("let the tap write its batches to a folder: `batch_config.storage.root: file:///...`"));
        }
    };
    let file = File::open(&path).map_err(|error| {
        let message = format!("a file of a BATCH cannot be opened: `{}`", path.display());
        ExtractError::new(ExtractErrorKind::Protocol, message).because(error)
    })?;
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
