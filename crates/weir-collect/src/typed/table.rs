use std::borrow::Cow;
use std::sync::Arc;

use weir_core::{NameError, Seq, TableName};
use weir_lake::{Placed, Value};

use super::flatten::{Leaf, LeafValue};
use super::layout::{BASE, DISCARDS, Shape, fixed};
use super::path::{PathId, Paths};
use super::raw::{instant, position};
use super::sink::Sink;

/// A typed table, and where each path of keys leads in it.
pub(crate) struct TypedTable<T, C> {
    pub(crate) id: T,
    pub(crate) name: Arc<str>,
    pub(crate) shape: Shape,
    pub(crate) base: [Option<C>; BASE.len()],
    pub(crate) own: Vec<C>,
    slots: Vec<Slot<C>>,
    generation: u32,
}

/// Where a path leads.
#[derive(Clone, Copy, PartialEq)]
enum Slot<C> {
    Unknown,
    Column(C),
    /// The name is one of the layout's own.
    Reserved,
    /// Nothing of the key can be spelt.
    Unnamed,
    /// The table has as many columns as a table may have.
    Full,
}

/// The reason of a value whose name a column of the layout has.
pub(crate) const RESERVED_NAME: &str = "reserved_name";

/// A value that is in no column, or not as it came: a row of `discards` to be.
#[derive(Debug)]
pub(crate) struct Discard<'a> {
    pub(crate) table: Arc<str>,
    pub(crate) column: String,
    pub(crate) value: Cow<'a, str>,
    pub(crate) reason: &'static str,
}

impl<T: Copy, C: Copy + PartialEq> TypedTable<T, C> {
    pub(crate) fn open<S: Sink<Table = T, Column = C>>(
        rows: &mut S,
        schema: &str,
        name: &str,
        shape: Shape,
    ) -> Result<Self, NameError> {
        let id = rows.open(&TableName::new(schema, name)?, &|| shape.spec());
        let base = BASE.map(|(name, kind)| rows.column(id, name, kind));
        let own = shape.own().iter();
        let own = own
            .filter_map(|n| rows.column(id, n, weir_lake::ColumnKind::String))
            .collect();
        Ok(Self {
            id,
            name: name.into(),
            shape,
            base,
            own,
            slots: Vec::new(),
            generation: 0,
        })
    }

    /// Forgets where paths lead when the paths themselves were forgotten.
    pub(crate) fn follow(&mut self, paths: &Paths) {
        if self.generation != paths.generation() {
            self.slots.clear();
            self.generation = paths.generation();
        }
    }

    /// Sets a column of the layout.
    #[inline]
    pub(crate) fn set<S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        column: usize,
        value: Value<'_>,
    ) {
        if let Some(column) = self.base[column] {
            rows.set(self.id, column, value);
        }
    }

    /// Places the leaf at `at`; the answer is the reason when it has no place.
    ///
    /// A row that is not `fresh` is in the table already: nothing is set, and the answer is the
    /// one given when it was.
    #[inline]
    pub(crate) fn place<S: Sink<Table = T, Column = C>>(
        &mut self,
        rows: &mut S,
        paths: &Paths,
        leaves: &[Leaf<'_>],
        at: usize,
        fresh: bool,
    ) -> Option<&'static str> {
        let leaf = &leaves[at];
        let value = leaf.value.as_value();
        let slot = match self.slots.get(leaf.path as usize) {
            Some(&slot) if slot != Slot::Unknown => slot,
            _ => self.resolve(rows, paths, leaf.path, value.kind()),
        };
        match slot {
            // All that was in it cannot be stored.
            Slot::Column(_) if value == Value::String("") => None,
            Slot::Column(column) if fresh => match rows.set(self.id, column, value) {
                Placed::Refused("set_twice") => self.collision(&leaves[..at], leaf, column),
                Placed::Refused(reason) => Some(reason),
                Placed::Kept | Placed::Widened { .. } => None,
            },
            Slot::Column(column) => self.collision(&leaves[..at], leaf, column),
            Slot::Reserved => (!leaf.yields).then_some(RESERVED_NAME),
            Slot::Unnamed => Some("no_name"),
            Slot::Full | Slot::Unknown => Some("too_many_columns"),
        }
    }

    #[cold]
    fn resolve<S: Sink<Table = T, Column = C>>(
        &mut self,
        rows: &mut S,
        paths: &Paths,
        path: PathId,
        kind: weir_lake::ColumnKind,
    ) -> Slot<C> {
        let slot = match paths.name(path) {
            None => Slot::Unnamed,
            Some(name) if self.shape.reserves(name) => Slot::Reserved,
            Some(name) => match rows.column(self.id, name, kind) {
                Some(column) => Slot::Column(column),
                None => Slot::Full,
            },
        };
        let at = path as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, Slot::Unknown);
        }
        self.slots[at] = slot;
        slot
    }

    /// Returns the reason when another leaf has the column, unless it holds the same value: some
    /// SDKs say things twice.
    #[cold]
    fn collision(&self, earlier: &[Leaf<'_>], leaf: &Leaf<'_>, column: C) -> Option<&'static str> {
        let holder = earlier.iter().find(|other| {
            self.slots.get(other.path as usize) == Some(&Slot::Column(column))
                && other.value.as_value() != Value::String("")
        })?;
        (!leaf.yields && holder.raw != leaf.raw).then_some("name_collision")
    }

    /// Returns the discard of a leaf.
    #[cold]
    pub(crate) fn discard<'a>(
        &self,
        paths: &Paths,
        leaf: &Leaf<'a>,
        reason: &'static str,
    ) -> Discard<'a> {
        let column = match paths.name(leaf.path) {
            Some(name) => name.to_owned(),
            None => paths.spelt(leaf.path),
        };
        let flawed = leaf.flaws.reason().is_some();
        let value = match &leaf.value {
            // The text as it was written shows what could not be stored.
            LeafValue::Text(text) if !flawed => Cow::Owned(text.to_string()),
            _ => String::from_utf8_lossy(leaf.raw),
        };
        Discard {
            table: self.name.clone(),
            column,
            value,
            reason,
        }
    }
}

/// `<source>.discards`.
pub(crate) struct DiscardTable<T, C> {
    id: T,
    columns: Vec<C>,
}

/// The most rows one event may have in `discards`: small keys must not become many large rows.
const MOST_DISCARDS: usize = 64;

impl<T: Copy, C: Copy> DiscardTable<T, C> {
    pub(crate) fn open<S: Sink<Table = T, Column = C>>(
        rows: &mut S,
        schema: &str,
    ) -> Result<Self, NameError> {
        let id = rows.open(&TableName::new(schema, "discards")?, &|| {
            fixed(DISCARDS, &["row_id"])
        });
        let columns = DISCARDS
            .iter()
            .filter_map(|&(name, kind)| rows.column(id, name, kind));
        Ok(Self {
            id,
            columns: columns.collect(),
        })
    }

    /// Writes what of an event found no place.
    pub(crate) fn write<'a, S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        discards: &mut Vec<Discard<'a>>,
        (seq, row_id, received_at): (Seq, &str, i64),
    ) {
        if discards.len() > MOST_DISCARDS {
            let more = discards.len() - MOST_DISCARDS + 1;
            discards.truncate(MOST_DISCARDS - 1);
            let table = discards[0].table.clone();
            discards.push(Discard {
                table,
                column: String::new(),
                value: Cow::Owned(format!("{more} more values")),
                reason: "too_many_discards",
            });
        }
        for discard in discards.drain(..) {
            if !rows.begin(self.id, seq) {
                continue;
            }
            let values = [
                Value::String(&discard.table),
                Value::String(row_id),
                Value::String(&discard.column),
                Value::String(&discard.value),
                instant(received_at),
                instant(received_at),
                Value::String(discard.reason),
                position(seq),
            ];
            for (&column, value) in self.columns.iter().zip(values) {
                if value != Value::String("") {
                    rows.set(self.id, column, value);
                }
            }
            rows.end(self.id);
        }
    }
}
