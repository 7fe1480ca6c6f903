//! What a query can fail with, and how the engine's errors become it.

mod hint;
mod translate;

pub(crate) use hint::closest;
pub(crate) use translate::{Names, syntax, translate};

use std::fmt;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, coarsely; decides status codes and whether trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryErrorKind {
    /// The text is not SQL.
    Syntax,
    /// A table, view or schema does not exist.
    UndefinedTable,
    /// A column does not exist.
    UndefinedColumn,
    /// A column could be one of several.
    AmbiguousColumn,
    /// A function does not exist or takes other arguments.
    UndefinedFunction,
    /// The statement would write, or touch what queries may not.
    ReadOnly,
    /// Whoever asks may not do this.
    PermissionDenied,
    /// Another statement was faster; trying again helps.
    Conflict,
    /// Valid SQL that is not supported.
    Unsupported,
    /// The statement cannot be given a meaning: types, grouping, names.
    Invalid,
    /// A parameter is missing or of a wrong kind.
    Parameter,
    /// The statement is larger or more deeply nested than allowed.
    TooComplex,
    /// A value could not be computed: division by zero, a bad cast, overflow.
    Value,
    /// A past version of a table that does not exist (any more).
    UndefinedVersion,
    /// The memory for queries is used up.
    OutOfMemory,
    /// The disk space for queries is used up.
    OutOfDisk,
    /// It took too long.
    Timeout,
    /// Somebody ended it.
    Cancelled,
    /// Too many queries run and wait.
    Busy,
    /// A file of the lake cannot be read.
    Lake,
    /// Our bug.
    Internal,
}

impl QueryErrorKind {
    /// Returns a stable word for programs.
    pub fn code(self) -> &'static str {
        use QueryErrorKind::*;
        match self {
            Syntax => "syntax_error",
            UndefinedTable => "undefined_table",
            UndefinedColumn => "undefined_column",
            AmbiguousColumn => "ambiguous_column",
            UndefinedFunction => "undefined_function",
            ReadOnly => "read_only",
            PermissionDenied => "permission_denied",
            Conflict => "conflict",
            Unsupported => "unsupported",
            Invalid => "invalid_statement",
            Parameter => "invalid_parameter",
            TooComplex => "too_complex",
            Value => "invalid_value",
            UndefinedVersion => "undefined_version",
            OutOfMemory => "out_of_memory",
            OutOfDisk => "out_of_disk",
            Timeout => "timeout",
            Cancelled => "cancelled",
            Busy => "busy",
            Lake => "lake_unreadable",
            Internal => "internal",
        }
    }

    /// Returns the SQLSTATE a Postgres client expects.
    pub fn sqlstate(self) -> &'static str {
        use QueryErrorKind::*;
        match self {
            Syntax => "42601",
            UndefinedTable => "42P01",
            UndefinedColumn => "42703",
            AmbiguousColumn => "42702",
            UndefinedFunction => "42883",
            ReadOnly => "25006",
            PermissionDenied => "42501",
            Conflict => "40001",
            Unsupported => "0A000",
            Invalid => "42000",
            Parameter => "22023",
            TooComplex => "54001",
            Value => "22000",
            UndefinedVersion => "42704",
            OutOfMemory => "53200",
            OutOfDisk => "53100",
            Timeout | Cancelled => "57014",
            Busy => "53300",
            Lake => "58030",
            Internal => "XX000",
        }
    }
}

/// A place in the SQL text; both numbers start at 1 and count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// A query that failed: a sentence that is safe to show, where in the text, and what to do.
#[derive(Debug)]
pub struct QueryError {
    kind: QueryErrorKind,
    message: String,
    sqlstate: Option<&'static str>,
    position: Option<Position>,
    hint: Option<String>,
    source: Option<BoxError>,
    /// None where it is zero; an error stays small enough to be handed around.
    row_bytes: u32,
}

impl QueryError {
    pub(crate) fn new(kind: QueryErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            sqlstate: None,
            position: None,
            hint: None,
            source: None,
            row_bytes: 0,
        }
    }

    /// Notes how large the rows are that found no room.
    #[must_use]
    pub(crate) fn of_wide_rows(mut self, bytes: usize) -> Self {
        self.row_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// Returns how large the rows are that found no room, if that is known.
    pub(crate) fn row_bytes(&self) -> Option<usize> {
        (self.row_bytes > 0).then_some(self.row_bytes as usize)
    }

    /// Returns an error for our own bug, keeping its cause for the log.
    pub(crate) fn internal(source: impl Into<BoxError>) -> Self {
        let mut error = Self::new(QueryErrorKind::Internal, "the query failed inside Weir");
        error.hint = Some("this is a bug; the server's log has the details".to_owned());
        error.source = Some(source.into());
        error
    }

    /// Returns the error of rows that cannot be written in the format asked for.
    pub fn unwritable() -> Self {
        Self::new(
            QueryErrorKind::Internal,
            "the rows cannot be written in this format",
        )
    }

    /// Returns the same error once more, for another who waits for it; the first keeps the cause.
    pub(crate) fn again(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            sqlstate: self.sqlstate,
            position: self.position,
            hint: self.hint.clone(),
            source: None,
            row_bytes: self.row_bytes,
        }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    #[must_use]
    pub(crate) fn at(mut self, position: Option<Position>) -> Self {
        self.position = position.or(self.position);
        self
    }

    #[must_use]
    pub(crate) fn with_sqlstate(mut self, sqlstate: &'static str) -> Self {
        self.sqlstate = Some(sqlstate);
        self
    }

    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what went wrong, coarsely.
    pub fn kind(&self) -> QueryErrorKind {
        self.kind
    }

    /// Returns the sentence to show.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the SQLSTATE a Postgres client expects.
    pub fn sqlstate(&self) -> &'static str {
        self.sqlstate.unwrap_or(self.kind.sqlstate())
    }

    /// Returns where in the text, if known.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Returns what to do about it, if known.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
