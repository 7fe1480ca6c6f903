//! The rows of a table as they are in one snapshot, in PostgreSQL's text format of COPY.

use std::borrow::Cow;

use super::table::Table;
use super::wire::Session;
use crate::error::{ExtractError, protocol};
use crate::load::{self, Cell, Operation};

/// Copies a table; its rows stand at `position` in the order of changes.
pub(super) async fn copy(
    session: &mut Session,
    table: &Table,
    into: &mut load::Session,
    (position, version): (i64, Option<i64>),
) -> Result<u64, ExtractError> {
    let stream = table.stream();
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|c| super::table::quoted(&c.name))
        .collect();
    let sql = format!(
        "COPY (SELECT {} FROM {}) TO STDOUT",
        columns.join(", "),
        table.quoted()
    );
    session.copy_out(&sql).await?;
    let mut rows = 0;
    while let Some(line) = session.copied().await? {
        let line = std::str::from_utf8(&line).map_err(|_| protocol("a copied row is not UTF-8"))?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let values: Vec<Option<Cow<'_, str>>> = line.split('\t').map(value).collect();
        if values.len() != columns.len() {
            return Err(protocol(format!(
                "a copied row of `{stream}` has {} values",
                values.len()
            )));
        }
        let cells: Vec<Cell<'_>> = values
            .iter()
            .map(|value| value.as_deref().map_or(Cell::Null, Cell::Text))
            .collect();
        into.push(
            &stream,
            &load::Row {
                operation: Operation::Insert,
                position: Some((position, rows)),
                version,
                cells: &cells,
                undeclared: &[],
                unchanged: &[],
            },
        )?;
        rows += 1;
        into.settle().await?;
    }
    Ok(rows as u64)
}

/// Returns a value; none for NULL.
fn value(text: &str) -> Option<Cow<'_, str>> {
    if text == "\\N" {
        return None;
    }
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(other) => other,
            None => '\\',
        });
    }
    Some(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_were() {
        assert_eq!(value("\\N"), None);
        assert_eq!(value("").as_deref(), Some(""));
        assert_eq!(value("a\\tb\\\\N\\n").as_deref(), Some("a\tb\\N\n"));
        assert_eq!(value("\\\\x00ff").as_deref(), Some("\\x00ff"));
    }
}
