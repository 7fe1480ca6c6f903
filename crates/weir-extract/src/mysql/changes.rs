//! Changes from the log into changelogs, whole transactions at a time.

use std::collections::{BTreeSet, HashMap};

use super::cascade::{Cascade, cascades, reached};
use super::charset::{Charsets, charsets};
use super::ddl::{Effect, Name, effect};
use super::event::{Rows, RowsKind, TableMap, What};
use super::place::Place;
use super::server::Server;
use super::state::Position;
use super::table::{TableColumn, fields, tables};
use super::value::{Decoder, Field, Row, misfit};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind, protocol};
use crate::load::{self, Cell, Operation};
use crate::progress::Progress;

/// Turns events of the log into rows.
pub(super) struct Changes<'a> {
    server: Server,
    pub(super) state: &'a mut Position,
    /// What it takes to read the rows of each table that is followed.
    followed: HashMap<String, Followed>,
    charsets: Charsets,
    cascades: Vec<Cascade>,
    /// What the log described, by its number.
    maps: HashMap<u64, TableMap>,
    /// Where the transaction under way began; none where none is.
    start: Option<Place>,
    ordinal: i64,
    /// The streams that the transaction under way has changed.
    touched: BTreeSet<String>,
    /// Whether tables are to be copied again: they are not followed any more.
    again: bool,
    progress: Progress,
}

struct Followed {
    columns: Vec<TableColumn>,
    names: Vec<Vec<String>>,
    keys: Vec<usize>,
}

impl Followed {
    fn of(columns: &[TableColumn]) -> Self {
        let names = columns.iter().map(|column| match column.base() {
            "enum" | "set" => column.names(),
            _ => Vec::new(),
        });
        Self {
            columns: columns.to_vec(),
            names: names.collect(),
            keys: (0..columns.len())
                .filter(|at| columns[*at].is_key)
                .collect(),
        }
    }
}

/// What became of an event.
pub(super) enum Taken {
    /// It is a part of a transaction.
    Within,
    /// A transaction ended, or nothing of ours happened outside of one.
    Ended,
}

impl<'a> Changes<'a> {
    /// Begins where the state says, with the columns that tables had there.
    pub(super) async fn begin(
        server: &Server,
        state: &'a mut Position,
        progress: Progress,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<Self, ExtractError> {
        let mut changes = Self {
            server: server.clone(),
            state,
            followed: HashMap::new(),
            charsets: Charsets::new(),
            cascades: cascades(control, server).await?,
            maps: HashMap::new(),
            start: None,
            ordinal: 0,
            touched: BTreeSet::new(),
            again: false,
            progress,
        };
        let known: Vec<(String, Vec<TableColumn>)> = changes
            .state
            .tables
            .iter()
            .map(|(name, copied)| (name.clone(), copied.columns.clone()))
            .collect();
        for (name, columns) in known {
            into.declare(&name, &fields(&columns))?;
            changes.describe(&name, &columns, control).await?;
        }
        Ok(changes)
    }

    /// Takes over what a table is like.
    async fn describe(
        &mut self,
        name: &str,
        columns: &[TableColumn],
        control: &mut Session,
    ) -> Result<(), ExtractError> {
        let names = columns
            .iter()
            .filter_map(|column| column.charset.as_deref());
        charsets(names, control, &mut self.charsets).await?;
        self.followed.insert(name.to_owned(), Followed::of(columns));
        Ok(())
    }

    /// Whether a transaction has begun and not ended.
    pub(super) fn is_within(&self) -> bool {
        self.start.is_some()
    }

    /// Notes when a file of the log was begun; `at` is where it is read.
    pub(super) fn made(&mut self, file: &str, made: u32, at: Place) {
        // Between transactions, the state may as well be in the new file.
        if self.start.is_none() && (self.state.file != file || self.state.made == 0) {
            file.clone_into(&mut self.state.file);
            (self.state.offset, self.state.made) = (at.offset, made);
        }
    }

    /// Sets where the log is gone on from, and returns the state that says so.
    pub(super) fn reach(&mut self, file: &str, at: Place) -> serde_json::Value {
        if self.state.file == file {
            self.state.offset = at.offset;
        }
        self.state.json()
    }

    /// Ends; returns whether tables are to be copied again.
    pub(super) fn finish(mut self, file: &str, at: Place) -> bool {
        self.reach(file, at);
        self.again
    }

    /// Ends a transaction of which the rest is not in the log, since the server crashed while it wrote it.
    pub(super) fn cut_off(&mut self) {
        if self.start.take().is_some() {
            let touched = std::mem::take(&mut self.touched);
            self.copy_again(touched, "a transaction breaks off in the log");
        }
        self.maps.clear();
    }

    /// Takes an event that lies between two places.
    pub(super) async fn take(
        &mut self,
        what: What,
        before: Place,
        after: Place,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<Taken, ExtractError> {
        match what {
            What::Begin { alone } => {
                if !alone {
                    self.open(before);
                }
                return Ok(Taken::Within);
            }
            What::Commit => {}
            What::Prepared { is_committed } => {
                if !is_committed {
                    self.prepared();
                }
            }
            What::Statement { database, text } => {
                let is_within = self.start.is_some();
                if !self
                    .statement(&database, &text, before, after, into, control)
                    .await?
                    && is_within
                {
                    return Ok(Taken::Within);
                }
            }
            What::Table(map) => {
                self.open(before);
                self.map(map);
                return Ok(Taken::Within);
            }
            What::Rows(rows) => {
                self.open(before);
                self.rows(&rows, into)?;
                return Ok(Taken::Within);
            }
            What::Rotate { .. } | What::Format | What::Other => {
                return Ok(match self.start {
                    Some(_) => Taken::Within,
                    None => Taken::Ended,
                });
            }
        }
        self.start = None;
        self.ordinal = 0;
        self.touched.clear();
        self.maps.clear();
        Ok(Taken::Ended)
    }

    fn open(&mut self, at: Place) {
        self.start.get_or_insert(at);
    }

    /// Lets tables be copied again, since the log does not tell what they have.
    fn copy_again(&mut self, names: impl IntoIterator<Item = String>, why: &str) {
        for name in names {
            self.followed.remove(&name);
            if self.state.tables.remove(&name).is_some() {
                self.progress
                    .note(format!("{name}: {why}; it is copied again"));
                self.again = true;
            }
        }
    }

    /// Returns a table's stream by its name in the log.
    fn stream(&self, database: &str, table: &str) -> Option<String> {
        let same = |a: &str, b: &str| match self.server.folds_names {
            true => a.to_lowercase() == b.to_lowercase(),
            false => a == b,
        };
        if !same(database, &self.server.database) {
            return None;
        }
        let mut names = self.state.tables.keys();
        names.find(|name| same(name, table)).cloned()
    }

    /// Takes what the rows that follow are of; a table that is not as we know it is copied again.
    fn map(&mut self, map: TableMap) {
        let stream = self.stream(&map.database, &map.table);
        if let Some(stream) = stream
            && let Some(followed) = self.followed.get(&stream)
            && self.counts(&stream)
        {
            let columns: Vec<&TableColumn> = followed.columns.iter().collect();
            if let Some(why) = misfit(&columns, &map) {
                self.copy_again([stream], &format!("{why} when its rows were written"));
            }
        }
        self.maps.insert(map.id, map);
    }

    /// Whether changes of the transaction under way come after the rows that were copied of a table.
    fn counts(&self, stream: &str) -> bool {
        let copied = self.state.tables.get(stream);
        match (copied, self.start) {
            (Some(copied), Some(start)) => start >= copied.first,
            _ => false,
        }
    }

    fn rows(&mut self, rows: &Rows, into: &mut load::Session) -> Result<(), ExtractError> {
        let Some(map) = self.maps.get(&rows.table).cloned() else {
            // An event without rows ends a statement.
            return match rows.data.is_empty() {
                true => Ok(()),
                false => Err(protocol("the log has rows of a table it did not describe")),
            };
        };
        self.cascade(&map, rows.kind);
        let Some(stream) = self.stream(&map.database, &map.table) else {
            return Ok(());
        };
        let Some(start) = self.start.filter(|_| self.counts(&stream)) else {
            return Ok(());
        };
        if !rows.is_full || rows.columns != map.columns.len() {
            return Err(ExtractError::new(
                ExtractErrorKind::Protocol,
                format!("the log has only parts of the rows of `{stream}`: a session wrote with another `binlog_row_image` than FULL"),
            )
            .hint("SET GLOBAL binlog_row_image = 'FULL'; then `weir sync --full-refresh` goes on after that"));
        }
        let Some(followed) = self.followed.get(&stream) else {
            return Ok(());
        };
        let columns: Vec<&TableColumn> = followed.columns.iter().collect();
        let decoder = Decoder {
            columns: &columns,
            names: &followed.names,
            charsets: &self.charsets,
        };
        let mut writer = Writer {
            stream: &stream,
            keys: &followed.keys,
            position: start.change_position(self.state.shift)?,
            ordinal: &mut self.ordinal,
            into,
        };
        decoder.rows(rows, &map, |old, new| writer.change(old, new))?;
        self.touched.insert(stream);
        Ok(())
    }

    /// Lets tables be copied again whose rows changed with those of another without a word in the log.
    fn cascade(&mut self, map: &TableMap, kind: RowsKind) {
        if kind == RowsKind::Insert || self.cascades.is_empty() {
            return;
        }
        let parent = (map.database.as_str(), map.table.as_str());
        let is_delete = kind == RowsKind::Delete;
        let names = reached(&self.cascades, &self.server.database, parent, is_delete);
        let names: Vec<String> = names
            .into_iter()
            .filter_map(|name| self.stream(&self.server.database, &name))
            .filter(|name| self.counts(name))
            .collect();
        self.copy_again(
            names,
            "a foreign key may have changed its rows, which the log does not tell",
        );
    }

    /// Notes a transaction that is committed or taken back later.
    fn prepared(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let prepared = &mut self.state.prepared;
        prepared.count += 1;
        prepared.tables.extend(touched.iter().cloned());
        self.copy_again(touched, "a transaction of two phases is not through");
    }

    /// Takes a statement; returns whether it ends the transaction under way.
    async fn statement(
        &mut self,
        database: &str,
        text: &str,
        before: Place,
        after: Place,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<bool, ExtractError> {
        let at = self.start.unwrap_or(before);
        match effect(text) {
            Effect::None => {}
            Effect::TakenBack => {
                let touched = self.touched.clone();
                self.copy_again(touched, "changes were taken back that are in the log");
                return Ok(text.trim().eq_ignore_ascii_case("ROLLBACK"));
            }
            Effect::SecondPhase => {
                let prepared = &mut self.state.prepared;
                let names: Vec<String> = match prepared.count {
                    // It was prepared before we looked.
                    0 => self.state.tables.keys().cloned().collect(),
                    _ => prepared.tables.iter().cloned().collect(),
                };
                prepared.count = prepared.count.saturating_sub(1);
                if prepared.count == 0 {
                    prepared.tables.clear();
                }
                self.copy_again(names, "a transaction of two phases has ended");
                return Ok(true);
            }
            Effect::Altered { tables, rewrites } => {
                let why = rewrites
                    .then_some("a statement may have changed rows that the log does not tell");
                for stream in self.streams(database, &tables) {
                    self.altered(&stream, at, after, why, into, control).await?;
                }
                self.cascades = cascades(control, &self.server).await?;
            }
            Effect::Replaced { tables } => {
                let names = self.streams(database, &tables);
                let names: Vec<String> = names
                    .into_iter()
                    .filter(|name| self.is_after(name, at))
                    .collect();
                self.copy_again(names, "another table has its name, or it was dropped");
                self.cascades = cascades(control, &self.server).await?;
            }
            Effect::Dropped { database } => {
                let all: Vec<String> = self.state.tables.keys().cloned().collect();
                let all = all
                    .into_iter()
                    .filter(|name| self.stream(&database, name).is_some());
                let all: Vec<String> = all.filter(|name| self.is_after(name, at)).collect();
                self.copy_again(all, "its database was dropped");
            }
            Effect::Truncated { table } => {
                for stream in self.streams(database, &[table]) {
                    self.truncated(&stream, at, into)?;
                }
            }
            Effect::Changes | Effect::Unknown if self.concerns(database, text) => {
                // Values are in it: only its first words are told.
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                return Err(ExtractError::new(
                    ExtractErrorKind::Protocol,
                    format!(
                        "the log has a statement instead of rows at {at}: `{} ...`",
                        words.join(" ")
                    ),
                )
                .hint("no session may set `binlog_format` to STATEMENT or MIXED; `weir sync --full-refresh` copies all tables anew, after that place"));
            }
            Effect::Changes | Effect::Unknown => {}
        }
        Ok(false)
    }

    /// Whether a statement may change rows of tables that are followed.
    fn concerns(&self, database: &str, text: &str) -> bool {
        let text = text.to_lowercase();
        database.eq_ignore_ascii_case(&self.server.database)
            || text.contains(&self.server.database.to_lowercase())
    }

    fn streams(&self, database: &str, names: &[Name]) -> Vec<String> {
        let streams = names.iter().filter_map(|name| {
            let database = name.database.as_deref().unwrap_or(database);
            self.stream(database, &name.table)
        });
        streams.collect()
    }

    /// Whether a place comes after the rows that were copied first.
    fn is_after(&self, stream: &str, at: Place) -> bool {
        self.state
            .tables
            .get(stream)
            .is_some_and(|copied| at >= copied.first)
    }

    /// Rows from here on are of another version, and only those count.
    fn truncated(
        &mut self,
        stream: &str,
        at: Place,
        into: &mut load::Session,
    ) -> Result<(), ExtractError> {
        if !self.is_after(stream, at) {
            return Ok(());
        }
        let last = self.state.tables.get(stream).map(|copied| copied.last);
        if last.is_some_and(|last| at < last) {
            self.copy_again([stream.to_owned()], "it was truncated while it was copied");
            return Ok(());
        }
        let position = at.change_position(self.state.shift)?;
        if let Some(table) = into.stream(stream) {
            let version = table
                .active()
                .map_or(position, |active| position.max(active + 1));
            table.activate(version);
        }
        Ok(())
    }

    /// Takes over the columns a table has since a statement.
    async fn altered(
        &mut self,
        stream: &str,
        at: Place,
        after: Place,
        why: Option<&str>,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<(), ExtractError> {
        if !self.is_after(stream, at) {
            return Ok(());
        }
        let again = [stream.to_owned()];
        let Some(copied) = self.state.tables.get(stream) else {
            return Ok(());
        };
        if let Some(why) = why {
            self.copy_again(again, why);
            return Ok(());
        }
        if at < copied.last.max(copied.known) {
            self.copy_again(again, "it was altered while its columns were asked for");
            return Ok(());
        }
        let found = tables(control, &self.server).await?;
        let (_, known) = self.server.end(control).await?;
        let now = found
            .into_iter()
            .find(|table| table.name == stream && table.unfit.is_none());
        let Some(now) = now else {
            self.copy_again(again, "it is gone, or cannot be followed any more");
            return Ok(());
        };
        if let Some(why) = rewritten(&copied.columns, &now.columns) {
            self.copy_again(again, &why);
            return Ok(());
        }
        let changed = into.declare(stream, &fields(&now.columns))?;
        if changed.retyped || changed.rekeyed {
            self.copy_again(again, "a column has another type, or the key other columns");
            return Ok(());
        }
        if let Some(copied) = self.state.tables.get_mut(stream) {
            copied.columns.clone_from(&now.columns);
            // Until there, it may have been altered again: what is read so far is then not certain.
            copied.known = known.max(after);
        }
        self.describe(stream, &now.columns, control).await
    }
}

/// Says why rows from before have other values in these columns than they had; none where they are the same.
fn rewritten(before: &[TableColumn], now: &[TableColumn]) -> Option<String> {
    let of = |columns: &[TableColumn], name: &str| {
        columns.iter().find(|column| column.name == name).cloned()
    };
    let gone = before
        .iter()
        .filter(|column| of(now, &column.name).is_none())
        .count();
    let mut added = 0;
    for column in now {
        match of(before, &column.name) {
            Some(old) if old.is_key != column.is_key => {
                return Some("its key has other columns".to_owned());
            }
            Some(old) if !old.keeps_in(column) => {
                return Some(format!("its column `{}` has another type", column.name));
            }
            Some(_) => {}
            None if column.nullable && !column.has_default && !column.is_virtual => added += 1,
            None => {
                return Some(format!(
                    "its new column `{}` has values in rows of before",
                    column.name
                ));
            }
        }
    }
    // One of before may have another name.
    (gone > 0 && added > 0).then(|| "it has other columns".to_owned())
}

/// Writes the changes of an event into a changelog.
struct Writer<'a> {
    stream: &'a str,
    keys: &'a [usize],
    position: i64,
    ordinal: &'a mut i64,
    into: &'a mut load::Session,
}

impl Writer<'_> {
    fn change(&mut self, old: Option<Row>, new: Option<Row>) -> Result<(), ExtractError> {
        match (old, new) {
            (None, Some(new)) => self.push(Operation::Insert, &new),
            (Some(old), None) => self.push(Operation::Delete, &old),
            (Some(old), Some(new)) => {
                // Without a key, a row that changed is another one.
                let moved =
                    self.keys.is_empty() || self.keys.iter().any(|at| old.get(*at) != new.get(*at));
                if !moved {
                    return self.push(Operation::Update, &new);
                }
                self.push(Operation::Delete, &old)?;
                self.push(Operation::Insert, &new)
            }
            (None, None) => Ok(()),
        }
    }

    fn push(&mut self, operation: Operation, row: &Row) -> Result<(), ExtractError> {
        let cells: Vec<Cell<'_>> = row.iter().map(Field::cell).collect();
        if self.keys.is_empty()
            && operation == Operation::Delete
            && let Some(table) = self.into.stream(self.stream)
        {
            table.count();
        }
        let row = load::Row {
            operation,
            position: Some((self.position, *self.ordinal)),
            version: None,
            cells: &cells,
            undeclared: &[],
            unchanged: &[],
        };
        *self.ordinal += 1;
        self.into.push(self.stream, &row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, column_type: &str, nullable: bool) -> TableColumn {
        TableColumn {
            name: name.into(),
            column_type: column_type.into(),
            nullable,
            ..TableColumn::default()
        }
    }

    #[test]
    fn only_what_changes_no_row_is_followed_without_a_copy() {
        let id = column("id", "int(11)", false);
        let (a, b) = (column("a", "int(11)", true), column("b", "int(11)", true));
        let before = [id.clone(), a.clone()];
        assert_eq!(
            rewritten(&before, &[id.clone(), a.clone(), b.clone()]),
            None
        );
        assert_eq!(rewritten(&before, std::slice::from_ref(&id)), None);
        assert!(rewritten(&before, &[id.clone(), b.clone()]).is_some());
        let filled = TableColumn {
            has_default: true,
            ..b
        };
        assert!(rewritten(&before, &[id.clone(), a.clone(), filled]).is_some());
        assert!(rewritten(&before, &[id.clone(), column("a", "varchar(9)", true)]).is_some());
        let key = TableColumn { is_key: true, ..id };
        assert!(rewritten(&before, &[key, a]).is_some());
    }
}
