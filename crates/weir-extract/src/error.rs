use std::error::Error;

/// Why a source could not be read or its rows not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExtractError {
    kind: ExtractErrorKind,
    message: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What an error means for whoever started the sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtractErrorKind {
    /// The description of the source cannot work.
    Invalid,
    /// There is no such source, stream or run.
    NotFound,
    /// The source sent what its protocol does not allow.
    Protocol,
    /// The source's columns changed, and its rules forbid that.
    Schema,
    /// The source refuses us: a password, a grant.
    Denied,
    /// The source cannot be reached, or went away.
    Unreachable,
    /// A program of the source failed.
    Program,
    /// The lake did not take the rows.
    Destination,
    /// The source would keep more for us than it may.
    Budget,
    /// Another sync of the source runs.
    Busy,
    /// It does not exist yet.
    Unsupported,
}

impl ExtractError {
    pub fn new(kind: ExtractErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what a person can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what is behind it.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> ExtractErrorKind {
        self.kind
    }

    /// Returns what a person can do, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the same might work a little later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ExtractErrorKind::Unreachable | ExtractErrorKind::Busy | ExtractErrorKind::Destination
        )
    }
}

pub(crate) fn protocol(message: impl Into<String>) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Protocol, message)
}
