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
    /// The source wants to be asked less often.
    RateLimited,
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

    /// Returns what happened in one line, causes included.
    pub fn told(&self) -> String {
        let mut told = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            // Programs say what matters last.
            let cause_text = cause.to_string();
            let line = cause_text
                .trim_end()
                .lines()
                .next_back()
                .unwrap_or_default();
            told = format!("{told}: {line}");
            next = cause.source();
        }
        told
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
            ExtractErrorKind::Unreachable
                | ExtractErrorKind::RateLimited
                | ExtractErrorKind::Busy
                | ExtractErrorKind::Destination
        )
    }
}

pub(crate) fn protocol(message: impl Into<String>) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Protocol, message)
}
