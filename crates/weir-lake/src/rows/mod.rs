//! Rows on their way into tables: typed, column by column, with types that widen.
//!
//! A room that owns a kind of record (events, replicated changes) implements [`Apply`]; the lake
//! calls it with each durable record, in the order of the log, and it writes rows through
//! [`Rows`]. What a row becomes depends only on the records before it, never on how they were
//! grouped, so a replay after a crash and a rebuild from raw give the same tables.

mod column;
mod table;

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use weir_core::{Seq, TableName};

pub(crate) use column::widen_array;
pub use column::{ColumnKind, Placed, Value};
pub(crate) use table::column_kind;
pub use table::{ColumnId, ColumnSpec, MAX_COLUMNS, TableRows, TableSpec};

use crate::dedup::{DedupIndex, DedupKey, Seen};

/// One durable record of the log.
pub struct Record<'a> {
    /// Position of the record's first row.
    pub first: Seq,
    /// Number of rows (positions) the record takes, at least 1.
    pub rows: u32,
    /// The bytes given to [`crate::Lake::append`].
    pub payload: &'a [u8],
}

/// Turns durable records into rows of tables.
///
/// Contract: called on one thread at a time, in the order of the log, with every record once in
/// the life of a process (after a crash again with those not yet committed; the lake itself drops
/// rows a table already has). It must decide by the record and by what came before it alone: no
/// clock, no randomness. It must not fail: what cannot be placed becomes a row that says so.
pub trait Apply: Send {
    /// Writes the rows of `record`.
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>);
}

/// Where an [`Apply`] writes: all tables of the lake, and the memory of what was seen before.
pub struct Rows<'a> {
    pub(crate) tables: &'a mut crate::rows::Tables,
    /// None when rows are derived again from rows that are each there once.
    pub(crate) dedup: Option<&'a mut DedupIndex>,
}

/// A table opened for writing; cheap to copy, valid for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableId(pub(crate) u32);

impl Rows<'_> {
    /// Returns the table `name`, creating it with the columns of `spec` when it is new.
    pub fn open(&mut self, name: &TableName, spec: &dyn Fn() -> TableSpec) -> TableId {
        self.tables.open(name, spec)
    }

    /// Tells whether the table `name` exists, now or from before this process.
    pub fn has(&self, name: &TableName) -> bool {
        self.tables.by_name.contains_key(name) || self.tables.known.contains_key(name)
    }

    /// Returns the number of tables in `schema`, now or from before this process.
    pub fn count(&self, schema: &str) -> usize {
        self.tables.counts.get(schema).copied().unwrap_or(0)
    }

    /// Returns the rows of an opened table.
    pub fn table(&mut self, id: TableId) -> &mut TableRows {
        self.tables.get_mut(id)
    }

    /// Asks whether `key` was seen at another position, and remembers it if not.
    ///
    /// Asking again for the same position gives the same answer, so replays are harmless.
    pub fn seen(&mut self, key: DedupKey<'_>) -> Seen {
        self.dedup
            .as_mut()
            .map_or(Seen::New, |index| index.check(key))
    }
}

/// Turns rows of one table into rows of others, as [`Apply`] did when they came in.
///
/// Contract: called with the rows of the source table in the order of their positions; like
/// [`Apply`], it decides by the rows alone.
pub trait Derive: Send {
    /// Writes what the rows of `batch` become.
    fn derive(&mut self, batch: &arrow::array::RecordBatch, rows: &mut Rows<'_>);
}

/// Every table rows were written to since the process started.
#[derive(Default)]
pub(crate) struct Tables {
    list: Vec<TableRows>,
    by_name: HashMap<TableName, TableId>,
    /// What the tables found at start have: their columns, and the rows up to a position.
    known: HashMap<TableName, (SchemaRef, Seq)>,
    /// How many tables each schema has, opened or known.
    counts: HashMap<String, usize>,
}

impl Tables {
    pub(crate) fn new(known: HashMap<TableName, (SchemaRef, Seq)>) -> Self {
        let mut tables = Self::default();
        for name in known.keys() {
            tables.count(name);
        }
        Self { known, ..tables }
    }

    fn count(&mut self, name: &TableName) {
        *self.counts.entry(name.schema().to_owned()).or_default() += 1;
    }

    fn open(&mut self, name: &TableName, spec: &dyn Fn() -> TableSpec) -> TableId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = TableId(self.list.len() as u32);
        let (schema, committed) = match self.known.get(name) {
            Some((schema, committed)) => (Some(schema.as_ref()), *committed),
            None => (None, Seq::ZERO),
        };
        let rows = TableRows::new(name.clone(), spec(), schema, committed);
        if !self.known.contains_key(name) {
            self.count(name);
        }
        self.list.push(rows);
        self.by_name.insert(name.clone(), id);
        id
    }

    fn get_mut(&mut self, id: TableId) -> &mut TableRows {
        &mut self.list[id.0 as usize]
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut TableRows> {
        self.list.iter_mut()
    }

    /// Widens a table's columns to hold what its files hold after they were rebuilt.
    pub(crate) fn adopt(&mut self, name: &TableName, schema: &SchemaRef) {
        match self.by_name.get(name) {
            Some(id) => self.list[id.0 as usize].adopt(schema),
            None => {
                let adopted = (schema.clone(), Seq::ZERO);
                if self.known.insert(name.clone(), adopted).is_none() {
                    self.count(name);
                }
            }
        }
    }

    /// Drops rows that were begun and not ended, with all that was set.
    pub(crate) fn drop_open_rows(&mut self) {
        self.list.iter_mut().for_each(TableRows::drop_open);
    }

    /// Returns roughly the bytes of rows not yet taken.
    pub(crate) fn bytes(&self) -> usize {
        self.list.iter().map(TableRows::bytes).sum()
    }
}
