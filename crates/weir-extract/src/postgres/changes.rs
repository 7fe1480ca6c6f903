//! Changes from the log into changelogs, whole transactions at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{self, Earlier};
use super::lsn::Lsn;
use super::pgoutput::{Change, Field, Old, Relation, Tuple};
use super::slot::Position;
use super::table::{Found, Table, column_type, literal, quoted, stream_name, tables};
use super::wire::Session;
use crate::error::{ExtractError, protocol};
use crate::load::{self, Cell, Column, Operation};
use crate::progress::Progress;

/// Turns messages of the log into rows.
pub(super) struct Changes<'a> {
    /// What the log described, by its number; none for tables that are not taken.
    relations: BTreeMap<u32, Option<Followed>>,
    tables: BTreeMap<u32, Table>,
    state: &'a mut Position,
    /// The streams whose rows in the lake are not those of the table any more: to be copied again.
    again: BTreeSet<String>,
    /// The commit of the transaction under way.
    commit: Option<Lsn>,
    ordinal: i64,
    progress: Progress,
}

struct Followed {
    stream: String,
    relation: Relation,
    keys: Vec<usize>,
    /// Changes from before are among the rows that were copied.
    first: Lsn,
    /// Where the copy's last rows were read: a truncate before that and after `first` cuts it in two.
    last: Lsn,
}

/// What became of a message.
pub(super) enum Taken {
    /// It is a part of a transaction.
    Within,
    /// A transaction ended: to go on from here.
    Ended(Lsn),
}

impl<'a> Changes<'a> {
    pub(super) fn new(tables: &[Table], state: &'a mut Position, progress: Progress) -> Self {
        Self {
            relations: BTreeMap::new(),
            tables: tables
                .iter()
                .map(|table| (table.id, table.clone()))
                .collect(),
            state,
            again: BTreeSet::new(),
            commit: None,
            ordinal: 0,
            progress,
        }
    }

    /// Whether a transaction has begun and not ended.
    pub(super) fn is_within(&self) -> bool {
        self.commit.is_some()
    }

    /// Sets where the log is gone on from, and returns the state that says so.
    pub(super) fn reach(&mut self, lsn: Lsn) -> serde_json::Value {
        self.state.lsn = lsn;
        self.state.json()
    }

    /// Returns whether some tables are to be copied again.
    pub(super) fn finish(self) -> bool {
        !self.again.is_empty()
    }

    /// Marks a table whose rows in the lake are not its own any more. The state says so at once: it may be
    /// kept with the next commit, after which the log does not tell again why.
    fn copy_again(&mut self, stream: String) {
        self.state.tables.remove(&stream);
        self.again.insert(stream);
    }

    /// Takes a message.
    pub(super) async fn take(
        &mut self,
        change: Change,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<Taken, ExtractError> {
        match change {
            Change::Begin { commit } => {
                self.commit = Some(Lsn(commit));
                self.ordinal = 0;
            }
            Change::Commit { end } => {
                self.commit = None;
                return Ok(Taken::Ended(Lsn(end)));
            }
            Change::Relation(relation) => self.describe(relation, into, control).await?,
            Change::Insert { relation, new } => {
                self.push(relation, Operation::Insert, &new, into)?;
            }
            Change::Update { relation, old, new } => {
                self.update(relation, old, new, into, control).await?;
            }
            Change::Delete { relation, old } => {
                self.push(relation, Operation::Delete, &old.tuple, into)?;
            }
            Change::Truncate { relations } => {
                for relation in relations {
                    self.truncate(relation, into)?;
                }
            }
            Change::Other => {}
        }
        Ok(Taken::Within)
    }

    /// Rows from here on are of another version, and only those count.
    fn truncate(&mut self, relation: u32, into: &mut load::Session) -> Result<(), ExtractError> {
        let (commit, position) = self.place()?;
        let Some(followed) = self.followed(relation)? else {
            return Ok(());
        };
        if commit < followed.first {
            return Ok(());
        }
        let stream = followed.stream.clone();
        if commit < followed.last {
            self.progress.note(format!(
                "{stream}: it was truncated while it was copied, and is copied again"
            ));
            self.copy_again(stream);
            return Ok(());
        }
        if let Some(table) = into.stream(&stream) {
            let version = table
                .active()
                .map_or(position, |active| position.max(active + 1));
            table.activate(version);
        }
        Ok(())
    }

    fn place(&self) -> Result<(Lsn, i64), ExtractError> {
        let commit = self
            .commit
            .ok_or_else(|| protocol("the log has a change outside a transaction"))?;
        Ok((commit, commit.position(self.state.shift)?))
    }

    fn followed(&self, relation: u32) -> Result<Option<&Followed>, ExtractError> {
        let known = self.relations.get(&relation);
        let known =
            known.ok_or_else(|| protocol("the log has a change of a table it did not describe"))?;
        Ok(known.as_ref())
    }

    /// Takes over what a table is like from here on.
    async fn describe(
        &mut self,
        relation: Relation,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<(), ExtractError> {
        let (commit, position) = self.place()?;
        let stream = stream_name(&relation.schema, &relation.name);
        let Some(mut copied) = self.state.tables.get(&stream).copied() else {
            self.relations.insert(relation.id, None);
            return Ok(());
        };
        if copied.id != 0 && copied.id != relation.id {
            // Another table had this name.
            self.relations.insert(relation.id, None);
            return Ok(());
        }
        let is_known = self.tables.get(&relation.id).is_some_and(|table| {
            let names = table.columns.iter().map(|c| &c.name);
            names.eq(relation.columns.iter().map(|c| &c.name))
        });
        if !is_known {
            // Keys and the types below domains are not in the log.
            let found = tables(control, Found::ByLog).await?;
            self.tables = found.into_iter().map(|table| (table.id, table)).collect();
        }
        let table = self.tables.get(&relation.id);
        let column_of = |name: &str| table?.columns.iter().find(|column| column.name == name);
        let mut fields = Vec::with_capacity(relation.columns.len());
        let mut keys = Vec::new();
        for (at, column) in relation.columns.iter().enumerate() {
            let now = column_of(&column.name);
            let own = column_type(column.type_id, column.modifier);
            let mut field = Column::new(&column.name, now.map_or(own, |now| now.column_type));
            if now.is_some_and(|now| now.is_key) {
                field = field.key();
                keys.push(at);
            }
            fields.push(field);
        }
        if keys.is_empty() == copied.identity.is_key() {
            self.progress.note(format!(
                "{stream}: rows are told apart in another way than before; it is copied again"
            ));
            self.copy_again(stream);
            self.relations.insert(relation.id, None);
            return Ok(());
        }
        let changed = into.declare(&stream, &fields)?;
        if commit >= copied.first {
            if let Some(target) = into.stream(&stream) {
                target.end_defaults(position);
            }
            let earlier = match table {
                Some(table) => {
                    let from = Some(position);
                    columns::settle(table, &changed, from, &mut copied, into, control).await?
                }
                // It is gone since.
                None => Earlier::Known,
            };
            match earlier {
                Earlier::Known => {
                    self.state.tables.insert(stream.clone(), copied);
                }
                Earlier::Rewritten => self.copy_again(stream.clone()),
            }
        }
        let followed = Followed {
            stream,
            keys,
            first: copied.first,
            last: copied.last,
            relation,
        };
        self.relations.insert(followed.relation.id, Some(followed));
        Ok(())
    }

    fn push(
        &mut self,
        relation: u32,
        operation: Operation,
        tuple: &Tuple,
        into: &mut load::Session,
    ) -> Result<(), ExtractError> {
        let (commit, position) = self.place()?;
        let Some(followed) = self.followed(relation)? else {
            return Ok(());
        };
        if commit < followed.first {
            return Ok(());
        }
        let mut cells = Vec::with_capacity(tuple.len());
        let mut unchanged = Vec::new();
        for (at, field) in tuple.iter().enumerate() {
            cells.push(match field {
                Field::Null => Cell::Null,
                Field::Text(text) => Cell::Text(std::str::from_utf8(text).map_err(|_| {
                    protocol(format!("a value of `{}` is not UTF-8", followed.stream))
                })?),
                Field::Unchanged => {
                    unchanged.push(at);
                    Cell::Null
                }
            });
        }
        let row = load::Row {
            operation,
            position: Some((position, self.ordinal)),
            version: None,
            cells: &cells,
            undeclared: &[],
            unchanged: &unchanged,
        };
        if followed.keys.is_empty()
            && operation == Operation::Delete
            && let Some(table) = into.stream(&followed.stream)
        {
            table.count();
        }
        into.push(&followed.stream, &row)?;
        self.ordinal += 1;
        Ok(())
    }

    async fn update(
        &mut self,
        relation: u32,
        old: Option<Old>,
        mut new: Tuple,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<(), ExtractError> {
        let (commit, _) = self.place()?;
        let Some(followed) = self.followed(relation)?.filter(|f| commit >= f.first) else {
            return Ok(());
        };
        let Some(old) = old else {
            return self.push(relation, Operation::Update, &new, into);
        };
        // Without a key, a row that changed is another one.
        let moved = followed.keys.is_empty()
            || followed
                .keys
                .iter()
                .any(|at| old.tuple.get(*at) != new.get(*at));
        if old.whole {
            // What did not change came with the row as it was.
            for (field, old) in new.iter_mut().zip(&old.tuple) {
                if *field == Field::Unchanged {
                    *field = old.clone();
                }
            }
        }
        if !moved {
            return self.push(relation, Operation::Update, &new, into);
        }
        if new.contains(&Field::Unchanged) && !followed.keys.is_empty() {
            fetch(followed, &mut new, control).await?;
        }
        self.push(relation, Operation::Delete, &old.tuple, into)?;
        self.push(relation, Operation::Insert, &new, into)
    }
}

/// Asks the source for large values that a change of the key left out: they lie under the old key, and the
/// row of the new one has none yet. A row that has changed since says so in a later change.
async fn fetch(
    followed: &Followed,
    new: &mut Tuple,
    control: &mut Session,
) -> Result<(), ExtractError> {
    let relation = &followed.relation;
    let missing: Vec<usize> = (0..new.len())
        .filter(|at| new[*at] == Field::Unchanged)
        .collect();
    let columns: Vec<String> = missing
        .iter()
        .map(|at| quoted(&relation.columns[*at].name))
        .collect();
    let mut conditions = Vec::new();
    for at in &followed.keys {
        let Some(Field::Text(text)) = new.get(*at) else {
            return Err(protocol("the log has a row without its key"));
        };
        let text = std::str::from_utf8(text)
            .map_err(|_| protocol("the log has a key that is not UTF-8"))?;
        conditions.push(format!(
            "{} = {}",
            quoted(&relation.columns[*at].name),
            literal(text)
        ));
    }
    let sql = format!(
        "SELECT {} FROM {}.{} WHERE {}",
        columns.join(", "),
        quoted(&relation.schema),
        quoted(&relation.name),
        conditions.join(" AND ")
    );
    let found = control.rows(&sql).await?.into_iter().next();
    for (place, at) in missing.into_iter().enumerate() {
        let value = found.as_ref().and_then(|row| row.get(place)?.clone());
        new[at] = value.map_or(Field::Null, |text| Field::Text(text.into_bytes().into()));
    }
    Ok(())
}
