use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use weir_core::Seq;
use weir_lake::{AppendErrorKind, Lake};

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
    fn append(&self, rows: u32, payload: Vec<u8>) -> Appending<'_>;
}

impl Log for Lake {
    fn append(&self, rows: u32, payload: Vec<u8>) -> Appending<'_> {
        Box::pin(async move {
            Lake::append(self, rows, payload)
                .await
                .map_err(|error| match error.kind() {
                    AppendErrorKind::Full { retry_after } => Refusal::Full(retry_after),
                    AppendErrorKind::TooLarge => Refusal::TooLarge,
                    _ => Refusal::Unavailable,
                })
        })
    }
}
