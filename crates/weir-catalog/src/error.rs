use std::error::Error;

/// A failure of the metadata store, or a request it cannot grant.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct CatalogError {
    kind: CatalogErrorKind,
    action: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What sort of failure a [`CatalogError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogErrorKind {
    /// No such source, key or view.
    NotFound,
    /// Whoever asks may not do this.
    Denied,
    /// There is one of that name already.
    Exists,
    /// The request itself cannot be granted (a name that is taken, a bad value).
    Invalid,
    /// Another process holds the store for longer than we wait.
    Busy,
    /// The store was written by a newer Weir.
    Newer,
    /// The store holds what Weir never wrote.
    Corrupt,
    /// The file cannot be read or written.
    Unavailable,
}

impl CatalogError {
    pub(crate) fn new(kind: CatalogErrorKind, action: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.into(),
            hint: None,
            source: None,
        }
    }

    pub(crate) fn because(
        kind: CatalogErrorKind,
        action: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            action: action.into(),
            hint: None,
            source: Some(source.into()),
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Wraps an error of the database library, deciding its kind.
    pub(crate) fn database(action: impl Into<String>, source: sqlx::Error) -> Self {
        use sqlx::error::DatabaseError;
        let code = source.as_database_error().and_then(DatabaseError::code);
        // SQLite's primary result codes: 5 BUSY, 6 LOCKED, 11 CORRUPT, 13 FULL, 26 NOTADB. What it has no
        // room for beside the file itself comes as 10 IOERR or 14 CANTOPEN.
        let primary = code
            .and_then(|code| code.parse::<u32>().ok())
            .map(|code| code & 0xff);
        let (kind, hint) = match primary {
            Some(5 | 6) => (
                CatalogErrorKind::Busy,
                Some("another process is writing to the catalog; try again in a moment"),
            ),
            Some(11 | 26) => (
                CatalogErrorKind::Corrupt,
                Some("restore `.weir/catalog.db` from a backup; the lake itself is not affected"),
            ),
            Some(13) => (
                CatalogErrorKind::Unavailable,
                Some("the disk of the catalog is full: make room on it"),
            ),
            Some(10 | 14) => (
                CatalogErrorKind::Unavailable,
                Some("see whether the disk of the catalog is full, read-only or broken"),
            ),
            _ => (CatalogErrorKind::Unavailable, None),
        };
        let error = Self::because(kind, action, source);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Returns what sort of failure this is.
    pub fn kind(&self) -> CatalogErrorKind {
        self.kind
    }

    /// Returns what the reader can do about it, when there is something.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
