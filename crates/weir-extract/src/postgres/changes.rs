//! Changes from the log into changelogs, whole transactions at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::pgoutput::{Change, Field, Old, Relation, Tuple};
use super::table::{Table, column_type, literal, quoted, stream_name, tables};
use super::wire::Session;
use crate::error::{ExtractError, protocol};
use crate::load::{self, Cell, Column, Operation};
use crate::progress::Progress;

/// Turns messages of the log into rows.
pub(super) struct Changes {
    /// What the log described, by its number; none for tables that are not taken.
    relations: BTreeMap<u32, Option<Followed>>,
    tables: BTreeMap<u32, Table>,
    taken: BTreeSet<String>,
    /// The commit of the transaction under way.
    commit: Option<u64>,
    ordinal: i64,
    progress: Progress,
}

struct Followed {
    stream: String,
    relation: Relation,
    keys: Vec<usize>,
}

impl Changes {
    pub(super) fn new(tables: Vec<Table>, taken: BTreeSet<String>, progress: Progress) -> Self {
        Self {
            relations: BTreeMap::new(),
            tables: tables.into_iter().map(|table| (table.id, table)).collect(),
            taken,
            commit: None,
            ordinal: 0,
            progress,
        }
    }

    /// Whether a transaction has begun and not ended.
    pub(super) fn is_within(&self) -> bool {
        self.commit.is_some()
    }

    /// Takes a message; returns where the log may be gone on from, if a transaction ended with it.
    pub(super) async fn take(
        &mut self,
        change: Change,
        into: &mut load::Session,
        control: &mut Session,
    ) -> Result<Option<u64>, ExtractError> {
        match change {
            Change::Begin { commit } => {
                self.commit = Some(commit);
                self.ordinal = 0;
            }
            Change::Commit { end } => {
                self.commit = None;
                return Ok(Some(end));
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
                let position = self.position()?;
                for relation in relations {
                    let Some(followed) = self.followed(relation)? else {
                        continue;
                    };
                    // Rows from here on are of another version, and only those count.
                    if let Some(table) = into.stream(&followed.stream) {
                        let version = table
                            .active()
                            .map_or(position, |active| position.max(active + 1));
                        table.activate(version);
                    }
                }
            }
            Change::Other => {}
        }
        Ok(None)
    }

    fn position(&self) -> Result<i64, ExtractError> {
        let commit = self
            .commit
            .ok_or_else(|| protocol("the log has a change outside a transaction"))?;
        i64::try_from(commit).map_err(|_| protocol("the log has an impossible position"))
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
        let stream = stream_name(&relation.schema, &relation.name);
        if !self.taken.contains(&stream) {
            self.relations.insert(relation.id, None);
            return Ok(());
        }
        let known = self.tables.get(&relation.id).is_some_and(|table| {
            table
                .columns
                .iter()
                .map(|c| &c.name)
                .eq(relation.columns.iter().map(|c| &c.name))
        });
        if !known {
            // Keys and the types below domains are not in the log.
            let found = tables(control).await?;
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
        if keys.is_empty() {
            self.progress.note(format!(
                "{stream}: its key is gone; its changes are no longer followed"
            ));
            self.relations.insert(relation.id, None);
            return Ok(());
        }
        into.declare(&stream, &fields)?;
        let followed = Followed {
            stream,
            keys,
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
        let position = (self.position()?, self.ordinal);
        let Some(followed) = self.followed(relation)? else {
            return Ok(());
        };
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
            position: Some(position),
            version: None,
            cells: &cells,
            undeclared: &[],
            unchanged: &unchanged,
        };
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
        let Some(followed) = self.followed(relation)? else {
            return Ok(());
        };
        let Some(old) = old else {
            return self.push(relation, Operation::Update, &new, into);
        };
        let moved = followed
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
        if new.contains(&Field::Unchanged) {
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
