use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use weir_core::{Seq, TableName};

use super::column::{Column, ColumnKind, Placed, Value};

/// The most columns a table may grow to; a sender that invents names must not grow it for ever.
pub const MAX_COLUMNS: usize = 2_000;

/// Key of the field metadata that keeps what Arrow's types cannot say ([`ColumnKind::BigInteger`]).
const KIND_KEY: &str = "weir.kind";

/// Returns the kind of a field of a table's schema; none for a type we never write.
pub(crate) fn column_kind(field: &Field) -> Option<ColumnKind> {
    let big = field
        .metadata()
        .get(KIND_KEY)
        .is_some_and(|k| k == "big_integer");
    ColumnKind::of(field.data_type(), big)
}

/// What a new table starts with.
#[derive(Clone, Debug, Default)]
pub struct TableSpec {
    /// The first columns, in order. More are added when values for them come.
    pub columns: Vec<ColumnSpec>,
    /// The column files are sorted by, usually the time rows are asked for.
    pub sort_by: Option<&'static str>,
    /// Columns that get bloom filters: identifiers people look up.
    pub bloom: Vec<&'static str>,
}

/// A column a table starts with.
#[derive(Clone, Debug)]
pub struct ColumnSpec {
    pub name: &'static str,
    pub kind: ColumnKind,
    /// A fixed column never widens; a value of another kind is refused.
    pub fixed: bool,
}

/// A column of one table; valid for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnId(pub(super) u32);

/// Rows of one table since they were last taken.
pub struct TableRows {
    name: TableName,
    spec: TableSpec,
    columns: Vec<Column>,
    names: Vec<Arc<str>>,
    fixed: Vec<bool>,
    index: HashMap<Arc<str>, u32>,
    rows: usize,
    bytes: usize,
    open: bool,
    /// Rows up to here are committed; a replay passes over them.
    committed: Seq,
    schema: Option<SchemaRef>,
}

impl TableRows {
    pub(crate) fn new(
        name: TableName,
        spec: TableSpec,
        schema: Option<&Schema>,
        committed: Seq,
    ) -> Self {
        let mut table = Self {
            name,
            columns: Vec::new(),
            names: Vec::new(),
            fixed: Vec::new(),
            index: HashMap::new(),
            rows: 0,
            bytes: 0,
            open: false,
            committed,
            schema: None,
            spec: TableSpec::default(),
        };
        if let Some(schema) = schema {
            table.adopt(schema);
        }
        for column in &spec.columns {
            let id = table.add(column.name, column.kind);
            table.fixed[id.0 as usize] = column.fixed;
        }
        table.spec = spec;
        table
    }

    /// Returns the table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub(crate) fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// Returns the column `name`, adding it with `kind` when the table lacks it; `None` once the
    /// table has [`MAX_COLUMNS`].
    pub fn column(&mut self, name: &str, kind: ColumnKind) -> Option<ColumnId> {
        match self.index.get(name) {
            Some(&id) => Some(ColumnId(id)),
            None if self.columns.len() >= MAX_COLUMNS => None,
            None => Some(self.add(name, kind)),
        }
    }

    /// Adds the columns of `schema` and widens those that are narrower than there.
    pub(crate) fn adopt(&mut self, schema: &Schema) {
        for field in schema.fields() {
            // A column of a type we never write was added by someone else: leave it null.
            let Some(kind) = column_kind(field) else {
                continue;
            };
            let column = self.add(field.name(), kind).0 as usize;
            if let Some(to) = self.columns[column].kind().join(kind) {
                self.columns[column].widen(to);
            }
        }
        self.schema = None;
    }

    fn add(&mut self, name: &str, kind: ColumnKind) -> ColumnId {
        if let Some(&id) = self.index.get(name) {
            return ColumnId(id);
        }
        let id = self.columns.len() as u32;
        let name: Arc<str> = name.into();
        self.columns.push(Column::new(kind));
        self.names.push(name.clone());
        self.fixed.push(false);
        self.index.insert(name, id);
        self.schema = None;
        ColumnId(id)
    }

    /// Begins the row at `seq`. Returns false when the table has it already, in which case
    /// nothing is to be set.
    pub fn begin(&mut self, seq: Seq) -> bool {
        debug_assert!(!self.open, "a row of {} is still open", self.name);
        if seq <= self.committed {
            return false;
        }
        self.open = true;
        true
    }

    /// Sets a column of the open row. The first value set for a column stays.
    pub fn set(&mut self, column: ColumnId, value: Value<'_>) -> Placed {
        let at = column.0 as usize;
        let slot = &mut self.columns[at];
        if slot.len() > self.rows {
            return Placed::Refused("set_twice");
        }
        slot.pad(self.rows);
        let placed = slot.push(value, self.fixed[at]);
        self.bytes += match value {
            Value::String(v) => v.len() + 8,
            Value::Binary(v) => v.len() + 8,
            _ => 9,
        };
        if let Placed::Widened { .. } = placed {
            self.schema = None;
        }
        placed
    }

    /// Ends the open row.
    pub fn end(&mut self) {
        debug_assert!(self.open, "no row of {} is open", self.name);
        self.open = false;
        self.rows += 1;
    }

    /// Drops the open row, if there is one. Columns it widened stay as wide.
    pub(crate) fn drop_open(&mut self) {
        if std::mem::take(&mut self.open) {
            let rows = self.rows;
            self.columns
                .iter_mut()
                .for_each(|column| column.truncate(rows));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns roughly the bytes of the rows not yet taken.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the newest schema, which every batch and file of the table can be widened to.
    pub(crate) fn schema(&mut self) -> SchemaRef {
        if let Some(schema) = &self.schema {
            return schema.clone();
        }
        let fields = self.names.iter().zip(&self.columns).map(|(name, column)| {
            let field = Field::new(name.as_ref(), column.kind().data_type(), true);
            match column.kind() {
                ColumnKind::BigInteger => field.with_metadata(HashMap::from([(
                    KIND_KEY.to_owned(),
                    "big_integer".to_owned(),
                )])),
                _ => field,
            }
        });
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.schema = Some(schema.clone());
        schema
    }

    /// Takes the finished rows.
    pub(crate) fn take(&mut self) -> Option<RecordBatch> {
        if self.rows == 0 {
            return None;
        }
        let schema = self.schema();
        let rows = self.rows;
        let arrays: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|column| {
                column.pad(rows);
                column.take()
            })
            .collect();
        self.rows = 0;
        self.bytes = 0;
        Some(RecordBatch::try_new(schema, arrays).expect("columns are padded to one length"))
    }
}
