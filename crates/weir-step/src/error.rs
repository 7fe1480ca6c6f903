use std::error::Error;
use std::path::Path;

use weir_flow::{ErrorClass, Outcome};

/// A boxed error of whoever implements one of the traits of this crate.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A step that cannot be, did not work, or could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct StepError {
    kind: StepErrorKind,
    action: String,
    hint: Option<String>,
    #[source]
    source: Option<BoxError>,
}

/// What sort of failure a [`StepError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepErrorKind {
    /// The declaration of the step says what cannot be.
    Invalid,
    /// No such fileset, version, table or folder.
    NotFound,
    /// The command failed, and so did what was to recover it.
    Failed,
    /// The command took more time, memory or disk than it may.
    Limit,
    /// The files the command left cannot be taken.
    Output,
    /// The machine lacks what the step needs: a container engine, namespaces.
    Unsupported,
    /// A later run has published already.
    Stale,
    /// The step was told to stop.
    Cancelled,
    /// What Weir keeps was written by a newer Weir.
    Newer,
    /// What Weir keeps is damaged.
    Corrupt,
    /// The disk, the database or the lake cannot be reached for now.
    Unavailable,
}

impl StepError {
    /// Makes an error of `kind`; `action` says what was tried, or what is wrong.
    pub fn new(kind: StepErrorKind, action: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.into(),
            hint: None,
            source: None,
        }
    }

    pub(crate) fn invalid(action: impl Into<String>) -> Self {
        Self::new(StepErrorKind::Invalid, action)
    }

    pub(crate) fn corrupt(action: impl Into<String>) -> Self {
        Self::new(StepErrorKind::Corrupt, action)
            .with_hint("restore it from a backup; nothing was published")
    }

    /// A file or folder did not let itself be used.
    pub(crate) fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        let full = matches!(
            source.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        let error = Self::new(
            StepErrorKind::Unavailable,
            format!("{action} `{}`", path.display()),
        )
        .because(source);
        match full {
            true => error.with_hint("make room on the disk, then run the step again"),
            false => error,
        }
    }

    pub(crate) fn database(action: &str, source: sqlx::Error) -> Self {
        use sqlx::error::DatabaseError;
        let code = source.as_database_error().and_then(DatabaseError::code);
        // SQLite's primary result code FULL.
        let full = code.is_some_and(|code| code == "13");
        let error = Self::new(StepErrorKind::Unavailable, action).because(source);
        match full {
            true => error.with_hint("make room on the disk, then run the step again"),
            false => error,
        }
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

    /// Returns what sort of failure this is.
    pub fn kind(&self) -> StepErrorKind {
        self.kind
    }

    /// Returns what the reader can do about it, when there is something.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the error, its causes and its hint in one line each.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&format!("\ncaused by: {error}"));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }

    /// Returns how the attempt that met this ended.
    pub fn outcome(&self) -> Outcome {
        let class = match self.kind {
            StepErrorKind::Cancelled => return Outcome::Cancelled,
            StepErrorKind::Limit => ErrorClass::Resource,
            StepErrorKind::Unavailable => ErrorClass::Transient,
            // Datums were tried as often as the step says; trying all again helps nobody.
            _ => ErrorClass::Permanent,
        };
        Outcome::Failed(class, self.chain())
    }
}
