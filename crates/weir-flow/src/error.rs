use std::error::Error;

/// A boxed error of whoever implements one of the traits of this crate.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A definition that cannot be, a request that cannot be granted, or a failure of the store.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct FlowError {
    kind: FlowErrorKind,
    action: String,
    hint: Option<String>,
    #[source]
    source: Option<BoxError>,
}

/// What sort of failure a [`FlowError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowErrorKind {
    /// A schedule, asset or pool is defined in a way that cannot work.
    Invalid,
    /// No such run, schedule, asset or backfill.
    NotFound,
    /// What is asked does not fit the state things are in.
    Conflict,
    /// The attempt has lost its lease: another one has its place, or soon will.
    Stale,
    /// Another process holds the store for longer than we wait.
    Busy,
    /// The store was written by a newer Weir.
    Newer,
    /// The store holds what Weir never wrote.
    Corrupt,
    /// The store, or what tells table versions, cannot be reached.
    Unavailable,
}

impl FlowError {
    /// Makes an error of `kind`; `action` says what was tried, or what is wrong.
    pub fn new(kind: FlowErrorKind, action: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.into(),
            hint: None,
            source: None,
        }
    }

    pub(crate) fn invalid(action: impl Into<String>) -> Self {
        Self::new(FlowErrorKind::Invalid, action)
    }

    /// Adds what caused this.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Wraps an error of the database library, deciding its kind.
    pub(crate) fn database(action: impl Into<String>, source: sqlx::Error) -> Self {
        use sqlx::error::DatabaseError;
        let code = source.as_database_error().and_then(DatabaseError::code);
        // SQLite's primary result codes: 5 BUSY, 6 LOCKED, 11 CORRUPT, 13 FULL, 26 NOTADB.
        let primary = code
            .and_then(|code| code.parse::<u32>().ok())
            .map(|code| code & 0xff);
        let (kind, hint) = match primary {
            Some(5 | 6) => (
                FlowErrorKind::Busy,
                Some("another process is writing to the store of runs; try again in a moment"),
            ),
            Some(13) => (
                FlowErrorKind::Unavailable,
                Some("make room on the disk; runs go on by themselves then"),
            ),
            Some(11 | 26) => (
                FlowErrorKind::Corrupt,
                Some("restore the store of runs from a backup; tables are not affected"),
            ),
            _ => (FlowErrorKind::Unavailable, None),
        };
        let error = Self::new(kind, action).because(source);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Returns what sort of failure this is.
    pub fn kind(&self) -> FlowErrorKind {
        self.kind
    }

    /// Returns what the reader can do about it, when there is something.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
