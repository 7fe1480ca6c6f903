//! What is fetched from elsewhere, as a file of this machine.

use std::io::Write;
use std::pin::pin;

use futures::{Stream, TryStreamExt};
use tempfile::NamedTempFile;

use crate::error::{ExtractError, ExtractErrorKind};

/// Writes what arrives in pieces into a file, which is gone when it is dropped.
///
/// # Errors
/// Those of the pieces, and when there is no place for them.
pub(super) async fn copy<T: AsRef<[u8]>>(
    pieces: impl Stream<Item = Result<T, ExtractError>>,
) -> Result<NamedTempFile, ExtractError> {
    let here = |error: std::io::Error| {
        let message = "no file can be made for what is fetched";
        ExtractError::new(ExtractErrorKind::Program, message).because(error)
    };
    let mut pieces = pin!(pieces);
    let mut file = NamedTempFile::new().map_err(here)?;
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(piece.as_ref()).map_err(here)?;
    }
    file.flush().map_err(here)?;
    Ok(file)
}
