use std::fmt;
use std::ops::{Deref, DerefMut};

/// A statement or connection that failed.
///
/// It reads and is changed like its [`WarehouseFailure`]; the box keeps results small.
#[derive(Debug)]
pub struct WarehouseError(Box<WarehouseFailure>);

/// What is known of a statement or connection that failed.
#[derive(Debug)]
pub struct WarehouseFailure {
    /// What went wrong, for decisions.
    pub kind: WarehouseErrorKind,
    /// What the warehouse says, in its own words.
    pub message: String,
    /// The SQLSTATE, where the warehouse gives one.
    pub sqlstate: Option<String>,
    /// What the warehouse adds: a detail, the statement's line.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the SQL it is, as a count of characters from 1.
    pub position: Option<usize>,
    /// What caused it.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Deref for WarehouseError {
    type Target = WarehouseFailure;

    fn deref(&self) -> &WarehouseFailure {
        &self.0
    }
}

impl DerefMut for WarehouseError {
    fn deref_mut(&mut self) -> &mut WarehouseFailure {
        &mut self.0
    }
}

impl std::error::Error for WarehouseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// What went wrong, for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarehouseErrorKind {
    /// No connection could be opened.
    Connect,
    /// The connection is gone; what ran is unknown.
    Lost,
    /// The warehouse refused or failed a statement.
    Statement,
    /// Somebody ended the statement.
    Cancelled,
    /// The warehouse cannot do this at all.
    Unsupported,
}

impl WarehouseError {
    /// Makes an error without facts beyond its message.
    pub fn new(kind: WarehouseErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(WarehouseFailure {
            kind,
            message: message.into(),
            sqlstate: None,
            detail: None,
            hint: None,
            position: None,
            source: None,
        }))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds where in `sql` it is, as a line and a mark below it, to the detail.
    #[must_use]
    pub fn located_in(mut self, sql: &str) -> Self {
        if let Some(excerpt) = self.position.and_then(|at| excerpt(sql, at)) {
            self.detail = Some(match self.detail.take() {
                Some(detail) => format!("{excerpt}\n{detail}"),
                None => excerpt,
            });
        }
        self
    }
}

impl fmt::Display for WarehouseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\n{detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

/// Returns the line of `sql` that holds character `position`, with a mark below.
fn excerpt(sql: &str, position: usize) -> Option<String> {
    let mut before = 0;
    for (number, line) in sql.split('\n').enumerate() {
        let length = line.chars().count() + 1;
        if position <= before + length {
            let label = format!("LINE {}: ", number + 1);
            let column = position - before - 1;
            // Tabs stay tabs, so that the mark stands below its character.
            let pad: String = line
                .chars()
                .take(column)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let pad = format!("{}{pad}", " ".repeat(label.len()));
            return Some(format!("{label}{}\n{pad}^", line.trim_end()));
        }
        before += length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_shown_below_its_line() {
        let mut error = WarehouseError::new(WarehouseErrorKind::Statement, "no column b");
        error.position = Some(16);
        let text = error.located_in("select a,\n  c, b\nfrom t").to_string();
        assert_eq!(text, "no column b\nLINE 2:   c, b\n             ^");
    }

    #[test]
    fn place_outside_of_the_text_is_left_out() {
        let mut error = WarehouseError::new(WarehouseErrorKind::Statement, "x");
        error.position = Some(99);
        assert_eq!(error.located_in("select 1").to_string(), "x");
    }
}
