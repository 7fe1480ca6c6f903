use weir_core::{Seq, TableName};
use weir_lake::{ColumnId, ColumnKind, DedupKey, Placed, Rows, Seen, TableId, TableSpec, Value};

/// Where rows go: the lake, or for a dry run somewhere that only compares.
///
/// The contract is that of [`Rows`]: a table is opened once and its id kept, a row is begun, set
/// and ended, and the first value set for a column stays.
pub trait Sink {
    /// Names an opened table.
    type Table: Copy;
    /// Names a column of one table.
    type Column: Copy + PartialEq;

    /// Returns the table `name`, creating it with the columns of `spec` when it is new.
    fn open(&mut self, name: &TableName, spec: &dyn Fn() -> TableSpec) -> Self::Table;
    /// Tells whether the table `name` exists, now or from before this process.
    fn has(&self, name: &TableName) -> bool;
    /// Returns the number of tables in `schema`, now or from before this process.
    fn count(&self, schema: &str) -> usize;
    /// Returns the column `name`, adding it when the table lacks it; `None` when it is full.
    fn column(&mut self, table: Self::Table, name: &str, kind: ColumnKind) -> Option<Self::Column>;
    /// Begins the row at `seq`; false when the table has it already.
    fn begin(&mut self, table: Self::Table, seq: Seq) -> bool;
    /// Sets a column of the open row.
    fn set(&mut self, table: Self::Table, column: Self::Column, value: Value<'_>) -> Placed;
    /// Ends the open row.
    fn end(&mut self, table: Self::Table);
    /// Asks whether an identifier was seen at another position, and remembers it if not.
    fn seen(&mut self, key: DedupKey<'_>) -> Seen;
}

impl Sink for Rows<'_> {
    type Table = TableId;
    type Column = ColumnId;

    fn open(&mut self, name: &TableName, spec: &dyn Fn() -> TableSpec) -> TableId {
        Rows::open(self, name, spec)
    }

    fn has(&self, name: &TableName) -> bool {
        Rows::has(self, name)
    }

    fn count(&self, schema: &str) -> usize {
        Rows::count(self, schema)
    }

    fn column(&mut self, table: TableId, name: &str, kind: ColumnKind) -> Option<ColumnId> {
        self.table(table).column(name, kind)
    }

    #[inline]
    fn begin(&mut self, table: TableId, seq: Seq) -> bool {
        self.table(table).begin(seq)
    }

    #[inline]
    fn set(&mut self, table: TableId, column: ColumnId, value: Value<'_>) -> Placed {
        self.table(table).set(column, value)
    }

    #[inline]
    fn end(&mut self, table: TableId) {
        self.table(table).end();
    }

    fn seen(&mut self, key: DedupKey<'_>) -> Seen {
        Rows::seen(self, key)
    }
}
