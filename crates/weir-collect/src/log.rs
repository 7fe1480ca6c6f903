use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use weir_core::Seq;
use weir_lake::{AppendError, AppendErrorKind, Lake};

/// Why the log did not take a record, as far as a sender is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full(Duration),
    Unavailable,
    TooLarge,
}

/// The future of an append.
pub(crate) type Appending<'a> = Pin<Box<dyn Future<Output = Result<Seq, Refusal>> + Send + 'a>>;

/// Where records go. An `Ok` means that the record is durable.
pub(crate) trait Log: Send + Sync {
    /// Tells whether a record would be taken now, before any work goes into making it.
    fn admits(&self) -> Result<(), Refusal> {
        Ok(())
    }

    fn append(&self, rows: u32, payload: Vec<u8>) -> Appending<'_>;
}

impl Log for Lake {
    fn admits(&self) -> Result<(), Refusal> {
        Lake::admits(self).map_err(|error| refusal(&error))
    }

    fn append(&self, rows: u32, payload: Vec<u8>) -> Appending<'_> {
        Box::pin(async move {
            Lake::append(self, rows, payload)
                .await
                .map_err(|error| refusal(&error))
        })
    }
}

fn refusal(error: &AppendError) -> Refusal {
    match error.kind() {
        AppendErrorKind::Full { retry_after } => Refusal::Full(retry_after),
        AppendErrorKind::TooLarge => Refusal::TooLarge,
        _ => Refusal::Unavailable,
    }
}
