//! What went wrong, as a Postgres client is told.

use pgwire::messages::response::ErrorResponse;
use weir_query::{Position, QueryError};

/// An error on its way to the client.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    message: String,
    hint: Option<String>,
    position: Option<usize>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            position: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the error of a query, its position counted in `sql`.
    pub(super) fn of_query(error: &QueryError, sql: &str) -> Self {
        Self {
            code: error.sqlstate(),
            message: error.message().to_owned(),
            hint: error.advice().map(str::to_owned),
            position: error.position().and_then(|position| offset(sql, position)),
        }
    }

    pub(super) fn response(self, severity: &str) -> ErrorResponse {
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', printable(&self.message)),
        ];
        if let Some(hint) = self.hint {
            fields.push((b'H', printable(&hint)));
        }
        if let Some(position) = self.position {
            fields.push((b'P', position.to_string()));
        }
        ErrorResponse::new(fields)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Cuts what the protocol cannot carry: NUL bytes, and texts beyond a few kilobytes.
fn printable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(4_000).collect()
}

/// Returns which character of `sql` stands at `position`, counted from 1.
fn offset(sql: &str, position: Position) -> Option<usize> {
    let (mut line, mut column) = (1, 1);
    for (i, c) in sql.chars().enumerate() {
        if (line, column) == (position.line, position.column) {
            return Some(i + 1);
        }
        match c {
            '\n' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let at = |line, column| offset("sélect\n  x", Position { line, column });
        assert_eq!(at(1, 3), Some(3));
        assert_eq!(at(2, 3), Some(10));
        assert_eq!(at(9, 1), None);
    }
}
