use std::error::Error;

use crate::id::AssetId;

/// A boxed error of whoever implements one of the traits of this crate.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A definition that cannot be, a request that cannot be granted, or a failure of the store.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct FlowError {
    kind: FlowErrorKind,
    action: String,
    hint: Option<String>,
    about: Vec<AssetId>,
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
            about: Vec::new(),
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

    /// Names the assets it is about.
    pub(crate) fn with_assets(mut self, assets: impl IntoIterator<Item = AssetId>) -> Self {
        self.about = assets.into_iter().collect();
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Wraps an error of the database library, deciding its kind. Callers of the API see `action` and
    /// hint alone, so what they can do something about is said in these.
    pub(crate) fn database(action: impl Into<String>, source: sqlx::Error) -> Self {
        use sqlx::error::DatabaseError;
        let code = source.as_database_error().and_then(DatabaseError::code);
        // SQLite's primary result codes: 5 BUSY, 6 LOCKED, 11 CORRUPT, 13 FULL, 26 NOTADB.
        let primary = code
            .and_then(|code| code.parse::<u32>().ok())
            .map(|code| code & 0xff);
        let (kind, what, hint) = match primary {
            Some(5 | 6) => (
                FlowErrorKind::Busy,
                "the store of runs is busy",
                "another process is writing to the store of runs; try again in a moment",
            ),
            Some(13) => (
                FlowErrorKind::Unavailable,
                "the disk is full",
                "make room on the disk; runs go on by themselves then",
            ),
            Some(11 | 26) => (
                FlowErrorKind::Corrupt,
                "the store of runs is damaged",
                "restore the store of runs from a backup; tables are not affected",
            ),
            // Also what SQLite has no room for beside the file itself: 10 IOERR, 14 CANTOPEN.
            _ => (
                FlowErrorKind::Unavailable,
                "the store of runs cannot be used",
                "see whether the disk of the server is full or broken; its log has the cause",
            ),
        };
        Self::new(kind, format!("{}: {what}", action.into()))
            .because(source)
            .with_hint(hint)
    }

    /// Returns the error, its causes and its hint in one line, for logs.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat their source in their own message.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            line.push_str(&format!(" ({hint})"));
        }
        line
    }

    /// Returns what sort of failure this is.
    pub fn kind(&self) -> FlowErrorKind {
        self.kind
    }

    /// Returns the assets it is about, the first of them first, where it is about some.
    pub fn assets(&self) -> &[AssetId] {
        &self.about
    }

    /// Returns what the reader can do about it, when there is something.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
