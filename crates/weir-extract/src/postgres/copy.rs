//! The rows of a table as they are in one snapshot, piece by piece in the order of its key, in PostgreSQL's
//! text format of COPY.

use std::borrow::Cow;

use chrono::Utc;

use super::Database;
use super::slot::{Copied, Copying, Position};
use super::snapshot::Snapshot;
use super::table::{Identity, Table, literal, quoted};
use super::wire::Session;
use crate::error::{ExtractError, protocol};
use crate::load::{self, Cell, Operation};

/// Rows of a piece: what is read again at most after a copy was cut off.
pub(super) const PIECE_ROWS: usize = 100_000;

impl Database<'_> {
    /// Copies the tables whose rows are not all in the lake, and goes on with a copy that was cut off.
    ///
    /// Each piece is committed with the key it ends at. Rows of later pieces may be of a later snapshot: the
    /// log from the first one on has all that changed in between, and the newest change of a key counts.
    pub(super) async fn copy_missing(
        &self,
        into: &mut load::Session,
        state: &mut Position,
        tables: &[Table],
        mut snapshot: Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        for table in tables
            .iter()
            .filter(|table| !state.has(table))
            .cloned()
            .collect::<Vec<_>>()
        {
            self.copy_table(&table, into, state, &mut snapshot).await?;
        }
        if let Some(snapshot) = snapshot {
            snapshot.close().await;
        }
        Ok(())
    }

    async fn copy_table(
        &self,
        table: &Table,
        into: &mut load::Session,
        state: &mut Position,
        snapshot: &mut Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        let stream = table.stream();
        into.declare(&stream, &table.fields())?;
        let active = into.stream(&stream).and_then(|target| target.active());
        let mut copying = match state.copying.remove(&stream) {
            Some(copying) if copying.so_far.is_of(table) => copying,
            _ => Copying {
                so_far: Copied::of(table),
                version: Utc::now()
                    .timestamp_micros()
                    .max(active.map_or(0, |active| active + 1)),
                after: Vec::new(),
                ranges: None,
            },
        };
        if let (Some(target), None) = (into.stream(&stream), active) {
            // Nothing is there yet: the rows are seen as they come.
            target.activate(copying.version);
        }
        let held = self.hold(snapshot).await?;
        let by_ranges = self.has_ranges(table, &copying, &mut held.reader).await?;
        if by_ranges {
            self.copy_ranges(table, &mut copying, into, state, snapshot)
                .await?;
        } else {
            loop {
                let held = self.hold(snapshot).await?;
                copying.so_far.read_at(held.at);
                self.progress.doing(format!("copying {stream}"));
                let piece = Piece {
                    table,
                    after: &copying.after,
                    position: held.at.snapshot_position(state.shift)?,
                    version: copying.version,
                };
                match piece.read(&mut held.reader, into).await? {
                    None => break,
                    Some(last) => {
                        copying.after = last;
                        state.copying.insert(stream.clone(), copying.clone());
                        into.cover(state.json());
                        into.settle().await?;
                    }
                }
            }
        }
        state.copying.remove(&stream);
        state.tables.insert(stream.clone(), copying.so_far);
        if let Some(target) = into.stream(&stream) {
            // All rows are there, with values of their own in every column.
            target.forget_defaults();
            target.activate(copying.version);
        }
        into.cover(state.json());
        into.settle().await?;
        Ok(())
    }
}

impl Database<'_> {
    /// Returns a snapshot that is not old: the one that is held, or a new one in its place.
    pub(super) async fn hold<'s>(
        &self,
        snapshot: &'s mut Option<Snapshot>,
    ) -> Result<&'s mut Snapshot, ExtractError> {
        let held = match snapshot.take() {
            Some(held) if !held.is_old() => held,
            old => {
                if let Some(old) = old {
                    old.close().await;
                }
                self.snapshot().await?
            }
        };
        Ok(snapshot.insert(held))
    }
}

/// A part of a table.
struct Piece<'a> {
    table: &'a Table,
    /// The key before it; empty for the beginning.
    after: &'a [String],
    position: i64,
    version: i64,
}

impl Piece<'_> {
    /// Reads the rows; returns the key of the last one, or none where the table ends.
    async fn read(
        &self,
        session: &mut Session,
        into: &mut load::Session,
    ) -> Result<Option<Vec<String>>, ExtractError> {
        let table = self.table;
        let stream = table.stream();
        let keys: Vec<usize> = (0..table.columns.len())
            .filter(|at| table.columns[*at].is_key)
            .collect();
        session.copy_out(&self.sql()).await?;
        let (mut rows, mut last) = (0_usize, Vec::new());
        while let Some(line) = session.copied().await? {
            let values = values(&line, table.columns.len(), &stream)?;
            let cells: Vec<Cell<'_>> = values
                .iter()
                .map(|value| value.as_deref().map_or(Cell::Null, Cell::Text))
                .collect();
            into.push(
                &stream,
                &load::Row {
                    operation: Operation::Insert,
                    position: Some((self.position, i64::try_from(rows).unwrap_or(i64::MAX))),
                    version: Some(self.version),
                    cells: &cells,
                    undeclared: &[],
                    unchanged: &[],
                },
            )?;
            rows += 1;
            if rows == PIECE_ROWS {
                let of = keys
                    .iter()
                    .map(|at| values[*at].as_deref().unwrap_or_default());
                last = of.map(str::to_owned).collect();
            }
            into.settle().await?;
        }
        let is_whole = table.identity != Identity::Key || rows < PIECE_ROWS;
        Ok((!is_whole).then_some(last))
    }

    fn sql(&self) -> String {
        let columns: Vec<String> = self.table.columns.iter().map(|c| quoted(&c.name)).collect();
        piece_sql(self.table, &columns.join(", "), self.after)
    }
}

/// Returns the statement that copies the next rows after a key, or all rows where there is none.
pub(super) fn piece_sql(table: &Table, selected: &str, after: &[String]) -> String {
    let name = table.quoted();
    if table.identity != Identity::Key {
        return format!("COPY (SELECT {selected} FROM {name}) TO STDOUT");
    }
    let keys: Vec<String> = table.keys().into_iter().map(quoted).collect();
    let keys = keys.join(", ");
    let after = match after.is_empty() {
        true => String::new(),
        false => {
            let values: Vec<String> = after.iter().map(|text| literal(text)).collect();
            format!(" WHERE ({keys}) > ({})", values.join(", "))
        }
    };
    format!(
        "COPY (SELECT {selected} FROM {name}{after} ORDER BY {keys} LIMIT {PIECE_ROWS}) TO STDOUT"
    )
}

/// Returns the values of a copied row.
pub(super) fn values<'a>(
    line: &'a [u8],
    columns: usize,
    stream: &str,
) -> Result<Vec<Option<Cow<'a, str>>>, ExtractError> {
    let line = std::str::from_utf8(line).map_err(|_| protocol("a copied row is not UTF-8"))?;
    let line = line.strip_suffix('\n').unwrap_or(line);
    let values: Vec<Option<Cow<'_, str>>> = line.split('\t').map(value).collect();
    match values.len() == columns {
        true => Ok(values),
        false => Err(protocol(format!(
            "a copied row of `{stream}` has {} values",
            values.len()
        ))),
    }
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
