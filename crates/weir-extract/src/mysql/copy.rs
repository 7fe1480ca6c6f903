//! The rows of a table as they are in one snapshot, piece by piece in the order of its key.

use chrono::Utc;

use super::Database;
use super::server::Server;
use super::snapshot::Snapshot;
use super::state::{Copied, Copying, Position};
use super::table::{Table, TableColumn, fields, quoted};
use super::value::{Field, float};
use super::wire::{Session, Values, code};
use crate::error::{ExtractError, ExtractErrorKind, protocol};
use crate::load::{self, Cell, ColumnType, Operation};

/// Rows of a piece: what is read again at most after a copy was cut off.
const PIECE_ROWS: usize = 100_000;
/// The table was altered since the snapshot.
const ALTERED_SINCE: u16 = 1412;
/// As often a table is begun again that is altered while it is copied.
const TRIES: usize = 5;

impl Database<'_> {
    /// Copies the tables whose rows are not all in the lake, and goes on with a copy that was cut off.
    ///
    /// Each piece is committed with the key it ends at. Rows of later pieces may be of a later snapshot: the
    /// log from the first one on has all that changed in between, and the newest change of a key counts.
    pub(super) async fn copy_missing(
        &self,
        into: &mut load::Session,
        control: &mut Session,
        server: &Server,
        state: &mut Position,
        mut snapshot: Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        let taken = self.taken(control, server).await?;
        let missing = taken.into_iter().map(|table| table.name);
        let missing: Vec<String> = missing
            .filter(|name| !state.tables.contains_key(name))
            .collect();
        for name in missing {
            let mut attempt = 1;
            loop {
                let copied = self
                    .copy_table(&name, into, control, server, state, &mut snapshot)
                    .await;
                match copied {
                    Err(error) if code(&error) == Some(ALTERED_SINCE) && attempt < TRIES => {
                        // A newer snapshot sees it as it is now; what was read is of another version.
                        if let Some(old) = snapshot.take() {
                            old.close().await;
                        }
                        state.copying.remove(&name);
                        attempt += 1;
                    }
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        if let Some(snapshot) = snapshot {
            snapshot.close().await;
        }
        Ok(())
    }

    async fn copy_table(
        &self,
        name: &str,
        into: &mut load::Session,
        control: &mut Session,
        server: &Server,
        state: &mut Position,
        snapshot: &mut Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        let held = self.hold(server, control, snapshot).await?;
        let Some(table) = held.tables.iter().find(|table| table.name == name).cloned() else {
            // It is gone since.
            return Ok(());
        };
        if table.unfit.is_some() {
            return Ok(());
        }
        into.declare(name, &fields(&table.columns))?;
        let active = into.stream(name).and_then(|target| target.active());
        let mut copying = match state.copying.remove(name) {
            Some(copying) if copying.so_far.columns == table.columns => copying,
            _ => Copying {
                so_far: Copied::of(&table),
                version: Utc::now()
                    .timestamp_micros()
                    .max(active.map_or(0, |active| active + 1)),
                after: Vec::new(),
            },
        };
        if let (Some(target), None) = (into.stream(name), active) {
            // Nothing is there yet: the rows are seen as they come.
            target.activate(copying.version);
        }
        loop {
            let held = self.hold(server, control, snapshot).await?;
            let now = held.tables.iter().find(|now| now.name == name);
            if now.is_none_or(|now| now.columns != table.columns) {
                return Err(altered(name));
            }
            copying.so_far.read_at(held.at, held.known);
            self.progress.doing(format!("copying {name}"));
            let piece = Piece {
                table: &table,
                after: &copying.after,
                position: held.at.position(state.shift)?,
                version: copying.version,
            };
            match piece.read(&server.database, &mut held.reader, into).await? {
                None => break,
                Some(last) => {
                    copying.after = last;
                    state.copying.insert(name.to_owned(), copying.clone());
                    into.cover(state.json());
                    into.settle().await?;
                }
            }
        }
        state.copying.remove(name);
        state.tables.insert(name.to_owned(), copying.so_far);
        if let Some(target) = into.stream(name) {
            // All rows are there, with values of their own in every column.
            target.forget_defaults();
            target.activate(copying.version);
        }
        into.cover(state.json());
        into.settle().await?;
        Ok(())
    }

    /// Returns a snapshot that is not old: the one that is held, or a new one in its place.
    async fn hold<'s>(
        &self,
        server: &Server,
        control: &mut Session,
        snapshot: &'s mut Option<Snapshot>,
    ) -> Result<&'s mut Snapshot, ExtractError> {
        let held = match snapshot.take() {
            Some(held) if !held.is_old() => held,
            old => {
                if let Some(old) = old {
                    old.close().await;
                }
                self.snapshot(server, control).await?
            }
        };
        Ok(snapshot.insert(held))
    }
}

fn altered(name: &str) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Busy,
        format!("table `{name}` was altered while it was copied"),
    )
    .hint("sync again: it is copied anew")
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
        database: &str,
        session: &mut Session,
        into: &mut load::Session,
    ) -> Result<Option<Vec<String>>, ExtractError> {
        let table = self.table;
        let keys = ordered(table);
        session.ask(&self.sql(database)).await?;
        let (mut rows, mut last) = (0_usize, Vec::new());
        while let Some(values) = session.row().await? {
            let row = converted(&table.columns, values)?;
            let cells: Vec<Cell<'_>> = row.iter().map(Field::cell).collect();
            into.push(
                &table.name,
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
                last = keys.iter().map(|at| written(&row[*at])).collect();
            }
            into.settle().await?;
        }
        let is_whole = keys.is_empty() || rows < PIECE_ROWS;
        Ok((!is_whole).then_some(last))
    }

    fn sql(&self, database: &str) -> String {
        let table = self.table;
        let columns: Vec<String> = table.columns.iter().map(TableColumn::read_by).collect();
        let select = format!(
            "SELECT {} FROM {}",
            columns.join(", "),
            table.quoted(database)
        );
        let keys: Vec<&TableColumn> = ordered(table)
            .into_iter()
            .map(|at| &table.columns[at])
            .collect();
        if keys.is_empty() {
            return select;
        }
        let order: Vec<String> = keys.iter().map(|key| quoted(&key.name)).collect();
        format!(
            "{select}{} ORDER BY {} LIMIT {PIECE_ROWS}",
            later(&keys, self.after),
            order.join(", ")
        )
    }
}

/// Returns the places of the key's columns; none where rows are not read in the order of the key.
fn ordered(table: &Table) -> Vec<usize> {
    let places = (0..table.columns.len()).filter(|at| table.columns[*at].is_key);
    let places: Vec<usize> = places.collect();
    match places.iter().all(|at| table.columns[*at].is_ordered()) {
        true => places,
        false => Vec::new(),
    }
}

/// Returns the condition that a row comes after a key; empty where there is none.
fn later(keys: &[&TableColumn], after: &[String]) -> String {
    if after.is_empty() {
        return String::new();
    }
    let term = |at: usize, sign: &str| {
        let value = keys[at].literal(after.get(at).map_or("", String::as_str));
        format!("{} {sign} {value}", quoted(&keys[at].name))
    };
    let cases = (0..keys.len()).map(|at| {
        let same = (0..at).map(|at| term(at, "="));
        let terms: Vec<String> = same.chain([term(at, ">")]).collect();
        format!("({})", terms.join(" AND "))
    });
    format!(" WHERE {}", cases.collect::<Vec<_>>().join(" OR "))
}

/// Returns a value of a key as a state keeps it.
fn written(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Text(text) => text.clone(),
        Field::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Returns the values of a row as the log would tell them.
fn converted(columns: &[TableColumn], values: Values) -> Result<Vec<Field>, ExtractError> {
    if values.len() != columns.len() {
        return Err(protocol("a copied row has another number of values"));
    }
    let both = columns.iter().zip(values);
    Ok(both.map(|(column, value)| field(column, value)).collect())
}

fn field(column: &TableColumn, value: Option<Vec<u8>>) -> Field {
    let Some(value) = value else {
        return Field::Null;
    };
    if column.lake_type() == ColumnType::Binary {
        return Field::Bytes(value);
    }
    let text = match String::from_utf8(value) {
        Ok(text) => text,
        Err(error) => return Field::Bytes(error.into_bytes()),
    };
    Field::Text(match (column.base(), text.parse::<f64>()) {
        ("float", Ok(number)) => float(number as f32),
        ("double" | "real", Ok(number)) => number.to_string(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, column_type: &str) -> TableColumn {
        TableColumn {
            name: name.into(),
            column_type: column_type.into(),
            is_key: true,
            ..TableColumn::default()
        }
    }

    #[test]
    fn a_piece_begins_after_the_last_key() {
        let (a, b) = (column("a", "int(11)"), column("b", "varchar(9)"));
        let keys = [&a, &b];
        assert_eq!(later(&keys, &[]), "");
        assert_eq!(
            later(&keys, &["5".into(), "x'\\".into()]),
            " WHERE (`a` > 5) OR (`a` = 5 AND `b` > 'x''\\\\')"
        );
        let c = column("c", "binary(2)");
        assert_eq!(
            later(&[&c], &[written(&Field::Bytes(vec![0, 255]))]),
            " WHERE (`c` > X'00ff')"
        );
    }
}
